"""Logins that change: at the source and at the target, between runs and in the middle of one."""

import asyncio
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from engine import runs
from engine.config import Config, parse
from engine.connect import addresses, sessions
from engine.errors import SecretError, SourceError, TargetError
from engine.local.vault import OpenBao
from engine.logins import VaultLogins
from engine.secrets.vault import Settings, Vault
from engine.source.connection import Address, Translated, connected
from engine.source.snapshot import open_snapshot
from engine.wiring import Wanted
from tests.conftest import connected as plainly_connected
from tests.conftest import execute
from tests.secrets.conftest import SERVER_ID
from tests.secrets.login_front import Users, login_front

ROWS = 60_000


@pytest.fixture
def role() -> str:
    return f"r_{uuid.uuid4().hex[:8]}"


def source_of(database: str) -> str:
    """Without a user: the secret has one."""
    return database.replace("postgres@", "")


def configuration(bao, database: str, **sections) -> Config:
    values = {
        "source": {"dsn": source_of(database), **sections.pop("source", {})},
        "target": {"local": "./warehouse", "database": "D", "schema": "S", **sections.pop("target", {})},
        "tables": [{"name": "public.*"}],
        "vault": {"address": bao.address, "auth": "token", "token": bao.root_token},
    }
    return parse(values | sections)


async def whoami(address: Address) -> str:
    async with connected(address) as connection:
        return await connection.fetchval("SELECT session_user::text")


# --- a secret of KV -----------------------------------------------------------------------------------------------


async def test_the_source_takes_user_and_password_of_the_secret(bao, database, role):
    await execute(database, f"CREATE ROLE {role} LOGIN PASSWORD 'one'")
    bao.put(f"kv/{role}", user=role, password="one")
    address, _ = addresses(configuration(bao, database, source={"vault": f"kv/{role}"}))
    assert await whoami(address) == role


async def test_a_password_that_was_rotated_is_fetched_anew(bao, database, role):
    await execute(database, f"CREATE ROLE {role} LOGIN PASSWORD 'one'")
    bao.put(f"kv/{role}", user=role, password="one")
    address, _ = addresses(configuration(bao, database, source={"vault": f"kv/{role}"}))
    await whoami(address)
    await execute(database, f"ALTER ROLE {role} PASSWORD 'two'")
    bao.put(f"kv/{role}", user=role, password="two")
    assert await whoami(address) == role


async def test_a_password_that_is_wrong_in_vault_too_is_told(bao, database, role):
    await execute(database, f"CREATE ROLE {role} LOGIN PASSWORD 'one'")
    bao.put(f"kv/{role}", user=role, password="never")
    address, _ = addresses(configuration(bao, database, source={"vault": f"kv/{role}"}))
    with pytest.raises(SourceError, match="password authentication failed") as caught:
        await whoami(address)
    assert "the secret at source.vault" in caught.value.remedy
    assert "never" not in str(caught.value)


async def test_a_secret_without_a_password_is_told(bao, database, role):
    bao.put(f"kv/{role}", user=role)
    address, _ = addresses(configuration(bao, database, source={"vault": f"kv/{role}"}))
    with pytest.raises(SecretError, match=f"the secret at kv/{role} has no `password`"):
        await whoami(address)


# --- dynamic credentials ------------------------------------------------------------------------------------------


async def granted(bao, dynamic, database: str, role: str, **times: int) -> Address:
    """An address whose logins Vault makes, as members of a role that may read public.t."""
    await execute(
        database,
        f"CREATE ROLE {role}",
        "CREATE TABLE public.t AS SELECT i AS id, repeat('x', 200) AS text FROM generate_series(1, 1000) i",
        f"GRANT SELECT ON public.t TO {role}",
    )
    dynamic.database_role(role, role, **times)
    address, _ = addresses(configuration(bao, database, source={"vault": f"database/creds/{role}"}))
    return address


async def test_a_dynamic_credential_is_one_login_for_all_connections(bao, dynamic, database, role):
    address = await granted(bao, dynamic, database, role)
    names = {await whoami(address) for _ in range(3)}
    assert len(names) == 1
    assert names.pop().startswith(f"v-token-{role[:8]}-")


async def test_a_lease_is_renewed_while_it_is_used(bao, dynamic, database, role):
    address = await granted(bao, dynamic, database, role, ttl_s=3)
    names = set()
    for _ in range(6):
        names.add(await whoami(address))
        await asyncio.sleep(0.8)
    assert len(names) == 1


async def test_f24_a_lease_that_cannot_be_renewed_is_replaced_before_it_ends(bao, dynamic, database, role):
    address = await granted(bao, dynamic, database, role, ttl_s=3, ttl_max_s=3)
    first = await whoami(address)
    await asyncio.sleep(2.2)
    assert await whoami(address) != first


