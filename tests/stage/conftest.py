"""A bucket on moto's server, a warehouse that may read it, and an engine whose staged files go there."""

import base64
import os
import random
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import boto3
import pytest
from moto.server import ThreadedMotoServer

from engine import aws as engine_aws
from engine.local.warehouse.process import serve
from engine.model import StagedFile
from engine.spool import SpoolSettings, spool
from engine.stage.port import Sinks
from engine.stage.s3 import S3Stage
from engine.tasks import Unwrapped
from tests.conftest import Warehouse
from tests.integration.conftest import Engine

MIB = 2**20
PART_BYTES = 5 * MIB  # S3 takes no smaller ones
REGION = "eu-central-1"
IDENTITY = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The address of moto's server, which this process and those that it starts take for AWS, for one module only."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**IDENTITY, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            environment.setenv(name, value)
        yield os.environ["AWS_ENDPOINT_URL"]
    server.stop()


@pytest.fixture(scope="module")
def s3(aws: str) -> Iterator[Any]:
    client = boto3.client("s3")
    yield client
    client.close()


@pytest.fixture(scope="module")
def warehouse(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    directory = tmp_path_factory.mktemp("warehouse")
    with serve(directory) as endpoint:
        yield Warehouse(directory, endpoint)


@dataclass(frozen=True)
class Bucket:
    """A bucket of the test's own; its files are below `prod/`."""

    name: str
    client: Any

    @property
    def url(self) -> str:
        return f"s3://{self.name}/prod"

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"

    @property
    def settings(self) -> dict[str, Any]:
        return {"url": self.url, "storage_integration": "FOR_TESTS", "part_bytes": "5MiB"}

    def objects(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=self.name).get("Contents", ())]

    def uploads(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())
        return [each["Key"] for each in found]


@pytest.fixture
def bucket(s3: Any) -> Bucket:
    name = f"stage-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return Bucket(name, s3)


def allow(warehouse: Warehouse, place: str) -> None:
    """The warehouse's integration may read below the place, and nowhere else."""
    warehouse.query(
        "CREATE OR REPLACE STORAGE INTEGRATION FOR_TESTS TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE"
        f" STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/reader' STORAGE_ALLOWED_LOCATIONS = ('{place}')"
    )


@pytest.fixture
def engine(database: str, warehouse: Warehouse, target_database: str, tmp_path: Path, bucket: Bucket) -> Engine:
    allow(warehouse, f"{bucket.url}/")
    return Engine(database, warehouse, target_database, tmp_path)


def rows_of(size: int) -> bytes:
    """Rows that gzip makes a quarter smaller."""
    noise = base64.b64encode(random.Random(size).randbytes(size * 3 // 4))
    return b"\n".join(noise[n : n + 100] for n in range(0, len(noise), 100)) + b"\n"


@asynccontextmanager
async def stage_of(bucket: Bucket, **more: Any) -> AsyncIterator[S3Stage]:
    async with engine_aws.client("s3") as client:
        yield S3Stage(client, bucket.url, **({"part_bytes": PART_BYTES, "kms_key": None} | more))


async def spooled(sinks: Sinks, rows: bytes, **settings: Any) -> list[StagedFile]:
    files: list[StagedFile] = []
    tokens = anyio.Semaphore(1)

    async def ready(file: StagedFile) -> None:
        files.append(file)
        tokens.release()

    made = SpoolSettings(sinks, **({"file_bytes_max": 2**30} | settings))
    with Unwrapped():
        async with spool(made, tokens, 1, "20261123T101500ABCDEF/20261123T101500ABCDEF_1/c1", ready) as writer:
            await writer.write(rows)
    return files
