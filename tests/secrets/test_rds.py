"""RDS IAM: the password is a token that the process's AWS identity signs, new for each connection, over TLS only."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest

from engine.config import parse
from engine.connect import addresses
from engine.errors import ConfigError, SecretError, SourceError
from engine.secrets.aws import database_token
from engine.source.connection import connected
from tests.secrets.rds_front import Rds, rds_front

HOST, REGION = "shop.cluster-abc.eu-central-1.rds.amazonaws.com", "eu-central-1"


def configuration(dsn: str, **source):
    return parse(
        {
            "source": {"dsn": dsn, "auth": "rds-iam", **source},
            "target": {"local": "./warehouse", "database": "D", "schema": "S"},
            "tables": [{"name": "public.*"}],
            "aws": {"region": REGION},
        }
    )


def test_the_token_is_the_one_that_the_sdk_makes(identity):
    rds = boto3.Session().client("rds", region_name=REGION)  # the default one keeps the credentials of a test before
    for _ in range(3):  # the time is signed, in seconds
        ours = database_token(HOST, 5432, "us er", REGION)
        if ours == rds.generate_db_auth_token(HOST, 5432, "us er", REGION):
            return
    pytest.fail(f"not the SDK's: {ours.partition('X-Amz-Credential')[0]}")


def test_the_region_is_that_of_the_environment_where_none_is_set(identity, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert "%2Feu-west-3%2Frds-db%2F" in database_token(HOST, 5432, "reader", None)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(SecretError, match=r"needs a region. set aws.region"):
        database_token(HOST, 5432, "reader", None)


@pytest.fixture
def rds(identity) -> Rds:
    return Rds(REGION, {identity.access_key: identity.secret_key})


async def whoami(port: int, certificate, user: str = "postgres") -> str:
    dsn = f"postgresql://{user}@127.0.0.1:{port}/postgres"
    address, _ = addresses(configuration(dsn, sslmode="verify-full", sslrootcert=str(certificate)))
    async with connected(address) as connection:
        return await connection.fetchval("SELECT session_user::text")


async def test_a_token_of_ones_own_identity_logs_in(postgres, rds, certificate):
    with rds_front(postgres.port, rds, certificate) as port:
        assert await whoami(port, certificate) == "postgres"
    assert rds.logins == [None]


async def test_each_connection_signs_anew_with_the_identity_of_the_moment(postgres, rds, certificate, sts, monkeypatch):
    with rds_front(postgres.port, rds, certificate) as port:
        await whoami(port, certificate)
        later = sts.assume("borealis", "later")
        rds.secrets = {later.access_key: later.secret_key}
        for name, value in later.environment().items():
            monkeypatch.setenv(name, value)
        await whoami(port, certificate)
    assert rds.logins == [None, None]


async def test_a_tampered_secret_is_refused_once_with_what_to_look_at(postgres, rds, certificate, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "TAMPERED")
    with rds_front(postgres.port, rds, certificate) as port, pytest.raises(SourceError) as caught:
        await whoami(port, certificate)
    assert 'PAM authentication failed for user "postgres"' in str(caught.value)
    assert "rds-db:connect" in caught.value.remedy
    assert "X-Amz" not in str(caught.value)
    assert rds.logins == ["the signature is wrong"]


def test_a_token_lasts_a_quarter_of_an_hour(rds):
    rds.endpoint = f"{HOST}:5432"
    token = database_token(HOST, 5432, "reader", REGION)
    now = datetime.now(UTC)
    assert rds.fault("reader", token, now + timedelta(seconds=890)) is None
    assert rds.fault("reader", token, now + timedelta(seconds=910)) == "the token is too old"
    assert "is for" in rds.fault("other", token, now)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", None])
def test_a_token_is_not_sent_without_tls(mode):
    source = {"sslmode": mode} if mode else {}
    with pytest.raises(ConfigError, match=r"source\.sslmode: rds-iam sends its token over TLS only"):
        configuration(f"postgresql://reader@{HOST}/shop", **source)


def test_tls_may_stand_in_the_url():
    assert configuration(f"postgresql://reader@{HOST}/shop?sslmode=verify-full")


def test_another_password_is_refused_beside_it():
    with pytest.raises(ConfigError) as caught:
        configuration(f"postgresql://{HOST}/shop", password="x", vault="kv/aurora", sslmode="require")
    assert [fault.partition(";")[0] for fault in caught.value.faults] == [
        "source.vault, source.auth: exclude each other",
        "source.password, source.auth: exclude each other",
        "source.dsn: rds-iam needs the user in the URL, as postgresql://reader@host/database",
        "source.vault: needs to know where Vault is",
    ]
