"""Copies one group of chunks of a fanned-out run, in the run's snapshot, as far as the time goes."""

from __future__ import annotations

from engine import fanout
from engine.telemetry.lines import Told
from handlers.entry import Answer, Call, serve
from handlers.events import WorkerEvent
from handlers.requests import deadline_of


async def body(event: WorkerEvent, call: Call) -> Answer:
    return await fanout.work(
        call.config, event.run_id, event.group, observer=Told(call.config), deadline=deadline_of(call)
    )


handler = serve(WorkerEvent, body)
