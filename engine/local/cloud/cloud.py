"""Everything that Borealis meets in the cloud, brought up together in one directory, and gone at the end.

PostgreSQL with a standby, Vault with the AWS login, the warehouse, and AWS: state, queue, topic, bucket, functions and
state machine. The functions read rows at the standby and ask the primary for open writers; they log in at the source
with dynamic credentials of Vault, at the target with a secret of Vault, and at Vault as the AWS role that they run as.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import asyncpg
import snowflake.connector

from engine import aws as sdk
from engine.local import flights
from engine.local.cloud.aws import Aws, definition
from engine.local.cloud.environment import ROOT, FunctionSpec
from engine.local.cloud.functions import REGION, Functions, arn_of
from engine.local.dynamodb import create_table
from engine.local.postgres import PostgresServer, standby_of
from engine.local.vault import OpenBao
from engine.local.vault_iam import IamFront, Sts
from engine.local.warehouse.process import Endpoint, serve

DATABASE = "nyc"
READER = "borealis_reader"
ROLE = "borealis"
SERVER_ID = "vault.borealis.local"
MEMORY_MB = 512
TIMEOUT_S = 60.0
WORKERS = 3

SETTINGS = """\
[source]
dsn = "{standby}"
primary_dsn = "{primary}"
vault = "database/creds/reader"
connections_max = 16

[target]
account = "local"
host = "{warehouse.host}"
port = {warehouse.port}
protocol = "http"
vault = "kv/snowflake"
database = "DEMO"
schema = "NYC"

[vault]
address = "{vault}"
role = "{role}"
region = "{region}"
server_id = "{server_id}"

[limits]
readers = 2
loaders = 2
workers = {workers}
chunk_bytes = "4MiB"
file_bytes_max = "8MiB"

[state]
table = "{name}-state"

[aws]
state_machine = "{state_machine}"
snapshot_function = "snapshot"
dead_letter_queue = "{dead_letters}"
topic = "{topic}"
results_bucket = "{name}-results"
audit_log_group = "/{name}/audit"

[[tables]]
name = "public.*"
group = "nightly"
"""

# What a reader may do: read, lock against a rewrite, and see whose transactions are open.
GRANTS = f"""
CREATE ROLE {READER} NOLOGIN;
GRANT USAGE ON SCHEMA public TO {READER};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER};
GRANT pg_read_all_stats TO {READER};
"""


@dataclass(frozen=True, slots=True)
class Cloud:
    """What was brought up. `settings` is the configuration of the functions."""

    aws: Aws
    functions: Functions
    primary: PostgresServer
    standby: PostgresServer
    vault: OpenBao
    sts: Sts
    """Where Vault asks who somebody is."""
    settings: Path
    state_machine: str
    dead_letters: str
    """URL of the queue that takes what failed for good."""
    told: str
    """URL of a queue that holds what the topic was told."""


@contextmanager
def cloud(directory: Path) -> Iterator[Cloud]:
    """Ready for events; this process is the AWS role of the functions meanwhile."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"borealis-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        aws = stack.enter_context(Aws())
        stack.enter_context(_variables({**aws.variables, "AWS_DEFAULT_REGION": REGION}))  # the warehouse reads buckets
        with ThreadPoolExecutor() as threads:
            sources = threads.submit(_source, directory, stack)
            vault = threads.submit(_vault, directory, stack)
            warehouse = threads.submit(_warehouse, directory, stack)
        (primary, standby), (bao, front, sts) = sources.result(), vault.result()
        bao.enable_database(f"127.0.0.1:{primary.port}/{DATABASE}", "postgres", "trusted")
        bao.database_role("reader", READER)
        variables = {"AWS_ENDPOINT_URL": aws.url, "AWS_DEFAULT_REGION": REGION, **sts.assume(ROLE).environment()}
        stack.enter_context(_variables(variables))
        anyio.run(_state_table, f"{name}-state")
        aws.client("s3").create_bucket(Bucket=f"{name}-results")
        aws.client("logs").create_log_group(logGroupName=f"/{name}/audit")
        told, dead_letters = aws.queue(f"{name}-told"), aws.queue(f"{name}-dead-letters")
        topic = aws.topic(name, told)
        text = definition(
            ROOT / "terraform" / "state_machine.asl.json", parallel_arn=arn_of("parallel"), worker_arn=arn_of("worker"),
            dead_letter_queue_url=dead_letters, topic_arn=topic, workers=WORKERS,
        )  # fmt: skip
        state_machine = aws.state_machine(name, text)
        settings = directory / "borealis.toml"
        settings.write_text(
            SETTINGS.format(
                standby=_dsn(standby), primary=_dsn(primary), warehouse=warehouse.result(), vault=front.address,
                role=ROLE, region=REGION, server_id=SERVER_ID, workers=WORKERS, name=name,
                state_machine=state_machine, dead_letters=dead_letters, topic=topic,
            ),
            encoding="utf-8",
        )  # fmt: skip
        aws.functions = stack.enter_context(
            Functions(directory / "functions", _specs(settings, dead_letters), variables)
        )
        yield Cloud(aws, aws.functions, primary, standby, bao, sts, settings, state_machine, dead_letters, told)


