"""Decides how hard a table is copied: readers, loaders, chunks and files, codec and level, each with its reason. Pure.

    readers            by the machine
    loaders            by what lines carry; then by what earlier runs measured: whether readers waited for them
    chunk              what its file costs at the target, against the wait for the last one: a square root
    codec, level       gzip at level 1, unless the line was the limit and cores were idle: then as small as cores allow

A setting of `[limits]` fixes its number. Everything else bounds: connections, memory, disk, deadline, statement time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine.model import Decision, Tuning

if TYPE_CHECKING:
    from engine.config import Config
    from engine.predict import Rates

MIB = 2**20

CHUNK_BYTES_MIN = 16 * MIB
"""Below this a chunk's own costs (a statement, a file, a COPY) show: about 5 ms against 60 ms of reading."""
STAGED_FILE_BYTES_MAX = 150 * MIB
"""Compressed. Snowflake advises 100 to 250 MB; what a function leaves unfinished at its end is read again."""
FILE_S = 0.5
"""Of a loader's time, what a file costs whatever its size: PUT, its share of COPY, ledger and commit. Assumed."""
FILE_LOAD_BYTES_S = 17e6
"""CSV bytes a second of one thread of a warehouse, and a file has one: an X-Small (engine.predict) has eight."""

READERS_A_CORE, READERS_MAX = 2, 8
"""While the server prepares rows for one, another's are compressed: on 2 cores 4 are 1.38 x psql, 2 are 1.1 x."""
LOADERS, LOADERS_MAX = 4, 8
"""At first, and where earlier runs show that readers waited for them. They wait for others, so cores do not count: four
load 68 MB/s (FILE_LOAD_BYTES_S), about what the network of a function carries; a warehouse runs eight statements."""
PROCESS_BYTES = 160 * MIB
"""Of memory: the interpreter, the engine and the connector (benchmarks/results: a run of 5 M rows peaks at 189 MB)."""
READER_BYTES = 16 * MIB
"""Blocks, the driver's buffer and the compressor of one reader of rows of usual size."""
LOADER_BYTES = 24 * MIB
"""A session of the connector while it uploads."""
DISK_SHARE = 0.8
"""Of what is free, for files in flight."""
DISK_MARGIN = 2.0
"""How much worse than in earlier runs rows may be compressed; without such runs they are counted as they are."""

HELD_MIN = 0.2
"""Readers that waited this share of their time had loaders, or the line behind them, as their limit."""
DEADLINE_SHARE = 0.1
"""Of the time limit, what one chunk may take: what is not finished at the end is read again."""
STATEMENT_SHARE = 0.5
"""Of source.statement_timeout_s, the same."""
GAIN_MIN = 1.03
"""A level or codec that is not this much faster is not worth a change."""


class Press(NamedTuple):
    """A codec at a level, as measured on TPC-H lineitem (CSV, one core; tests and docs name no other)."""

    codec: str
    level: int
    bytes_s: float
    share: float
    """Compressed bytes by CSV bytes; what a table's own rows do to it is told by its history, in proportion."""


PRESSES = (
    Press("gzip", 0, 458e6, 0.3856), Press("gzip", 1, 443e6, 0.3443), Press("gzip", 2, 402e6, 0.3396),
    Press("gzip", 3, 275e6, 0.3299), Press("zstd", 1, 294e6, 0.3139), Press("zstd", 3, 200e6, 0.3016),
    Press("zstd", 5, 105e6, 0.2883), Press("zstd", 6, 68e6, 0.2722), Press("zstd", 9, 40e6, 0.2574),
)  # fmt: skip
RECEIVE_BYTES_S = 1750e6
"""CSV bytes that a core receives in a second: 0.57 s of the event loop a GB (extraction.md's measurement)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use (engine.machine)."""

    cores: float
    memory_bytes: int | None = None
    """None: no limit is known."""
    disk_bytes: int | None = None
    """Free where files in flight stand; None where they stand on no disk."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most connections of this process, whatever a table needs."""

    readers: Decision
    loaders: Decision

    @property
    def readers_max(self) -> int:
        return int(self.readers.value)

    @property
    def loaders_max(self) -> int:
        return int(self.loaders.value)


