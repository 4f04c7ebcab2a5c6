"""What a seed stands for: a table, how it is replicated, and a history of writes, changes and faults. Pure.

`str(scenario(7))` tells it in words; the same seed is the same scenario, but not the same timing of its threads.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

GROUPS = (
    ("smallint", "bigint", "numeric(18,4)"),
    ("double precision", "numeric", "boolean"),
    ("text", "varchar(300)"),
    ("timestamptz", "timestamp", "date", "time"),
    ("jsonb", "int[]"),
    ("bytea", "uuid", "mood"),
)
"""Types of columns, drawn by the group."""
WIDER = {"smallint": "bigint", "varchar(300)": "text", "numeric(18,4)": "numeric(24,6)"}
MODES: Mapping[str, Mapping[str, Any]] = {
    "swap": {},
    "overwrite": {"publish": "overwrite"},
    "merge": {"mode": "incremental", "cursor": "at"},
    "reconcile": {"mode": "incremental", "cursor": "at", "deletes": "reconcile"},
    "mark": {"mode": "incremental", "cursor": "at", "deletes": "reconcile", "soft_column": "gone_at"},
    "soft": {"mode": "incremental", "cursor": "at", "deletes": "soft", "soft_column": "gone"},
    "append": {"mode": "incremental", "cursor": "at", "publish": "append"},
}
WRITES = ("insert", "insert", "update", "update", "update", "delete", "again")
CHANGES = ("add", "add with default", "drop", "widen", "retype", "rename", "truncate", "replace", "vacuum full",
           "vacuum", "add again")  # fmt: skip
FAULTS = ("none", "none", "kill", "kill", "kill at", "kill at", "kill at", "terminate", "cut", "cut", "cut", "cut",
          "stall", "slow", "refuse", "deadline", "deadline", "twice", "twice", "clock")  # fmt: skip
STRUCK = ("kill", "kill at", "terminate", "cut", "reset", "stall", "silence", "slow", "refuse", "deadline", "twice",
          "duplicate event", "clock", "failover", "standby dies", "write meanwhile", "change meanwhile")  # fmt: skip
"""What is counted where it has met a run that was under way, and not where it came too late."""


@dataclass(frozen=True, slots=True)
class Write:
    """One transaction over the rows whose id leaves `rest` when divided by `part`."""

    what: str
    """insert, update, delete, or again: rows that were deleted come back."""
    part: int
    rest: int
    held: bool = False
    """In the transaction that stays open until `end`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A statement that is no write: of CHANGES; of the column number `at` where it is about one."""

    what: str
    at: int
    type: str


@dataclass(frozen=True, slots=True)
class End:
    """Of the transaction that is held open."""

    commits: bool


Action = Write | Change | End


@dataclass(frozen=True, slots=True)
class Fault:
    what: str
    """Of FAULTS, `silence`, `failover` or `standby dies`."""
    side: str = "source"
    direction: str = "answers"
    after_s: float = 0.0
    after_bytes: int = 0
    after_connections: int = 0
    for_s: float = 0.0
    reset: bool = False

    def __str__(self) -> str:
        match self.what:
            case "kill at":
                return f"killed after {self.after_bytes} bytes of {self.direction} at the {self.side}"
            case "cut":
                how = "reset" if self.reset else "closed"
                return f"{self.side} {how} after {self.after_bytes} bytes of {self.direction}"
            case "stall":
                return f"{self.side}: {self.what} after {self.after_s} s for {self.for_s} s"
            case "refuse":
                return f"{self.side}: refuse after {self.after_connections} connections for {self.for_s} s"
            case "slow" | "silence":
                return f"{self.side}: {self.what}"
            case "deadline":
                return f"{self.for_s} s of time and a slow source"
            case "twice":
                return f"a second one after {self.after_s} s"
            case "clock":
                return f"the clock jumps by {self.for_s:.0f} s after {self.after_s} s"
            case "kill" | "terminate" | "failover" | "standby dies":
                return f"{self.what} after {self.after_s} s"
        return "no fault"


NONE = Fault("none")


@dataclass(frozen=True, slots=True)
class Step:
    """Actions, then a command under a fault while others write."""

    before: tuple[Action, ...]
    command: str
    """run, full, event, again (the event before once more), rollback."""
    fault: Fault
    during: tuple[tuple[float, Action], ...] = ()
    """Each after so many seconds."""

    def __str__(self) -> str:
        during = ", ".join(f"{at} s: {action}" for at, action in self.during)
        before = "".join(f"\n    {action}" for action in self.before)
        return f"{self.command}: {self.fault}{before}{f'{chr(10)}    meanwhile {during}' if during else ''}"


@dataclass(frozen=True, slots=True)
class Scenario:
    seed: int
    mode: str
    """Of MODES."""
    key: tuple[str, ...]
    """() for a table without one."""
    columns: tuple[str, ...]
    """Types of the columns beside those that every table has."""
    rows: int
    partitioned: bool
    indexed: bool
    """The cursor is."""
    cursor: str
    """Its type."""
    state: str
    place: str
    """What is read: primary, standby, or of a pair of its own one of the two (`pair's primary`, `pair's standby`).

    Of a pair one dies: the standby takes the place and the name of the primary, or comes back.
    """
    table: Mapping[str, Any]
    """Settings of the table."""
    limits: Mapping[str, Any]
    steps: tuple[Step, ...] = field(default=())

    def __str__(self) -> str:
        steps = "\n".join(f"  {n}. {step}" for n, step in enumerate(self.steps, start=1))
        of = f"{self.rows} rows, key {self.key}, {', '.join(self.columns)}"
        form = f"{'partitioned, ' * self.partitioned}{'indexed, ' * self.indexed}cursor {self.cursor}"
        return (
            f"seed {self.seed}: {self.mode}, {of}, {form}, from the {self.place}, {self.state}\n"
            f"  {dict(self.table)} {dict(self.limits)}\n{steps}"
        )

    @property
    def deletes(self) -> bool:
        """Whether rows that are gone at the source leave the target; elsewhere they are not compared."""
        return self.mode in ("swap", "overwrite", "reconcile", "mark", "soft")


def of_mode(mode: str, groups: Sequence[Sequence[str]]) -> list[str]:
    """Without numeric where the table is overwritten in place: the values decide on its type, which is refused there
    once it changes.
    """
    return [each for group in groups for each in group if mode != "overwrite" or each != "numeric"]


def scenario(seed: int, *, failover: bool = False) -> Scenario:
    draw = random.Random(seed)
    mode = draw.choice([*MODES, "swap", "reconcile", "append"])
    keys: Sequence[tuple[str, ...]] = [("id",), ("code",), ("code", "id")]
    key = draw.choice([*keys, ()] if mode in ("swap", "overwrite", "append") else keys)
    partitioned = draw.random() < 0.15 and key != ("code",)
    rows = draw.choice([50, 200, 600, 1500, 3000])
    cursor = draw.choice(["timestamptz", "timestamptz", "timestamp", "bigint"])
    table = dict(MODES[mode])
    table["reader"] = draw.choice(["copy", "copy", "cursor"])
    table["verify"] = draw.choice(["count", "checksum"])
    table["allow_empty"] = True
    if mode in ("swap", "overwrite"):
        table["keep_previous_h"] = draw.choice([0, 24])
    if mode not in ("swap", "overwrite") and cursor == "bigint":
        table["cursor"] = "ver"
    if len(key) > 1 and mode in ("merge", "reconcile"):
        table["key"] = ["id"]
    limits = {
        "readers": draw.choice([1, 2, 3]), "loaders": draw.choice([1, 2]), "queue": 1, "attempts": draw.choice([1, 3]),
        "chunk_bytes": 8192 * draw.choice([1, 2, 4, 8]) * (1 + rows // 600), "file_bytes_max": "1MiB",
        "codec": draw.choice(["gzip", "gzip", "zstd"]),
    }  # fmt: skip
    place = draw.choice(["pair's primary", "pair's standby"] if failover else ["primary"] * 5 + ["standby"])
    drawn = Scenario(
        seed, mode, key, tuple(of_mode(mode, draw.sample(GROUPS, draw.randint(1, 3)))), rows,
        partitioned, draw.random() < 0.3, cursor, draw.choice(["SQLite", "SQLite", "DynamoDB"]), place, table, limits,
    )  # fmt: skip
    steps = [_step(draw, drawn, first=n == 0) for n in range(draw.randint(2, 4))]
    if failover:
        at = draw.randrange(len(steps))
        what = draw.choice(["failover", "standby dies"]) if place == "pair's standby" else "failover"
        steps[at] = replace(steps[at], command="run", fault=Fault(what, after_s=draw.choice([0.2, 0.4, 0.6, 0.8])))
    elif draw.random() < 0.03:
        steps[-1] = replace(steps[-1], command="run", fault=Fault("silence", draw.choice(["source", "target"])))
    return replace(drawn, steps=tuple(steps))


def _step(draw: random.Random, of: Scenario, *, first: bool) -> Step:
    command = "run" if first else draw.choice(["run"] * 10 + ["full", "event", "event", "again", "rollback"])
    before = [] if first else [_action(draw, of) for _ in range(draw.randint(0, 3))]
    during = [(draw.choice([0.1, 0.3, 0.5, 0.8]), _action(draw, of)) for _ in range(draw.choice([0, 0, 1, 2]))]
    fault = _fault(draw)
    if command in ("event", "again") and fault.what in ("deadline", "terminate"):  # which are the command line's
        fault = NONE
    return Step(tuple(before), command, fault, tuple(sorted(during, key=lambda each: each[0])))


def _action(draw: random.Random, of: Scenario) -> Action:
    kind = draw.random()
    if kind < 0.12:
        return Change(draw.choice(CHANGES), draw.randrange(10), draw.choice(of_mode(of.mode, GROUPS)))
    if kind < 0.2:
        return End(draw.random() < 0.7)
    part = draw.choice([2, 5, 17, 61])
    held = draw.random() < (0.05 if of.cursor == "bigint" else 0.25)
    return Write(draw.choice(WRITES), part, draw.randrange(part), held)


def _fault(draw: random.Random) -> Fault:
    what = draw.choice(FAULTS)
    side, direction = draw.choice(["source", "target"]), draw.choice(["requests", "answers"])
    after_s = draw.choice([0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3])
    match what:
        case "kill at" | "cut":
            after = round(10 ** draw.uniform(2.5, 5.0))
            return Fault(what, side, direction, after_bytes=after, reset=draw.random() < 0.5)
        case "stall":
            return Fault(what, side, after_s=after_s, for_s=draw.choice([0.2, 0.6]))
        case "refuse":
            return Fault(what, side, after_connections=draw.randrange(4), for_s=draw.choice([0.6, 1.0, 2.0]))
        case "slow":
            return Fault(what, side)
        case "deadline":
            return Fault(what, for_s=draw.choice([1.2, 1.5, 1.8, 2.2]))
        case "clock":
            by_s = draw.choice([-1, 1]) * draw.choice([90.0, 4000.0, 30 * 3600.0, 8 * 86400.0])
            return Fault(what, after_s=after_s, for_s=by_s)
    return Fault(what, after_s=after_s)
