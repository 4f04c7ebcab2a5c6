"""One seed's history on real parts: its steps, and after each of them and at the end what must hold.

simulation = Simulation(drawn, grounds, directory)
await simulation.run()            BrokenError says what does not hold; `simulation.told` the history
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from engine.aws import client
from engine.local.dynamodb import create_table
from engine.local.postgres import PostgresServer
from engine.state.dynamodb import DynamoState
from engine.state.port import State
from engine.state.sqlite import SqliteState
from tests.conftest import Warehouse, connected, through
from tests.faults.ending import DEADLY, BrokenError, in_short, well_formed
from tests.faults.launcher import Launcher, Outcome, Running
from tests.faults.proxy import FaultProxy
from tests.faults.scenario import NONE, Change, End, Fault, Scenario, Step, Write
from tests.faults.source import Rows, Source

HANG_S = 40.0
"""A run of so few rows takes 1 s; its longest wait, for a network that is silent, 10."""
LEASE_S = 2.0
TRIES = 12
"""Runs until all is well again; who waits for a dead one's lease waits for LEASE_S."""
PASSES_FAULTS = ("lease",)
"""Codes of faults that may be met once everything is healed."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What all simulations of a session share. `primary` and `standby` may be of this simulation alone."""

    primary: PostgresServer
    standby: PostgresServer | None
    dsn: str
    """The database at the primary."""
    warehouse: Warehouse
    launcher: Launcher
    aws: str
    """The address of what stands in for it."""


