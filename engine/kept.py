"""What is kept of a run so that another function can go on with it: each table's plan, and what functions share.

`plan/SCHEMA.TABLE` is a table's unfinished run, one at most; `run/ID` is an invocation that several functions work
on; `failed/RUN` is why a worker gave a table up; `worked/ID#GROUP` is what workers measured. What was loaded is not
kept here: the ledger at the target knows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from engine.config import TableOptions
from engine.errors import LeaseError, StateError
from engine.plan import TablePlan
from engine.preflight import Choice
from engine.source.snapshot import Baton
from engine.state.port import Document, Lease, State
from engine.target.snowflake import TargetTable, Watermark

KEPT_S = 7 * 86_400.0
"""After that a document is of no use to anybody."""
KEPT_H_MAX = 24.0
"""An older unfinished run is not worth its staged half: the table is loaded anew."""

WHOLE_MAX = 200
"""Receipts in one document: 470 bytes each, packed, of 350,000 (engine.state.port). Each is kept by itself too."""
BRIEF = tuple("table target_table mode status run_id rows_loaded chunks functions watermark error".split())

T = TypeVar("T")
Worked = dict[str, Any]
"""As `Receipt.workers`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A table's unfinished run. What it has loaded, and in which snapshot, stands in the ledger."""

    lease: Lease
    run_id: str
    """In the ledger, on the stage, and in the name of the landing table."""
    options: TableOptions
    existing: TargetTable | None
    watermark: Watermark
    previous: str | None
    plan: TablePlan
    began: float
    """Unix seconds."""
    moved: int = 0
    """How often the run went on in a newer snapshot."""
    chunks_read_again: int = 0
    functions: int = 1

    @property
    def choice(self) -> Choice:
        return Choice(self.options, self.plan.target_name, self.plan.table, self.existing, self.watermark)

    def suits(self, choice: Choice, plan: TablePlan) -> bool:
        """Whether its chunks and what they loaded are of use to a run that has this plan now."""
        young = time.time() - self.began < KEPT_H_MAX * 3600
        return young and self.options == choice.options and _shape(self.plan) == _shape(plan)


def _shape(plan: TablePlan) -> tuple[Any, ...]:
    """What must be the same for a landing table to be filled further."""
    leaves = [(leaf.oid, leaf.kind, leaf.filenode) for leaf in plan.table.leaves]
    cursor = (plan.window.cursor, plan.window.low, plan.window.nulls) if plan.window else None
    return (
        plan.table.oid, leaves, plan.fields, plan.target_name, plan.target_exists, plan.mode, plan.publish, plan.key,
        cursor,
    )  # fmt: skip


Status = Literal["PLANNING", "READY", "ENDED", "FAILED"]


@dataclass(frozen=True, slots=True)
class SharedRun:
    """An invocation that several functions work on."""

    run_id: str
    status: Status = "PLANNING"
    tables: tuple[str, ...] = ()
    """Target keys (`SCHEMA.TABLE`) of its runs."""
    full: bool = False
    baton: Baton | None = None
    """None: nobody holds the snapshot; who goes on takes a new one."""
    serial: int = 0
    """Grows with each holder."""
    groups: int = 1
    handover_s: float | None = None
    """From the start of the next function until it had joined the snapshot."""
    attempts: int = 0
    """How often its tables were planned in a snapshot of their own; table runs of each have numbers of their own."""
    refused: tuple[dict[str, Any], ...] = ()
    """Receipts of tables that could not begin."""
    receipts: tuple[dict[str, Any], ...] = ()
    """Of tables that are done; all of them once the run has ended."""
    error: dict[str, Any] = field(default_factory=dict)

    @property
    def is_planned(self) -> bool:
        """A function has planned it, and what is left of its tables is leased to it."""
        return bool(self.tables)


_KEPT: TypeAdapter[Kept] = TypeAdapter(Kept)
_SHARED: TypeAdapter[SharedRun] = TypeAdapter(SharedRun)


