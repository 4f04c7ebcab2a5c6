"""Many tables, many functions: begins a fanned-out run, and is two of its steps in the state machine.

Plan starts the function that plans and holds the snapshot, and says how many groups of chunks there are; Finish
publishes what the workers of all groups have copied. Without a state machine the tables run here, as in `scheduled`.
"""

from __future__ import annotations

from engine import fanout
from engine.errors import ConfigError
from engine.state import idempotency
from engine.telemetry import lines
from engine.telemetry.functions import trace_header
from engine.telemetry.lines import Told
from engine.wiring import new_run_id
from handlers.entry import Answer, Call, serve
from handlers.events import FinishStep, PlanStep, Resume, RunRequest
from handlers.requests import answered, deadline_of, go_on, invoke, run_here, short, start_execution, stated, status_of

ANSWER_S = 20.0
"""Of a step's time, kept for its own end."""


async def body(event: RunRequest | PlanStep | FinishStep | Resume, call: Call) -> Answer:
    if isinstance(event, Resume):
        return await go_on(event, call)
    if isinstance(event, PlanStep):
        return await _plan(event, call)
    if isinstance(event, FinishStep):
        return await _finish(event, call)
    return await answered(event, call, _start if call.config.aws.state_machine else run_here)


async def _start(event: RunRequest, call: Call, run_id: str) -> Answer:
    request = event.model_dump(mode="json", exclude_none=True, exclude={"idempotency_key", "dry_run", "trace"})
    return {"status": "STARTED", "execution": await start_execution(call, run_id, request), "tables": []}


async def _plan(event: PlanStep, call: Call) -> Answer:
    function = call.config.aws.snapshot_function
    if function is None:
        raise ConfigError(["aws.snapshot_function: is required to fan out; name the function that holds snapshots"])
    async with stated(call) as state:
        run_id = event.run_id
        if run_id is None:
            key = event.execution or call.request_id
            begun = await idempotency.begin(state, key, new_run_id(), patience_s=0)
            run_id = begun.run_id
            lines.note(run_id=run_id)
            if begun.lease is not None:
                await state.release(begun.lease)  # the key is bound to the run; it is the execution that goes on
                await call.audit.began(run_id)

        async def start_holder() -> None:
            request = event.request.model_dump(mode="json", exclude_none=True) if event.request else None
            await invoke(call, function, {"run_id": run_id, "request": request})

        until_s = max(1.0, call.seconds_left() - min(ANSWER_S, call.seconds_left() / 4))
        groups = await fanout.plan_round(state, call.config, run_id, event.round, start_holder, until_s)
    return {"run_id": run_id, "round": event.round, "groups": list(range(groups)), "trace": trace_header()}


async def _finish(event: FinishStep, call: Call) -> Answer:
    last = event.round >= call.config.limits.generations_max
    status, receipts = await fanout.finish(
        call.config, event.run_id, last=last, observer=Told(call.config), deadline=deadline_of(call)
    )
    call.audit.tables = receipts
    told = status if status in ("PARTIAL", "FAILED") else status_of(receipts)
    return {"status": told, "run_id": event.run_id, "round": event.round, "tables": short(receipts)}


handler = serve(RunRequest | PlanStep | FinishStep | Resume, body)
