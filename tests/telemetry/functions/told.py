"""A function that says things from tasks and threads, hands its trace on, and fails as it is asked to."""

import logging
import threading
from typing import Any

import anyio
import anyio.to_thread

from engine import telemetry
from engine.errors import TargetError
from engine.telemetry import functions, lines
from handlers.entry import serve
from handlers.events import Event


class Asked(Event):
    do: str = "tell"
    secret: str = ""


async def body(event: Asked, call: Any) -> dict[str, Any]:
    with telemetry.span("table", table="public.t"):
        if event.do == "tell":
            await _tell()
        if event.do == "fail":
            logging.getLogger("driver").warning("row %s", event.secret)
            raise TargetError("cannot load public.t", remedy="run again", retryable=True) from ValueError(event.secret)
        if event.do == "break":
            raise ValueError(event.secret)
        header = functions.trace_header()
    return {"status": "PARTIAL", "chunks_left": 3, "trace": header, "threads": threading.active_count()}


async def _tell() -> None:
    async def task(number: int) -> None:
        lines.note(chunk=str(number))
        await anyio.sleep(0.01)
        with telemetry.span("read", chunk=number):
            lines.tell("from_task", number=number)
            await anyio.to_thread.run_sync(lambda: lines.tell("from_thread", number=number))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(task, number)


handler = serve(Asked, body)
