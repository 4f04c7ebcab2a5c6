"""Parameter groups, roles and Vault: each thing that people get wrong is broken once, and found with its remedy."""

import pytest

from engine.checking import source, target, vault
from engine.checking.finding import Findings, faults
from engine.local.vault import OpenBao
from engine.source.connection import Address
from tests.integration.conftest import Engine

TABLES = ("CREATE TABLE t (id int PRIMARY KEY, at timestamptz)", "CREATE TABLE hidden (id int)")


@pytest.fixture
def engine(database, warehouse, target_database, tmp_path):
    return Engine(database, warehouse, target_database, tmp_path)


@pytest.fixture
async def reader(engine):
    """`engine` as a role that may do what a run needs, and nothing else."""
    role = f"reader_{engine.database.lower()}"
    await engine.source(*TABLES, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'", f"GRANT SELECT ON t TO {role}",
                        f"GRANT pg_read_all_stats TO {role}")  # fmt: skip
    engine.admin, engine.role = engine.dsn, role
    engine.dsn = engine.dsn.replace("postgres@", f"{role}:secret@")
    yield engine
    engine.dsn = engine.admin
    await engine.source(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def looked(part, config):
    return {each.name.partition(": ")[2]: each for each in await part.look(config)}


INCREMENTAL = {"name": "public.t", "mode": "incremental", "cursor": "at"}


async def test_a_role_that_has_what_a_run_needs_and_no_more(reader):
    found = await looked(source, reader.config(INCREMENTAL))
    assert {name: each.level for name, each in found.items()} == {
        "max_connections": "ok", "SELECT": "ok", "time limits": "ok",
    }  # fmt: skip


async def test_f07_time_limits_of_the_role_are_shown_before_a_run(reader):
    config, own = reader.config(INCREMENTAL), reader.dsn
    reader.dsn = reader.admin
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
    await reader.source(*(f"ALTER ROLE {reader.role} SET {name} = '5s'" for name in names))
    reader.dsn = own
    shown = (await looked(source, config))["time limits"].what
    assert [name for name in names if f"{name} = 5000 ms" not in shown] == []
    assert "a run's sessions set their own" in shown


async def test_a_table_that_the_role_may_not_read(reader):
    found = await looked(source, reader.config({"name": "public.*"}))
    assert found["SELECT"].level == "fault"
    assert "may not read public.hidden" in found["SELECT"].what
    assert f'GRANT USAGE on their schema and SELECT on the tables to "{reader.role}"' in found["SELECT"].remedy


async def test_a_role_that_may_more_than_read(reader):
    config, own = reader.config(INCREMENTAL), reader.dsn
    reader.dsn = reader.admin
    await reader.source(f"GRANT UPDATE ON t TO {reader.role}", f"ALTER ROLE {reader.role} CREATEDB")
    found = await looked(source, config)
    assert found["more than SELECT"].level == "advice"
    assert "CREATEDB, writing to 1 of the tables" in found["more than SELECT"].what
    reader.dsn = own


async def test_a_role_that_does_not_see_the_transactions_of_others(reader):
    config = reader.config(INCREMENTAL)
    reader.dsn = reader.admin
    await reader.source(f"REVOKE pg_read_all_stats FROM {reader.role}")
    found = await looked(source, config)
    assert found["pg_read_all_stats"].level == "fault"
    assert "pg_read_all_stats" not in await looked(source, config.model_copy(update={
        "tables": tuple(each.model_copy(update={"cursor_lag_s": 5.0}) for each in config.tables)
    }))  # fmt: skip


async def test_more_connections_than_the_server_has(reader):
    machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:run"
    config = reader.config(INCREMENTAL, limits={"workers": 100, "readers": 4})
    config = config.model_copy(update={"aws": config.aws.model_copy(update={"state_machine": machine})})
    found = await looked(source, config)
    assert found["max_connections"].level == "fault"
    assert "100 functions with 5 connections each, make 501" in found["max_connections"].what
    bounded = config.model_copy(update={"source": config.source.model_copy(update={"connections_max": 20})})
    assert (await looked(source, bounded))["max_connections"].level == "ok"


async def test_a_standby_that_ends_what_reads_for_long(engine, postgres, standby, replayed):
    await engine.source(*TABLES)
    await replayed()
    engine.dsn = engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    await _standby(standby, "hot_standby_feedback = off", "max_standby_streaming_delay = '1s'")
    try:
        found = await looked(source, engine.config({"name": "public.t"}))
    finally:
        await _standby(standby, "hot_standby_feedback = DEFAULT", "max_standby_streaming_delay = DEFAULT")
    assert found["hot_standby_feedback"].remedy.startswith("set hot_standby_feedback = on")
    assert found["max_standby_streaming_delay"].what == "1000 ms"


async def _standby(server, *settings):
    from tests.conftest import execute  # noqa: PLC0415

    for setting in settings:
        await execute(server.dsn(), f"ALTER SYSTEM SET {setting}")
    await execute(server.dsn(), "SELECT pg_reload_conf()", "SELECT pg_sleep(0.2)")


@pytest.mark.parametrize(
    ("dsn", "settings", "encrypted", "levels"),
    [
        ("postgresql://db.example.com/shop", {}, False, ["fault"]),
        ("postgresql://db.example.com/shop?sslmode=require", {}, True, ["advice"]),
        ("postgresql://db.example.com/shop?sslmode=verify-full", {"rds.force_ssl": "0"}, True, ["advice"]),
        ("postgresql://db.example.com/shop?sslmode=verify-full", {"rds.force_ssl": "1"}, True, []),
        ("postgresql://127.0.0.1/shop", {}, False, []),
    ],
)
def test_a_connection_that_others_could_read_or_pretend_to_be(dsn, settings, encrypted, levels):
    found = Findings("source")
    source._encryption(Address(dsn), settings, encrypted=encrypted, found=found)
    assert [each.level for each in found.found] == levels


async def test_a_source_that_cannot_be_reached_is_one_finding(engine):
    engine.dsn = "postgresql://reader@127.0.0.1:1/shop"
    found = await source.look(engine.config({"name": "public.t"}))
    assert [(each.name, each.level) for each in found] == [("source: connection", "fault")]


# --- the target -------------------------------------------------------------------------------------------------


def served(engine, **more):
    """The embedded warehouse as Snowflake is reached: by host, with a warehouse."""
    endpoint = engine.warehouse.endpoint
    engine.warehouse.query(f"CREATE DATABASE IF NOT EXISTS {engine.database}")
    place = {"local": None, "account": "local", "host": endpoint.host, "port": endpoint.port, "protocol": "http"}
    return engine.config(
        {"name": "public.t"}, target={**place, "user": "u", "password": "p", "warehouse": "LOAD", **more}
    )


async def test_a_target_where_a_run_can_do_what_it_does_and_whose_warehouse_idles_too_long(engine):
    found = await looked(target, served(engine))
    assert {name: each.level for name, each in found.items() if name != "role"} == {
        "login": "ok", "rights": "ok", "auto_suspend": "advice"
    }  # fmt: skip
    assert found["auto_suspend"].what == "LOAD idles for 600 s"
    assert engine.leftovers() == []


async def test_an_administrator_s_role(engine):
    assert (await looked(target, served(engine, role="ACCOUNTADMIN")))["role"].level == "advice"
    assert "role" not in await looked(target, served(engine, role="BOREALIS_LOADER"))


async def test_a_session_without_a_warehouse(engine):
    found = await looked(target, engine.config({"name": "public.t"}))
    assert found["warehouse"].level == "fault"
    assert "GRANT USAGE" in found["warehouse"].remedy


# --- Vault ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bao(tmp_path_factory):
    with OpenBao(tmp_path_factory.mktemp("bao")) as server:
        server.enable_kv("kv")
        server.put("kv/aurora", user="reader", password="first")
        server.put("kv/empty", user="reader")
        yield server


@pytest.mark.parametrize(
    ("path", "level", "says"),
    [
        ("kv/aurora", "ok", "kv/aurora can be read"),
        ("kv/empty", "fault", "kv/empty holds user"),
        ("kv/absent", "fault", "there is nothing at kv/data/absent"),
    ],
)
async def test_a_path_that_is_not_there_or_holds_no_login(engine, bao, path, level, says):
    config = vaulted(engine, bao.address, bao.root_token, path)
    found = await looked(vault, config)
    assert found["login"].level == "ok"
    assert found["source.vault"].level == level
    assert says in found["source.vault"].what


async def test_a_login_that_vault_refuses(engine, bao):
    found = await vault.look(vaulted(engine, bao.address, "s.wrong", "kv/aurora"))
    assert [(each.name, each.level) for each in found] == [("vault: login", "fault")]
    assert faults(found)


def vaulted(engine, address, token, path):
    from engine.config_cloud import Vault  # noqa: PLC0415

    config = engine.config({"name": "public.t"})
    settings = Vault(address=address, auth="token", token=token)
    return config.model_copy(update={"vault": settings, "source": config.source.model_copy(update={"vault": path})})
