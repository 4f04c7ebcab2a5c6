"""Reading secrets with a token: what is kept, what is renewed, and each refusal with its reason."""

import asyncio
import time

import hvac
import pytest

from engine.errors import SecretError
from engine.local.vault import OpenBao
from engine.secrets import vault as vault_module


async def test_a_secret_of_kv_version_2_is_read_by_mount_and_name(with_token):
    secret = await with_token().read("kv/aurora")
    assert secret.values == {"user": "reader", "password": "first"}


async def test_a_secret_is_asked_for_once_however_many_want_it(with_token, monkeypatch):
    vault, asked = with_token(), []
    fetch = vault._fetch
    monkeypatch.setattr(vault, "_fetch", lambda path: asked.append(path) or fetch(path))
    secrets = await asyncio.gather(*(vault.read("kv/aurora") for _ in range(8)))
    assert len({id(secret) for secret in secrets}) == 1
    assert asked == ["kv/aurora"]


async def test_a_new_version_is_seen_when_the_kept_one_is_due(bao, with_token, monkeypatch):
    bao.allow("turning", "kv/data/turning")
    vault = with_token(token=bao.token("turning"))
    bao.put("kv/turning", password="old")
    old = await vault.read("kv/turning")
    bao.put("kv/turning", password="new")
    assert await vault.read("kv/turning") is old
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + vault_module.KEPT_S)
    assert (await vault.read("kv/turning")).values == {"password": "new"}


async def test_what_a_server_refused_is_read_anew_at_once(bao, with_token):
    bao.allow("turning", "kv/data/turning")
    vault = with_token(token=bao.token("turning"))
    bao.put("kv/turning", password="old")
    old = await vault.read("kv/turning")
    bao.put("kv/turning", password="new")
    new = await vault.read("kv/turning", instead_of=old)
    assert new.values == {"password": "new"}
    assert await vault.read("kv/turning", instead_of=old) is new, "another reader has read it already"


async def refused(vault, path: str) -> SecretError:
    with pytest.raises(SecretError) as caught:
        await vault.read(path)
    assert caught.value.__cause__ is None, "the cause carries the request, and that the token"
    return caught.value


async def test_a_missing_path_is_told_as_the_api_spells_it(bao, with_token):
    bao.allow("missing", "kv/data/missing")
    error = await refused(with_token(token=bao.token("missing")), "kv/missing")
    assert str(error) == (
        "cannot read kv/missing: there is nothing at kv/data/missing. check the path, and that it is not deleted."
    )
    assert not error.retryable


async def test_a_deleted_secret_is_missing(bao, with_token):
    bao.allow("gone", "kv/data/gone")
    bao.put("kv/gone", password="x")
    bao.client.secrets.kv.v2.delete_latest_version_of_secret("gone", mount_point="kv")
    error = await refused(with_token(token=bao.token("gone")), "kv/gone")
    assert "there is nothing at kv/data/gone" in str(error)


async def test_a_forbidden_path_names_the_policies_and_the_rule_that_is_missing(with_token):
    error = await refused(with_token(), "kv/payroll")
    assert "forbidden to the policies of the login (default, reader)" in str(error)
    assert 'path "kv/data/payroll" { capabilities = ["read"] }' in error.remedy
    assert not error.retryable


async def test_a_mount_that_is_not_the_logins_is_forbidden_too(with_token):
    error = await refused(with_token(), "elsewhere/aurora")
    assert "forbidden" in str(error)
    assert not error.retryable


async def test_a_wrong_token_is_refused(with_token):
    error = await refused(with_token(token="s.wrong"), "kv/aurora")
    assert "does not accept the token, it has expired or was revoked" in str(error)
    assert "s.wrong" not in str(error) + repr(error)
    assert not error.retryable


async def test_a_token_that_was_revoked_is_refused(bao, with_token):
    token = bao.token("reader")
    vault = with_token(token=token)
    await vault.read("kv/aurora")
    bao.client.auth.token.revoke(token)
    error = await refused(vault, "kv/other")
    assert "has expired or was revoked" in str(error)


async def test_a_token_that_expired_is_refused(bao, with_token):
    vault = with_token(token=bao.token("reader", ttl_s=1, ttl_max_s=1))
    await vault.read("kv/aurora")
    await asyncio.sleep(1.5)
    error = await refused(vault, "kv/other")
    assert "has expired or was revoked" in str(error)