async def test_a_lease_that_was_revoked_is_replaced(bao, dynamic, database, role):
    address = await granted(bao, dynamic, database, role)
    first = await whoami(address)
    dynamic.client.sys.revoke_prefix(f"database/creds/{role}")
    assert await whoami(address) != first


async def test_a_role_that_vault_does_not_have_is_told(bao, dynamic, database):
    address, _ = addresses(configuration(bao, database, source={"vault": "database/creds/nobody"}))
    with pytest.raises(SecretError, match="cannot read database/creds/nobody: Vault refuses: unknown role: nobody"):
        await whoami(address)


async def test_readers_of_a_role_that_was_dropped_are_replaced_inside_the_snapshot(bao, dynamic, database, role):
    address = await granted(bao, dynamic, database, role)
    assert isinstance(address.logins, VaultLogins)
    async with open_snapshot(address, [], 2) as snapshot:
        await snapshot.open_readers(2, [])
        await execute(database, "DELETE FROM public.t WHERE id > 10")
        dynamic.client.sys.revoke_prefix(f"database/creds/{role}")
        with pytest.raises(SourceError, match="permission denied") as caught:
            await count(snapshot)
        assert caught.value.retryable
        assert [await count(snapshot), await count(snapshot)] == [1000, 1000]


async def test_a_reader_that_was_lent_when_the_role_was_dropped_is_not_lent_again(bao, dynamic, database, role):
    address = await granted(bao, dynamic, database, role)
    async with open_snapshot(address, [], 2) as snapshot:
        await snapshot.open_readers(2, [])
        async with snapshot.reader():
            dynamic.client.sys.revoke_prefix(f"database/creds/{role}")
            with pytest.raises(SourceError, match="permission denied"):
                await count(snapshot)
        assert [await count(snapshot), await count(snapshot)] == [1000, 1000]


async def test_reading_in_one_snapshot_keeps_the_lease(bao, dynamic, database, role):
    address = await granted(bao, dynamic, database, role, ttl_s=3)
    async with open_snapshot(address, [], 1) as snapshot:
        for _ in range(7):
            assert await count(snapshot) == 1000
            await asyncio.sleep(0.8)


async def test_a_credential_does_not_outlive_the_token_that_took_it(dynamic, database, role, front, sts, identity):
    """Vault revokes the leases of a token that ends: before that both are new."""
    await granted(dynamic, dynamic, database, role)
    dynamic.allow(role, f"database/creds/{role}")
    front.bind("borealis", sts.role_arn("borealis"), role, ttl_s=3, ttl_max_s=3)
    vault = {"address": front.address, "role": "borealis", "server_id": SERVER_ID}
    address, _ = addresses(configuration(dynamic, database, source={"vault": f"database/creds/{role}"}, vault=vault))
    first = await whoami(address)
    await asyncio.sleep(2.2)
    assert await whoami(address) != first


async def test_a_valid_credential_does_while_vault_is_sealed_and_vault_is_left_alone(
    postgres, database, role, tmp_path, monkeypatch
):
    with OpenBao(tmp_path) as bao:
        bao.enable_database(f"127.0.0.1:{postgres.port}/postgres", "postgres", "none")
        await granted(bao, bao, database, role)
        bao.allow(role, f"database/creds/{role}")
        settings = {"address": bao.address, "auth": "token", "token": bao.token(role, ttl_s=3)}
        vault = Vault(Settings.model_validate(settings))
        known = await vault.read(f"database/creds/{role}")
        bao.seal()
        await asyncio.sleep(2.2)
        asked, read = [], vault._read
        monkeypatch.setattr(vault, "_read", lambda *path: asked.append(path) or read(*path))
        for _ in range(3):
            assert (await vault.read(f"database/creds/{role}")).values == known.values
        assert len(asked) == 1
        bao.unseal()


async def count(snapshot) -> int:
    async with snapshot.reader() as connection:
        with Translated("cannot count"):
            return await connection.fetchval("SELECT count(*) FROM public.t")


# --- in the middle of a run ---------------------------------------------------------------------------------------


async def big(database: str, role: str) -> None:
    await execute(
        database,
        f"CREATE TABLE public.big AS SELECT i AS id, repeat('x', 300) AS text FROM generate_series(1, {ROWS}) i",
        f"GRANT SELECT ON public.big TO {role}",
    )


