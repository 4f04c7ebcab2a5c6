"""Whatever a function is sent becomes an event or is refused in words: no foreign error, no value repeated."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import EventError
from engine.selection import NamePattern
from handlers import replay, url
from handlers.events import (
    BenchmarkEvent,
    FinishStep,
    HealthEvent,
    PlanStep,
    Resume,
    RunRequest,
    SnapshotEvent,
    WorkerEvent,
    parsed,
)
from handlers.triggers import trigger_of
from tests.security.odd import ODD_TEXT, fuzzed

HANDLERS = {
    "scheduled": (RunRequest, Resume), "parallel": (RunRequest, Resume, PlanStep, FinishStep), "worker": (WorkerEvent,),
    "snapshot": (SnapshotEvent,), "health": (HealthEvent,), "benchmark": (BenchmarkEvent,),
}  # fmt: skip

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=4), max_leaves=8
)
FIELDS = sorted({name for kinds in HANDLERS.values() for kind in kinds for name in kind.model_fields})
EVENTS = st.dictionaries(st.sampled_from(FIELDS) | ODD_TEXT, VALUES, max_size=5)
ENVELOPES = st.fixed_dictionaries(
    {"detail-type": VALUES}, optional=dict.fromkeys(("detail", "id", "source", "resources"), VALUES)
)
DEEP = "[" * 100_000


def requests(body: Any) -> st.SearchStrategy[dict[str, Any]]:
    context = st.fixed_dictionaries({"http": VALUES}, optional={"authorizer": VALUES, "requestId": VALUES})
    whole = {"version": st.just("2.0"), "requestContext": context | VALUES}
    return st.fixed_dictionaries(
        whole, optional={"body": body, "isBase64Encoded": VALUES, "queryStringParameters": VALUES}
    )


ANYTHING = VALUES | EVENTS | ENVELOPES | requests(VALUES | EVENTS.map(json.dumps))


def told(refused: EventError) -> None:
    assert refused.faults
    assert all(fault and "\n" not in fault for fault in refused.faults)


def handled(event: Any, kinds: tuple[Any, ...]) -> None:
    """As `handlers.entry.serve` does before a body is called."""
    try:
        asked = parsed(url.event_of(event), kinds)
    except EventError as refused:
        told(refused)
        return
    json.dumps(trigger_of(event, asked), default=str)
    json.dumps(asked.model_dump(mode="json"))


@pytest.mark.parametrize("function", HANDLERS)
def test_anything_that_a_function_is_sent_is_an_event_or_is_refused_in_words(proof, function):
    @fuzzed(proof, 60)
    @given(ANYTHING)
    @example({"version": "2.0", "requestContext": {"http": {}}, "body": DEEP})
    @example({"version": "2.0", "requestContext": {"http": {}}, "queryStringParameters": ["ab"]})
    @example({"version": "2.0", "requestContext": {"http": {}}, "queryStringParameters": {"deep": ["true"]}})
    @example({"version": "2.0", "requestContext": {"http": {}, "authorizer": 1}, "body": "{}"})
    @example({"version": "2.0", "requestContext": {"http": {}}, "body": {"not": "text"}})
    @example({"version": "2.0", "requestContext": {"http": {}}, "body": "e30=", "isBase64Encoded": True})
    @example({"detail-type": "x", "detail": DEEP})
    @example({"detail-type": "Scheduled Event", "source": "aws.events", "resources": 7, "detail": {}})
    @example({"detail-type": ["x"], "source": {}, "resources": {"a": 1}, "detail": {}})
    @example({"step": [], "resume": {}, "run_id": 1})
    @example({"tables": "public.orders"})
    @example({"trace": "x\ny" * 600, "correlation_id": "a\nb"})
    def tried(event: Any) -> None:
        handled(event, HANDLERS[function])

    tried()


@pytest.mark.parametrize(
    "field", ["correlation_id", "idempotency_key", "schedule", "group", "tables"], ids=lambda name: name
)
def test_what_is_refused_is_not_repeated(field):
    """An event may hold what was pasted into the wrong field."""
    with pytest.raises(EventError) as caught:
        parsed({field: {"nested": "hunter2"}, "hunter3": 1}, (RunRequest,))
    assert "hunter2" not in str(caught.value)


def test_a_pattern_of_an_event_takes_no_longer_than_its_length():
    """`*a*a*a*...b` over a name of 63 letters took a regular expression longer than a function lives."""
    assert not NamePattern.parse(f"public.{'*a' * 200}b").selects("public", "a" * 63)
    assert NamePattern.parse(f"public.{'*a' * 20}*").selects("public", "a" * 63)


LETTERS = st.dictionaries(
    st.sampled_from(["function", "state_machine", "event", "run_id", "error", "time", "requestContext",
                     "requestPayload", "responsePayload"]),
    VALUES, max_size=6,
)  # fmt: skip


def test_a_letter_of_the_queue_is_understood_or_told_as_not_understood(proof):
    """Anybody who may write to the queue may write anything."""

    @fuzzed(proof, 100)
    @given((LETTERS | VALUES).map(json.dumps) | ODD_TEXT)
    @example(DEEP)
    @example('{"function": "f", "event": 1}')
    @example('{"requestContext": {"functionArn": 1}, "requestPayload": {}}')
    def tried(body: str) -> None:
        read = replay._read({"MessageId": "m", "Body": body})
        assert read.error or (read.goes_to and isinstance(read.goes_to, str))

    tried()
