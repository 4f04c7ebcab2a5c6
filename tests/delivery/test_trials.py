"""Integration and acceptance test of a deployed environment, against the whole local cloud with the real functions."""

import pytest

from delivery.functions import Place
from delivery.packages import DeliveryError
from delivery.trials import accept, smoke
from engine.local.cloud.cloud import cloud
from engine.local.cloud.functions import REGION


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with cloud(tmp_path_factory.mktemp("cloud")) as up:
        yield up


@pytest.fixture
def place(up, monkeypatch):
    """Its functions have no prefix, and `live` is what there is; see the alias in test_steps.py."""
    for name, value in {**up.aws.variables, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    place = Place("")
    monkeypatch.setattr(place, "healthy", lambda: _healthy(place))
    return place


def _healthy(place: Place) -> str:
    """Without the question which version it is: there are no versions here."""
    assert place.invoke("health", {"deep": True})["ok"]
    return "healthy"


def test_a_smoke_test_runs_the_group_once(up, place):
    lines = []
    smoke(place, "nightly", lines.append)
    assert lines[1] == "scheduled: 5 tables, 367,687 rows"
    assert lines[2].endswith("no second run")
    assert [each.function for each in up.functions.trace] == ["health", "scheduled", "scheduled"]


def test_an_acceptance_test_goes_through_the_state_machine(up, place):
    before, lines = len(up.functions.trace), []
    accept(place, "nightly", lines.append)
    assert up.functions.settle(60)
    assert "state machine: 5 tables, 367,687 rows" in lines
    assert lines[-1] == "scheduled, without full: 5 tables, 367,687 rows"
    ran = {each.function for each in up.functions.trace[before:]}
    assert ran == {"health", "scheduled", "parallel", "snapshot", "worker"}


def test_a_group_that_nobody_has_configured_fails(place):
    with pytest.raises(DeliveryError, match="the run is FAILED: group nobody: no entry"):
        smoke(place, "nobody", print)
