"""Simulates functions that copy chunks at once: events of reads, uploads and loads that share what there is. Pure.

    reader -- CSV over the network, CPU at both ends --> queue --> loader: PUT, then its COPY at the warehouse

Between two events every rate is constant. Reads of one function share its network and CPU, all reads share the
source, all loads the warehouse. A share is equal for all who could use more, and nobody has more than his own bound.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.simulator.world import World
from engine.deadline import LOADS_AHEAD

EPSILON = 1e-6
"""Bytes: less than that is nothing left."""
SOON_S = 1e-9
"""Seconds: less than that is now."""


@dataclass(slots=True)
class Function:
    """One that copies. What all its reads have read since it began is `read_at`: each of them as much."""

    waiting: list[float]
    """CSV bytes of its chunks, biggest first."""
    starts: float
    network: float
    reads: list[tuple[float, float]] = field(default_factory=list)
    """Heap: `read_at` at the end of the read, bytes of the chunk."""
    read_at: float = 0.0
    rate: float = 0.0
    puts: list[tuple[float, float]] = field(default_factory=list)
    put_at: float = 0.0
    put_rate: float = 0.0
    own: float = 0.0
    """Of one read, what the function by itself permits."""
    bound: str = ""
    queue: list[float] = field(default_factory=list)
    blocked: list[float] = field(default_factory=list)
    """Chunks that were read whose readers wait for room in the queue."""
    idle: int = 0
    """Loaders."""
    loading: int = 0
    slowest_load_s: float = 0.0
    load_since: dict[int, float] = field(default_factory=dict)
    read_bytes: float = 0.0
    read_s: float = 0.0
    is_up: bool = False
    stopped: bool = False
    ended: float = math.inf
    dies: float = math.inf

    @property
    def is_done(self) -> bool:
        return self.is_up and not (self.reads or self.puts or self.queue or self.blocked or self.loading) and (
            self.stopped or not self.waiting)  # fmt: skip


@dataclass(slots=True)
class Load:
    number: int
    function: Function
    size: float
    files: int
    left: float
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Copied:
    """How a phase of copying went, in seconds from its begin."""

    ended: float
    first_ended: float
    """When the first function had nothing left to do: from then on it is a tail."""
    left: tuple[float, ...]
    """CSV bytes of the chunks that are not loaded."""
    bytes_loaded: float
    function_s: float
    """Of all functions together, as they are paid."""
    network_bytes: float
    """That their networks could have carried in that time."""
    bound: Counter[str]
    """Seconds of readers by what kept them from being faster."""
    restarts: int


@dataclass(slots=True)
class Copying:
    world: World
    functions: list[Function]
    reading_until: float = math.inf
    """Seconds after its start that a function reads, were loading instant."""
    chance: random.Random = field(default_factory=random.Random)
    now: float = 0.0
    loads: list[Load] = field(default_factory=list)
    pending: list[Load] = field(default_factory=list)
    bound: Counter[str] = field(default_factory=Counter)
    loaded: float = 0.0
    paid_s: float = 0.0
    carried: float = 0.0
    restarts: int = 0
    _numbers: int = 0

    def run(self) -> Copied:
        while active := [each for each in self.functions if each.ended == math.inf]:
            self._share(active)
            self._pass(self._next(active), active)
            self._settle(active)
        ends = [each.ended for each in self.functions]
        return Copied(
            ended=max(ends, default=0.0),
            first_ended=min(ends, default=0.0),
            left=tuple(size for each in self.functions for size in each.waiting),
            bytes_loaded=self.loaded,
            function_s=self.paid_s,
            network_bytes=self.carried,
            bound=self.bound,
            restarts=self.restarts,
        )

    # --- who has how much ------------------------------------------------------------------------------------------

    def _share(self, active: Sequence[Function]) -> None:
        """Sets every rate: the function's own bounds, then the source's, the warehouse's, the machine's."""
        world = self.world
        for each in active:
            self._share_function(each)
        reading = [(each.own, len(each.reads), each) for each in active if each.reads]
        most = level([(own, count) for own, count, _ in reading], world.source_bytes_s)
        by_cpu = world.source.cores / world.cpu_of_backend <= world.source.bytes_s
        for own, _, each in reading:
            each.rate = min(own, most)
            if own > most:
                each.bound = "source CPU" if by_cpu else "source network"
        threads = world.warehouse_threads * world.warehouse
        slower = min(1.0, threads / max(1, sum(load.files for load in self.loads)))
        for load in self.loads:
            load.rate = world.load_bytes_s * slower * load.files / world.warehouse_threads
        if world.machine_cores < math.inf:
            self._share_machine(active)

    def _share_function(self, each: Function) -> None:
        world, reads, puts = self.world, len(each.reads), len(each.puts)
        each.put_rate = min(world.put_bytes_s, each.network / puts) if puts else 0.0
        if not reads:
            each.own = each.rate = 0.0
            return
        bounds = {
            "function network": each.network / reads,
            "function CPU": world.vcpus / world.cpu_of_client / reads,
            "one connection": min(world.line_bytes_s, 1 / world.cpu_of_backend),
        }
        each.bound = min(bounds, key=bounds.__getitem__)
        each.own = bounds[each.bound]

    def _share_machine(self, active: Sequence[Function]) -> None:
        """Everything at once on the same cores; the scheduler slows all of it alike."""
        world = self.world
        cpu_of_read = world.cpu_of_client + world.cpu_of_backend
        wanted = sum(each.rate * len(each.reads) for each in active) * cpu_of_read
        wanted += sum(load.rate for load in self.loads) * world.cpu_of_load
        if wanted <= world.machine_cores:
            return
        slower = world.machine_cores / wanted
        for each in active:
            each.rate *= slower
            each.bound = "machine CPU"
        for load in self.loads:
            load.rate *= slower

    # --- time ------------------------------------------------------------------------------------------------------

    def _next(self, active: Sequence[Function]) -> float:
        """Seconds until something happens."""
        soonest = math.inf
        for each in active:
            if not each.is_up:
                soonest = min(soonest, each.starts - self.now)
                continue
            soonest = min(soonest, each.dies - self.now)
            if each.reads:
                soonest = min(soonest, (each.reads[0][0] - each.read_at) / each.rate)
                soonest = min(soonest, self._stops(each) - self.now)
            if each.puts:
                soonest = min(soonest, (each.puts[0][0] - each.put_at) / each.put_rate)
        for load in self.loads:
            soonest = min(soonest, load.left / load.rate)
        return max(0.0, soonest)

    def _stops(self, each: Function) -> float:
        return each.starts + self.reading_until - LOADS_AHEAD * each.slowest_load_s

    def _pass(self, seconds: float, active: Sequence[Function]) -> None:
        assert seconds < math.inf
        self.now += seconds
        for each in active:
            if not each.is_up:
                continue
            if each.reads:
                self.bound[each.bound] += seconds * len(each.reads)
                each.read_at += each.rate * seconds
            if each.blocked:
                behind = "one COPY" if each.loading else "function network"
                self.bound["warehouse" if self.pending else behind] += seconds * len(each.blocked)
            each.put_at += each.put_rate * seconds
        for load in self.loads:
            load.left -= load.rate * seconds

    # --- what happens ----------------------------------------------------------------------------------------------

    def _settle(self, active: Sequence[Function]) -> None:
        """All that is due now. What ends gives room to what waits."""
        for load in [load for load in self.loads if load.left <= EPSILON]:
            self.loads.remove(load)
            self._loaded(load)
        self._begin_loads()
        for each in active:
            if each.is_up:
                self._settle_function(each)
            elif each.starts <= self.now + SOON_S:
                each.is_up, each.idle = True, self.world.loaders
                self._read_on(each)
            if each.is_done:
                each.ended = self.now
                self._pay(each)

    def _settle_function(self, each: Function) -> None:
        if each.dies <= self.now + SOON_S:
            self._die(each)
            return
        while each.puts and each.puts[0][0] - each.put_at <= EPSILON:
            self._load(each, heapq.heappop(each.puts)[1])
        while each.reads and each.reads[0][0] - each.read_at <= EPSILON:
            each.blocked.append(heapq.heappop(each.reads)[1])
            self._forward(each)
        if not each.stopped and self.now >= self._stops(each) - SOON_S:
            self._stop(each)

    def _begin_loads(self) -> None:
        while self.pending and self._threads_free():
            self.loads.append(self.pending.pop(0))

    def _threads_free(self) -> bool:
        return sum(load.files for load in self.loads) < self.world.warehouse_threads * self.world.warehouse

    def _read_on(self, each: Function) -> None:
        """Each reader that is free takes the biggest chunk that it can expect to read in time."""
        while each.waiting and not each.stopped and len(each.reads) + len(each.blocked) < self.world.readers:
            cost = each.read_s / each.read_bytes if each.read_bytes else 0.0
            fits = (n for n, size in enumerate(each.waiting) if self.now + size * cost < self._stops(each))
            if (number := next(fits, None)) is None:
                each.stopped = not each.reads and not each.blocked
                return
            size = each.waiting.pop(number)
            heapq.heappush(each.reads, (each.read_at + size, size))

    def _forward(self, each: Function) -> None:
        """What was read goes to an idle loader, or into the queue; what has no room there waits with its reader."""
        while each.blocked and len(each.queue) < self.world.queue + each.idle:
            size = each.blocked.pop(0)
            each.queue.append(size)
            each.read_bytes += size
            each.read_s += size / each.rate if each.rate else 0.0
        while each.queue and each.idle:
            size = each.queue.pop(0)
            each.idle -= 1
            # Of a chunk of several files all but the last were uploaded while it was read.
            staged = size * self.world.costs.staged_share / self.world.files_of(size)
            heapq.heappush(each.puts, (each.put_at + staged, size))
        self._read_on(each)

    def _load(self, each: Function, size: float) -> None:
        self._numbers += 1
        each.loading += 1
        each.load_since[self._numbers] = self.now
        self.pending.append(Load(self._numbers, each, size, self.world.files_of(size), size))
        self._begin_loads()

    def _loaded(self, load: Load) -> None:
        each = load.function
        since = each.load_since.pop(load.number, None)
        if since is None:  # its function died meanwhile, and reads the chunk again
            return
        each.slowest_load_s = max(each.slowest_load_s, self.now - since)
        each.loading -= 1
        each.idle += 1
        self.loaded += load.size
        self._forward(each)

    def _stop(self, each: Function) -> None:
        """Readers stop, what is half read is lost; loaders bring in what was read."""
        each.stopped = True
        each.waiting += [size for _, size in each.reads] + each.blocked
        each.reads, each.blocked = [], []

    def _die(self, each: Function) -> None:
        """Killed: all that was not loaded is lost, and tried again once the lease has ended."""
        lost = [load for load in [*self.loads, *self.pending] if load.function is each]
        each.waiting += [size for _, size in [*each.reads, *each.puts]] + each.blocked + each.queue
        each.waiting += [load.size for load in lost if load.number in each.load_since]
        each.waiting.sort(reverse=True)
        self.pending = [load for load in self.pending if load.function is not each]
        self._pay(each)
        each.reads, each.puts, each.blocked, each.queue, each.loading, each.idle = [], [], [], [], 0, 0
        each.load_since.clear()
        each.is_up, each.dies = False, math.inf
        each.starts = self.now + self.world.lease_s + self.chance.uniform(*self.world.start_s)
        self.restarts += 1

    def _pay(self, each: Function) -> None:
        self.paid_s += self.now - each.starts
        self.carried += each.network * (self.now - each.starts)


def level(wanted: Sequence[tuple[float, int]], capacity: float) -> float:
    """The most that each may have so that all together have no more than the capacity: `(own bound, how many)` each."""
    left, count = capacity, sum(many for _, many in wanted)
    for own, many in sorted(wanted):
        if own * count > left:
            return left / count
        left -= own * many
        count -= many
    return math.inf
