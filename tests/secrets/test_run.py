"""`borealis run` with every secret in Vault: nothing of them in what it prints."""

import uuid

import pytest

from tests.conftest import execute
from tests.secrets.conftest import SERVER_ID
from tests.secrets.login_front import Users, login_front


@pytest.fixture
async def table(database):
    """An address without a user, and the role that may read its table."""
    role = f"r_{uuid.uuid4().hex[:8]}"
    await execute(
        database,
        "CREATE TABLE public.orders AS SELECT i AS id, 'order ' || i AS text FROM generate_series(1, 1000) i",
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON public.orders TO {role}",
    )
    return database.replace("postgres@", ""), role


async def test_a_run_takes_every_secret_from_vault_by_its_aws_identity(
    borealis, bao, dynamic, front, sts, identity, warehouse, target_database, table
):
    dsn, role = table
    dynamic.database_role(role, role)
    bao.put("kv/snowflake", user="LOADER", password="the-loaders-password")
    bao.allow("borealis", f"database/creds/{role}", "kv/data/snowflake")
    front.bind("borealis", sts.role_arn("borealis"), "borealis")
    users = Users()
    users.passwords["LOADER"] = "the-loaders-password"
    warehouse.query(f"CREATE DATABASE {target_database}")
    with login_front(warehouse.endpoint.port, users) as port:
        config = {
            "source": {"dsn": dsn, "vault": f"database/creds/{role}"},
            "target": {
                "account": "local", "host": "127.0.0.1", "port": port, "protocol": "http", "vault": "kv/snowflake",
                "database": target_database, "schema": "SHOP",
            },
            "vault": {"address": front.address, "role": "borealis", "server_id": SERVER_ID},
            "tables": [{"name": "public.*"}],
        }  # fmt: skip
        ran = borealis(config, "run", BOREALIS_DEBUG="1")
        assert ran.code == 0, ran.log
        assert warehouse.query(f'SELECT COUNT(*), SUM(ID) FROM "{target_database}"."SHOP"."ORDERS"') == [(1000, 500500)]
        assert front.logins == 1, "one login to Vault serves the whole run"
        users.passwords["LOADER"] = "another"
        refused = borealis(config, "run", BOREALIS_DEBUG="1")
    assert refused.code != 0
    assert "Incorrect username or password" in refused.log
    said = str(ran.output) + ran.log + str(refused.output) + refused.log
    assert "the-loaders-password" not in said
    assert identity.secret_key not in said
    assert identity.session_token not in said


def test_a_run_that_vault_forbids_says_which_rule_is_missing(borealis, bao, warehouse, target_database, table):
    dsn, _ = table
    config = {
        "source": {"dsn": dsn, "vault": "kv/payroll"},
        "target": {"local": str(warehouse.directory), "database": target_database, "schema": "SHOP"},
        "vault": {"address": bao.address, "auth": "token"},
        "tables": [{"name": "public.*"}],
    }
    token = bao.token("reader")
    ran = borealis(config, "run", BOREALIS_VAULT__TOKEN=token)
    assert ran.code == 1
    assert 'add to one of them: path "kv/data/payroll" { capabilities = ["read"] }' in ran.log
    assert token not in ran.log
