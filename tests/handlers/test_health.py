"""Health says what is well and what is not, each with its reason, in bounded time, and never fails by itself."""

import base64
import io
import json
import socket
import time
from pathlib import Path

import pytest

from engine.telemetry import lines
from handlers import entry, health
from tests.handlers.conftest import Context

EVENTS = Path(__file__).with_name("events")


def asked(event, **context):
    answer = health.handler(event, Context(**context))
    return answer, {check["name"]: check for check in answer["checks"]}


@pytest.fixture
def whole(environment, monkeypatch, postgres, warehouse, tmp_path):
    """Settings of which every part is there."""
    monkeypatch.setenv("BOREALIS_SOURCE__DSN", postgres.dsn())
    monkeypatch.setenv("BOREALIS_TARGET__HOST", warehouse.endpoint.host)
    monkeypatch.setenv("BOREALIS_TARGET__PORT", str(warehouse.endpoint.port))
    monkeypatch.setenv("BOREALIS_TARGET__PROTOCOL", "http")
    monkeypatch.setenv("BOREALIS_STATE__PATH", str(tmp_path / "state.db"))


def test_shallow_it_looks_at_the_configuration_and_the_state_alone(whole):
    answer, checks = asked({})
    assert answer["ok"]
    assert list(checks) == ["configuration", "state"]
    assert checks["configuration"]["detail"] == "1 entries of tables into ORG-ACCOUNT ANALYTICS.SHOP"
    assert checks["state"]["version"] == "SQLite"


def test_deep_each_part_has_its_version_and_latency(whole, postgres):
    answer, checks = asked({"deep": True})
    assert answer["ok"], answer
    assert list(checks) == ["configuration", "state", "source", "target"]
    assert checks["source"]["version"].startswith(f"PostgreSQL {postgres.version.split()[0].partition('.')[0]}")
    assert checks["target"]["version"].startswith("Snowflake ")
    assert all(check["latency_ms"] < 8000 for check in checks.values())


def test_a_part_that_is_away_is_told_with_the_remedy_and_hides_nothing_of_the_others(whole, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("BOREALIS_SOURCE__DSN", f"postgresql://reader:s3cr3t@127.0.0.1:{port}/shop")
    answer, checks = asked({"deep": True})
    assert not answer["ok"]
    assert [name for name, check in checks.items() if not check["ok"]] == ["source"]
    assert checks["source"]["detail"].startswith(f"cannot connect to 127.0.0.1:{port}/shop")
    assert "check the host and port of source.dsn" in checks["source"]["remedy"]
    assert "s3cr3t" not in str(answer)


def test_parts_that_say_nothing_cost_the_time_of_one(whole, monkeypatch):
    """Servers that take a connection and are silent: each check has its own limit, and all wait at once."""
    monkeypatch.setattr(health, "CHECK_S", 2.0)
    with socket.socket() as source, socket.socket() as target:
        for silent in (source, target):
            silent.bind(("127.0.0.1", 0))
            silent.listen()
        monkeypatch.setenv("BOREALIS_SOURCE__DSN", f"postgresql://reader@127.0.0.1:{source.getsockname()[1]}/shop")
        monkeypatch.setenv("BOREALIS_TARGET__PORT", str(target.getsockname()[1]))
        began = time.monotonic()
        answer, checks = asked({"deep": True})
        seconds = time.monotonic() - began
    assert [name for name, check in checks.items() if not check["ok"]] == ["source", "target"], answer
    assert seconds < 4
    assert all(check["detail"] for check in checks.values())


def test_a_configuration_that_is_refused_is_an_answer_too(whole, monkeypatch):
    monkeypatch.setenv("BOREALIS_TARGET__PORT", "many")
    answer, checks = asked({"deep": True})
    assert not answer["ok"]
    assert list(checks) == ["configuration"]
    assert "BOREALIS_TARGET__PORT" in checks["configuration"]["detail"]


# --- as a canary ------------------------------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch, capsys):
    """`told()`: the metrics and the lines of checks since it was last asked."""
    written = io.StringIO()
    monkeypatch.setattr(lines._logger.registered_handler, "stream", written)

    def since():
        found = [json.loads(line) for line in written.getvalue().splitlines()]
        metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        written.seek(0)
        written.truncate()
        checks = [line for line in found if line["event"] == "health_check"]
        return [line for line in metrics if "Unhealthy" in line], checks

    return since


def test_it_tells_the_metric_of_the_alarm_and_a_line_a_check(whole, monkeypatch, told):
    asked({})
    (metric,), checks = told()
    assert (metric["Unhealthy"], metric["function"], metric["failed"]) == ([0.0], "borealis-scheduled", [])
    assert metric["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Borealis"
    assert [(line["check"], line["ok"]) for line in checks] == [("configuration", True), ("state", True)]
    monkeypatch.setenv("BOREALIS_TARGET__PORT", "1")
    entry._environment._config = None
    asked({"deep": True})
    (metric,), checks = told()
    assert (metric["Unhealthy"], metric["failed"]) == ([1.0], ["target"])
    (failed,) = [line for line in checks if not line["ok"]]
    assert failed["check"] == "target"
    assert failed["detail"]


def test_a_configuration_that_is_refused_is_unhealthy(whole, monkeypatch, told):
    monkeypatch.setenv("BOREALIS_TARGET__PORT", "many")
    asked({})
    (metric,), _ = told()
    assert (metric["Unhealthy"], metric["function"]) == ([1.0], "borealis-scheduled")


# --- behind its URL ---------------------------------------------------------------------------------------------


def by_url(body=None, *, encoded=False, query=None):
    event = json.loads((EVENTS / "health.url.json").read_text())
    event |= {"body": body, "isBase64Encoded": encoded, "queryStringParameters": query}
    answer = health.handler(event, Context())
    assert answer["headers"]["content-type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"])


def test_a_request_is_answered_with_a_status(whole, monkeypatch):
    status, answer = by_url()
    assert (status, answer["ok"], len(answer["checks"])) == (200, True, 2)
    monkeypatch.setenv("BOREALIS_STATE__PATH", "/proc/none/state.db")
    entry._environment._config = None
    status, answer = by_url()
    assert (status, answer["ok"]) == (503, False)


@pytest.mark.parametrize(
    "asked", [{"query": {"deep": "true"}}, {"body": '{"deep": true}'},
              {"body": base64.b64encode(b'{"deep": true}').decode(), "encoded": True}],
)  # fmt: skip
def test_what_is_asked_stands_in_the_query_or_in_the_body(whole, asked):
    status, answer = by_url(**asked)
    assert (status, len(answer["checks"])) == (200, 4)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"body": "{deep"}, "body: is not JSON"),
        ({"body": '{"depp": true}'}, "depp: unknown field"),
        ({"query": {"deep": "very"}}, "deep: must be true or false"),
    ],
)
def test_a_request_that_is_refused_is_a_bad_request_and_does_not_make_anything_unhealthy(whole, told, asked, fault):
    status, answer = by_url(**asked)
    assert status == 400
    assert answer["error"]["message"].startswith(fault)
    assert told()[0] == []
