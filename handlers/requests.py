"""What `scheduled` and `parallel` share: from a request to the run that it begins, once, however often it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson

from engine import aws, failures, runs
from engine.deadline import Deadline
from engine.errors import BorealisError, LeaseError, RefusedError
from engine.kept import fitting, shared_run
from engine.model import Receipt
from engine.outset import heartbeats
from engine.state import idempotency
from engine.state.chosen import state_of
from engine.state.idempotency import Begun
from engine.state.port import State
from engine.telemetry import lines
from engine.telemetry.functions import trace_header
from engine.telemetry.lines import Told
from engine.wiring import Refused, Wanted, new_run_id
from handlers import failure
from handlers.entry import Answer, Call
from handlers.events import Resume, RunRequest

TABLES_TOLD_MAX = 200
"""In an answer that goes through the state machine, whose states hold 256 KB."""


Begin = Callable[[RunRequest, Call, str], Awaitable[Answer]]
"""Begins the run of this id."""


async def answered(event: RunRequest, call: Call, begin: Begin) -> Answer:
    """The answer to a request: plans, the run's own, or the first one's where the same event came before."""
    if event.dry_run:
        plans = await runs.plans_of(call.config, _wanted(event))
        faults = any(isinstance(each, Refused) for each in plans)
        return {"status": "FAILED" if faults else "COMPLETE", "tables": [each.to_json() for each in plans]}
    async with stated(call) as state:
        key = event.idempotency_key or call.request_id
        begun = await idempotency.begin(state, key, new_run_id(), patience_s=_patience_s(call))
        if begun.answer is not None:
            return begun.answer | {"duplicate": True}
        if begun.lease is None:
            return {"status": "RUNNING", "run_id": begun.run_id, "duplicate": True, "tables": []}
        async with heartbeats(state, [begun.lease], call.config.state.lease_s / 3):
            return await _first(event, call, begin, state, begun)


async def _first(event: RunRequest, call: Call, begin: Begin, state: State, begun: Begun) -> Answer:
    assert begun.lease is not None
    try:
        await call.audit.began(begun.run_id)
        answer = await begin(event, call, begun.run_id)
    except BorealisError as error:
        if error.retryable:
            await state.release(begun.lease)
            raise
        await failure.tell(call, event, error, run_id=begun.run_id)
        answer = {"status": "FAILED", "run_id": begun.run_id, "tables": [], "error": failures.as_json(error)}
    if answer["status"] in ("PARTIAL", "RUNNING"):
        await state.release(begun.lease)  # who goes on with the run is no duplicate
    else:
        await idempotency.finish(state, begun, answer | {"tables": fitting(answer["tables"])})
    return answer


def _wanted(event: RunRequest) -> Wanted:
    return Wanted(event.tables, event.group, event.full)


def _patience_s(call: Call) -> float:
    """A retry after a crash comes while the dead one's lease still looks alive."""
    return min(call.config.state.lease_s, call.seconds_left() / 4)


@asynccontextmanager
async def stated(call: Call) -> AsyncIterator[State]:
    state = state_of(call.config, f"{call.function_name}:{call.request_id}")
    try:
        yield state
    finally:
        await state.close()


# --- one function after another ---------------------------------------------------------------------------------


async def run_here(event: RunRequest, call: Call, run_id: str) -> Answer:
    """Runs the tables in this function; what does not fit goes on in the next one, or in the state machine."""
    lines.note(run_id=run_id)
    async with stated(call) as state:
        known, _ = await shared_run(state, run_id)
    if known is not None and known.is_planned:
        return await go_on(Resume(resume=run_id, generation=2, correlation_id=call.correlation_id), call)
    fans_out = call.config.aws.state_machine is not None
    receipts = await runs.run(
        call.config, _wanted(event), run_id=run_id, deadline=deadline_of(call, hands_over=not fans_out),
        observer=Told(call.config), successor=None if fans_out else _successor(call, 2), fans_out=fans_out,
    )  # fmt: skip
    answer = await _told(call, event, run_id, receipts)
    left = [receipt.table for receipt in receipts if receipt.status == "PARTIAL"]
    if left and fans_out:
        request = {"tables": left, "full": event.full}
        answer |= {"status": "STARTED", "execution": await start_execution(call, run_id, request)}
    return answer


async def start_execution(call: Call, name: str, request: Mapping[str, Any]) -> str:
    """Its ARN; the same name is the same execution."""
    with aws.Translated("cannot start aws.state_machine"):
        async with aws.client("stepfunctions", call.config.aws.region) as client:
            started = await client.start_execution(
                stateMachineArn=call.config.aws.state_machine, name=name, input=_traced(call, request).decode()
            )
    return str(started["executionArn"])


