"""Simulates a table's run from its event to its receipt: a chain of functions, or rounds of a fan-out. Pure.

chain     plan, then function after function, each as long as it may; the last one publishes
fan-out   plan, then rounds of as many workers as there are groups of chunks, until nothing is left; publish
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.simulator.copying import Copied, Copying, Function
from benchmarks.simulator.world import World
from engine import predict, tuning
from engine.model import Leaf, Table
from engine.plan import PAGE_BYTES, split


class NeverEndsError(Exception):
    """So many readers share so little that no chunk is read before its function's time is over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of a table of `bytes_csv` took."""

    functions: int
    bytes_csv: float
    rounds: int
    """Functions of a chain, one after another; rounds of workers of a fan-out."""
    wall_s: float
    copy_s: float
    """Of it, some function copied."""
    tail_s: float
    """Of it, some function had nothing left to do."""
    restarts: int
    rows_s: float
    mb_s: float
    """CSV, over the wall clock."""
    lambda_gb_s: float
    credits: float
    warehouse: str
    privatelink_gb: float
    dollars: dict[str, float]
    dollars_tb: float
    """A terabyte of CSV."""
    bound: dict[str, float]
    """Share of the readers' time, by what kept them from being faster."""
    used: dict[str, float]
    """Share that was used while it was copied, of each that could end first."""

    @property
    def saturated(self) -> str:
        return max(self.bound, key=self.bound.__getitem__)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"saturated": self.saturated}


def simulate(world: World, table_bytes: int, chunk_bytes_max: int | None = None) -> Outcome:
    """`table_bytes`: of the table, not of its CSV; `chunk_bytes_max`: where a setting fixes it.

    Raises NeverEndsError.
    """
    chance = random.Random(world.seed)  # noqa: S311
    left = chunks_of(world, table_bytes, chunk_bytes_max)
    bytes_csv = sum(left)
    chained = world.chained and world.functions == 1
    clock, gb_s, copy_s, tail_s, restarts, rounds = 0.0, 0.0, 0.0, 0.0, 0, 0
    bound: Counter[str] = Counter()
    copying_s, carried = 0.0, 0.0
    function_s = chance.uniform(*world.start_s) + world.plan_s
    clock += function_s
    first_load = clock
    while left:
        rounds += 1
        used_up = clock if chained and rounds == 1 else 0.0
        copied = _copied(world, left, chance, used_up, chained=chained, first=rounds == 1)
        if not copied.bytes_loaded:
            raise NeverEndsError(f"none of {world.functions} functions has the time for one chunk")
        left = list(copied.left)
        clock += copied.ended
        copy_s, tail_s = copy_s + copied.ended, tail_s + copied.ended - copied.first_ended
        copying_s, carried = copying_s + copied.function_s, carried + copied.network_bytes
        restarts += copied.restarts
        bound += copied.bound
        if not chained:
            clock += world.step_s
    last_s = (0.0 if chained else chance.uniform(*world.start_s)) + world.publish_s
    clock += last_s
    function_s += copying_s + last_s
    held_s = 0.0 if chained else clock  # one function holds the snapshot all the time
    gb_s = (function_s + held_s) * world.memory_mb / 1024
    staged = bytes_csv * world.costs.staged_share
    size, warehouse_s = predict.SIZES[int(math.log2(world.warehouse))], clock - first_load
    # predict.dollars counts an X-Small's seconds; a bigger one costs as many times more a second
    dollars = predict.dollars(gb_s, staged, warehouse_s * world.warehouse)
    return Outcome(
        functions=world.functions,
        bytes_csv=bytes_csv,
        rounds=rounds,
        wall_s=clock,
        copy_s=copy_s,
        tail_s=tail_s,
        restarts=restarts,
        rows_s=bytes_csv / world.costs.row_bytes / clock,
        mb_s=bytes_csv / 1e6 / clock,
        lambda_gb_s=gb_s,
        credits=warehouse_s * world.warehouse / 3600,
        warehouse=size,
        privatelink_gb=staged / predict.GB,
        dollars=dollars,
        dollars_tb=dollars["total"] / (bytes_csv / 1e12),
        bound={name: seconds / bound.total() for name, seconds in bound.most_common()},
        used=_used(world, bytes_csv, copy_s, copying_s, carried),
    )


def chunks_of(world: World, table_bytes: int, chunk_bytes_max: int | None = None) -> list[float]:
    """CSV bytes of the chunks that the engine would cut the table into, biggest first."""
    leaf = Leaf(1, "public", "t", "r", max(1, table_bytes // PAGE_BYTES), table_bytes)
    table = Table(1, "public", "t", "r", (), (), (leaf,))
    csv, share = table_bytes * world.costs.csv_share, world.costs.staged_share
    rounds = tuning.rounds_of(csv, world.readers, tuning.LOADERS, share, predict.PUT_BYTES_S)
    chosen = max(tuning.CHUNK_BYTES_MIN, table_bytes // (rounds * world.readers))
    chunks = split(table, chunk_bytes_max or chosen)
    return [chunk.bytes_estimate * world.costs.csv_share for chunk in chunks]


def _copied(
    world: World, left: Sequence[float], chance: random.Random, used_up: float, *, chained: bool, first: bool
) -> Copied:
    groups = grouped(left, world.functions)
    joins = [chance.uniform(*world.start_s) for _ in groups]
    if chained and first:
        joins = [0.0]  # it has planned, and goes on
    else:
        joins = [join + wait for join, wait in zip(joins, _places(world, len(groups), chance), strict=True)]
    functions = [
        Function(group, join, chance.uniform(*world.network)) for group, join in zip(groups, joins, strict=True)
    ]
    usable_s = world.limit_s - world.reserve_s - used_up - (world.handover_s if chained else 0.0)
    for each in chance.sample(functions, min(world.killed if first else 0, len(functions))):
        alone_s = sum(each.waiting) / min(each.network, world.vcpus / world.cpu_of_client)
        each.dies = each.starts + chance.uniform(0, min(usable_s, alone_s))
    return Copying(world, functions, usable_s, chance).run()


def grouped(sizes: Sequence[float], functions: int) -> list[list[float]]:
    """About as many bytes for each function, as engine.plan.assign does it; each has one chunk at least."""
    groups: list[list[float]] = [[] for _ in range(min(functions, len(sizes)))]
    heap = [(0.0, number) for number in range(len(groups))]
    for size in sorted(sizes, reverse=True):
        filled, number = heapq.heappop(heap)
        groups[number].append(size)
        heapq.heappush(heap, (filled + size, number))
    return groups


def _places(world: World, count: int, chance: random.Random) -> list[float]:
    """Seconds until each has a place at the source, as engine.state.slots looks for one: from a random one on."""
    taken: set[int] = set()
    waits = []
    for _ in range(count):
        place, tries = chance.randrange(count), 1
        while place in taken:
            place, tries = (place + 1) % count, tries + 1
        taken.add(place)
        waits.append((tries + 1) * world.lease_write_s)  # one for its group
    return waits


def _used(world: World, bytes_csv: float, copy_s: float, copying_s: float, carried: float) -> dict[str, float]:
    source, share = world.source, world.source_share
    used = {
        "function CPU": bytes_csv * world.cpu_of_client / (world.vcpus * copying_s),
        "function network": bytes_csv / carried,
        "source CPU": bytes_csv * world.cpu_of_backend / (source.cores * share * copy_s),
        "source network": bytes_csv / (source.bytes_s * share * copy_s),
        "warehouse": bytes_csv / (world.load_bytes_s * world.warehouse * copy_s),
    }
    return {name: round(value, 4) for name, value in used.items()}
