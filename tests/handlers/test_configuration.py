"""A function's configuration from wherever BOREALIS_CONFIG says, the environment over it, each fault with the place."""

import boto3
import pytest

from handlers.entry import FatalError, RetryableError, serve
from handlers.events import RunRequest
from tests.handlers.conftest import MINIMAL, Context

FILE = """
[source]
dsn = "postgresql://reader@127.0.0.1:1/shop"
[target]
account = "ORG-ACCOUNT"
user = "LOADER"
password = "none"
database = "FROM_THE_FILE"
schema = "SHOP"
[[tables]]
name = "public.*"
"""


async def body(event, call):
    return {"database": call.config.target.database, "schema": call.config.target.schema_name}


@pytest.fixture
def bare(environment, monkeypatch):
    for name in MINIMAL:
        monkeypatch.delenv(name)


def asked():
    return serve(RunRequest, body)({}, Context())


@pytest.fixture
def bucket(aws):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="settings", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield s3
    for item in s3.list_objects_v2(Bucket="settings").get("Contents", []):
        s3.delete_object(Bucket="settings", Key=item["Key"])
    s3.delete_bucket(Bucket="settings")


@pytest.fixture
def parameters(aws):
    ssm = boto3.client("ssm")
    yield ssm
    ssm.delete_parameters(Names=["/borealis/prod", "secret"])


def test_a_file(bare, monkeypatch, tmp_path):
    (tmp_path / "prod.toml").write_text(FILE)
    monkeypatch.setenv("BOREALIS_CONFIG", str(tmp_path / "prod.toml"))
    monkeypatch.setenv("BOREALIS_TARGET__SCHEMA", "OVER_IT")
    assert asked() == {"database": "FROM_THE_FILE", "schema": "OVER_IT"}


def test_an_object(bare, bucket, monkeypatch):
    bucket.put_object(Bucket="settings", Key="borealis/prod.toml", Body=FILE.encode())
    monkeypatch.setenv("BOREALIS_CONFIG", "s3://settings/borealis/prod.toml")
    monkeypatch.setenv("BOREALIS_TARGET__SCHEMA", "OVER_IT")
    assert asked() == {"database": "FROM_THE_FILE", "schema": "OVER_IT"}


def test_one_version_of_an_object_stays_as_it_was(bare, bucket, monkeypatch):
    bucket.put_bucket_versioning(Bucket="settings", VersioningConfiguration={"Status": "Enabled"})
    first = bucket.put_object(Bucket="settings", Key="prod.toml", Body=FILE.encode())["VersionId"]
    second = bucket.put_object(Bucket="settings", Key="prod.toml", Body=b"not = TOML")["VersionId"]
    monkeypatch.setenv("BOREALIS_CONFIG", f"s3://settings/prod.toml?versionId={first}")
    assert asked() == {"database": "FROM_THE_FILE", "schema": "SHOP"}
    for version in (first, second):
        bucket.delete_object(Bucket="settings", Key="prod.toml", VersionId=version)


@pytest.mark.parametrize("kind", ["String", "SecureString"])
def test_a_parameter(bare, parameters, monkeypatch, kind):
    parameters.put_parameter(Name="/borealis/prod", Value=FILE, Type=kind)
    monkeypatch.setenv("BOREALIS_CONFIG", "ssm:/borealis/prod")
    assert asked() == {"database": "FROM_THE_FILE", "schema": "SHOP"}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("s3://settings/missing.toml", r"cannot read s3://settings/missing.toml: .*no such object.*\ncheck its key"),
        ("s3://nowhere/x.toml", "there is no such bucket"),
        ("ssm:/borealis/missing", r"cannot read ssm:/borealis/missing: there is no such parameter"),
        ("/not/there.toml", "/not/there.toml: there is no such file"),
    ],
)
def test_a_place_where_nothing_is(bare, bucket, monkeypatch, place, words):
    monkeypatch.setenv("BOREALIS_CONFIG", place)
    with pytest.raises(FatalError, match=words):
        asked()


def test_without_a_place_the_file_is_beside_the_package(bare, monkeypatch):
    with pytest.raises(FatalError, match=r"borealis\.toml: there is no such file"):
        asked()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[source", r"^s3://settings/x: is not TOML"),
        (b"\xff\xfe", r"^s3://settings/x: is not UTF-8 at byte 0"),
        (b" " * (1024 * 1024 + 1), r"^s3://settings/x: has 1,048,577 bytes; a configuration is at most 1 MiB"),
        (b"[source]\nport = 1\n", r"^the configuration is refused, \d faults:\nsource.dsn: is required"),
    ],
)
def test_an_object_that_is_no_configuration(bare, bucket, monkeypatch, content, words):
    bucket.put_object(Bucket="settings", Key="x", Body=content)
    monkeypatch.setenv("BOREALIS_CONFIG", "s3://settings/x")
    with pytest.raises(FatalError, match=words):
        asked()


def test_aws_that_is_away_may_be_back_later(bare, aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("engine.aws.ATTEMPTS", 1)
    monkeypatch.setenv("BOREALIS_CONFIG", "ssm:/borealis/prod")
    with pytest.raises(RetryableError, match="cannot read ssm:/borealis/prod: the service cannot be reached"):
        asked()