def _source(directory: Path, stack: ExitStack) -> tuple[PostgresServer, PostgresServer]:
    """A primary with the flights, and a standby of it."""
    primary = stack.enter_context(PostgresServer(directory / "primary"))
    anyio.run(_fill, primary)
    standby = standby_of(primary, directory / "standby", {"hot_standby_feedback": "on"})
    stack.callback(standby.stop)
    return primary, standby


async def _fill(primary: PostgresServer) -> None:
    for dsn, statements in ((primary.dsn(), f"CREATE DATABASE {DATABASE}"), (primary.dsn(DATABASE), GRANTS)):
        if statements is GRANTS:
            await flights.load(dsn)
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()


def _warehouse(directory: Path, stack: ExitStack) -> Endpoint:
    """With the database, which is not ours to make."""
    endpoint = stack.enter_context(serve(directory / "warehouse"))
    parameters = {**endpoint.connection(), "user": "admin", "password": "none"}
    with snowflake.connector.connect(**parameters, enable_server_session_keep_alive_auto_detection=False) as connection:
        connection.cursor().execute("CREATE DATABASE DEMO")
    return endpoint


def _vault(directory: Path, stack: ExitStack) -> tuple[OpenBao, IamFront, Sts]:
    """Vault with what the role of the functions may read, and who tells it of identities."""
    sts = stack.enter_context(Sts(directory / "sts"))
    bao = stack.enter_context(OpenBao(directory / "vault"))
    front = stack.enter_context(IamFront(bao, sts.address, region=REGION, server_id=SERVER_ID))
    bao.enable_kv("kv")
    bao.put("kv/snowflake", user="BOREALIS_LOADER", password=secrets.token_hex(16))
    bao.allow(ROLE, "kv/data/snowflake", "database/creds/reader")
    front.bind(ROLE, sts.role_arn(ROLE), ROLE)
    return bao, front, sts


async def _state_table(name: str) -> None:
    async with sdk.client("dynamodb") as client:
        await create_table(client, name)


def _specs(settings: Path, dead_letters: str) -> dict[str, FunctionSpec]:
    env = {"BOREALIS_CONFIG": str(settings)}
    return {
        name: FunctionSpec(f"handlers.{name}.handler", MEMORY_MB, TIMEOUT_S, env, on_failure=dead_letters)
        for name in ("scheduled", "parallel", "worker", "snapshot", "health", "benchmark")
    }


def _dsn(server: PostgresServer) -> str:
    return f"postgresql://127.0.0.1:{server.port}/{DATABASE}"


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
