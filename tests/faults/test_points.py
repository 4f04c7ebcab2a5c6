"""The process is killed at every outer call, or the call's answer is lost; then it is run again: every row, once.

A dry run counts the calls of a mode; each of them is then broken in each way, one after another, on the same table:
between points the source changes, so what a point left wrong the next ones would show as well.
"""

import asyncio
import contextlib
import os
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from engine.aws import client
from engine.local.dynamodb import create_table
from tests.conftest import Warehouse, cloned
from tests.faults.calls import FAULTS, STATEMENT, Fault, Fuse, http_calls, postgres_calls
from tests.faults.launcher import Launcher, Outcome

LANES = 3
"""Tables whose points are tried at the same time: a run waits more than it works."""
EACH = {"full": 16, "append": 16, "merge": 20, "reload": 20}
"""One of so many points is tried, others in each session; all of them where BOREALIS_PROVE is so much."""
MODES: dict[str, dict[str, Any]] = {
    "full": {},
    "append": {"mode": "incremental", "cursor": "at", "publish": "append"},
    "merge": {"mode": "incremental", "cursor": "at", "deletes": "reconcile"},
    "reload": {"mode": "incremental", "cursor": "at", "deletes": "reconcile"},
}
LIMITS = {"readers": 2, "loaders": 2, "attempts": 3, "chunk_bytes": "24KiB"}
TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT clock_timestamp())"