class ForeignError(StateError):
    """A document that this version of Borealis does not understand; `version` is the document's own."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"{name} in the state was written by another version of Borealis",
            remedy="let that version end the run, or begin it anew",
        )
        self.version = version


def _read(adapter: TypeAdapter[T], name: str, found: Document) -> T:
    try:
        return adapter.validate_python(found.value)
    except ValidationError:  # without the cause, which quotes what is there
        raise ForeignError(name, found.version) from None


# --- plans ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Slot:
    """The place of one table's unfinished run in the state, with the version that was read there."""

    state: State
    target_key: str
    version: int = 0
    kept: Kept | None = None

    async def put(self, kept: Kept) -> None:
        """Raises LeaseError where another run has taken the table over."""
        value = _KEPT.dump_python(kept, mode="json")
        version = await self.state.put(f"plan/{self.target_key}", value, version=self.version, keep_s=KEPT_S)
        if version is None:
            raise LeaseError(f"another run has taken {self.target_key} over", remedy="nothing was changed; run again")
        self.version, self.kept = version, kept

    async def clear(self) -> None:
        if self.version:
            await self.state.delete(f"plan/{self.target_key}", version=self.version)
        self.version, self.kept = 0, None


async def slots_of(state: State, target_keys: Sequence[str]) -> dict[str, Slot]:
    """Of each table, what is kept of an unfinished run, where most have none."""
    known = set(await state.names("plan/"))
    slots = {}
    for key in target_keys:
        try:
            slots[key] = await _slot(state, key, f"plan/{key}" in known)
        except ForeignError as other:  # before an update, or after it was taken back: the table is begun anew
            slots[key] = Slot(state, key, other.version)
    return slots


async def slots_of_run(state: State, record: SharedRun) -> dict[str, Slot]:
    """Of each table of a shared run, its plan, where most have one."""
    return {key: await _slot(state, key, known=True) for key in record.tables}


async def _slot(state: State, key: str, known: bool) -> Slot:
    found = await state.get(f"plan/{key}") if known else None
    if found is None:
        return Slot(state, key)
    return Slot(state, key, found.version, _read(_KEPT, f"plan/{key}", found))


# --- shared runs ------------------------------------------------------------------------------------------------


async def shared_run(state: State, run_id: str) -> tuple[SharedRun | None, int]:
    """The record of a run that functions share, and its version."""
    found = await state.get(f"run/{run_id}")
    return (_read(_SHARED, f"run/{run_id}", found), found.version) if found else (None, 0)


async def change(state: State, run_id: str, **changes: Any) -> SharedRun:
    """Changes a record, whoever else does at the same time."""
    while True:
        record, version = await shared_run(state, run_id)
        changed = replace(record or SharedRun(run_id), **changes)
        changed = replace(changed, receipts=tuple(fitting(changed.receipts)), refused=tuple(fitting(changed.refused)))
        value = _SHARED.dump_python(changed, mode="json")
        if await state.put(f"run/{run_id}", value, version=version, keep_s=KEPT_S):
            return changed


def fitting(receipts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first `WHOLE_MAX` as they are, of the others the brief: one document has room for those of 10,000 tables."""
    return [each if n < WHOLE_MAX else {name: each.get(name) for name in BRIEF} for n, each in enumerate(receipts)]


# --- what workers measured ---------------------------------------------------------------------------------------


async def note_worked(state: State, run_id: str, group: int, measured: Mapping[str, Worked]) -> None:
    """Adds what a worker of this group has measured, by table run; the group is leased to it alone."""
    name = f"worked/{run_id}#{group}"
    found = await state.get(name)
    before = found.value if found else {}
    value = {run: _added([before[run], each] if run in before else [each]) for run, each in measured.items()}
    await state.put(name, {**before, **value}, version=found.version if found else 0, keep_s=KEPT_S)


async def worked(state: State, run_id: str) -> dict[str, Worked]:
    """By table run, what all workers have measured."""
    several: dict[str, list[Worked]] = {}
    for name in await state.names(f"worked/{run_id}#"):
        found = await state.get(name)
        for run, each in found.value.items() if found else ():
            several.setdefault(run, []).append(each)
    return {run: _added(each) for run, each in several.items()}


def _added(several: Sequence[Worked]) -> Worked:
    seconds: dict[str, float] = {}
    for phase, value in ((phase, value) for each in several for phase, value in each["seconds"].items()):
        seconds[phase] = round(seconds.get(phase, 0.0) + value, 3)
    copied = sum(each["bytes_copied"] for each in several)
    return {"functions": sum(each["functions"] for each in several), "bytes_copied": copied, "seconds": seconds}


async def fail_table(state: State, run_id: str, error: dict[str, Any]) -> None:
    """Notes why a table's run cannot go on; the first reason stands."""
    await state.put(f"failed/{run_id}", error, keep_s=KEPT_S)


async def failure_of(state: State, run_id: str) -> dict[str, Any] | None:
    found = await state.get(f"failed/{run_id}")
    return found.value if found else None
