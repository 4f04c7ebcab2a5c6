"""The whole cloud: a function reaches everything through the logins that it has in production."""

import json

import pytest

from engine.checking.cloud import from_inside
from engine.config import load
from engine.errors import AwsError
from engine.local.cloud.cloud import cloud
from engine.local.cloud.environment import ROOT

EXAMPLES = ROOT / "tests" / "handlers" / "events"
TABLES = {f"public.{name}" for name in ("airlines", "airports", "flights", "planes", "weather")}


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


# --- the example events -----------------------------------------------------------------------------------------


def answer_to(up, example):
    """What the function answers to an example event; it must not fail."""
    ended = up.functions.invoke(example.partition(".")[0], json.loads((EXAMPLES / f"{example}.json").read_text()))
    assert ended.outcome == "ok", ended.payload
    return ended.payload


@pytest.mark.parametrize(
    "example", ["scheduled.rule", "scheduled.rate", "scheduled.scheduler", "scheduled.scheduler_bare"]
)
def test_a_schedule_runs_its_tables_and_a_second_delivery_gets_the_same_answer(up, example):
    answer = answer_to(up, example)
    assert {each["table"]: each["status"] for each in answer["tables"]} == dict.fromkeys(TABLES, "COMPLETE")
    assert answer_to(up, example) == {**answer, "duplicate": True}


def test_a_person_may_ask_what_would_be_done(up):
    answer = answer_to(up, "parallel.dry_run")
    assert [each["table"] for each in answer["tables"]] == ["public.flights"]


def test_a_person_starts_the_state_machine(up):
    answer = answer_to(up, "parallel.tables")
    assert answer["status"] == "STARTED"
    ended = up.aws.execution(answer["execution"], seconds=120)
    assert ended.status == "SUCCEEDED", ended.cause
    assert {each["table"]: each["status"] for each in ended.output["tables"]} == {
        "public.airlines": "COMPLETE",
        "public.airports": "COMPLETE",
    }


def test_a_benchmark_tells_its_rates_and_keeps_them(up):
    answer = answer_to(up, "benchmark")
    (table,) = answer["tables"]
    assert (table["rows"], table["extraction"]["rounds"], table["end_to_end"]["rounds"]) == (16, 3, 3)
    bucket, _, key = answer.pop("kept_at").removeprefix("s3://").partition("/")
    assert json.loads(up.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()) == answer


def test_who_works_for_a_run_that_is_not_there_is_told_so(up):
    ended = up.functions.invoke("worker", json.loads((EXAMPLES / "worker.json").read_text()))
    assert (ended.outcome, ended.payload["errorType"]) == ("error", "FatalError")
    assert "is not under way: it has ended, or never began" in ended.payload["errorMessage"]


def test_an_event_that_is_not_understood_is_refused_with_all_its_faults(up):
    ended = up.functions.invoke("scheduled", {"tables": ["public.nothing"], "tabels": [], "full": 1})
    assert ended.payload["errorType"] == "FatalError"
    assert ended.payload["errorMessage"].splitlines()[0] == "the event is refused, 2 faults:"


def test_a_table_that_is_not_configured_is_not_run(up):
    ended = up.functions.invoke("scheduled", {"tables": ["public.nothing"]})
    assert "no configured table has this name" in json.dumps(ended.payload)


def test_a_warm_function_answers_at_once(up):
    """Measured: 30 ms, most of them DynamoDB's; 120 ms the first time, after 1 s of imports."""
    answer_to(up, "health.shallow")
    warm = [up.functions.invoke("health", {}) for _ in range(3)]
    assert not any(each.cold for each in warm)
    assert min(each.seconds for each in warm) < 0.5


# --- the audit log ----------------------------------------------------------------------------------------------


def audited(up):
    """Its lines by their event, as they came."""
    lines = [line for _, line in up.aws.log(load(up.settings).aws.audit_log_group)]
    return {event: [line for line in lines if line["event"] == event] for event in ("asked", "began", "ended")}


