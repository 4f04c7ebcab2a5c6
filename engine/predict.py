"""Predicts what a table's run will take and cost, from what earlier runs took. Pure.

    copy = bytes / rate of one function       chain = ceil(copy / usable seconds of one function)
    fan-out: the fewest workers whose copy fits into the usable seconds of one, as far as connections and chunks go

Dollars are list prices of us-east-1 without discounts, free tiers and what is paid by the hour whether one runs or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from engine.model import Mode, Receipt
from engine.plan import TablePlan
from engine.tuning import CHUNK_BYTES_MIN, HELD_MIN

# --- defaults, where no run has been measured --------------------------------------------------------------------

COPY_BYTES_S = 50e6
"""CSV bytes a second of one function: published network rates of one are 0.4 to 0.7 Gbit/s, this is 0.4. Our own
benchmark reads and compresses 196 MB/s on two cores (docs/benchmarks.md), so the network comes first."""
READ_BYTES_S = 49e6
"""CSV bytes a second of one of four readers on two cores (docs/benchmarks.md, COPY with gzip: 196 MB/s in all)."""
PUT_BYTES_S = 44e6
"""Compressed bytes a second of one loader: the slower end of what connector 5 uploads to a server on loopback."""
LOAD_BYTES_S = 138e6
"""CSV bytes a second of an X-Small warehouse: 4.7 TB of CSV in 1,063 s on a 2X-Large (Snowflake's blog), a 32nd."""
STAGED_SHARE = 0.29
"""Compressed bytes by CSV bytes (docs/benchmarks.md, lineitem: 68.1 MB of 233.6 MB by gzip at level 1)."""
CSV_SHARE = 0.97
"""CSV bytes by bytes of the table, TOAST included (lineitem: 233.6 MB of 242.3 MB)."""
FIXED_S = 10.0
"""Login, plan, landing table and gates: a dozen statements at up to a second each. Assumed, until a run has measured
it."""
PUBLISH_S = 3.0
"""A swap: two or three statements. Assumed, until a run has measured it. A merge or append adds its rows at
LOAD_BYTES_S."""

LIMIT_S = 900.0
"""Of a function, Lambda's own."""
MEMORY_MB = 3538
"""Of a function where nothing says how much: two vCPUs, as the benchmark had."""
LINE_TIMES = 1.25
"""The line was the limit where uploading took so many times as long as reading."""
OWN = "of this table"
"""How `based_on` ends where the table's own runs are what a prediction is based on."""
HISTORY = 5
"""Runs of a table whose median counts: a changed instance or warehouse is believed after three."""

# --- prices, list, us-east-1, read in November 2026 --------------------------------------------------------------

LAMBDA_GB_S = 0.0000166667
"""Dollars, x86_64 (aws.amazon.com/lambda/pricing); arm64 costs four fifths."""
PRIVATELINK_GB = 0.01
"""Dollars, first petabyte of a month (aws.amazon.com/privatelink/pricing); its hours are paid without any run."""
CREDIT = 4.0
"""Dollars, Business Critical, the edition with PrivateLink (snowflake.com/pricing); Enterprise 3, Standard 2."""
SIZES = ("X-Small", "Small", "Medium", "Large", "X-Large", "2X-Large", "3X-Large", "4X-Large", "5X-Large", "6X-Large")
"""Each has twice the speed of the one before and costs twice the credits an hour; X-Small one."""

GB = 2**30


@dataclass(frozen=True, slots=True)
class Means:
    """What a run has at hand."""

    readers: int
    workers: int
    """Functions that may copy at once."""
    connections_max: int | None = None
    """Of the source, over all functions; one holds the snapshot."""
    limit_s: float = LIMIT_S
    """The time limit of a function."""
    reserve_s: float = 30.0
    """Of it, kept for loading and telling what was read (engine.deadline)."""
    handover_s: float = 45.0
    """More of it, where functions follow one another: the next one has to join the snapshot."""
    memory_mb: int = MEMORY_MB


@dataclass(frozen=True, slots=True)
class Shape:
    """A way to spread a run over functions."""

    functions: int
    """That follow one another (chain), or that copy at once (fan-out)."""
    rounds: int
    """Of those: 1 where each of them needs no successor."""
    seconds: float
    """From event to receipt."""
    lambda_gb_s: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """Bytes and seconds of one table's run, and what it costs."""

    based_on: str
    bytes_table: int
    bytes_read: int
    bytes_staged: int
    seconds: dict[str, float]
    """By phase as in a receipt: read, put and load added over tasks; copy and total as a clock shows them."""
    limit_s: float
    one_function: bool
    """One is enough."""
    chain: Shape
    fan_out: Shape
    """With the fewest workers that copy all within the limit of one function, else with the most there can be."""
    privatelink_gb: float
    warehouse_s: float
    """That an X-Small runs for it; a bigger one is faster at the same credits. Whatever woke it up pays a minute at
    least, once for all tables of a run."""
    warehouse_size: str
    """The smallest that keeps pace with the workers of the fan-out."""
    dollars: dict[str, float]
    """`lambda` (of the chain), `privatelink`, `warehouse`, `total`."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Rates:
    """What one function does in a second, the shares of bytes, and the seconds that do not depend on bytes."""

    based_on: str = "defaults"
    copy: float = COPY_BYTES_S
    read: float = READ_BYTES_S
    put: float = PUT_BYTES_S
    load: float = LOAD_BYTES_S
    staged_share: float = STAGED_SHARE
    csv_share: float = CSV_SHARE
    fixed_s: float = FIXED_S
    publish_s: float = PUBLISH_S
    held: float = 0.0
    """Of the time of readers, the share that they waited for loaders to take a file, or for an external stage."""
    loaders_busy: float = 0.0
    """How many were at work at once, waiting included."""
    line: float = 0.0
    """Compressed bytes a second that left for the stage, by runs whose limit that was; 0 where none of them says so."""
    codec: str = "gzip"
    level: int = 1
    """With which the files were made."""

    @property
    def is_measured(self) -> bool:
        return self.based_on != "defaults"


def predict(plan: TablePlan, own: Iterable[Mapping[str, Any]], otherwise: Rates, means: Means) -> Prediction:
    """`own`: receipts of the table, newest first; `otherwise`: what holds where none of them measured anything."""
    rates, mine = known(own, otherwise, plan.mode)
    whole = [each["bytes_read"] for each in mine if each["status"] == "COMPLETE"]
    bytes_table = sum(chunk.bytes_estimate for chunk in plan.chunks)
    changes = plan.window is not None and plan.window.low is not None
    read = median(whole) if changes and whole else bytes_table * rates.csv_share
    staged = read * rates.staged_share
    copy_s, load_s = read / rates.copy, read / LOAD_BYTES_S
    publish_s = rates.publish_s + (0 if mine or plan.publish == "swap" else load_s)
    usable_s = max(1.0, means.limit_s - means.reserve_s - rates.fixed_s)
    in_chain = chain(copy_s + publish_s, max(1.0, usable_s - means.handover_s), rates.fixed_s, means)
    fanned_out = fan_out(copy_s, publish_s, usable_s, rates.fixed_s, len(plan.chunks), means)
    shared_s = max(fanned_out.seconds - publish_s - rates.fixed_s * fanned_out.rounds, 0.001)
    warehouse_s = max(copy_s, load_s) + publish_s
    return Prediction(
        based_on=rates.based_on,
        bytes_table=bytes_table,
        bytes_read=round(read),
        bytes_staged=round(staged),
        seconds={
            "read": round(read / rates.read, 3),
            "put": round(staged / rates.put, 3),
            "load": round(read / rates.load, 3),
            "copy": round(copy_s, 3),
            "publish": round(publish_s, 3),
            "total": round(rates.fixed_s + copy_s + publish_s, 3),
        },
        limit_s=means.limit_s,
        one_function=in_chain.functions == 1,
        chain=in_chain,
        fan_out=fanned_out,
        privatelink_gb=round(staged / GB, 6),
        warehouse_s=round(warehouse_s, 1),
        warehouse_size=warehouse_size(load_s / shared_s),
        dollars=dollars(in_chain.lambda_gb_s, staged, warehouse_s),
    )


def known(own: Iterable[Mapping[str, Any]], otherwise: Rates, mode: Mode) -> tuple[Rates, Sequence[Mapping[str, Any]]]:
    """The rates that hold for a table, and those of its own receipts that they are made of."""
    mine = [each for each in map(_whole, own) if _is_measured(each) and each["mode"] == mode][:HISTORY]
    return (rates_of(mine, f"{_counted(len(mine), 'run')} {OWN}") if mine else otherwise), mine


def of_all(receipts: Iterable[Mapping[str, Any]]) -> Rates:
    """From the newest receipts of all tables. Of few bytes no rate means anything, but what does not depend on them."""
    measured = [each for each in map(_whole, receipts) if _is_measured(each)]
    big = [each for each in measured if each["bytes_copied"] >= CHUNK_BYTES_MIN]
    rates = rates_of(big, _counted(len(big), "table")) if big else Rates()
    fixed = [_fixed(each["seconds"]) for each in measured]
    swaps = [took for each in measured if each["mode"] == "full" and (took := each["seconds"].get("publish"))]
    return replace(
        rates,
        fixed_s=median(fixed) if fixed else FIXED_S,
        publish_s=median(swaps) if swaps else PUBLISH_S,
    )


def rates_of(receipts: Sequence[Mapping[str, Any]], based_on: str) -> Rates:
    """Medians over receipts, at least one; of what none of them tells, the default."""

    def middle(of: Callable[[Mapping[str, Any], Mapping[str, float]], float], default: float) -> float:
        values = [value for each in receipts if (value := of(each, each["seconds"])) > 0]
        return median(values) if values else default

    return Rates(
        based_on=based_on,
        copy=middle(lambda each, seconds: each["bytes_copied"] / seconds["copy"], COPY_BYTES_S),
        read=middle(lambda each, seconds: _rate(each["bytes_copied"], seconds.get("read")), READ_BYTES_S),
        put=middle(lambda each, seconds: _rate(each["bytes_copied"] * _staged(each), seconds.get("put")), PUT_BYTES_S),
        load=middle(lambda each, seconds: _rate(each["bytes_copied"], seconds.get("load")), LOAD_BYTES_S),
        staged_share=middle(lambda each, _: _staged(each) if _press(each) == _press(receipts[0]) else 0, STAGED_SHARE),
        csv_share=middle(lambda each, _: _csv(each), CSV_SHARE),
        fixed_s=middle(lambda _, seconds: _fixed(seconds), FIXED_S),
        publish_s=middle(lambda _, seconds: seconds.get("publish", 0.0), PUBLISH_S),
        held=median(_rate(each["seconds"].get("wait", 0.0), each["seconds"].get("read")) for each in receipts),
        loaders_busy=middle(
            lambda _, seconds: (seconds.get("put", 0.0) + seconds.get("load", 0.0)) / seconds["copy"], 0.0
        ),
        line=middle(_line, 0.0),
        codec=_press(receipts[0])[0],
        level=_press(receipts[0])[1],
    )


def _line(receipt: Mapping[str, Any], seconds: Mapping[str, float]) -> float:
    """0 unless each loader uploaded for clearly longer than it loaded, and than each reader read: with few chunks the
    line can be the limit although no reader waits. As if all uploaded at once: rather too fast than too slow, for then
    too little is compressed, not too much.
    """
    put = seconds.get("put", 0.0) / int(_decided(receipt, "loaders", 1))
    load = seconds.get("load", 0.0) / int(_decided(receipt, "loaders", 1))
    read = (seconds.get("read", 0.0) - seconds.get("wait", 0.0)) / int(_decided(receipt, "readers", 1))
    if not put:  # an external stage: the line was the limit where readers waited for it
        waited = _rate(seconds.get("wait", 0.0), seconds.get("read")) >= HELD_MIN
        return _rate(receipt["bytes_copied"] * _staged(receipt), seconds["copy"]) if waited else 0.0
    if put < load or put < LINE_TIMES * read:
        return 0.0
    return _rate(receipt["bytes_copied"] * _staged(receipt), put)


def _press(receipt: Mapping[str, Any]) -> tuple[str, int]:
    return str(_decided(receipt, "codec", "gzip")), int(_decided(receipt, "compression_level", 1))


def _decided(receipt: Mapping[str, Any], setting: str, default: str | int) -> str | int:
    found = [each["value"] for each in receipt.get("decisions", ()) if each["setting"] == setting]
    return found[0] if found else default


def happened(receipt: Receipt, elapsed_s: float, memory_mb: int) -> dict[str, Any]:
    """What a prediction is held against, by the same prices. `elapsed_s`: since the first function began with it.

    Functions are counted as if they had followed one another, each for this table alone, and workers beside them by
    their seconds of copying; what each cost, its own metrics tell.
    """
    copying_s = receipt.seconds.get("copy", 0.0) + receipt.seconds.get("publish", 0.0)
    workers = receipt.workers.get("functions", 0)
    warehouse_s = elapsed_s if receipt.functions > 1 or workers else copying_s
    gb_s = (elapsed_s + receipt.workers.get("seconds", {}).get("copy", 0.0)) * memory_mb / 1024
    return {
        "seconds": round(elapsed_s, 3),
        "functions": receipt.functions + workers,
        "lambda_gb_s": round(gb_s, 3),
        "privatelink_gb": round(receipt.bytes_staged / GB, 6),
        "warehouse_s": round(warehouse_s, 1),
        "dollars": dollars(gb_s, receipt.bytes_staged, warehouse_s),
    }


def dollars(lambda_gb_s: float, bytes_staged: float, warehouse_s: float) -> dict[str, float]:
    parts = {
        "lambda": lambda_gb_s * LAMBDA_GB_S,
        "privatelink": bytes_staged / GB * PRIVATELINK_GB,
        "warehouse": warehouse_s / 3600 * CREDIT,
    }
    return {name: round(value, 6) for name, value in {**parts, "total": sum(parts.values())}.items()}


# --- shapes ------------------------------------------------------------------------------------------------------


def chain(work_s: float, usable_s: float, fixed_s: float, means: Means) -> Shape:
    functions = max(1, math.ceil(work_s / usable_s))
    seconds = functions * fixed_s + work_s
    return Shape(functions, 1, round(seconds, 3), round(seconds * means.memory_mb / 1024, 3))


def fan_out(copy_s: float, publish_s: float, usable_s: float, fixed_s: float, chunks: int, means: Means) -> Shape:
    """Beside the workers one function holds the snapshot all the time; the last one publishes."""
    # Past this degree the connections are shared, and more workers are not faster.
    speed_max = max(1.0, ((means.connections_max or math.inf) - 1) / means.readers)
    most = max(1, min(means.workers, chunks, math.ceil(min(speed_max, means.workers))))
    workers = min(most, max(1, math.ceil(copy_s / usable_s)))
    shared_s = copy_s / min(workers, speed_max)
    rounds = max(1, math.ceil(shared_s / usable_s))
    seconds = rounds * fixed_s + shared_s + publish_s
    working_s = workers * (rounds * fixed_s + shared_s) + publish_s
    return Shape(workers, rounds, round(seconds, 3), round((working_s + seconds) * means.memory_mb / 1024, 3))


def warehouse_size(times: float) -> str:
    """The smallest warehouse that is so many times as fast as an X-Small."""
    return SIZES[min(max(0, math.ceil(math.log2(times))) if times > 0 else 0, len(SIZES) - 1)]


# --- receipts ----------------------------------------------------------------------------------------------------


def _whole(receipt: Mapping[str, Any]) -> Mapping[str, Any]:
    """With what workers copied as its own, so that its rate of copying is the mean of all functions that did."""
    if not (workers := receipt.get("workers")):
        return receipt
    theirs, seconds = workers["seconds"], dict(receipt["seconds"])
    for phase in ("read", "wait", "put", "load", "copy"):
        seconds[phase] = seconds.get(phase, 0.0) + theirs.get(phase, 0.0)
    seconds["total"] += theirs.get("copy", 0.0)
    return {**receipt, "bytes_copied": receipt["bytes_copied"] + workers["bytes_copied"], "seconds": seconds}


def _is_measured(receipt: Mapping[str, Any]) -> bool:
    copied = receipt.get("bytes_copied", 0) > 0 and receipt["seconds"].get("copy", 0) > 0
    return bool(copied and receipt["status"] != "FAILED")


def _staged(receipt: Mapping[str, Any]) -> float:
    return _rate(receipt["bytes_staged"], receipt["bytes_read"])


def _csv(receipt: Mapping[str, Any]) -> float:
    told = receipt["prediction"] if receipt["status"] == "COMPLETE" else {}
    return _rate(receipt["bytes_read"], told.get("bytes_table"))


def _fixed(seconds: Mapping[str, float]) -> float:
    """What neither copied nor published; planning is not in the total."""
    return seconds["total"] - seconds["copy"] - seconds.get("publish", 0.0) + seconds.get("plan", 0.0)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _rate(amount: float, by: float | None) -> float:
    return amount / by if by else 0.0
