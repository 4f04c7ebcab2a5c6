"""Functions that do what the event says, for tests of the runner."""

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

CALLS = itertools.count(1)


class RetryableError(Exception):
    """As `handlers.entry` names it."""


def handler(event, context):
    """`{"do": ...}` names a function below, `with` is its argument; the answer tells of the environment."""
    did = DOES[event.get("do", "nothing")](event.get("with"))
    return {
        "calls": next(CALLS),
        "pid": os.getpid(),
        "did": did,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "function": context.function_name,
        "arn": context.invoked_function_arn,
        "memory_mb": int(context.memory_limit_in_mb),
        "trace_id": os.environ["_X_AMZN_TRACE_ID"],
    }


def allocate(mebibytes):
    held = bytearray(mebibytes * 1024 * 1024)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(5)


def allocate_in_child(mebibytes):
    code = f"import time; held = bytearray({mebibytes} * 2**20); held[::4096] = b'x' * len(held[::4096]); time.sleep(5)"
    subprocess.run([sys.executable, "-c", code], check=True)


def tick(file):
    """Leaves a thread behind that writes."""

    def run():
        while True:
            with Path(file).open("a") as ticks:
                ticks.write(".")
            time.sleep(0.01)

    threading.Thread(target=run, daemon=True).start()


def fail(message):
    raise RetryableError(message)


def count(file):
    """How often this was called, over all environments; fails but the last time, `[file, times]`."""
    path, times = file
    with Path(path).open("a") as calls:
        calls.write(".")
    if Path(path).stat().st_size < times:
        raise RetryableError("once more")


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stderr.write(f"{text}\n")


DOES = {
    "nothing": lambda _: None,
    "sleep": time.sleep,
    "exit": os._exit,
    "allocate": allocate,
    "allocate in child": allocate_in_child,
    "environment": lambda _: dict(os.environ),
    "fail": fail,
    "count": count,
    "tick": tick,
    "say": say,
    "return": lambda value: value,
    "bytes": lambda size: "x" * size,
}