def bounds(config: Config, machine: Machine) -> Bounds:
    """By settings, else by cores, as far as connections and memory go."""
    limits = config.limits
    cores = f"{machine.cores:g} cores"
    why = f"together {LOADERS * FILE_LOAD_BYTES_S / 1e6:.0f} MB/s of CSV, about what the network of a function carries"
    loaders = _fixed("loaders", limits.loaders) or Decision("loaders", LOADERS, why, "default")
    if limits.readers is not None:
        return Bounds(_decided("readers", limits.readers), loaders)
    choices = [
        Decision(
            "readers", min(max(round(READERS_A_CORE * machine.cores), 2), READERS_MAX),
            f"two for each of {cores}, 2 to 8: while the server prepares rows for one, others are compressed", "cores",
        )
    ]  # fmt: skip
    if config.source.connections_max is not None:
        most = config.source.connections_max - 1
        choices.append(
            Decision("readers", most, "connections to the source, and one for the snapshot", "source.connections_max")
        )
    if machine.memory_bytes is not None:
        parts = 2 * config.stage.part_bytes if config.stage.url else 0
        room = machine.memory_bytes - PROCESS_BYTES - int(loaders.value) * LOADER_BYTES
        most = max(1, room // (READER_BYTES + parts))
        choices.append(Decision("readers", most, f"what {_mib(machine.memory_bytes)} of memory hold", "memory"))
    return Bounds(min(choices, key=_value), loaders)


def tune(config: Config, machine: Machine, within: Bounds, rates: Rates, size: int, limit_s: float) -> Tuning:
    """For a table of `size` bytes; `limit_s`: the time limit of this process, `rates`: what earlier runs took."""
    loaders = _loaders(config, within, rates)
    readers = within.readers
    csv = max(1.0, size * rates.csv_share)
    rounds = rounds_of(csv, int(readers.value), int(loaders.value), rates.staged_share, rates.put)
    press = _press(config, machine, rates, rounds)
    share = rates.staged_share * press.share / _press_of(rates).share
    largest = _file_bytes_max(config, machine, share, files_in_flight(config, within), rates)
    chunk = _chunk_bytes(config, rates, size, share, largest, (int(readers.value), int(loaders.value)), limit_s)
    why, source = _why_press(config, rates, press)
    decisions = (
        readers, loaders, chunk, largest,
        Decision("codec", press.codec, why, source), Decision("compression_level", press.level, why, source),
    )  # fmt: skip
    return Tuning(
        int(readers.value),
        int(loaders.value),
        int(chunk.value),
        int(largest.value),
        press.codec,
        press.level,
        decisions,
    )


# --- loaders -----------------------------------------------------------------------------------------------------


def _loaders(config: Config, within: Bounds, rates: Rates) -> Decision:
    """As many more as readers waited for: of `n` loaders, in a share 1 - w of the time, n / (1 - w) are needed.

    To an external stage each reader sends its own file. Readers are not lessened instead: over 3 MB/s, 1.5 M rows took
    0.80 to 1.12 of the first run's time with the two that would keep up, and 0.80 and 0.88 with four, on a busy
    machine.
    """
    if config.limits.loaders is not None or rates.held < HELD_MIN or config.stage.url:
        return within.loaders
    needed = math.ceil(rates.loaders_busy / (1 - min(rates.held, 0.9)))
    if needed <= within.loaders_max:
        return within.loaders
    why = f"in earlier runs readers waited {rates.held:.0%} of their time for loaders"
    return Decision("loaders", min(needed, LOADERS_MAX), why, "history")


# --- chunks and files --------------------------------------------------------------------------------------------


def files_in_flight(config: Config, within: Bounds) -> int:
    """At most, over all tables of this process."""
    loaders = within.loaders_max if config.limits.loaders is not None else LOADERS_MAX
    return within.readers_max + config.limits.queue + loaders


def _file_bytes_max(config: Config, machine: Machine, share: float, in_flight: int, rates: Rates) -> Decision:
    limits = config.limits
    if limits.file_bytes_max is not None:
        return _decided("file_bytes_max", limits.file_bytes_max)
    choices = [
        Decision(
            "file_bytes_max",
            int(STAGED_FILE_BYTES_MAX / share),
            "150 MiB compressed, where 100 to 250 MB are advised",
            "table",
        )
    ]
    if limits.spool_bytes_max is not None:
        why = f"{in_flight} files in flight fit into it, compressed or not"
        choices.append(
            Decision("file_bytes_max", max(MIB, limits.spool_bytes_max // in_flight), why, "limits.spool_bytes_max")
        )
    elif machine.disk_bytes is not None:
        worst = min(1.0, share * DISK_MARGIN) if rates.is_measured else 1.0
        most = int(machine.disk_bytes * DISK_SHARE / in_flight / worst)
        why = f"{in_flight} files in flight fit into {_mib(machine.disk_bytes)} of disk"
        choices.append(Decision("file_bytes_max", max(MIB, most), why, "disk"))
    return min(choices, key=_value)


def rounds_of(csv: float, readers: int, loaders: int, share: float, put: float) -> int:
    """How many chunks each reader takes of so many bytes of CSV, where nothing else bounds them."""
    tail_s_a_byte = share / put + 1 / FILE_LOAD_BYTES_S
    best = math.sqrt(csv * FILE_S / (loaders * tail_s_a_byte))
    largest = STAGED_FILE_BYTES_MAX / share
    return max(1, round(csv / max(best, 1.0) / readers), math.ceil(csv / largest / readers))


def _chunk_bytes(
    config: Config, rates: Rates, size: int, share: float, largest: Decision, tasks: tuple[int, int], limit_s: float
) -> Decision:
    """One file a chunk. Files cost time each, and the last one is waited for: both are least where they are equal."""
    if config.limits.chunk_bytes is not None:
        return _decided("chunk_bytes", config.limits.chunk_bytes)
    readers, loaders = tasks
    csv = max(1.0, size * rates.csv_share)
    rounds = rounds_of(csv, readers, loaders, share, rates.put)
    reader_bytes_s = rates.read / (1 - min(rates.held, 0.9))
    choices = [
        Decision(
            "chunk_bytes", math.ceil(csv / rounds / readers),
            f"{rounds} for each of {readers} readers: {FILE_S:g} s that a file costs against the wait for the last",
            "table",
        ),
        Decision("chunk_bytes", int(largest.value), f"one file each: {largest.why}", largest.source),
    ]  # fmt: skip
    if limit_s != math.inf:
        most = int(DEADLINE_SHARE * limit_s * reader_bytes_s)
        choices.append(
            Decision("chunk_bytes", most, f"read in a tenth of the {limit_s:g} s that there are", "deadline")
        )
    if config.source.statement_timeout_s:
        most = int(STATEMENT_SHARE * config.source.statement_timeout_s * reader_bytes_s)
        why = f"read in half of the {config.source.statement_timeout_s:g} s that a statement may run"
        choices.append(Decision("chunk_bytes", most, why, "source.statement_timeout_s"))
    least = min(choices, key=_value)
    value = int(int(least.value) / rates.csv_share)
    if value < CHUNK_BYTES_MIN and least.source == "table":
        return Decision("chunk_bytes", CHUNK_BYTES_MIN, "below 16 MiB a chunk's own costs show", "table")
    return Decision("chunk_bytes", max(MIB, value), least.why, least.source)


# --- codec and level ---------------------------------------------------------------------------------------------


def _press(config: Config, machine: Machine, rates: Rates, rounds: int) -> Press:
    """The one with which a run is fastest; gzip at level 1 unless another is clearly faster."""
    limits = config.limits
    codec, level = limits.codec or ("gzip" if limits.compression_level is not None else None), limits.compression_level
    if codec is not None and level is not None:
        return _nearest(codec, level)
    usual = _nearest(codec or "gzip", 1)
    if not rates.line or rounds == 1:  # nothing of compressing is hidden: slower by 7 % at level 6 (scenario adaptive)
        return usual
    choices = [each for each in PRESSES if codec is None or each.codec == codec]
    seconds = {each: _seconds_a_byte(each, machine, rates, rounds) for each in choices}
    best = min(choices, key=lambda each: seconds[each])
    return best if seconds[usual] >= GAIN_MIN * seconds[best] else usual


def _seconds_a_byte(press: Press, machine: Machine, rates: Rates, rounds: int) -> float:
    """Of CSV: what the line takes or the cores, whichever is more; of the other, the first of `rounds` or the last."""
    line = press.share * (rates.staged_share / _press_of(rates).share) / rates.line
    cores = (1 / press.bytes_s + 1 / RECEIVE_BYTES_S) / machine.cores
    return max(line, cores) + min(line, cores) / rounds


def _press_of(rates: Rates) -> Press:
    """With which `rates.staged_share` was measured."""
    return _nearest(rates.codec, rates.level)


def _nearest(codec: str, level: int) -> Press:
    """As if at the nearest level that was measured; a level that is set is kept."""
    found = min((each for each in PRESSES if each.codec == codec), key=lambda each: abs(each.level - level))
    return found._replace(level=level)


def _why_press(config: Config, rates: Rates, press: Press) -> tuple[str, str]:
    if config.limits.compression_level is not None:
        return "fixed by limits.compression_level", "limits.compression_level"
    if rates.line and (press.codec, press.level) != (config.limits.codec or "gzip", 1):
        why = f"{rates.line / 1e6:,.1f} MB/s were sent in earlier runs, which took longest: fewer bytes are faster"
        return why, "history"
    if config.limits.codec is not None:
        return "fixed by limits.codec", "limits.codec"
    return "least work for the cores, unless the line is the limit", "cores"


# --- words -------------------------------------------------------------------------------------------------------


def _fixed(setting: str, value: int | None) -> Decision | None:
    return None if value is None else _decided(setting, value)


def _decided(setting: str, value: int) -> Decision:
    return Decision(setting, int(value), f"fixed by limits.{setting}", f"limits.{setting}")


def _value(decision: Decision) -> int:
    return int(decision.value)


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"
