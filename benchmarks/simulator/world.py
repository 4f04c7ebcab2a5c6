"""What a simulated run has at hand, and where each figure comes from: measured, documented or assumed. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from engine import predict, tuning
from engine.deadline import HANDOVER_S_MAX, HANDOVER_SHARE, RESERVE_S_MAX, RESERVE_S_MIN, RESERVE_SHARE

GBIT = 1e9 / 8
"""Bytes a second."""
VCPU_MB = 1769
"""Of a function's memory, one vCPU."""
RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True, slots=True)
class Costs:
    """What a row costs, measured on the benchmark's machine. CPU of a reader includes the compression."""

    source: str
    client_cpu_s: float
    """Of a function, a million rows."""
    backend_cpu_s: float
    """Of PostgreSQL, a million rows."""
    row_bytes: float
    """CSV."""
    staged_share: float
    """Compressed bytes by CSV bytes."""
    csv_share: float = predict.CSV_SHARE
    """CSV bytes by bytes of the table."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A source as AWS documents it."""

    name: str
    cores: float
    bytes_s: float
    """Of its network, what it has all the time; a smaller instance may burst above it for some minutes."""


def _sized(family: str, gbit: Mapping[str, tuple[int, float]]) -> dict[str, Instance]:
    return {name: Instance(name, cores, rate * GBIT) for size, (cores, rate) in gbit.items()
            if (name := f"db.{family}.{size}")}  # fmt: skip


INSTANCES = _sized("r6g", {"large": (2, 0.75), "xlarge": (4, 1.25), "2xlarge": (8, 2.5), "4xlarge": (16, 5.0),
                           "8xlarge": (32, 12.0), "16xlarge": (64, 25.0)}) | \
            _sized("r7g", {"large": (2, 0.937), "xlarge": (4, 1.876), "2xlarge": (8, 3.75), "4xlarge": (16, 7.5),
                           "8xlarge": (32, 15.0), "16xlarge": (64, 30.0)})  # fmt: skip

SOURCE = INSTANCES["db.r7g.4xlarge"]
"""Where nothing else is said: the size that published runs had (docs/scale.md)."""


@dataclass(frozen=True, slots=True)
class World:
    """Rates in bytes a second, of CSV unless said otherwise."""

    costs: Costs
    functions: int = 1
    memory_mb: int = predict.MEMORY_MB
    network: tuple[float, float] = (0.4 * GBIT, 0.7 * GBIT)
    """Of a function, in each direction: each invocation draws its own between the two."""
    readers: int = 4
    loaders: int = tuning.LOADERS
    queue: int = 2
    file_bytes: float = math.inf
    """CSV bytes of a staged file (`limits.file_bytes_max`); the engine by itself makes one file a chunk."""
    line_bytes_s: float = float("inf")
    """Of one connection to the source."""
    limit_s: float = predict.LIMIT_S
    start_s: tuple[float, float] = (1.0, 3.0)
    """From the call of a function until it has joined the snapshot, cold."""
    step_s: float = 1.0
    """Of the state machine, once a round."""
    lease_write_s: float = 0.01
    """One conditional write."""
    lease_s: float = 60.0
    """A dead worker's lease."""
    plan_s: float = predict.FIXED_S
    """Login, plan and landing table before the first worker, gates after the last."""
    publish_s: float = predict.PUBLISH_S
    killed: int = 0
    """Workers that die at a random moment and are started again, once each."""
    source: Instance = SOURCE
    source_share: float = 1.0
    """Of the source's cores and network, what is left to us."""
    put_bytes_s: float = predict.PUT_BYTES_S
    """Compressed, of one loader."""
    load_bytes_s: float = predict.LOAD_BYTES_S
    """Of an X-Small with all its threads."""
    warehouse_threads: float = 8
    """Files that an X-Small reads at once."""
    warehouse_times: int = 0
    """How many X-Small the warehouse is; 0: the smallest size that keeps pace with the functions' networks."""
    machine_cores: float = float("inf")
    """Where functions, source and warehouse share one machine, as where the model is checked."""
    load_cpu_s: float = 0.0
    """Of the warehouse and who waits for it, a million rows; of interest on one machine only."""
    chained: bool = True
    """One function is followed by the next; otherwise it is a fan-out of one."""
    seed: int = 1

    @property
    def vcpus(self) -> float:
        return self.memory_mb / VCPU_MB

    @property
    def reserve_s(self) -> float:
        """As engine.deadline keeps it."""
        return min(RESERVE_S_MAX, max(RESERVE_S_MIN, RESERVE_SHARE * self.limit_s))

    @property
    def handover_s(self) -> float:
        return min(HANDOVER_S_MAX, HANDOVER_SHARE * self.limit_s)

    @property
    def warehouse(self) -> int:
        """How many X-Small."""
        wanted = self.functions * min(sum(self.network) / 2, self.source_bytes_s) / self.load_bytes_s
        wanted = min(wanted, self.source_bytes_s / self.load_bytes_s)
        return self.warehouse_times or 2 ** predict.SIZES.index(predict.warehouse_size(wanted))

    @property
    def source_bytes_s(self) -> float:
        """What the source can serve, whichever of cores and network ends first."""
        return self.source_share * min(self.source.cores / self.cpu_of_backend, self.source.bytes_s)

    def files_of(self, chunk: float) -> int:
        return max(1, math.ceil(chunk / self.file_bytes))

    @property
    def cpu_of_client(self) -> float:
        """Seconds a byte of CSV."""
        return self.costs.client_cpu_s / 1e6 / self.costs.row_bytes

    @property
    def cpu_of_backend(self) -> float:
        return self.costs.backend_cpu_s / 1e6 / self.costs.row_bytes

    @property
    def cpu_of_load(self) -> float:
        return self.load_cpu_s / 1e6 / self.costs.row_bytes


