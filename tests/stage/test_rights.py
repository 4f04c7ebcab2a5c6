"""The rights that docs/external-stage.md asks for: enough, and each of them needed. moto asks IAM as AWS does."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from engine.errors import StageError
from tests.stage.conftest import MIB, PART_BYTES, Bucket, rows_of, spooled, stage_of

DOCUMENT = (Path(__file__).parents[2] / "docs" / "external-stage.md").read_text(encoding="utf-8")
POLICY = next(text for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL) if "BorealisWrites" in text)
ACTIONS = sorted({action for each in json.loads(POLICY)["Statement"] for action in each["Action"]})


def policy(bucket: Bucket, without: str) -> str:
    """The documented one, for this bucket, less an action."""
    made = json.loads(POLICY.replace("acme-borealis-stage", bucket.name))
    for statement in made["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    if without != "s3:DeleteObject":  # moto asks the bucket for it, AWS each object
        made["Statement"].append({"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": bucket.arn})
    return json.dumps(made)


Become = Callable[..., None]


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Become:
    """`identity(bucket)` makes this process one that may do just what the documentation says, and moto ask IAM."""

    def become(bucket: Bucket, without: str = "") -> None:
        iam = boto3.client("iam")
        iam.create_user(UserName=bucket.name)
        iam.put_user_policy(UserName=bucket.name, PolicyName="stage", PolicyDocument=policy(bucket, without))
        key = iam.create_access_key(UserName=bucket.name)["AccessKey"]
        iam.close()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)  # its server is a thread of this process

    return become


async def whole_life(bucket: Bucket) -> None:
    """All that a run does with a bucket."""
    async with stage_of(bucket) as stage:
        for size in (100, 10 * MIB):
            await spooled(stage, rows_of(size), codec="zstd")
        sink: Any
        async with stage.open("20261123T101500ABCDEF/r/left") as sink:
            sink.add(b"x" * PART_BYTES)
            await sink.drain()
        for folder in await stage.folders():
            await stage.remove(folder)


async def test_the_rights_of_the_documentation_are_enough(bucket, identity):
    identity(bucket)
    await whole_life(bucket)


@pytest.mark.parametrize("missing", ACTIONS)
async def test_each_of_them_is_needed_and_its_lack_named(bucket, identity, missing):
    identity(bucket, missing)
    with pytest.raises(StageError, match="the identity may not do this") as caught:
        await whole_life(bucket)
    assert missing in caught.value.remedy
