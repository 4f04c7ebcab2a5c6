"""What Terraform sets up in Vault, in a real server of its API: OpenBao, and the PostgreSQL that it makes logins in."""

import asyncpg
import hvac
import pytest

from engine.local.vault import OpenBao
from tests.terraform.conftest import initialised
from tests.terraform.running import TREE, Tree


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The resources of prod, by address."""
    tree = initialised(Tree(tmp_path_factory.mktemp("vault") / "root", TREE / "vault"))
    resources = tree.plan("prod")["planned_values"]["root_module"]["resources"]
    return {each["address"]: each["values"] for each in resources}


@pytest.fixture(scope="module")
def bao(planned, tmp_path_factory, postgres):
    """A server with the mounts, the policy and the role that were planned, and a secret of another environment."""
    role = planned["vault_database_secret_backend_role.main[0]"]
    with OpenBao(tmp_path_factory.mktemp("bao")) as server:
        server.enable_kv(planned["vault_mount.kv[0]"]["path"])
        server.put("kv/borealis/prod/snowflake", user="BOREALIS_LOADER")
        server.put("kv/borealis/dev/snowflake", user="BOREALIS_LOADER")
        server.enable_database(f"127.0.0.1:{postgres.port}/postgres", "postgres", "no password is asked of it here")
        server.client.secrets.database.create_role(
            role["name"], db_name=planned["vault_database_secret_backend_connection.main[0]"]["name"],
            creation_statements=role["creation_statements"], default_ttl=role["default_ttl"], max_ttl=role["max_ttl"],
        )  # fmt: skip
        policy = planned["vault_policy.main"]
        server.client.sys.create_or_update_policy(policy["name"], policy["policy"])
        yield server


@pytest.fixture
def functions(bao, planned):
    """A client with the policies that the role of the functions gives."""
    return hvac.Client(bao.address, token=bao.token(*planned["vault_aws_auth_backend_role.main"]["token_policies"]))


def test_the_policy_lets_the_functions_read_their_secret(functions):
    found = functions.read("kv/data/borealis/prod/snowflake")
    assert found["data"]["data"] == {"user": "BOREALIS_LOADER"}


def test_the_policy_lets_them_read_no_other_and_write_none(functions):
    with pytest.raises(hvac.exceptions.Forbidden):
        functions.read("kv/data/borealis/dev/snowflake")
    with pytest.raises(hvac.exceptions.Forbidden):
        functions.secrets.kv.v2.create_or_update_secret("borealis/prod/snowflake", {"user": "x"}, mount_point="kv")
    with pytest.raises(hvac.exceptions.Forbidden):
        functions.secrets.database.generate_credentials("another")


async def test_the_logins_that_it_makes_are_members_of_the_readers_and_end(bao, functions, postgres):
    admin = await asyncpg.connect(host="127.0.0.1", port=postgres.port, user="postgres", database="postgres")
    try:
        await admin.execute("CREATE ROLE borealis_reader")
        made = functions.secrets.database.generate_credentials("borealis")
        name = made["data"]["username"]
        row = await admin.fetchrow(
            "SELECT pg_has_role(rolname, 'borealis_reader', 'member'), rolcanlogin, rolsuper,"
            " rolvaliduntil - now() BETWEEN interval '50 minutes' AND interval '70 minutes'"
            " FROM pg_roles WHERE rolname = $1",
            name,
        )
        assert tuple(row) == (True, True, False, True)
        assert made["renewable"]
    finally:
        bao.client.sys.revoke_prefix("database/creds/borealis")
        await admin.execute("DROP ROLE IF EXISTS borealis_reader")
        await admin.close()
