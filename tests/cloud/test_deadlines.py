"""Functions with random limits, under a runtime that kills: each ends by itself, and the table ends exact."""

import logging
import os
import random
import re
import statistics
import threading
from dataclasses import replace

import pytest

from tests.cloud.test_runs import is_one_snapshot, short_of_time

INVOCATIONS = int(os.environ.get("BOREALIS_INVOCATIONS", "12"))
"""At least this many; the figures that are told of were measured with 100."""
LIMITS_S = (5.0, 15.0)


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """Without a state machine: functions follow one another."""
    with short_of_time(tmp_path_factory.mktemp("cloud")) as (up, _):
        up.settings.write_text(re.sub("(?m)^state_machine.*$", "", up.settings.read_text()))
        yield up


def test_no_function_is_killed_by_its_time_limit(up):
    seed, over = random.randrange(10**6), threading.Event()
    chances, since = random.Random(seed), len(up.functions.trace)

    def set_limits() -> None:
        spec = up.functions.specs["scheduled"]
        while not over.wait(0.3):
            up.functions.specs["scheduled"] = replace(spec, timeout_s=chances.uniform(*LIMITS_S))

    thread = threading.Thread(target=set_limits)
    thread.start()
    try:
        while len(up.functions.trace) - since < INVOCATIONS:
            up.functions.invoke("scheduled", {"tables": ["bank.*"], "full": True})
            assert up.functions.settle(280), seed
            is_one_snapshot(up)
    finally:
        over.set()
        thread.join()
    ran = up.functions.trace[since:]
    assert [(each.outcome, each.error) for each in ran if each.outcome != "ok"] == [], seed
    given_away = [each.remaining_s for each in ran if each.payload["status"] == "PARTIAL"]
    logging.getLogger(__name__).warning(
        "%d invocations, none killed; %d were followed by another, and ended %.1f s before their limit in the median,"
        " %.1f s at most; seed %d", len(ran), len(given_away), statistics.median(given_away), max(given_away), seed,
    )  # fmt: skip
