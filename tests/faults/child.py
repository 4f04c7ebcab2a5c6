"""What a forked process of the simulation runs: the command line or a function, by a clock that is wrong on demand."""

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def shift_clock() -> None:
    """By CLOCK_S seconds, and CLOCK_JUMP_S more after CLOCK_AFTER_S, for all that asks Python's `time`.

    The monotonic clock stays.
    """
    by, jump, after = (float(os.environ.get(name, "0")) for name in ("CLOCK_S", "CLOCK_JUMP_S", "CLOCK_AFTER_S"))
    now, gmtime, at = time.time, time.gmtime, time.monotonic() + after
    if by or jump:
        time.time = lambda: now() + by + (jump if time.monotonic() >= at else 0.0)
        time.gmtime = lambda seconds=None: gmtime(time.time() if seconds is None else seconds)  # type: ignore[misc]


def borealis() -> None:
    shift_clock()
    from engine.cli import main  # noqa: PLC0415 - the clock first

    main()


def scheduled() -> None:
    """`scheduled` asked by the event in EVENT: prints its answer; 1 where it raises."""
    shift_clock()
    answers = os.dup(1)
    os.dup2(2, 1)  # the lines that a function prints, some of them after its answer
    os.environ["BOREALIS_CONFIG"] = str(Path("borealis.toml").resolve())
    os.environ["POWERTOOLS_LOG_LEVEL"] = "CRITICAL"
    from handlers.entry import FatalError, RetryableError  # noqa: PLC0415
    from handlers.scheduled import handler  # noqa: PLC0415

    arn = "arn:aws:lambda:eu-central-1:123456789012:function:scheduled:live"
    context: Any = SimpleNamespace(
        aws_request_id="request", function_name="scheduled", invoked_function_arn=arn, memory_limit_in_mb=1769,
        get_remaining_time_in_millis=lambda: 900_000, function_version="1", log_group_name="", log_stream_name="",
    )  # fmt: skip
    try:
        answer = handler(json.loads(os.environ["EVENT"]), context)
    except (FatalError, RetryableError) as error:
        retryable = isinstance(error, RetryableError)
        said = {"code": "raised", "message": str(error), "remedy": "in the message", "retryable": retryable}
        answer = {"status": "FAILED", "tables": [], "error": said}
    os.write(answers, json.dumps(answer).encode() + b"\n")
    sys.exit({"COMPLETE": 0, "RUNNING": 0, "PARTIAL": 3}.get(answer["status"], 1))