@dataclass
class Simulation:
    drawn: Scenario
    grounds: Grounds
    directory: Path
    began: float = field(default_factory=time.monotonic)
    told: list[str] = field(default_factory=list)
    compared: int = 0
    lost: int = 0
    doubled: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    """Of STRUCK."""

    async def run(self) -> None:
        drawn, grounds = self.drawn, self.grounds
        self.database = f"SIM_{drawn.seed}_{os.getpid()}"
        self.source = Source(grounds.dsn, drawn)
        self.offset_s = self.latest_s = 0.0
        self.event = 0
        read = grounds.standby if drawn.place in ("standby", "pair's standby") else grounds.primary
        assert read is not None
        async with AsyncExitStack() as stack:
            self.at_source = stack.enter_context(FaultProxy(read.port))
            self.at_target = stack.enter_context(FaultProxy(grounds.warehouse.endpoint.port))
            self.session = stack.enter_context(grounds.warehouse.connect())
            self.ask(f'CREATE DATABASE "{self.database}"')
            stack.callback(self.ask, f'DROP DATABASE "{self.database}"')
            self.state = await stack.enter_async_context(_State(self))
            stack.push_async_callback(self.source.end, commits=False)
            await self.source.create()
            await self._replayed()
            for step in drawn.steps:
                await self._step(step)
            await self._ends_well()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _tell(self, what: str) -> None:
        self.told.append(f"{time.monotonic() - self.began:6.1f} s  {what}")

    # --- a step ----------------------------------------------------------------------------------------------------

    async def _step(self, step: Step) -> None:
        for action in step.before:
            self._tell(await self.source.act(action))
        if step.command == "event":
            self.event += 1
        self._tell(f"{step.command}: {step.fault}")
        outcomes = await self._under(step.fault, step)
        self.offset_s += step.fault.for_s if step.fault.what == "clock" else 0.0
        self.latest_s = max(self.latest_s, self.offset_s)
        for outcome in outcomes:
            well_formed(outcome, step.fault)
        await self._holds(outcomes)

    async def _under(self, fault: Fault, step: Step) -> list[Outcome]:
        try:
            return await self._faulty(fault, step)
        except* BrokenError as broken:
            raise broken.exceptions[0] from None

    async def _faulty(self, fault: Fault, step: Step) -> list[Outcome]:
        side = self.at_source if fault.side == "source" else self.at_target
        deadline_s = fault.for_s if fault.what == "deadline" else 4.0 if fault.what == "silence" else None
        match fault.what:
            case "cut":
                side.cut_after(fault.after_bytes, fault.direction, reset=fault.reset)
            case "slow":
                side.latency_s, side.answers_per_s = 0.01, 300e3
            case "deadline":
                self.at_source.answers_per_s = 60e3
        cuts, held, connections = side.cuts, side.held, side.connections
        runs = [self._start(step.command, deadline_s, fault)]
        if fault.what == "kill at":
            side.call_after(fault.after_bytes, fault.direction, runs[0].kill)
        try:
            async with asyncio.TaskGroup() as tasks:
                others = tasks.create_task(self._meanwhile(step, runs))
                fate = tasks.create_task(self._strike(fault, side, runs, step))
                outcomes = [await self._ended(runs[0])]
                await fate
                outcomes += [await self._ended(each) for each in runs[1:]]
                await others
        finally:
            self.at_source.heal()
            self.at_target.heal()
        self.struck["duplicate event"] += any((each.output or {}).get("duplicate", False) for each in outcomes)
        code = outcomes[0].code
        match fault.what:
            case "kill" | "kill at" | "terminate":
                self.struck[fault.what] += code in DEADLY[fault.what]
            case "cut":
                self.struck["reset" if fault.reset else "cut"] += side.cuts - cuts
            case "stall" | "silence" | "slow":
                self.struck[fault.what] += side.held > held
            case "refuse":
                more = side.connections > connections + fault.after_connections
                self.struck[fault.what] += code == 1 or more
            case "deadline":
                self.struck[fault.what] += code == 3
        return outcomes

    async def _strike(self, fault: Fault, side: FaultProxy, runs: list[Running], step: Step) -> None:
        await asyncio.sleep(fault.after_s)
        alive = runs[0].alive
        match fault.what:
            case "kill":
                runs[0].kill()
            case "clock":
                self.struck["clock"] += alive
            case "terminate":
                while runs[0].alive and not (runs[0].directory / "log").stat().st_size:
                    await asyncio.sleep(0.01)  # Python's own handler ends what has not begun
                with suppress(ProcessLookupError):
                    os.kill(runs[0].pid, signal.SIGTERM)
            case "stall" | "silence":
                side.stalled = True
                await asyncio.sleep(fault.for_s or 6.0)
                side.stalled = False
            case "refuse":
                until = side.connections + fault.after_connections
                while runs[0].alive and side.connections < until:
                    await asyncio.sleep(0.01)
                side.refuse()
                await asyncio.sleep(fault.for_s)
                side.heal()
            case "twice":
                self.struck["twice"] += alive
                runs.append(self._start(step.command, None))
            case "failover" | "standby dies":
                await (self._fail_over() if fault.what == "failover" else self._restart_standby())
                self.struck[fault.what] += alive

    async def _meanwhile(self, step: Step, runs: list[Running]) -> None:
        began = asyncio.get_running_loop().time()
        for at, action in step.during:
            await asyncio.sleep(at - (asyncio.get_running_loop().time() - began))
            alive, said = runs[0].alive, await self.source.act(action)
            self._tell(f"meanwhile {said}")
            if alive and said == str(action) and not isinstance(action, End):
                self.struck["change meanwhile" if isinstance(action, Change) else "write meanwhile"] += 1

    async def _fail_over(self) -> None:
        """The primary dies with what is open there; the standby takes its place, and its name."""
        primary, standby = self.grounds.primary, self.grounds.standby
        assert standby is not None
        async with self.source.turn:
            await self._replayed()
            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(standby.promote)
            self.at_source.upstream_port = standby.port
            self.at_source.cut_now(reset=True)
            database = self.source.dsn.rpartition("/")[2]
            self.source.dsn = standby.dsn(database)
            await self.source.end(commits=False)

    async def _restart_standby(self) -> None:
        standby = self.grounds.standby
        assert standby is not None
        await asyncio.to_thread(standby.kill)
        await asyncio.to_thread(standby.start)
        self.at_source.upstream_port = standby.port

    def _start(self, command: str, deadline_s: float | None, fault: Fault = NONE) -> Running:
        jump_s = fault.for_s if fault.what == "clock" else 0.0
        environment = {"CLOCK_S": str(self.offset_s), "CLOCK_JUMP_S": str(jump_s), "CLOCK_AFTER_S": str(fault.after_s),
                       "AWS_ENDPOINT_URL": self.grounds.aws,
                       "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
                       "AWS_DEFAULT_REGION": "eu-central-1"}  # fmt: skip
        config = self._config(deadline_s)
        start = self.grounds.launcher.start
        if command in ("event", "again"):
            event = json.dumps({"tables": ["public.t"], "idempotency_key": f"key-{self.event}"})
            return start(config, ENTRY="tests.faults.child:scheduled", EVENT=event, **environment)
        arguments = {"run": ["run"], "full": ["run", "--full"], "rollback": ["rollback", "public.t"],
                     "verify": ["verify", "--level", "checksum"]}[command]  # fmt: skip
        return start(config, *arguments, ENTRY="tests.faults.child:borealis", **environment)

    def _config(self, deadline_s: float | None) -> dict[str, Any]:
        source: dict[str, Any] = {"dsn": through(self.source.dsn, self.at_source), "lock_timeout_s": 2,
                                  "connect_timeout_s": 5}  # fmt: skip
        if self.at_source.upstream_port != self._port(self.source.dsn):
            source["primary_dsn"] = self.source.dsn
        limits = dict(self.drawn.limits) | {"spool_dir": str(self.directory / "spool")}
        if deadline_s:
            limits["deadline_s"] = deadline_s
        return {
            "source": source,
            "target": {"account": "local", "host": "127.0.0.1", "port": self.at_target.port, "protocol": "http",
                       "user": "tester", "password": "none", "database": self.database, "schema": "SHOP",
                       "network_timeout_s": 5, "login_timeout_s": 5},
            "limits": limits,
            "state": {**self.state.settings, "lease_s": LEASE_S},
            "tables": [{"name": "public.t", **self.drawn.table}],
        }  # fmt: skip

    @staticmethod
    def _port(dsn: str) -> int:
        return int(dsn.rpartition(":")[2].partition("/")[0])

    async def _ended(self, running: Running) -> Outcome:
        waiting = asyncio.create_task(asyncio.to_thread(running.wait))
        done, _ = await asyncio.wait([waiting], timeout=HANG_S)
        if not done:
            running.kill()
            raise BrokenError(f"hangs for {HANG_S:.0f} s:\n{(await waiting).log}")
        outcome = await waiting
        self._tell(f"  -> {outcome.code} {in_short(outcome)}")
        return outcome

    # --- what must hold --------------------------------------------------------------------------------------------

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self.session.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(sql)]

    def _tables(self, schema: str) -> set[str]:
        names = self.ask(
            f"SELECT TABLE_NAME FROM \"{self.database}\".INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{schema}'"
        )
        return {row[0] for row in names}

    @property
    def _live(self) -> str:
        """The rows of the target that count."""
        marked = ' WHERE "GONE_AT" IS NULL' if self.drawn.mode == "mark" and self._has("GONE_AT") else ""
        return f'FROM "{self.database}"."SHOP"."T"{marked}'

    def _has(self, column: str) -> bool:
        return any(row[0] == column for row in self.ask(
            f'SELECT COLUMN_NAME FROM "{self.database}".INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = \'SHOP\''
        ))  # fmt: skip

    def _at_target(self) -> Rows:
        if "T" not in self._tables("SHOP"):
            return Counter()
        return Counter(
            {(int(i), int(v)): n for i, v, n in self.ask(f'SELECT "ID", "VER", COUNT(*) {self._live} GROUP BY 1, 2')}
        )

    async def _holds(self, outcomes: list[Outcome]) -> None:
        """No row is there twice or from nowhere; of who says COMPLETE one has told the truth."""
        have, ever = self._at_target(), await self.source.ever()
        self.compared += have.total()
        if self.drawn.key and self.drawn.mode != "append":
            twice = [i for i, n in Counter(i for i, _ in have.elements()).items() if n > 1]
            self._none_doubled(len(twice), f"ids {twice[:5]}")
        beyond = have - ever
        self._none_doubled(beyond.total(), f"rows {list(beyond)[:5]}")
        done = [
            receipt
            for outcome in outcomes
            if outcome.output and not outcome.output.get("duplicate")
            for receipt in outcome.output.get("tables", ())
            if receipt.get("status") == "COMPLETE" and receipt.get("snapshot")
        ]
        if done and not await self._is_any(done, have):
            raise BrokenError("none of the receipts that say COMPLETE is of the rows at the target")

    def _none_doubled(self, count: int, which: str) -> None:
        self.doubled += count
        if count:
            raise BrokenError(f"doubled, or from nowhere: {which}")

    async def _is_any(self, done: list[Mapping[str, Any]], have: Rows) -> bool:
        for receipt in done:
            xmin, xmax, _ = receipt["snapshot"]["id"].split(":")
            if receipt["snapshot"]["standby"] and xmin != xmax:
                return True  # which transactions were open a standby does not tell; the end compares the rows
            seen = await self.source.seen(receipt["snapshot"]["id"])
            missing, more = seen - have, have - seen
            if self.drawn.mode == "append":
                missing = Counter()  # what is above the horizon is for a later run
            if not missing and not (self.drawn.deletes and more):
                return True
            self._tell(f"  of {seen.total()} rows {missing.total()} are missing, {more.total()} are more: "
                             f"{list(missing)[:3]} {list(more)[:3]}")  # fmt: skip
            self.lost += missing.total()
        return False

    # --- the end ---------------------------------------------------------------------------------------------------

    async def _replayed(self) -> None:
        """Of an open transaction the last record may be written by half: a commit of ours completes and sends it."""
        primary, standby = self.grounds.primary, self.grounds.standby
        if standby is None or self.drawn.place == "primary" or primary.pid is None:
            return
        async with connected(primary.dsn()) as one, connected(standby.dsn()) as other:
            written = await one.fetchval("SELECT pg_logical_emit_message(true, 'simulation', '')::text")
            for _ in range(500):
                if await other.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
                    return
                await asyncio.sleep(0.02)
        raise BrokenError("the standby does not follow")

    async def _ends_well(self) -> None:
        """Everything is healed and nobody writes: runs until one is COMPLETE, and then the sides are equal."""
        await self.source.end(commits=True)
        await self.source.act(Write("insert", 50, 0))
        await asyncio.sleep(0.15)
        await self._replayed()
        self.offset_s, faults = self.latest_s, 0
        for _ in range(TRIES):
            outcome = await self._ended(self._start("run", None))
            well_formed(outcome, NONE)
            if outcome.code == 0:
                break
            error = outcome.output.get("error") or (outcome.output["tables"] or [{}])[0].get("error") or {}
            faults += error.get("code") not in PASSES_FAULTS
            if faults > 1:
                raise BrokenError(f"everything is healed, and it fails again: {outcome.output}")
            await asyncio.sleep(LEASE_S / 4)
        else:
            raise BrokenError("does not come to an end")
        await self._holds([outcome])
        exact = await self._equal()
        self._left_nothing(await self.state.leases())
        if exact and (found := await self._ended(self._start("verify", None))).code != 0:
            raise BrokenError(f"verify says that equal tables differ: {found.output} {found.log}")

    async def _equal(self) -> bool:
        """Whether the target has the source's rows and no other, as it may where nothing is deleted there."""
        names = self.source.names
        want = Counter(_row(row) for row in await self.source.rows())
        columns = ", ".join(f'"{name.upper()}"' for name in names)
        have = Counter(_row(row) for row in self.ask(f"SELECT {columns} {self._live}"))
        missing, more = want - have, have - want
        exact = not more
        self.compared += want.total()
        if not self.drawn.deletes:  # versions that were loaded before, and rows that are gone
            places = [names.index("id"), names.index("ver")]
            now = {tuple(row[place] for place in places) for row in want}
            more = Counter({row: n for row, n in more.items() if tuple(row[place] for place in places) in now})
        self.lost += missing.total()
        self.doubled += more.total()
        if missing or more:
            raise BrokenError(f"{missing.total()} rows are missing, {more.total()} are more, of {want.total()}:\n"
                         f"{list(missing)[:2]}\n{list(more)[:2]}")  # fmt: skip
        return exact

    def _left_nothing(self, leases: list[dict[str, Any]]) -> None:
        ours = self._tables("BOREALIS") - {"LEDGER", "WATERMARKS"}
        previous = 1 if self.drawn.table.get("keep_previous_h", 24) else 0
        staged = self.ask(f'LIST @"{self.database}"."BOREALIS"."STAGE"/')
        if len(ours) > previous or staged or leases:
            raise BrokenError(f"left behind: {ours} {staged} {leases}")


class _State:
    """The state of a simulation: its settings, and how to ask what is leased."""

    def __init__(self, simulation: Simulation) -> None:
        self._of = simulation
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        drawn = self._of.drawn
        if drawn.state == "SQLite":
            path = self._of.directory / "state.db"
            self.settings: dict[str, Any] = {"path": str(path)}
            self.port: State = SqliteState(path, lease_s=LEASE_S)
        else:
            table = f"state-{self._of.database}"
            async with client("dynamodb") as dynamodb:
                await create_table(dynamodb, table)
            self.settings = {"table": table}
            self.port = DynamoState(table, owner="simulation:1", lease_s=LEASE_S, history_days=90)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.port.close()

    async def leases(self) -> list[dict[str, Any]]:
        return await self.port.leases()


def _row(values: Any) -> tuple[Any, ...]:
    return tuple(_value(value) for value in values)


def _value(value: Any) -> Any:
    """The same for what PostgreSQL's and Snowflake's drivers make of one value."""
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, str) and value[:1] in "{[" and value[-1:] in "}]":
        with suppress(ValueError):  # an array that became text
            return json.dumps(json.loads(value), sort_keys=True)
    if hasattr(value, "hex") and hasattr(value, "urn"):
        return str(value)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
