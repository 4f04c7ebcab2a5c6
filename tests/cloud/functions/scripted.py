"""Functions whose answers a test has written down: a file each call, taken in order, the last one kept."""

import json
import os
import sys
import time
from pathlib import Path


class RetryableError(Exception):
    """As `handlers.entry` names it."""


class FatalError(Exception):
    """As `handlers.entry` names it."""


def handler(event, context):
    script = Path(os.environ["SCRIPT"])
    name = event.get("step", f"group {event.get('group')}")
    calls = script / f"{name}.calls"
    with calls.open("a") as file:
        file.write(json.dumps(event) + "\n")
    answers = json.loads((script / f"{name}.json").read_text())
    answer = answers[min(len(calls.read_text().splitlines()), len(answers)) - 1]
    if "raise" in answer:
        raise getattr(sys.modules[__name__], answer["raise"])(answer.get("message", ""))
    time.sleep(answer.pop("seconds", 0))
    if answer.pop("exit", None):
        os._exit(1)
    return answer
