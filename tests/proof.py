"""What the random tests of a session tried and found, added up and printed at its end under the heading "Proof".

A test draws the same each time, so that a change of the code is what turns CI red. `BOREALIS_PROVE` multiplies how much
is tried and draws anew; `BOREALIS_SEED` replays what a failure has printed.
"""

import os
import random
import zlib
from collections import Counter

import pytest

from tests.faults.scenario import STRUCK

COUNTS = (
    "points of failure tried",
    "seeds run",
    *(f"times struck: {what}" for what in STRUCK),
    "damages made",
    "damages found",
    "inputs fuzzed",
    "round trips",
    "rows compared",
    "rows lost",
    "rows doubled",
    "damages missed",
    "false alarms",
)
"""In the order of the summary; others are a mistake of the test."""
COUNTED = pytest.StashKey[Counter[str]]()


class Proof:
    """`proof("rows lost", lost)`; `range(proof.times(50))` seeds; `random.Random(proof.seed())`."""

    def __init__(self, counted: Counter[str], test: str) -> None:
        self.counted, self.test = counted, test

    def __call__(self, what: str, count: int) -> None:
        assert what in COUNTS, what
        self.counted[what] += count

    @staticmethod
    def times(usual: int) -> int:
        """How many are tried: `usual` of them where nothing else is asked for."""
        return max(1, round(usual * float(os.environ.get("BOREALIS_PROVE", "1"))))

    def seed(self) -> int:
        """One of the test's own, or a random one; printed, so that pytest shows it beside a failure."""
        own = random.randrange(2**32) if "BOREALIS_PROVE" in os.environ else zlib.crc32(self.test.encode())
        seed = int(os.environ.get("BOREALIS_SEED", own))
        print(f"BOREALIS_SEED={seed}")  # noqa: T201 - pytest shows it where the test fails
        return seed


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proof:
    return Proof(request.config.stash.setdefault(COUNTED, Counter()), request.node.name)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """A process of several has ended."""
    counted = node.config.stash.setdefault(COUNTED, Counter())  # type: ignore[attr-defined]
    counted.update(getattr(node, "workeroutput", {}).get("proof", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["proof"] = dict(session.config.stash.get(COUNTED, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counted = config.stash.get(COUNTED, Counter())
    if counted:
        terminalreporter.section("Proof")
        for what in COUNTS:
            if what in counted:
                terminalreporter.write_line(f"{counted[what]:>15,}  {what}")