# --- what was measured -------------------------------------------------------------------------------------------


def costs_of(result: Mapping[str, Any], source: str) -> Costs:
    """From a kept result of the scenario `extract`: its fastest contender of our own.

    Raises LookupError where the result has none.
    """
    for finding in result.get("scenarios", [result]):
        ours = [each for each in finding.get("contenders", []) if each["name"].startswith("borealis")]
        if (
            not finding["scenario"].startswith("extract")
            or finding.get("dataset", "lineitem") != "lineitem"
            or not ours
        ):
            continue
        best = max(ours, key=lambda each: float(each["rows_per_second"]))
        run = best["runs"][0]
        csv_bytes = run["extra"]["csv_bytes"]  # with the quotes that ours have, which psql's have not
        return Costs(
            source=f"{source}: {best['name']}",
            client_cpu_s=best["client_cpu_s_per_million_rows"],
            backend_cpu_s=best["backend_cpu_s_per_million_rows"],
            row_bytes=csv_bytes / run["rows"],
            staged_share=run["compressed_bytes"] / csv_bytes,
            csv_share=finding.get("figures", {}).get("csv_share_of_table", predict.CSV_SHARE),
        )
    raise LookupError(f"{source} has no scenario `extract` of lineitem with a contender of ours; run the benchmark")


def read_costs(path: Path | None = None) -> Costs:
    """Of that result, or of the newest kept one that measured extraction."""
    if path is not None:
        return costs_of(json.loads(path.read_text()), path.name)
    kept = [(json.loads(each.read_text()), each.name) for each in RESULTS.glob("*.json")]
    for result, name in sorted(kept, key=lambda pair: str(pair[0].get("at")), reverse=True):
        try:
            return costs_of(result, name)
        except LookupError:
            continue
    raise LookupError(f"no kept result in {RESULTS} measured extraction; run the benchmark first")


def scaled(costs: Costs, times: float) -> Costs:
    """The same on cores of another speed: a vCPU of a function is a hardware thread, not a core."""
    return replace(costs, client_cpu_s=costs.client_cpu_s * times, backend_cpu_s=costs.backend_cpu_s * times)


# --- where each figure comes from --------------------------------------------------------------------------------

Kind = Literal["measured", "documented", "assumed"]

SOURCES: tuple[tuple[str, str, Kind, str], ...] = (
    ("CPU a row of function and source, bytes a row, compressed share", "the result", "measured",
     "lineitem, the kept benchmark result that is named above the table"),
    ("bytes of CSV by bytes of the table", f"{predict.CSV_SHARE}", "measured", "the same machine, lineitem"),
    ("PUT of one connection", f"{predict.PUT_BYTES_S / 1e6:.0f} MB/s", "measured",
     "connector 5 to a server on loopback, its slower end; S3 is not loopback"),
    ("a function's network", "0.4 to 0.7 Gbit/s each way", "assumed",
     "published measurements by third parties; AWS documents none. An invocation draws its own in between"),
    ("vCPUs of a function", f"memory / {VCPU_MB} MB", "documented",
     "docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"),
    ("time limit of a function", "900 s", "documented",
     "docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"),
    ("start of a function until it has joined", "1 to 3 s", "assumed",
     "0.8 to 4.3 s cold were measured here under Lambda's runtime client (the result of the cold start)"),
    ("vCPUs and network of the source", "by instance", "documented",
     "docs.aws.amazon.com/memorydb/latest/devguide/nodes.supportedtypes.html: baseline of r6g and r7g sizes"),
    ("an Aurora instance has the network of the EC2 size of its name", "yes", "assumed",
     "AWS documents it of MemoryDB's nodes and of EC2's types, of Aurora only \"up to\""),
    ("network in both directions at once", "yes", "documented",
     "docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-network-bandwidth.html"),
    ("cores of the source, of functions and of the benchmark's machine", "equal", "assumed", "see the sensitivity"),
    ("an X-Small loads", f"{predict.LOAD_BYTES_S / 1e6:.0f} MB/s of CSV", "documented",
     "Snowflake's blog: 4.7 TB in 1,063 s on a 2X-Large, a 32nd of it [vendor]"),
    ("files a COPY reads at once", "one a thread", "documented",
     "docs.snowflake.com/en/user-guide/data-load-considerations-prepare"),
    ("threads of an X-Small", "8", "assumed", "said everywhere, documented nowhere"),
    ("credits an hour", "1, 2, 4 ... by size", "documented", "docs.snowflake.com/en/user-guide/warehouses-overview"),
    ("login, plan, gates; a swap", f"{predict.FIXED_S:.0f} s; {predict.PUBLISH_S:.0f} s", "assumed",
     "until earlier runs say more (docs/cost.md)"),
    ("a round of the state machine", "1 s", "assumed", "beside the functions' own start and end"),
    ("a conditional write", "10 ms", "assumed", "DynamoDB documents single-digit milliseconds"),
    ("prices", "list", "documented", "docs/cost.md"),
)  # fmt: skip
