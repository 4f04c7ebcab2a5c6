"""Health says what is well and what is not, each with its reason, in bounded time, and never fails by itself."""

import socket
import time

import pytest

from handlers import health
from tests.handlers.conftest import Context


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
