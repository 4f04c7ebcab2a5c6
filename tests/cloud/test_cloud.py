"""The whole cloud: a function reaches everything through the logins that it has in production."""

import pytest

from engine.local.cloud.cloud import cloud


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with cloud(tmp_path_factory.mktemp("cloud")) as up:
        yield up


def test_a_function_reaches_all_with_the_logins_of_vault(up):
    answer = up.functions.invoke("health", {"deep": True})
    found = {each["name"]: each for each in answer.payload["checks"]}
    assert {name for name, each in found.items() if each["ok"]} == {
        "configuration",
        "state",
        "source",
        "primary",
        "vault",
        "target",
    }
    assert " as v-token-to-reader-" in found["source"]["detail"]
    assert found["source"]["detail"].endswith("standby")
    assert found["primary"]["detail"].endswith("primary")


def test_nothing_of_a_login_is_in_the_logs_of_the_functions(up):
    up.functions.invoke("health", {"deep": True})
    secret = up.vault.client.secrets.kv.v2.read_secret_version(
        "snowflake", mount_point="kv", raise_on_deleted_version=True
    )["data"]["data"]
    logs = "".join(file.read_text() for file in up.functions.directory.glob("*/log"))
    for value in (secret["password"], up.vault.root_token, up.functions.variables["AWS_SECRET_ACCESS_KEY"]):
        assert value not in logs
