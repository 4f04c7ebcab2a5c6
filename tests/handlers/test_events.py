"""The example events are what the functions take, and nothing else is."""

import json
import re
from pathlib import Path

import pytest

from engine.errors import EventError
from handlers import url
from handlers.events import (
    BenchmarkEvent,
    Event,
    FinishStep,
    HealthEvent,
    PlanStep,
    Resume,
    RunRequest,
    SnapshotEvent,
    WorkerEvent,
    parsed,
)

EXAMPLES = Path(__file__).parent / "events"
KINDS = {
    "scheduled": (RunRequest, Resume),
    "parallel": (RunRequest, Resume, PlanStep, FinishStep),
    "worker": (WorkerEvent,),
    "snapshot": (SnapshotEvent,),
    "health": (HealthEvent,),
    "benchmark": (BenchmarkEvent,),
}


def example(name):
    return url.event_of(json.loads((EXAMPLES / f"{name}.json").read_text()))


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.iterdir()))
def test_an_example_is_an_event_of_its_function_and_survives_the_way_to_another(name):
    kinds = KINDS[name.partition(".")[0]]
    event = parsed(example(name), kinds)
    again = json.loads(json.dumps(event.model_dump(mode="json", exclude_none=True)))
    assert parsed(again, kinds) == event


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scheduled.rule", RunRequest),
        ("scheduled.resume", Resume),
        ("parallel.tables", RunRequest),
        ("parallel.plan", PlanStep),
        ("parallel.plan_again", PlanStep),
        ("parallel.finish", FinishStep),
    ],
)
def test_an_event_names_its_kind_by_a_field_of_that_kind_alone(name, kind):
    assert type(parsed(example(name), KINDS[name.partition(".")[0]])) is kind


def test_a_rule_s_envelope_gives_the_detail_and_its_id_as_the_key():
    event = parsed(example("scheduled.rule"), KINDS["scheduled"])
    assert (event.group, event.idempotency_key) == ("nightly", "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa")
    assert event.correlation_id == event.idempotency_key


def test_a_key_in_the_detail_wins_over_the_envelope_s_id():
    envelope = example("scheduled.rule")
    envelope["detail"] = {"idempotency_key": "mine", "correlation_id": "yours"}
    event = parsed(envelope, KINDS["scheduled"])
    assert (event.idempotency_key, event.correlation_id) == ("mine", "yours")


def test_a_rule_may_start_the_state_machine_too():
    step = parsed({**example("parallel.plan"), "request": example("scheduled.rule")}, KINDS["parallel"])
    assert step.request.group == "nightly"


@pytest.mark.parametrize("name", ["scheduled.rate", "scheduled.scheduler_bare"])
def test_a_schedule_that_says_nothing_asks_for_all_tables(name):
    event = parsed(example(name), KINDS["scheduled"])
    assert (event.tables, event.group, event.full) == ((), None, False)


def faults(event, function):
    with pytest.raises(EventError) as refused:
        parsed(event, KINDS[function])
    return refused.value.faults


def test_every_fault_of_an_event_is_told_at_once_with_its_place():
    told = faults(
        {
            "step": "plan", "round": 0, "execution": "two words",
            "request": {"tables": ["", 5, "x" * 513], "full": "yes", "tabels": []},
        },
        "parallel",
    )  # fmt: skip
    assert [line.partition(":")[0] for line in told] == [
        "execution",
        "request.tables[0]",
        "request.tables[1]",
        "request.tables[2]",
        "request.full",
        "request.tabels",
        "round",
    ]
    assert told[5] == (
        "request.tabels: unknown field; there are correlation_id, trace, tables, group, full, dry_run, "
        "idempotency_key, schedule"
    )


@pytest.mark.parametrize(
    ("function", "event", "fault"),
    [
        ("scheduled", {"group": "nightly", "tables": ["a.b"]}, "tables, group: exclude each other; keep one"),
        ("scheduled", {"tables": "public.orders"}, "tables: must be a list"),
        ("scheduled", {"tables": ["a.b"] * 1001}, "tables: must have at most 1000 items after validation, not 1001"),
        ("scheduled", {"resume": "20261123T020000A1B2C3"}, "generation: is required"),
        ("scheduled", {"detail-type": "x", "detail": "{"}, "detail: is not JSON"),
        ("parallel", {"step": "publish"}, "step: must be 'plan'"),
        ("parallel", {"step": "plan"}, "request, run_id: one of them is required; request in round 1, run_id after it"),
        ("worker", {"run_id": "20261123T020000A1B2C3", "group": "3"}, "group: must be a whole number"),
        ("worker", [], "must be a JSON object, such as {}"),
        ("worker", None, "must be a JSON object, such as {}"),
        ("health", {"deep": 1}, "deep: must be true or false"),
        ("benchmark", {"rounds": 3}, "tables: is required"),
        ("benchmark", {"tables": ["a.b"], "rounds": 21}, "rounds: must be less than or equal to 20"),
    ],
)
def test_what_a_function_does_not_know_is_refused_with_the_place_and_what_is_expected(function, event, fault):
    assert fault in faults(event, function)


def test_the_values_of_an_event_are_not_repeated():
    told = faults({"tables": ["s3cr3t" * 100], "full": "s3cr3t", "idempotency_key": "s3cr3t s3cr3t"}, "scheduled")
    assert len(told) == 3
    assert "s3cr3t" not in str(told)


@pytest.mark.parametrize("kind", [*KINDS["parallel"], WorkerEvent, SnapshotEvent, HealthEvent, BenchmarkEvent])
def test_the_document_has_exactly_the_fields_of_each_event(kind):
    text = (Path(__file__).parents[2] / "docs" / "functions.md").read_text(encoding="utf-8")
    chapter = re.search(rf"^### `{kind.__name__}`.*?\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert chapter, kind
    own = [name for name in kind.model_fields if name not in Event.model_fields]
    assert re.findall(r"^\| `(\w+)`", chapter[1], re.MULTILINE) == own