@dataclass
class Lane:
    """A table of its own, from PostgreSQL through proxies to a database of its own, with a state of its own."""

    mode: str
    launcher: Launcher
    fuse: Fuse
    config: dict[str, Any]
    spool: Path
    environment: dict[str, str]
    """Where AWS is for a run, and as whom it asks there."""
    source: asyncpg.Connection
    warehouse: Warehouse
    dynamodb: Any
    batch: int = 0
    compared: int = 0
    faults: list[str] = field(default_factory=list)

    async def run(self, at: int = 0, fault: Fault = "before") -> Outcome:
        """Once; its call number `at` is broken."""
        self.fuse.set(at, fault)
        arguments = ["run", "--full"] if self.mode == "reload" and self.batch else ["run"]
        running = self.launcher.start(self.config, *arguments, **self.environment)
        self.fuse.kill = running.kill  # no call of it was looked at before: that needs the loop
        return await asyncio.to_thread(running.wait)

    async def change(self) -> None:
        """A batch of changes; what an append cannot carry is left out for it."""
        self.batch += 1
        first = 1000 * self.batch
        await self.source.execute(
            f"INSERT INTO t (id, v) SELECT n, repeat('x', 100) FROM generate_series({first}, {first} + 9) AS n"
        )
        if self.mode != "append":
            await self.source.execute(
                f"UPDATE t SET v = repeat('{self.batch % 10}', 100), at = clock_timestamp()"
                f" WHERE id % 100 = {self.batch % 100} OR id % 1000 = 1"
            )
            await self.source.execute(f"DELETE FROM t WHERE id IN ({first} - 995, {first} + 3)")

    async def time_passes(self) -> None:
        """The leases of dead runs end."""
        for item in await self.items("lease"):
            await self.dynamodb.update_item(
                TableName=self.config["state"]["table"], Key={"pk": item["pk"], "sk": item["sk"]},
                UpdateExpression="SET alive_until = :now", ExpressionAttributeValues={":now": {"N": "0"}},
            )  # fmt: skip

    async def items(self, partition: str) -> list[dict[str, Any]]:
        found = await self.dynamodb.query(
            TableName=self.config["state"]["table"], KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partition}},
        )  # fmt: skip
        return found["Items"]

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(
            self.warehouse.query, sql.replace("{db}", f'"{self.config["target"]["database"]}"')
        )

    # --- what must be so ------------------------------------------------------------------------------------------

    async def point(self, number: int, fault: Fault, rng: random.Random, proof: Any) -> None:
        """Breaks one call, runs again, and notes what is wrong then."""
        await self.change()
        broken = await self.run(number, fault)
        if not self.fuse.broke:
            return  # the run had fewer calls than the one that was counted
        proof("points of failure tried", 1)
        wrong = list(self._ended(broken, fault))
        if fault in ("before", "after"):
            await self.time_passes()
        elif held := await self._held():
            wrong.append(f"leases are held by a run that has ended: {held}")
        where = f"{self.mode} {fault} {number} of {len(self.fuse.calls)}: {self.fuse.broke}"
        if rng.random() < 0.5:
            await self.change()
        again = await self.run()
        if again.code:
            wrong.append(f"the next run: {again.code} {_errors(again)}\n{again.log}")
        wrong += await self._differs(proof)
        if wrong:
            self.faults.append("\n  ".join([where, *wrong]))
            with contextlib.suppress(TimeoutError):
                await self.run()

    @staticmethod
    def _ended(broken: Outcome, fault: Fault) -> Iterator[str]:
        """A killed run says nothing; another is complete, or says clearly that it may be run again."""
        if fault in ("before", "after"):
            if broken.code != -9:
                yield f"it was not killed: {broken.code}"
        elif broken.code not in (0, 1):
            yield f"it ended with {broken.code}: {broken.log}"
        elif broken.code == 1:
            for error in _errors(broken):
                if error["code"] == "unexpected" or not error["retryable"]:
                    yield f"its error is not one to run again after: {error}"

    async def _differs(self, proof: Any) -> list[str]:
        source = Counter(tuple(row) for row in await self.source.fetch("SELECT id, v, at FROM t"))
        target = Counter(await self.query('SELECT "ID", "V", "AT" FROM {db}."SHOP"."T"'))
        lost, doubled = (source - target).total(), (target - source).total()
        proof("rows compared", source.total())
        proof("rows lost", lost)
        proof("rows doubled", doubled)
        wrong = [f"{lost} rows lost, {doubled} rows doubled"] if lost or doubled else []
        tables = await self.query(
            "SELECT TABLE_NAME FROM {db}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'BOREALIS'"
        )
        left = sorted(name for (name,) in tables if name not in ("LEDGER", "WATERMARKS"))
        if len(left) > (self.mode in ("full", "reload")):  # the replaced table is kept
            wrong.append(f"tables are left: {left}")
        if staged := [row[0] for row in await self.query('LIST @{db}."BOREALIS"."STAGE"/')]:
            wrong.append(f"staged files are left: {staged}")
        if spooled := sorted(path.name for path in self.spool.iterdir()):
            wrong.append(f"files are left on disk: {spooled}")
        if held := await self._held():
            wrong.append(f"leases are left: {held}")
        if plans := [item["sk"]["S"] for item in await self.items("document")]:
            wrong.append(f"documents are left: {plans}")
        return wrong + await self._watermark()

    async def _watermark(self) -> list[str]:
        marks = await self.query(
            'SELECT "VALUE", "PENDING_RUN_ID" FROM {db}."BOREALIS"."WATERMARKS" WHERE "TABLE_NAME" = \'SHOP.T\''
        )
        if self.mode == "full":
            return [f"a full table has watermarks: {marks}"] if marks else []
        if len(marks) != 1 or marks[0][1] is not None:
            return [f"watermarks: {marks}"]
        right = await self.source.fetchval("SELECT max(at) = $1::text::timestamptz FROM t", marks[0][0])
        return [] if right else [f"the watermark is not the greatest cursor: {marks}"]

    async def _held(self) -> list[str]:
        return [item["sk"]["S"] for item in await self.items("lease") if float(item["alive_until"]["N"]) > 0]


def _errors(outcome: Outcome) -> list[dict[str, Any]]:
    output = outcome.output or {}
    found = [receipt["error"] for receipt in output.get("tables", []) if receipt.get("error")]
    return found or [output.get("error") or {"code": "unexpected", "message": outcome.log, "retryable": False}]


