"""What a function may be asked for: events as frozen models, refused with all their faults at once. Pure.

An event may come as it is (a person, EventBridge Scheduler, another function, the state machine) or in the envelope of
an EventBridge rule, whose `detail` is then the event and whose `id` tells a second delivery from a second event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from engine.config_faults import REQUIREMENTS, dotted
from engine.errors import EventError

TABLES_MAX = 1000
"""What one event may name; EventBridge carries 256 KB, and more tables are a pattern or a group."""

Name = Annotated[str, Field(min_length=1, max_length=512)]
"""A table or a pattern: PostgreSQL's names are 63 bytes, doubled quotes and multi-byte characters included."""
RunId = Annotated[str, Field(pattern=r"^\d{8}T\d{6}[0-9A-F]{6}$")]
"""An invocation's, as engine.wiring.new_run_id makes it."""
Id = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,256}$")]
"""Of an event, an execution or a request: ARNs fit; nothing that would break a log line."""
Trace = Annotated[str, Field(max_length=512)]
"""An X-Ray header, `Root=1-...;Parent=...;Sampled=1`, that the work continues."""
Round = Annotated[int, Field(ge=1, le=10_000)]
"""The bound of limits.generations_max."""


def unwrapped(value: Any) -> Any:
    """What stands in the envelope of a rule, or the value itself. Raises ValueError."""
    if not isinstance(value, Mapping) or "detail-type" not in value:
        return value
    detail = value.get("detail")
    if not isinstance(detail, str):
        return detail
    try:
        return json.loads(detail)  # EventBridge Scheduler without an input sends "{}"
    except (ValueError, RecursionError):
        raise ValueError("detail: is not JSON") from None


class Event(BaseModel):
    """What all have: who asked, and the trace that it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    audited: ClassVar[bool] = True
    """Whether it stands in the audit log: it moves rows, or reads them."""

    correlation_id: Id | None = None
    trace: Trace | None = None

    @property
    def continued(self) -> str | None:
        """The trace that it belongs to."""
        return self.trace

    @property
    def run(self) -> str | None:
        """The run that it goes on with."""
        found: str | None = getattr(self, "run_id", None) or getattr(self, "resume", None)
        return found

    @classmethod
    def is_meant(cls, event: Mapping[str, Any]) -> bool:
        """Whether the event names itself one of this kind, where a function takes several."""
        del event
        return False

    @model_validator(mode="before")
    @classmethod
    def _out_of_envelope(cls, value: Any) -> Any:
        detail = unwrapped(value)
        if detail is value or not isinstance(detail, Mapping):
            return detail
        told = {"correlation_id": value.get("id")}
        if "idempotency_key" in cls.model_fields:
            told["idempotency_key"] = value.get("id")
        return {**told, **detail}


class RunRequest(Event):
    """Tables to replicate: those named, those of a group, or all that are configured."""

    tables: Annotated[tuple[Name, ...], Field(strict=False, max_length=TABLES_MAX)] = ()
    group: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    full: bool = False
    dry_run: bool = False
    idempotency_key: Id | None = None
    """Two requests with the same key are one run."""
    schedule: Id | None = None
    """ARN of the schedule that asks, as it says: for the audit log."""

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.tables and self.group is not None:
            raise ValueError("tables, group: exclude each other; keep one")
        return self


class Resume(Event):
    """A run goes on in the next function."""

    resume: RunId
    generation: Round

    @classmethod
    def is_meant(cls, event: Mapping[str, Any]) -> bool:
        return "resume" in event


class PlanStep(Event):
    """Of the state machine: plan a request (round 1), or what its run has left, `run_id`."""

    step: Literal["plan"]
    execution: Id | None = None
    request: RunRequest | None = None
    run_id: RunId | None = None
    round: Round = 1

    @property
    def continued(self) -> str | None:
        return self.trace or (self.request.trace if self.request else None)

    @classmethod
    def is_meant(cls, event: Mapping[str, Any]) -> bool:
        return "step" in event and event["step"] != "finish"

    @model_validator(mode="after")
    def _something_to_plan(self) -> Self:
        if self.request is None and self.run_id is None:
            raise ValueError("request, run_id: one of them is required; request in round 1, run_id after it")
        return self


class FinishStep(Event):
    """Of the state machine: publish what is whole, and say how the run stands."""

    step: Literal["finish"]
    execution: Id | None = None
    run_id: RunId
    round: Round

    @classmethod
    def is_meant(cls, event: Mapping[str, Any]) -> bool:
        return event.get("step") == "finish"


class WorkerEvent(Event):
    """Copy the chunks of one group of a run's plans."""

    run_id: RunId
    group: Annotated[int, Field(ge=0, le=10_000)]
    execution: Id | None = None


class SnapshotEvent(Event):
    """Hold the snapshot of a run: plan it first where `request` is given."""

    run_id: RunId
    request: RunRequest | None = None
    generation: Round = 1


class HealthEvent(Event):
    """Look at the configuration and the state; deep: at the source, the target and Vault too."""

    audited: ClassVar[bool] = False

    deep: bool = False
    cloud: bool = False
    """Look at what people get wrong, for `borealis check --cloud --inside`."""


class BenchmarkEvent(Event):
    """Measure the extraction of tables, and their way end to end."""

    tables: Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=100)]
    rounds: Annotated[int, Field(ge=1, le=20)] = 3


def parsed(event: Any, kinds: Sequence[type[Event]]) -> Event:
    """The event as one of the kinds, the first unless it names itself another. Raises EventError with every fault."""
    kind = next((kind for kind in kinds if isinstance(event, Mapping) and kind.is_meant(event)), kinds[0])
    try:
        return kind.model_validate(event)
    except ValidationError as invalid:
        faults = [_in_words(error, kind) for error in invalid.errors(include_url=False, include_input=False)]
    raise EventError(faults)


_REQUIRED = {**REQUIREMENTS, "model_type": "must be a JSON object, such as {}", "tuple_type": "must be a list"}


def _in_words(error: ErrorDetails, kind: type[Event]) -> str:
    """Where, and what is expected; no value is repeated."""
    path = error["loc"]
    if error["type"] == "extra_forbidden":
        known = RunRequest if "request" in path[:-1] else kind
        words = f"unknown field; there are {', '.join(known.model_fields)}"
    elif error["type"] == "value_error":
        words = str(error.get("ctx", {})["error"])
    elif error["type"] == "missing":
        words = "is required"
    else:
        words = _REQUIRED.get(error["type"]) or re.sub(r"^\w+ should", "must", error["msg"])
    return f"{dotted(path)}: {words}" if path else words
