"""The login with an AWS identity: signed for the right STS, and refused with the reason where it is not."""

import asyncio

import pytest

from engine.errors import SecretError
from engine.local.vault_iam import IamFront
from tests.secrets.conftest import SERVER_ID


async def refused(vault) -> SecretError:
    with pytest.raises(SecretError) as caught:
        await vault.read("kv/aurora")
    assert not caught.value.retryable
    return caught.value


async def test_the_functions_own_role_logs_in(with_iam):
    assert (await with_iam().read("kv/aurora")).values["password"] == "first"


async def test_one_login_serves_many_reads(with_iam, front):
    vault = with_iam()
    await asyncio.gather(*(vault.read("kv/aurora") for _ in range(4)))
    await vault.version()
    assert front.logins == 1


async def test_the_login_is_signed_for_the_sts_of_the_region(bao, sts, with_iam):
    with IamFront(bao, sts.address, region="eu-central-1", server_id=SERVER_ID) as regional:
        regional.bind("borealis", sts.role_arn("borealis"), "reader")
        there = {"address": regional.address}
        assert (await with_iam(**there, region="eu-central-1").read("kv/aurora")).values["user"] == "reader"
        error = await refused(with_iam(**there))
        assert "Credential should be scoped to a valid region" in str(error)
        assert "vault.region must be sts_region" in error.remedy


@pytest.mark.parametrize(
    ("variable", "said", "remedy"),
    [
        ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch", "check the AWS credentials"),
        ("AWS_SESSION_TOKEN", "InvalidClientTokenId", "the AWS credentials are not valid"),
        ("AWS_ACCESS_KEY_ID", "InvalidClientTokenId", "the AWS credentials are not valid"),
    ],
)
async def test_tampered_credentials_are_refused_and_not_repeated(with_iam, monkeypatch, variable, said, remedy):
    monkeypatch.setenv(variable, "TAMPERED")
    error = await refused(with_iam())
    assert said in str(error)
    assert remedy in error.remedy
    assert "TAMPERED" not in str(error)
    assert "ErrorResponse" not in str(error), "STS quotes the request that it refuses, and Vault quotes STS"


async def test_a_role_that_vault_does_not_have_is_named(with_iam):
    error = await refused(with_iam(role="other"))
    assert 'cannot log in to Vault as role other: Vault refuses: entry for role "other" not found' in str(error)
    assert error.remedy == "check vault.role"


async def test_an_identity_that_is_not_bound_to_the_role_is_refused(with_iam, front, sts):
    front.bind("borealis", sts.role_arn("somebody-else"), "reader")
    error = await refused(with_iam())
    assert "assumed-role/borealis/function" in str(error)
    assert "bound_iam_principal_arn" in error.remedy


@pytest.mark.parametrize("server_id", [None, "vault.evil.example"])
async def test_a_login_for_another_server_is_refused(with_iam, server_id):
    error = await refused(with_iam(server_id=server_id))
    assert "X-Vault-AWS-IAM-Server-ID" in str(error)
    assert "vault.server_id" in error.remedy


async def test_a_mount_that_does_not_exist_is_refused(with_iam):
    error = await refused(with_iam(mount="aws-other"))
    assert "vault.mount" in error.remedy


async def test_without_an_identity_there_is_nothing_to_sign_with(with_iam, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    error = await refused(with_iam())
    assert "there are no AWS credentials to sign with" in str(error)


async def test_a_token_that_was_revoked_is_followed_by_a_new_login(with_iam, front, bao):
    vault = with_iam()
    await vault.read("kv/aurora")
    bao.client.auth.token.revoke(vault._client.token)
    await vault.read("kv/aurora", instead_of=await vault.read("kv/aurora"))
    assert front.logins == 2


async def test_a_token_that_cannot_be_renewed_is_followed_by_a_new_login_before_it_ends(with_iam, front, sts):
    front.bind("borealis", sts.role_arn("borealis"), "reader", ttl_s=3, ttl_max_s=3)
    vault = with_iam()
    await vault.read("kv/aurora")
    await asyncio.sleep(2.2)
    await vault.version()
    assert front.logins == 2


async def test_what_is_signed_is_in_no_line_of_the_log(with_iam, identity, caplog):
    with caplog.at_level("DEBUG"):
        await with_iam().read("kv/aurora")
    assert identity.session_token not in caplog.text
    assert identity.secret_key not in caplog.text
    assert "first" not in caplog.text