@contextlib.asynccontextmanager
async def lane(
    mode: str, postgres: Any, warehouse: Warehouse, moto_port: int, launcher: Launcher, directory: Path
) -> AsyncIterator[Lane]:
    fuse, database = Fuse(), f"P{uuid.uuid4().hex[:12].upper()}"
    async with contextlib.AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(cloned(postgres, "template0"))
        to_source = await stack.enter_async_context(postgres_calls(postgres.port, fuse))
        to_target = await stack.enter_async_context(http_calls(warehouse.endpoint.port, fuse))
        to_state = await stack.enter_async_context(http_calls(moto_port, fuse))
        dynamodb = await stack.enter_async_context(client("dynamodb"))
        await create_table(dynamodb, database)
        warehouse.query(f'CREATE DATABASE "{database}"')
        source = await asyncpg.connect(dsn)
        stack.push_async_callback(source.close)
        spool = directory / "spool"
        spool.mkdir(parents=True)
        config = {
            "source": {"dsn": dsn.replace(f":{postgres.port}/", f":{to_source}/")},
            "target": {
                "account": "local", "host": "127.0.0.1", "port": to_target, "protocol": "http", "user": "tester",
                "password": "none", "database": database, "schema": "SHOP",
            },
            "limits": {**LIMITS, "spool_dir": str(spool)},
            "state": {"table": database},
            "tables": [{"name": "public.t", **MODES[mode]}],
        }  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{to_state}"
        made = Lane(mode, launcher, fuse, config, spool, environment, source, warehouse, dynamodb)
        await source.execute(TABLE)
        await source.execute("INSERT INTO t (id, v) SELECT n, repeat('x', 100) FROM generate_series(1, 300) AS n")
        first = await made.run()
        assert first.code == 0, first.log
        yield made


@pytest.fixture
def laid(postgres, warehouse, moto_port, aws, launcher, tmp_path):
    """`async with laid("merge") as lane:`"""
    return lambda mode, n=0: lane(mode, postgres, warehouse, moto_port, launcher, tmp_path / f"{mode}{n}")


@pytest.mark.parametrize("mode", MODES)
async def test_a_run_broken_at_any_call_is_made_good_by_the_next(mode, laid, proof):
    rng = random.Random(proof.seed())
    async with contextlib.AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(laid(mode, n)) for n in range(LANES)]
        calls = await calls_of(lanes[0])
        every = [
            (n, fault)
            for n, call in enumerate(calls, 1)
            for fault in FAULTS
            if fault != "gone" or call.startswith(STATEMENT)
        ]
        step = max(1, round(EACH[mode] / proof.times(1)))
        points = every[rng.randrange(step) :: step]
        rng.shuffle(points)
        left = iter(points)

        async def work(each: Lane) -> None:
            for number, fault in left:
                await each.point(number, fault, rng, proof)

        await asyncio.gather(*(work(each) for each in lanes))
        print(f"{mode}: {len(calls)} calls, {len(points)} of {len(every)} points")  # noqa: T201 - pytest shows it
        faults = [fault for each in lanes for fault in each.faults]
        assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("mode", "call", "which", "fault"),
    [
        ("append", "NOWAIT", 0, "lost"), ("append", "statement COMMIT", 0, "gone"),
        ("append", "statement SELECT COUNT", 0, "gone"), ("reload", 'WATERMARKS" SET "RUN_ID"', -1, "after"),
    ],
)  # fmt: skip
async def test_what_such_points_have_found_stays_mended(mode, call, which, fault, laid, proof):
    """A connection that ended while readers locked their tables was told as a mistake of ours, and a session that was
    gone as for good; the table that a killed run had replaced stayed beside that of the next.
    """
    async with laid(mode) as lane:
        number = [n for n, label in enumerate(await calls_of(lane), 1) if call in label][which]
        await lane.point(number, fault, random.Random(0), proof)
        assert not lane.faults, lane.faults[0]


async def calls_of(lane: Lane) -> list[str]:
    """Of a run that nothing breaks."""
    await lane.change()
    dry = await lane.run()
    assert dry.code == 0, dry.log
    return list(lane.fuse.calls)
