"""What is set up in Snowflake and in Vault is what the engine asks for, and what its configuration names."""

import ast
import re
import tomllib

import pytest

from tests.terraform.conftest import initialised
from tests.terraform.running import ENVIRONMENTS, ROOT, TREE, Tree

RIGHT = re.compile(r"^\| ([A-Z ]+) \| ([a-z ]+) \| (.+) \|$", re.MULTILINE)
STATEMENT = re.compile(
    r"(ALTER SESSION|ALTER TABLE|COMMENT ON TABLE|COPY|CREATE DATABASE|CREATE OR REPLACE|CREATE SCHEMA|CREATE STAGE"
    r"|CREATE TABLE|DELETE|DROP TABLE|INSERT|LIST|MERGE|PUT|REMOVE|SELECT|SHOW SCHEMAS|SHOW STAGES|SHOW STREAMS"
    r"|UPDATE)\b"
)
VERB = re.compile(r"(ALTER|CALL|COMMENT|CREATE|DESC|DROP|EXECUTE|GET|GRANT|REVOKE|SHOW|TRUNCATE|UNDROP|USE)[ A-Z]* ")
OWNED = {"ALTER SESSION", "ALTER TABLE", "COMMENT ON TABLE", "CREATE DATABASE", "DROP TABLE"}


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tree]:
    directory = tmp_path_factory.mktemp("sides")
    return {name: initialised(Tree(directory / name, TREE / name)) for name in ("snowflake", "vault")}


@pytest.fixture(scope="module")
def planned(sides):
    return {
        (name, environment): sides[name].plan(environment)["planned_values"]
        for name in sides
        for environment in ENVIRONMENTS
    }


def test_the_role_has_the_rights_that_are_documented_and_no_other(planned):
    granted = _granted(planned["snowflake", "prod"]["root_module"]["resources"])
    assert granted == {(right, place) for right, place, _ in _documented()}


def test_every_statement_of_the_engine_has_its_rights_and_no_right_is_without_one():
    named = {found for _, _, why in _documented() for found in STATEMENT.findall(why.partition(":")[0])}
    assert _statements() - OWNED == named - OWNED


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_configuration_names_what_is_made_in_snowflake(planned, environment):
    target = _configuration(environment)["target"]
    settings = planned["snowflake", environment]["outputs"]["settings"]["value"]
    assert {name: target[name] for name in ("database", "schema", "warehouse", "role")}.items() <= settings.items()
    assert target.get("state_schema", "BOREALIS") == settings["state_schema"]


def test_snowflake_reads_the_bucket_of_the_functions_by_the_role_that_lets_it_in(planned, every):
    rendered, resources = every["staging"], planned["snowflake", "staging"]["root_module"]["resources"]
    (made,) = [each["values"] for each in resources if each["type"] == "snowflake_storage_integration_aws"]
    environment = rendered.one('aws_lambda_function.this["worker"]')["environment"][0]["variables"]
    assert made["name"] == environment["BOREALIS_STAGE__STORAGE_INTEGRATION"]
    assert made["storage_allowed_locations"] == [environment["BOREALIS_STAGE__URL"].rstrip("/") + "/"]
    assert made["storage_aws_role_arn"] == rendered.one("aws_iam_role.stage_reader[0]")["arn"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_configuration_names_what_is_made_in_vault(planned, every, environment):
    config, outputs = _configuration(environment), planned["vault", environment]["outputs"]
    settings = outputs["settings"]["value"]
    assert {**config["vault"], "region": every[environment].variables["region"]} == {
        name: settings[name] for name in (*config["vault"], "region")
    }
    assert "server_id" in config["vault"], "Vault refuses a login that does not name it"
    paths = {config[side]["vault"] for side in ("source", "target") if "vault" in config[side]}
    assert paths == set(outputs["paths"]["value"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_vault_lets_in_the_roles_of_the_functions_and_nobody_else(planned, every, environment):
    (role,) = [
        each["values"]
        for each in planned["vault", environment]["root_module"]["resources"]
        if each["type"] == "vault_aws_auth_backend_role"
    ]
    functions = {each["arn"] for each in every[environment].all("aws_iam_role") if each.name == "function"}
    assert set(role["bound_iam_principal_arns"]) == functions


def _configuration(environment: str) -> dict:
    return tomllib.loads((TREE / "environments" / f"{environment}.toml").read_text(encoding="utf-8"))


def _documented() -> list[tuple[str, str, str]]:
    return RIGHT.findall((ROOT / "docs" / "snowflake.md").read_text(encoding="utf-8"))


def _statements() -> set[str]:
    """How the engine's statements begin: every text of the module that begins as SQL does."""
    tree = ast.parse((ROOT / "engine" / "sql" / "target.py").read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    found = {text: STATEMENT.match(text) for text in texts if STATEMENT.match(text) or VERB.match(text)}
    assert all(found.values()), f"a kind of statement that nobody thought of: {[t for t, m in found.items() if not m]}"
    return {match[0] for match in found.values() if match}


def _granted(resources: list[dict]) -> set[tuple[str, str]]:
    """Pairs of right and place, of the loader's role."""
    grants = [each["values"] for each in resources if each["type"] == "snowflake_grant_privileges_to_account_role"]
    return {
        (right, _place(grant))
        for grant in grants
        if grant["account_role_name"] == "BOREALIS_LOADER"
        for right in grant["privileges"]
    }


def _place(grant: dict) -> str:
    if on := grant["on_account_object"]:
        return str(on[0]["object_type"]).lower()
    if on := grant["on_schema"]:
        return "state schema" if on[0]["schema_name"].endswith('."BOREALIS"') else "target schema"
    (on,) = grant["on_schema_object"]
    for extent in ("all", "future"):
        if on[extent]:
            return f"{extent} {on[extent][0]['object_type_plural'].lower()} of the database"
    return str(on["object_type"]).lower()
