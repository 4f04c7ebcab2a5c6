"""What `make prove` prints is what its tests counted."""

from collections import Counter

import pytest

from tests.proof import Proof

pytest_plugins = ["pytester"]

TRIES = """
def test_damage(proof):
    assert proof.seed() == 17
    proof("damages made", proof.times(3))
    proof("rows lost", 0)
"""


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=["alone", "two processes"])
def test_counts_are_added_up_and_seeds_are_replayed(pytester: pytest.Pytester, monkeypatch, processes):
    monkeypatch.setenv("BOREALIS_PROVE", "2")
    monkeypatch.setenv("BOREALIS_SEED", "17")
    pytester.makepyfile(TRIES, conftest="from tests.conftest import *")
    lines = [line.strip() for line in pytester.runpytest("-s", "-p", "no:asyncio", *processes).outlines]
    at = next(number for number, line in enumerate(lines) if " Proof " in line)
    counts = [line.split(maxsplit=1) for line in lines[at + 1 :] if line and not line.startswith("=")]
    assert counts == [["6", "damages made"], ["0", "rows lost"]]


def test_a_test_draws_the_same_each_time_and_anew_for_a_proof(monkeypatch):
    def seeds() -> set[int]:
        return {Proof(Counter(), "one").seed() for _ in range(3)}

    monkeypatch.delenv("BOREALIS_SEED", raising=False)
    monkeypatch.delenv("BOREALIS_PROVE", raising=False)
    assert len(seeds()) == 1
    assert seeds() != {Proof(Counter(), "two").seed()}
    monkeypatch.setenv("BOREALIS_PROVE", "1")
    assert len(seeds()) == 3