async def go_on(event: Resume, call: Call) -> Answer:
    """Goes on with a run that an earlier function left."""
    limit = call.config.limits.generations_max
    if event.generation > limit:
        error = RefusedError([f"{event.resume} is not done after {limit} functions: raise limits.generations_max"])
        await failure.tell(call, event, error, run_id=event.resume)
        return {"status": "FAILED", "run_id": event.resume, "tables": [], "error": failures.as_json(error)}
    if ended := await _ended(call, event.resume):
        return ended | {"duplicate": True}
    receipts = await _continued(event, call)
    if receipts is None:
        return {"status": "RUNNING", "run_id": event.resume, "tables": [], "duplicate": True}
    told = await _told(call, event, event.resume, receipts)
    return await _ended(call, event.resume) or told


async def _continued(event: Resume, call: Call) -> list[Receipt] | None:
    """None where another function goes on with the run; a dead one's lease is waited for, as it looks alive."""
    for patience_s in (_patience_s(call), None):
        try:
            return await runs.go_on(
                call.config, event.resume, deadline=deadline_of(call, hands_over=True), observer=Told(call.config),
                successor=_successor(call, event.generation + 1),
            )  # fmt: skip
        except LeaseError as error:
            if error.run_id != event.resume:
                raise
            if patience_s is not None:
                await anyio.sleep(patience_s)
    return None


async def _ended(call: Call, run_id: str) -> Answer | None:
    """The answer of a run that has ended, with the tables of all its functions."""
    async with stated(call) as state:
        record, _ = await shared_run(state, run_id)
    if record is None or record.status != "ENDED":
        return None
    return {"status": status_of(record.receipts), "run_id": run_id, "tables": list(record.receipts)}


def _successor(call: Call, generation: int) -> runs.Successor:
    async def start(run_id: str) -> None:
        await invoke(call, call.function_arn, {"resume": run_id, "generation": generation})

    return start


async def invoke(call: Call, function: str, event: Mapping[str, Any]) -> None:
    """Starts a function and does not wait for it."""
    with aws.Translated(f"cannot invoke {function}"):
        async with aws.client("lambda", call.config.aws.region) as client:
            await client.invoke(FunctionName=function, InvocationType="Event", Payload=_traced(call, event))


def _traced(call: Call, event: Mapping[str, Any]) -> bytes:
    """The event as JSON, with what ties the lines and spans of the function that gets it to this one's."""
    trace = {"trace": header} if (header := trace_header()) else {}
    return orjson.dumps({**event, "correlation_id": call.correlation_id, **trace})


def deadline_of(call: Call, *, hands_over: bool = False) -> Deadline:
    return Deadline.within(call.config.limits.deadline_s, call.seconds_left(), hands_over=hands_over)


# --- answers ----------------------------------------------------------------------------------------------------


async def _told(call: Call, event: RunRequest | Resume, run_id: str, receipts: Sequence[Receipt]) -> Answer:
    """The answer; of tables that failed, word goes to the queue and the topic."""
    told = [runs.receipt_json(receipt) for receipt in receipts]
    answer = {"status": status_of(told), "run_id": run_id, "tables": told}
    if answer["status"] == "FAILED":
        await failure.tell(call, event, failed_tables(told), run_id=run_id)
    return answer


def status_of(receipts: Sequence[Mapping[str, Any]]) -> str:
    statuses = {receipt["status"] for receipt in receipts}
    return "PARTIAL" if "PARTIAL" in statuses else "FAILED" if "FAILED" in statuses else "COMPLETE"


def failed_tables(receipts: Sequence[Mapping[str, Any]]) -> BorealisError:
    failed = [receipt for receipt in receipts if receipt["status"] == "FAILED"]
    reasons = "; ".join(f"{each['table']}: {(each['error'] or {}).get('message', '')}" for each in failed)
    return BorealisError(
        f"{len(failed)} of {len(receipts)} tables failed: {reasons}", remedy="then run `borealis replay`",
        code="tables",
    )  # fmt: skip


def short(receipts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What of the receipts passes through the state machine, failures first; all is in the state."""
    names = ("table", "status", "run_id", "rows_loaded", "chunks", "functions", "watermark", "error")
    ordered = sorted(receipts, key=lambda receipt: receipt["status"] != "FAILED")
    return [{name: receipt[name] for name in names} for receipt in ordered[:TABLES_TOLD_MAX]]
