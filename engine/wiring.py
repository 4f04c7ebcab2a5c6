"""Brings a configuration to life: the parts of one invocation, its tables chosen and seen in one snapshot."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import stamina.instrumentation

from engine.config import Config, Resolved
from engine.connect import addresses, bucket_of, names_of, sessions
from engine.deadline import Deadline
from engine.errors import RefusedError, SourceError
from engine.foresight import Foresight, foresight
from engine.machine import bounds_of
from engine.model import Field, Mode
from engine.plan import TablePlan
from engine.preflight import Choice, Preflight, choose, number_cursors
from engine.source import catalogue as source_catalogue
from engine.source.catalogue import Relation
from engine.source.connection import Translated, connected
from engine.source.horizon import Horizon, read_horizon
from engine.source.snapshot import Snapshot, open_snapshot
from engine.state.chosen import state_of
from engine.state.port import Lease, State
from engine.target.snowflake import Target, TargetCatalogue
from engine.tasks import in_turns

if TYPE_CHECKING:
    from engine.stage.s3 import S3Stage

LATE_COMMIT_WAIT_S = 5.0
"""How long a run waits for transactions that were open when it read a numeric cursor's greatest value."""


stamina.instrumentation.set_on_retry_hooks(())  # retries stand in the receipt, not in lines of their own


@dataclass(frozen=True, slots=True)
class Parts:
    """What one invocation works with."""

    config: Config
    run_id: str
    target: Target
    state: State
    bucket: S3Stage | None
    """Where staged files go, if not to disk and then to the target's own stage."""
    deadline: Deadline
    places: list[Lease] = field(default_factory=list)
    """Of the source's budget of connections: this function's, while it reads."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run was asked for: tables by name or pattern, those of a group, or all that are configured."""

    names: Sequence[str] = ()
    group: str | None = None
    full: bool = False


@dataclass(slots=True)
class Refused:
    """A table whose plan was refused, in the place of its plan."""

    label: str
    target_name: str
    mode: Mode
    faults: list[str]

    def to_json(self) -> dict[str, object]:
        return {"table": self.label, "target_table": self.target_name, "mode": self.mode, "faults": self.faults}


def new_run_id() -> str:
    """Sorts by time: 20261123T101500 and six random hex digits. A table's run adds its number."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + secrets.token_hex(3).upper()


@asynccontextmanager
async def parts(config: Config, run_id: str = "", deadline: Deadline | None = None) -> AsyncIterator[Parts]:
    """Opens the target, made ready for a run, and the state."""
    run_id, deadline = run_id or new_run_id(), deadline or Deadline()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(sessions(config, run_id, deadline))
        bucket = await stack.enter_async_context(bucket_of(config))
        target = Target(
            names_of(config),
            pool,
            transient=config.target.transient,
            attempts=config.limits.attempts,
            deadline=deadline,
            bucket=bucket,
        )
        state = state_of(config)
        stack.push_async_callback(state.close)
        yield Parts(config, run_id, target, state, bucket, deadline)


# --- choosing ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Opened:
    """Tables chosen, locked and seen in one snapshot, beside the target as it is."""

    snapshot: Snapshot
    target: Target
    preflight: Preflight
    foresight: Foresight
    catalogue: TargetCatalogue
    choices: list[Choice] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    async def plan_all(self, *, full: bool) -> tuple[dict[str, TablePlan], list[Refused]]:
        """A plan for each table by its label, and the tables that are refused; as many at once as there are readers."""
        plans: dict[str, TablePlan] = {}
        refused: list[Refused] = []

        async def plan(choice: Choice) -> None:
            try:
                plans[choice.label] = self.foresight.foreseen(await self.preflight.plan(choice, full=full))
            except RefusedError as error:
                refused.append(Refused(choice.label, choice.target_name, choice.options.mode, error.faults))
            except SourceError as error:
                if error.retryable:
                    raise
                # a view that fails, or was never filled, is the fault of this table alone
                faults = [str(error)]
                refused.append(Refused(choice.label, choice.target_name, choice.options.mode, faults))

        await in_turns(self.choices, self.snapshot.readers, plan)
        return {choice.label: plans[choice.label] for choice in self.choices if choice.label in plans}, refused

    def mark_of(self, plan: TablePlan) -> str | None:
        """The target's column that marks rows as gone at the source, where there is one."""
        return self.choice_of(plan).mark

    def flag_of(self, plan: TablePlan) -> Field | None:
        """The source's column that marks rows as deleted, which then are not at the target."""
        options = self.choice_of(plan).options
        incremental = options.mode == "incremental" and options.deletes == "soft"
        return plan.field_of(options.soft_column) if incremental and options.soft_column else None

    def choice_of(self, plan: TablePlan) -> Choice:
        return next(choice for choice in self.choices if choice.label == plan.table.label)


