"""Runs in the whole cloud, with far too little time, while the source is written to and functions are killed.

Money moves between accounts, and each move is noted in the same transaction: a target where the notes explain every
balance is one snapshot of both tables, row for row.
"""

import asyncio
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import snowflake.connector

from engine.local.cloud.cloud import READER, Cloud, cloud
from tests.faults.proxy import FaultProxy

ACCOUNTS = 100_000
FIRST = 1_000
LINE_BYTES_S = 2e6
"""Of each connection. The bank takes 20 s in one function, which has 3."""
CONNECTIONS_MAX = 11
"""Three places of three connections, of which one is the holder's at first, and two for holders that pass the baton."""
BANK = [
    "CREATE SCHEMA bank",
    "CREATE TABLE bank.accounts (id int PRIMARY KEY, balance bigint NOT NULL, pad text NOT NULL)",
    "CREATE TABLE bank.moves (id bigserial PRIMARY KEY, giver int NOT NULL, taker int NOT NULL, amount int NOT NULL)",
    f"INSERT INTO bank.accounts SELECT n, {FIRST}, repeat(md5(n::text), 20) FROM generate_series(1, {ACCOUNTS}) AS n",
    f"GRANT USAGE ON SCHEMA bank TO {READER}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA bank TO {READER}",
]
CHAIN = {"tables": ["bank.*"], "idempotency_key": "chain"}
TABLES = """
[[tables]]
name = "bank.*"
"""


@contextmanager
def short_of_time(directory: Path, **limits: object) -> Iterator[tuple[Cloud, FaultProxy]]:
    """The cloud with the bank, read over a slow line, so that a fast machine needs as many functions as a slow one."""
    with cloud(directory) as up, FaultProxy(up.standby.port) as line:
        line.answers_per_s = LINE_BYTES_S
        settings = up.settings.read_text().replace(f":{up.standby.port}/", f":{line.port}/")
        settings = settings.replace("connections_max = 16", f"connections_max = {CONNECTIONS_MAX}")
        more = "".join(f"\n{name} = {value}" for name, value in limits.items())
        settings = settings.replace('chunk_bytes = "4MiB"', f'chunk_bytes = "256KiB"{more}')
        up.settings.write_text(settings.replace("[aws]", "lease_s = 6\n\n[aws]", 1) + TABLES)
        asyncio.run(execute(up, *BANK))
        yield up, line


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """Functions stop after a few seconds, and leases end soon after their holder."""
    with short_of_time(tmp_path_factory.mktemp("cloud"), deadline_s=4) as bank:
        yield bank


@pytest.fixture(scope="module")
def up(bank):
    return bank[0]