async def test_a_token_is_renewed_when_it_is_used_with_a_third_left(bao, with_token):
    token = bao.token("reader", ttl_s=3)
    vault = with_token(token=token)
    for _ in range(5):
        await vault.version()
        await asyncio.sleep(1)
    assert bao.client.auth.token.lookup(token)["data"]["ttl"] >= 1


async def test_a_token_file_that_was_written_anew_is_read_again(bao, with_token, tmp_path):
    file = tmp_path / "token"
    file.write_text(token := bao.token("reader") + "\n")
    vault = with_token(token_file=file)
    await vault.read("kv/aurora")
    bao.client.auth.token.revoke(token.strip())
    bao.allow("later", "kv/data/later")
    bao.put("kv/later", password="x")
    file.write_text(bao.token("later"))
    assert (await vault.read("kv/later")).values == {"password": "x"}


async def test_a_missing_token_file_is_named(with_token, tmp_path):
    error = await refused(with_token(token_file=tmp_path / "none"), "kv/aurora")
    assert f"cannot read Vault's token from {tmp_path}/none: No such file" in str(error)


async def test_sealed_is_told_tried_again_and_over_when_unsealed(tmp_path, monkeypatch):
    monkeypatch.setattr(vault_module, "ATTEMPTS", 2)
    with OpenBao(tmp_path) as bao:
        bao.enable_kv("kv")
        bao.put("kv/aurora", password="x")
        settings = vault_module.Settings.model_validate(
            {"address": bao.address, "auth": "token", "token": bao.root_token}
        )
        vault, started = vault_module.Vault(settings), vault_module.Vault(settings)
        known = await started.read("kv/aurora")
        bao.seal()
        error = await refused(vault, "kv/aurora")
        assert "Vault is sealed" in str(error)
        assert error.retryable
        with pytest.raises(SecretError, match="Vault is sealed"):
            await vault.version()
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + vault_module.KEPT_S)
        assert (await started.read("kv/aurora")).values == known.values, "what is known and valid does while sealed"
        bao.unseal()
        assert (await vault.read("kv/aurora")).values == {"password": "x"}


async def test_a_vault_that_nobody_serves_is_unreachable(with_token, monkeypatch):
    monkeypatch.setattr(vault_module, "ATTEMPTS", 2)
    error = await refused(with_token(address="http://127.0.0.1:1", token="x"), "kv/aurora")
    assert "Vault cannot be reached (http://127.0.0.1:1)" in str(error)
    assert error.retryable


async def test_a_certificate_that_is_not_trusted_is_not_asked_again(with_token, tls_server):
    error = await refused(with_token(address=tls_server, token="x"), "kv/aurora")
    assert "TLS failed" in str(error)
    assert "vault.ca_file" in error.remedy
    assert not error.retryable


async def test_what_is_not_vault_is_told(with_token, plain_server):
    error = await refused(with_token(address=plain_server, token="x"), "kv/aurora")
    assert "what answers is not Vault" in str(error)


async def test_the_version_is_that_of_the_server(with_token):
    assert (await with_token().version()).startswith("2.")


async def test_a_namespace_is_where_its_paths_are(bao, with_token):
    bao.client.adapter.post("/v1/sys/namespaces/team", json={})
    there = hvac.Client(bao.address, token=bao.root_token, namespace="team")
    there.sys.enable_secrets_engine("kv", path="kv", options={"version": "1"})
    there.secrets.kv.v1.create_or_update_secret("aurora", secret={"password": "of the team"}, mount_point="kv")
    vault = with_token(token=bao.root_token, namespace="team")
    assert (await vault.read("kv/aurora")).values == {"password": "of the team"}
    assert await vault.version()
    there.adapter.close()


async def test_nothing_secret_stands_in_a_repr(bao, with_token):
    token = bao.token("reader")
    vault = with_token(token=token)
    secret = await vault.read("kv/aurora")
    assert "first" not in repr(secret)
    assert token not in repr(vault) + repr(vault._settings) + repr(vars(vault))


async def test_a_path_that_was_never_read_has_no_reads(with_token):
    assert with_token().reads("kv/aurora", 0) == []
