"""Plans a fanned-out run and holds its snapshot; before its time is over it passes the baton to its next invocation."""

from __future__ import annotations

from engine import fanout
from engine.errors import LeaseError
from engine.telemetry.lines import Told
from engine.wiring import Wanted
from handlers.entry import Answer, Call, serve
from handlers.events import RunRequest, SnapshotEvent
from handlers.requests import deadline_of, invoke


async def body(event: SnapshotEvent, call: Call) -> Answer:
    request = event.request or RunRequest()

    async def successor(run_id: str) -> None:
        await invoke(call, call.function_arn, {"run_id": run_id, "generation": event.generation + 1})

    try:
        status = await fanout.hold(
            call.config, event.run_id, Wanted(request.tables, request.group, request.full),
            observer=Told(call.config), deadline=deadline_of(call), successor=successor,
        )  # fmt: skip
    except LeaseError:
        return {"status": "HELD", "run_id": event.run_id}  # another invocation plans this run already
    return {"status": status, "run_id": event.run_id}


handler = serve(SnapshotEvent, body)