async def run_and(bao, database, warehouse, target_database, path: str, tmp_path, meanwhile) -> None:
    """A run of many chunks; what happens meanwhile begins at its first COPY. The table must arrive exact."""
    config = configuration(
        bao, database,
        source={"vault": path},
        target={"local": str(warehouse.directory), "database": target_database},
        limits={"readers": 3, "loaders": 2, "chunk_bytes": 400_000},
        state={"path": str(tmp_path / "state.db")},
    )  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(runs.run(config, Wanted()))
        await reading(database)
        await meanwhile()
    (receipt,) = run.result()
    assert receipt.status == "COMPLETE", receipt.error
    assert receipt.retries >= 1, "what happened meanwhile came too late to matter"
    sql = f'SELECT COUNT(*), COUNT(DISTINCT ID), SUM(ID) FROM "{target_database}"."S"."BIG"'
    assert warehouse.query(sql) == [(ROWS, ROWS, ROWS * (ROWS + 1) // 2)]


async def reading(database: str) -> None:
    for _ in range(2000):
        if await copying(database):
            return
        await asyncio.sleep(0.005)
    pytest.fail("no COPY within 10 s")


async def copying(database: str) -> bool:
    async with plainly_connected(database) as connection:
        return await connection.fetchval(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = current_database()"
        )


async def test_a_password_rotated_in_the_middle_of_a_run_loses_nothing(
    bao, database, warehouse, target_database, tmp_path, role
):
    await execute(database, f"CREATE ROLE {role} LOGIN PASSWORD 'one'")
    await big(database, role)
    bao.put(f"kv/{role}", user=role, password="one")

    async def rotate() -> None:
        bao.put(f"kv/{role}", user=role, password="two")
        await execute(
            database,
            f"ALTER ROLE {role} PASSWORD 'two'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # so that new connections are opened
            f"WHERE usename = '{role}' AND query LIKE 'COPY%'",
        )

    await run_and(bao, database, warehouse, target_database, f"kv/{role}", tmp_path, rotate)


async def test_a_lease_revoked_in_the_middle_of_a_run_loses_nothing(
    bao, dynamic, database, warehouse, target_database, tmp_path, role
):
    await execute(database, f"CREATE ROLE {role}")
    await big(database, role)
    dynamic.database_role(role, role)

    async def revoke() -> None:
        await asyncio.to_thread(dynamic.client.sys.revoke_prefix, f"database/creds/{role}")

    await run_and(bao, database, warehouse, target_database, f"database/creds/{role}", tmp_path, revoke)


# --- the target ---------------------------------------------------------------------------------------------------


def target_at(port: int, role: str) -> dict:
    return {"local": None, "account": "local", "host": "127.0.0.1", "port": port, "protocol": "http",
            "vault": f"kv/{role}"}  # fmt: skip


async def who_at_target(config: Config) -> str:
    async with sessions(config, "run") as pool, pool.session() as session:
        return (await session.execute("SELECT CURRENT_USER()")).rows[0][0]


async def test_the_target_takes_user_and_password_of_the_secret_also_after_they_were_rotated(
    bao, database, warehouse, role
):
    users = Users()
    with login_front(warehouse.endpoint.port, users) as port:
        config = configuration(bao, database, target=target_at(port, role))
        bao.put(f"kv/{role}", user="LOADER", password="one")
        users.passwords["LOADER"] = "one"
        assert await who_at_target(config) == "LOADER"
        bao.put(f"kv/{role}", user="LOADER", password="two")
        users.passwords["LOADER"] = "two"
        assert await who_at_target(config) == "LOADER"
        assert len(users.logins) == 3, "the old password once, then the new one"


async def test_a_password_that_the_target_refuses_twice_is_told(bao, database, warehouse, role):
    with login_front(warehouse.endpoint.port, Users()) as port:
        bao.put(f"kv/{role}", user="LOADER", password="wrong-one")
        with pytest.raises(TargetError, match="Incorrect username or password") as caught:
            await who_at_target(configuration(bao, database, target=target_at(port, role)))
    assert "the secret at target.vault" in caught.value.remedy
    assert "wrong-one" not in str(caught.value)


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
async def test_the_target_takes_the_key_pair_of_the_secret_also_after_it_was_rotated(
    bao, database, warehouse, role, passphrase
):
    users = Users()
    with login_front(warehouse.endpoint.port, users) as port:
        config = configuration(bao, database, target={**target_at(port, role), "user": "LOADER"})
        for _ in range(2):
            secret, users.public_keys["LOADER"] = key_pair(passphrase)
            bao.put(f"kv/{role}", **secret)
            assert await who_at_target(config) == "LOADER"


def key_pair(passphrase: str | None) -> tuple[dict[str, str], str]:
    """What the secret holds, and the public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    secret = {"private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()}
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return (secret | {"private_key_passphrase": passphrase} if passphrase else secret), public
