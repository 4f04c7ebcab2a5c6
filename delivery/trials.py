"""What a deployed environment has to do before the next one gets the package: real functions, real tables.

The tables are those of a group of its configuration, `smoke` by custom: small, of all kinds that are replicated.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from delivery.functions import Place
from delivery.packages import DeliveryError

POLL_S = 5.0
EXECUTION_S_MAX = 3600.0


def smoke(place: Place, group: str, tell: Callable[[str], None]) -> None:
    """Integration test: all parts answer, a full run of the group arrives, and the same event is not run twice."""
    tell(place.healthy())
    event = {"group": group, "full": True, "idempotency_key": f"smoke-{uuid.uuid4()}"}
    first = _complete(place.invoke("scheduled", event))
    tell(f"scheduled: {_rows(first)}")
    again = place.invoke("scheduled", event)
    if not again.get("duplicate") or again.get("run_id") != first["run_id"]:
        raise DeliveryError(f"the same event was run twice: {first['run_id']}, then {again.get('run_id')}")
    tell("scheduled: the same event once more, and no second run")


def accept(place: Place, group: str, tell: Callable[[str], None], *, seconds: float = EXECUTION_S_MAX) -> None:
    """Acceptance test: also plans, a run by the state machine over several functions, and one that follows it."""
    smoke(place, group, tell)
    planned = _complete(place.invoke("scheduled", {"group": group, "dry_run": True}))
    tell(f"scheduled: plans for {len(planned['tables'])} tables")
    started = place.invoke("parallel", {"group": group, "full": True, "idempotency_key": f"accept-{uuid.uuid4()}"})
    if started.get("status") != "STARTED":
        raise DeliveryError(f"parallel answers {started.get('status')}, not STARTED; is aws.state_machine set?")
    ended = _complete(_executed(place, started["execution"], seconds))
    tell(f"state machine: {_rows(ended)}")
    if {each["table"] for each in ended["tables"]} != {each["table"] for each in planned["tables"]}:
        raise DeliveryError("the state machine has run other tables than were planned")
    tell(f"scheduled, without full: {_rows(_complete(place.invoke('scheduled', {'group': group})))}")


def _executed(place: Place, arn: str, seconds: float) -> dict[str, Any]:
    """The output of an execution at its end."""
    give_up = time.monotonic() + seconds
    while (found := place.execution(arn))["status"] == "RUNNING":
        if time.monotonic() > give_up:
            raise DeliveryError(f"{arn} has not ended after {seconds:.0f} s")
        time.sleep(min(POLL_S, seconds / 100))
    if found["status"] != "SUCCEEDED":
        raise DeliveryError(f"{arn} ended {found['status']}: {found.get('error')}: {found.get('cause')}")
    output: dict[str, Any] = json.loads(found["output"])
    return output


def _complete(answer: dict[str, Any]) -> dict[str, Any]:
    wrong = [
        each for each in answer.get("tables", []) if each.get("status", "COMPLETE") != "COMPLETE" or "faults" in each
    ]
    if answer.get("status") != "COMPLETE" or wrong or not answer.get("tables"):
        why = answer["error"]["message"] if answer.get("error") else json.dumps(wrong or answer)[:2000]
        raise DeliveryError(f"the run is {answer.get('status')}: {why}")
    return answer


def _rows(answer: dict[str, Any]) -> str:
    return f"{len(answer['tables'])} tables, {sum(each.get('rows_loaded', 0) for each in answer['tables']):,} rows"
