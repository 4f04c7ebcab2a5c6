"""At the source nothing of ours writes: a role that can only read is enough for every command, by the server's log."""

import re
import uuid
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest

from engine import fanout
from engine.config import Config
from engine.connect import addresses
from engine.deadline import Deadline
from engine.local.postgres import PostgresServer
from engine.runs import Silent
from engine.source.connection import connected
from engine.state.sqlite import SqliteState
from engine.wiring import Wanted, new_run_id
from tests.conftest import execute
from tests.integration.conftest import Engine

HEADS = {"BEGIN", "COPY", "FETCH", "LOCK", "RELEASE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW", "WITH", "CLOSE"}
"""With which our statements begin, `COPY` only as `COPY (SELECT ...) TO STDOUT`, `LOCK` only as ACCESS SHARE. DECLARE
is what the driver's protocol does without a statement."""
WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|CREATE|ALTER|DROP|GRANT|NOTIFY|VACUUM|FOR UPDATE)\b")
LINE = re.compile(
    r"^\d{4}-\d\d-\d\d [^\n]*?borealis LOG:  (?:statement|execute [^:]*): (.*?)(?=^\d{4}-\d\d-\d\d )",
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Iterator[PostgresServer]:
    """A server that writes down what it is told, by whom, in its log."""
    settings = {"log_statement": "all", "log_line_prefix": "%m %a "}
    with PostgresServer(tmp_path_factory.mktemp("logged"), settings=settings) as server:
        yield server


@pytest.fixture
async def reading(logged, warehouse, target_database, tmp_path) -> Engine:
    """An engine whose role has USAGE, SELECT and pg_read_all_stats, and can begin no transaction that writes."""
    role = f"reader_{uuid.uuid4().hex[:8]}"
    await execute(
        logged.dsn(),
        "DROP TABLE IF EXISTS t, n", f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
        f"ALTER ROLE {role} SET default_transaction_read_only = on",
        "CREATE TABLE t (id int PRIMARY KEY, v text, j jsonb, at timestamptz DEFAULT now())",
        "INSERT INTO t SELECT n, 'v' || n, '{}' FROM generate_series(1, 3000) n",
        "CREATE TABLE n (x numeric)", "INSERT INTO n VALUES (1.5)",
        f"GRANT USAGE ON SCHEMA public TO {role}", f"GRANT SELECT ON t, n TO {role}",
        f"GRANT pg_read_all_stats TO {role}",
    )  # fmt: skip
    dsn = urlsplit(logged.dsn())._replace(netloc=f"{role}:x@127.0.0.1:{logged.port}").geturl()
    return Engine(dsn, warehouse, target_database, tmp_path)


async def fanned_out(config: Config) -> None:
    """The snapshot is held in one task, as by the function `snapshot`, while others copy and publish."""
    run_id, state = new_run_id(), SqliteState(config.state.path, lease_s=60)
    what = {"observer": Silent(), "deadline": Deadline()}

    async with anyio.create_task_group() as tasks:

        async def start() -> None:
            tasks.start_soon(partial(fanout.hold, config, run_id, Wanted(full=True), successor=nobody, **what))

        for group in range(await fanout.plan_round(state, config, run_id, 1, start, 30)):
            await fanout.work(config, run_id, group, **what)
        status, _ = await fanout.finish(config, run_id, last=True, **what)
        assert status == "ENDED"
        tasks.cancel_scope.cancel()
    await state.close()


async def nobody(run_id: str) -> None:
    raise AssertionError(run_id)


def told(server: PostgresServer) -> list[str]:
    """The statements of our sessions, each part of one by itself."""
    text = server.log.read_text(errors="replace") + "0000-00-00 "
    statements = [" ".join(each.split()) for each in LINE.findall(text)]
    return [part.strip() for each in statements for part in (each.split("; ") if each.startswith("SET") else [each])]


def is_reading(statement: str) -> bool:
    head = statement.split("(", maxsplit=1)[0].split(maxsplit=1)[0].upper().rstrip(";")
    if head == "COPY":
        return statement.startswith("COPY (SELECT") and " TO STDOUT " in statement
    if head == "LOCK":
        return "IN ACCESS SHARE MODE" in statement
    return head in HEADS and not WRITES.search(re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", statement))


async def test_every_command_reads_and_nothing_of_ours_writes(reading, logged, borealis):
    tables = ({"name": "public.t", "mode": "incremental", "cursor": "at", "deletes": "reconcile"},
              {"name": "public.n", "reader": "cursor", "verify": "checksum"})  # fmt: skip
    config = reading.values(*tables, limits={"chunk_bytes": "64KiB"})

    def right(*arguments: str) -> None:
        ran = borealis(config, *arguments)
        assert ran.code == 0, ran.log

    def all_commands() -> None:
        right("check")
        right("run")
        right("run")
        reading.target('DELETE FROM {db}."SHOP"."T" WHERE "ID" < 5')
        right("verify", "--repair")
        right("run", "--full")
        right("status")
        right("plan")

    await anyio.to_thread.run_sync(all_commands)
    statements = told(logged)
    assert len(statements) > 200
    assert {"COPY", "LOCK", "SELECT", "SET", "BEGIN"} <= {each.split()[0] for each in statements}
    assert [each for each in statements if not is_reading(each)] == []


async def test_a_fan_out_only_reads_too(reading, logged):
    before = len(told(logged))
    await fanned_out(reading.config({"name": "public.t"}, limits={"chunk_bytes": "64KiB", "workers": 2}))
    statements = told(logged)[before:]
    assert [each for each in statements if "SET TRANSACTION SNAPSHOT" in each]
    assert [each for each in statements if not is_reading(each)] == []


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO t VALUES (1)", "SELECT 1; DELETE FROM t", "WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x",
     "COPY t FROM STDIN", "LOCK TABLE t", "SELECT * FROM t FOR UPDATE", "SELECT 1; CREATE TABLE x ()",
     "NOTIFY x"],
)  # fmt: skip
def test_a_statement_that_writes_would_be_found(statement):
    assert not is_reading(statement)


async def test_what_would_write_is_refused_twice_over(reading, logged):
    """By the role's rights, and by the transaction of each of our sessions even where a role may write."""
    reader, _ = addresses(reading.config({"name": "public.t"}))
    owner, _ = addresses(Engine(logged.dsn(), reading.warehouse, "D", reading.directory).config({"name": "public.t"}))
    async with connected(reader) as connection:
        await connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM public.t")
    async with connected(owner) as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM public.t")
