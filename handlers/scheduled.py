"""Runs a group of tables when EventBridge says so: here, until this function's time is over.

What does not fit is handed to the state machine where there is one, else to this function's next invocation.
"""

from __future__ import annotations

from handlers.entry import Answer, Call, serve
from handlers.events import Resume, RunRequest
from handlers.requests import answered, go_on, run_here


async def body(event: RunRequest | Resume, call: Call) -> Answer:
    if isinstance(event, Resume):
        return await go_on(event, call)
    return await answered(event, call, run_here)


handler = serve(RunRequest | Resume, body)
