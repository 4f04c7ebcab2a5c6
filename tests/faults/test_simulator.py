"""Whatever happens in between: what the source has is at the target, once, and nothing else is left behind.

Each seed is a scenario (`scenario.py`) on real parts (`simulation.py`): PostgreSQL, the connector and the embedded
warehouse, SQLite or DynamoDB, with a proxy on either side of the engine. BOREALIS_SEED=n replays the choices of one;
what its threads and processes do in which order it cannot.
"""

import asyncio
import os
import traceback
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from engine.local.postgres import PostgresServer, standby_of
from tests.conftest import cloned
from tests.faults.ending import BrokenError
from tests.faults.scenario import STRUCK, scenario
from tests.faults.simulation import Grounds, Simulation
from tests.proof import Proof

PARTS = 2
SEEDS = 25
"""Of one part; parts are tests of their own, which the processes of a session share."""
AT_ONCE = 2
PAIR_EVERY = 25
"""Two servers of its own take 5 s, and one of them dies."""
FAILURES_MAX = 3
SEED_S_MAX = 40
"""With ten others at work on two cores a seed takes up to 13 s."""


@pytest.fixture
def grounds(postgres, standby, warehouse, launcher, aws) -> Grounds:
    return Grounds(postgres, standby, "", warehouse, launcher, aws)


async def simulate(seed: int, grounds: Grounds, directory, proof, failed: list[str]) -> None:
    drawn = scenario(seed, failover=seed % PAIR_EVERY == 0)
    async with AsyncExitStack() as stack:
        if drawn.place.startswith("pair"):
            primary = stack.enter_context(PostgresServer(directory / "primary"))
            standby = await asyncio.to_thread(standby_of, primary, directory / "standby")
            stack.callback(standby.stop)
            grounds = replace(grounds, primary=primary, standby=standby, dsn=primary.dsn())
        else:
            grounds = replace(grounds, dsn=await stack.enter_async_context(cloned(grounds.primary, "template0")))
        simulation = Simulation(drawn, grounds, directory)
        try:
            await simulation.run()
        except Exception as error:  # noqa: BLE001 - the others go on, and its history is told with it
            said = error if isinstance(error, BrokenError) else "".join(traceback.format_exception(error))
            failed.append(
                "\n".join([f"BOREALIS_SEED={seed}", str(drawn), "what happened:", *simulation.told, str(said)])
            )
        proof("seeds run", 1)
        for what in STRUCK:
            proof(f"times struck: {what}", simulation.struck[what])
        proof("rows compared", simulation.compared)
        proof("rows lost", simulation.lost)
        proof("rows doubled", simulation.doubled)


@pytest.mark.timeout(SEEDS * SEED_S_MAX)
@pytest.mark.parametrize("part", range(Proof.times(PARTS)))
async def test_nothing_is_lost_doubled_or_left_behind_whatever_happens(part, grounds, proof, tmp_path):
    first = proof.seed()
    alone = "BOREALIS_SEED" in os.environ
    failed: list[str] = []
    seeds = iter([first] * (part == 0) if alone else range(first, first + SEEDS))

    async def one_after_another() -> None:
        for seed in seeds:
            if len(failed) < FAILURES_MAX:
                (directory := tmp_path / str(seed)).mkdir()
                await simulate(seed, grounds, directory, proof, failed)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_another())
    assert not failed, "\n\n".join(failed)