async def execute(up, *statements: str) -> None:
    connection = await asyncpg.connect(up.primary.dsn("nyc"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def moving(up) -> Iterator[None]:
    """Money moves meanwhile, all the time."""
    over = threading.Event()

    async def move() -> None:
        connection = await asyncpg.connect(up.primary.dsn("nyc"))
        while not over.is_set():
            giver, taker, amount = random.randint(1, ACCOUNTS), random.randint(1, ACCOUNTS), random.randint(1, 50)
            async with connection.transaction():
                await connection.execute("UPDATE bank.accounts SET balance = balance - $2 WHERE id = $1", giver, amount)
                await connection.execute("UPDATE bank.accounts SET balance = balance + $2 WHERE id = $1", taker, amount)
                await connection.execute(
                    "INSERT INTO bank.moves (giver, taker, amount) VALUES ($1, $2, $3)", giver, taker, amount
                )
            await asyncio.sleep(0.01)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(move()))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def counting(line: FaultProxy) -> Iterator[list[int]]:
    """How many connections the functions have to where they read, looked at all the time."""
    over, seen = threading.Event(), []

    def count() -> None:
        while not over.wait(0.01):
            seen.append(line.clients)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def query(up, sql: str) -> list[tuple]:
    settings = up.settings.read_text()
    port = int(settings.split("port = ", 1)[1].split("\n", 1)[0])
    with snowflake.connector.connect(
        account="local", user="tester", password="none", host="127.0.0.1", port=port, protocol="http"
    ) as connection:
        return connection.cursor().execute(sql).fetchall()


def is_one_snapshot(up) -> int:
    """The number of moves that the target shows, each of them in both balances and nothing else."""
    moves = query(up, 'SELECT "GIVER", "TAKER", "AMOUNT" FROM "DEMO"."NYC"."MOVES"')
    expected = Counter(dict.fromkeys(range(1, ACCOUNTS + 1), FIRST))
    for giver, taker, amount in moves:
        expected[giver] -= amount
        expected[taker] += amount
    rows = query(up, 'SELECT "ID", "BALANCE" FROM "DEMO"."NYC"."ACCOUNTS"')
    assert len(rows) == ACCOUNTS
    assert dict(rows) == dict(expected)
    return len(moves)


def until(happens: Callable[[], bool], seconds: float = 120) -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends
        time.sleep(0.05)


def ran(up, since: int) -> Counter:
    """What ran, and how it ended."""
    return Counter((each.environment.partition("-")[0], each.outcome) for each in up.functions.trace[since:])


def told(answers: list) -> str:
    """What each function has answered of each table."""
    names = ("table", "status", "notes", "error", "seconds")
    return "\n".join(
        f"{answer['status']} {[table.get(name) for name in names]}"
        for answer in answers
        for table in answer.get("tables", [])
    )


@pytest.fixture
def without_state_machine(up):
    """The function `scheduled`, in new environments, does not know of one."""
    before, alone = up.functions.specs["scheduled"], up.settings.with_name("alone.toml")
    alone.write_text(re.sub("(?m)^state_machine.*$", "", up.settings.read_text()))
    up.functions.specs["scheduled"] = replace(before, env={**before.env, "BOREALIS_CONFIG": str(alone)})
    yield
    while up.functions.kill_one("scheduled"):
        pass
    up.functions.specs["scheduled"] = before


def test_functions_follow_one_another_where_there_is_no_state_machine(up, without_state_machine):
    since = len(up.functions.trace)
    with moving(up):
        first = up.functions.invoke("scheduled", CHAIN).payload
        assert first["status"] == "PARTIAL", first
        assert up.functions.settle(240)
    answers = [each.payload for each in up.functions.trace[since:]]
    assert [answer["status"] for answer in answers[:-1]] == ["PARTIAL"] * (len(answers) - 1), answers
    assert answers[-1]["status"] == "COMPLETE", told(answers)
    assert {run["snapshot"]["moved"] for run in answers[-1]["tables"]} == {0}
    assert len(answers) >= 4
    assert set(ran(up, since)) == {("scheduled", "ok")}
    is_one_snapshot(up)
    again = up.functions.invoke("scheduled", CHAIN).payload
    assert again == answers[-1] | {"duplicate": True}


def test_a_killed_function_of_a_chain_is_tried_again_and_goes_on(up, without_state_machine):
    """Tables that were published before are those of the older snapshot; each by itself is one."""
    since = len(up.functions.trace)
    with moving(up):
        up.functions.send("scheduled", CHAIN | {"full": True, "idempotency_key": "killed"})
        until(lambda: ran(up, since)["scheduled", "ok"] >= 1)
        time.sleep(random.uniform(0, 2))
        assert up.functions.kill_one("scheduled")
        assert up.functions.settle(240)
    assert ran(up, since)["scheduled", "exit"] == 1
    last = up.functions.trace[-1]
    assert last.error is None, [each.error for each in up.functions.trace[since:]]
    assert last.payload["status"] == "COMPLETE", told([last.payload])
    assert len({each.payload["run_id"] for each in up.functions.trace[since:] if each.outcome == "ok"}) == 1
    ((rows, total),) = query(up, 'SELECT COUNT(*), SUM("BALANCE") FROM "DEMO"."NYC"."ACCOUNTS"')
    assert (rows, int(total)) == (ACCOUNTS, ACCOUNTS * FIRST), "no move is there by half"


def execution(up, request: dict):
    """An execution at its end, with the answer that began it."""
    answer = up.functions.invoke("parallel", {"tables": ["bank.*"], "full": True, **request}).payload
    return answer, up.aws.execution(answer["execution"], seconds=280)


def outcome(ended) -> str:
    return f"{ended.status} {ended.error} {ended.cause} {ended.output}"


def test_workers_that_are_killed_at_random_lose_nothing_and_the_baton_passes_on(up, bank):
    since, seed = len(up.functions.trace), random.randrange(10**6)
    chances, over = random.Random(seed), threading.Event()

    def kill() -> None:
        while not over.wait(chances.uniform(3, 6)):
            up.functions.kill_one("worker")

    with moving(up), counting(bank[1]) as connections, ThreadPoolExecutor(1) as threads:
        killing = threads.submit(kill)
        try:
            _, ended = execution(up, {"idempotency_key": f"killed-{seed}"})
        finally:
            over.set()
        killing.result()
    assert ended.status == "SUCCEEDED", (seed, outcome(ended))
    assert {table["status"] for table in ended.output["tables"]} == {"COMPLETE"}, (seed, outcome(ended))
    assert up.functions.settle(60)
    happened = ran(up, since)
    assert 3 < max(connections) <= CONNECTIONS_MAX, seed
    assert happened["worker", "exit"] >= 1, (seed, happened)
    assert happened["snapshot", "ok"] >= 3, (seed, happened)
    assert happened["worker", "ok"] >= 3, (seed, happened)
    is_one_snapshot(up)


def test_a_holder_that_is_killed_is_replaced_in_a_new_snapshot(up):
    since = len(up.functions.trace)
    with moving(up):
        answer = up.functions.invoke("parallel", {"tables": ["bank.*"], "full": True}).payload
        until(lambda: any(each.environment.startswith("worker") for each in up.functions.trace[since:]))
        up.functions.kill_one("snapshot")
        ended = up.aws.execution(answer["execution"], seconds=280)
    assert ended.status == "SUCCEEDED", outcome(ended)
    assert {table["status"] for table in ended.output["tables"]} == {"COMPLETE"}, outcome(ended)
    assert up.functions.settle(60)
    is_one_snapshot(up)


def test_f24_two_events_at_the_same_moment_are_one_run(up):
    since = len(up.functions.trace)
    event = {"tables": ["bank.*"], "full": True, "idempotency_key": "twice"}
    with ThreadPoolExecutor(2) as threads:
        answers = [each.payload for each in threads.map(lambda _: up.functions.invoke("parallel", event), range(2))]
    started = [answer for answer in answers if answer["status"] == "STARTED" and "duplicate" not in answer]
    assert len(started) == 1, answers
    ended = up.aws.execution(started[0]["execution"], seconds=280)
    assert ended.status == "SUCCEEDED", outcome(ended)
    assert up.functions.settle(60)
    plans = [
        each for each in up.functions.trace[since:] if each.event.get("step") == "plan" and each.event["round"] == 1
    ]
    assert len(plans) == 1


def test_a_table_that_is_too_big_for_the_function_of_a_schedule_goes_to_the_state_machine(up):
    answer = up.functions.invoke("scheduled", {"tables": ["bank.*"], "full": True}).payload
    assert answer["status"] == "STARTED", told([answer])
    ended = up.aws.execution(answer["execution"], seconds=280)
    assert ended.status == "SUCCEEDED", outcome(ended)
    assert up.functions.settle(60)
    is_one_snapshot(up)