def test_the_audit_log_ties_a_run_to_who_asked_and_to_the_leases_of_vault(up):
    event = {"tables": ["public.airlines"], "schedule": "arn:aws:scheduler:us-east-1:123456789012:schedule/b/nightly"}
    answer = up.functions.invoke("scheduled", event, request_id="audited-1").payload
    lines = {kind: [line for line in of if line["request_id"] == "audited-1"] for kind, of in audited(up).items()}
    (asked,), (began,), (ended,) = lines["asked"], lines["began"], lines["ended"]
    assert asked["trigger"] == {"kind": "schedule", "schedule": event["schedule"]}
    assert asked["asked_for"]["tables"] == ["public.airlines"]
    assert began["run_id"] == ended["run_id"] == answer["run_id"]
    assert [(each["table"], each["status"], each["rows_loaded"]) for each in ended["tables"]] == [
        ("public.airlines", "COMPLETE", 16)
    ]
    dynamic, stored = ended["secrets"]["source"]["reads"][-1], ended["secrets"]["target"]["reads"][-1]
    lookup = up.vault.client.sys.read_lease(dynamic["lease_id"])["data"]
    assert lookup["id"] == dynamic["lease_id"]  # Vault knows it, and may take it back
    assert dynamic["lease_id"].startswith("database/creds/reader/")
    assert (stored["path"], stored["version"], stored["lease_id"]) == ("kv/snowflake", 1, "")
    assert dynamic["request_id"] != stored["request_id"] != ""


def test_every_function_of_an_execution_stands_in_the_audit_log_and_the_last_tells_the_tables(up):
    answer = answer_to(up, "parallel.tables")
    assert up.aws.execution(answer["execution"], seconds=120).status == "SUCCEEDED"
    assert up.functions.settle(60)
    lines = audited(up)
    of_steps = [line for line in lines["asked"] if line["trigger"].get("execution") == answer["execution"]]
    assert {line["function"] for line in of_steps} == {"parallel", "worker"}
    (correlation_id,) = {line["correlation_id"] for line in of_steps}
    run_id = next(line["run_id"] for line in of_steps if line["function"] == "worker")
    whole = {kind: [line for line in of if line["correlation_id"] == correlation_id] for kind, of in lines.items()}
    assert run_id in {line["run_id"] for line in whole["began"]}
    finish = next(line for line in whole["ended"] if line["tables"] and line["run_id"] == run_id)
    assert {each["table"]: each["status"] for each in finish["tables"]} == {
        "public.airlines": "COMPLETE",
        "public.airports": "COMPLETE",
    }
    assert len(whole["asked"]) == len(whole["ended"])


def test_no_secret_stands_in_the_audit_log(up):
    answer_to(up, "scheduled.rate")
    secret = up.vault.client.secrets.kv.v2.read_secret_version(
        "snowflake", mount_point="kv", raise_on_deleted_version=True
    )["data"]["data"]
    text = json.dumps(audited(up))
    for value in (secret["password"], up.vault.root_token, up.functions.variables["AWS_SECRET_ACCESS_KEY"]):
        assert value not in text


# --- what people get wrong --------------------------------------------------------------------------------------


async def test_the_health_function_looks_from_inside_at_what_people_get_wrong(up):
    found = {each.name: each for each in await from_inside(load(up.settings), "health")}
    assert {name.partition(":")[0] for name in found} == {"network", "source", "target", "vault"}
    assert found["vault: login"].level == found["vault: target.vault"].level == found["source: SELECT"].level == "ok"
    assert found[f"network: source 127.0.0.1:{up.standby.port}"].level == "ok"


async def test_a_function_that_cannot_look_says_so(up):
    with pytest.raises(AwsError, match="cannot ask the function absent"):
        await from_inside(load(up.settings), "absent")