async def choose_tables(config: Config, wanted: Wanted) -> list[tuple[Resolved, Relation]]:
    """Raises ConfigError for what is not there, RefusedError for what the role may not read."""
    source, _ = addresses(config)
    async with connected(source) as connection:
        with Translated("cannot list the source's tables"):
            relations = await source_catalogue.relations(connection)
    by_name = {(r.schema, r.name): r for r in relations}
    resolved = config.resolve(
        [(r.schema, r.name, r.kind, r.is_partition) for r in relations], wanted.names, wanted.group
    )
    return [(each, by_name[each.schema, each.name]) for each in resolved]


async def _horizon(config: Config, chosen: Sequence[tuple[Resolved, Relation]]) -> Horizon | None:
    """Read before the snapshot: what commits in between is then above it."""
    incremental = [(each, relation) for each, relation in chosen if each.options.mode == "incremental"]
    if not incremental:
        return None
    source, primary = addresses(config)
    async with connected(source) as connection:
        with Translated("cannot read the catalogue"):
            tables = await source_catalogue.tables(connection, [relation.oid for _, relation in incremental])
    numbers = number_cursors({r.oid: (each.options, tables[r.oid]) for each, r in incremental if r.oid in tables})
    return await read_horizon(
        primary or source,
        source if primary else None,
        numbers,
        lag_is_set=all(each.options.cursor_lag_s > 0 for each, _ in incremental),
        wait_s=LATE_COMMIT_WAIT_S,
    )


@asynccontextmanager
async def opened(
    made: Parts, chosen: Sequence[tuple[Resolved, Relation]], refused: list[Refused]
) -> AsyncIterator[Opened]:
    config, target = made.config, made.target
    horizon = await _horizon(config, chosen)
    targets = [target_key(config, each) for each, _ in chosen]
    known = await foresight(config, made.state, targets, made.deadline.limit_s)
    source, _ = addresses(config)
    readers = bounds_of(config).readers_max
    async with open_snapshot(source, [relation for _, relation in chosen], readers) as snapshot:
        refused += _busy(chosen, snapshot.busy)
        tables = await snapshot.tables([relation for _, relation in chosen if relation.oid not in snapshot.busy])
        catalogue = await target.catalogue()
        preflight = Preflight(config, snapshot, horizon, catalogue.streamed, known)
        found = Opened(snapshot, target, preflight, known, catalogue, refused=refused)
        for each, relation in chosen:
            if relation.oid in snapshot.busy:
                continue
            try:
                table = choose(
                    each, tables[relation.oid], catalogue, target_key(config, each), standby=snapshot.standby
                )
                found.choices.append(table)
            except RefusedError as error:
                found.refused.append(Refused(each.label, each.target_name, each.options.mode, error.faults))
        yield found


@asynccontextmanager
async def looking(config: Config, wanted: Wanted) -> AsyncIterator[tuple[Parts, Opened]]:
    """The tables as a run would find them, without a lease; nothing is changed but the target's own ground."""
    async with parts(config) as made:
        chosen = await choose_tables(config, wanted)
        refused = unreadable(chosen)
        await made.target.prepare_ground()
        async with opened(made, chosen, refused) as found:
            yield made, found


def _busy(chosen: Sequence[tuple[Resolved, Relation]], busy: set[int]) -> list[Refused]:
    return [
        Refused(
            each.label, each.target_name, each.options.mode,
            [f"{each.label}: another session holds a lock on it; run again later, or raise source.lock_timeout_s"],
        )
        for each, relation in chosen
        if relation.oid in busy
    ]  # fmt: skip


def target_key(config: Config, resolved: Resolved) -> str:
    """The target table's name in leases and watermarks."""
    return f"{config.target.schema_name}.{resolved.target_name}"


def unreadable(chosen: list[tuple[Resolved, Relation]]) -> list[Refused]:
    """Takes out the tables that the role may not read: each is refused by itself, the others go on."""
    refused = [
        Refused(
            each.label, each.target_name, each.options.mode,
            [f"{each.label}: the role may not read it; GRANT USAGE on its schema and SELECT on the table"],
        )
        for each, relation in chosen
        if not relation.readable
    ]  # fmt: skip
    chosen[:] = [pair for pair in chosen if pair[1].readable]
    return refused
