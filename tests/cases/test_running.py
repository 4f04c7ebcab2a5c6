"""Running: what Lambda does to a function, what others do to a table (F24, F25); and what is just below the line."""

import json

import asyncpg
import pytest
import snowflake.connector.errors as driver_errors

from engine.source import catalogue
from engine.source.connection import Address
from engine.source.connection import connected as engine_connected
from engine.source.snapshot import open_snapshot
from engine.sql import target as sql
from engine.target.session import SessionPool
from engine.verify import verify
from handlers import scheduled
from tests.conftest import connected
from tests.handlers.conftest import Context, environment
from tests.integration.test_incremental import APPEND, MERGE, ROWS, TABLE, equal
from tests.integration.test_resume import chunks, limited

__all__ = ["environment"]

FULL = {"name": "public.t"}
FILLED = "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 100) AS n"


def fails_with(errno: int, kind: type[driver_errors.Error] = driver_errors.ProgrammingError):
    def fail(_) -> None:
        raise kind(msg="the target's own words", errno=errno)

    return fail


# --- F24 --------------------------------------------------------------------------------------------------------------


def test_f24_a_function_does_not_invoke_itself_for_ever(environment, monkeypatch):
    """The guard against recursion: past `limits.generations_max` the run is given up with the setting's name."""
    monkeypatch.setenv("BOREALIS_LIMITS__GENERATIONS_MAX", "7")
    answer = scheduled.handler({"resume": "20261123T020000A1B2C3", "generation": 8}, Context())
    assert (answer["status"], answer["tables"]) == ("FAILED", [])
    assert "is not done after 7 functions: raise limits.generations_max" in json.dumps(answer["error"])


async def test_f24_a_session_that_expired_is_replaced_in_the_middle_of_a_run(engine, at):
    """390114, to a statement of the load: the next try has a session of its own, and nothing is loaded twice."""
    await engine.source(TABLE, FILLED)
    at("COPY INTO", before=fails_with(390114))
    receipt = await engine.run_one(MERGE)
    assert receipt.retries == 1
    await equal(engine)


async def test_f24_a_run_needs_no_home_and_no_cache(engine, borealis):
    """Lambda's is read-only: the connector keeps neither tokens nor OCSP answers there, and asks for none."""
    await engine.source(TABLE, FILLED)
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SNOWFLAKE_HOME"), "/proc/nothing")
    ran = borealis(engine.values(FULL), "run", **nowhere)
    assert ran.code == 0, ran.log
    assert "Warning" not in ran.log
    await equal(engine)


# --- F25 --------------------------------------------------------------------------------------------------------------

CHANGES = [
    "ALTER TABLE t ADD late int", "ALTER TABLE t DROP v", "ALTER TABLE t RENAME v TO w",
    "ALTER TABLE t ALTER v TYPE varchar(9)", "ALTER TABLE t RENAME TO other", "DROP TABLE t", "TRUNCATE t",
    "VACUUM FULL t", "CLUSTER t USING t_pkey", "ALTER TABLE t SET LOGGED", "ALTER TABLE t SET TABLESPACE pg_default",
]  # fmt: skip


async def test_f25_nothing_can_change_or_replace_a_table_between_two_chunks(engine):
    """The run's lock is ACCESS SHARE, held from before the snapshot: whatever rewrites or alters waits behind it."""
    await engine.source(TABLE, FILLED)
    async with engine_connected(Address(engine.dsn)) as plain, connected(engine.dsn) as other:
        found = [relation for relation in await catalogue.relations(plain) if relation.name == "t"]
        await other.execute("SET lock_timeout = '50ms'")
        async with open_snapshot(Address(engine.dsn), found, 1):
            for change in CHANGES:
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await other.execute(change)
        await other.execute(CHANGES[0])


async def test_f25_a_label_added_to_an_enum_is_text_like_any_other(engine):
    """It locks no table: the run goes on, and rows with the new label come as text."""
    await engine.source("CREATE TYPE mood AS ENUM ('ok')", "CREATE TABLE t (id int PRIMARY KEY, v mood, pad text)",
                        "INSERT INTO t SELECT n, 'ok', repeat('x', 99) FROM generate_series(1, 20000) n")  # fmt: skip
    first = await limited(engine, FULL, chunks(5))
    await engine.source("ALTER TYPE mood ADD VALUE 'so so'")
    await engine.source("UPDATE t SET v = 'so so' WHERE id = 77")
    last = await limited(engine, FULL, chunks(1000))
    assert (first.status, last.status, last.run_id) == ("PARTIAL", "COMPLETE", first.run_id)
    assert engine.target('SELECT "ID", "V" FROM {db}."SHOP"."T" WHERE "V" <> \'ok\'') == [(77, "so so")]


async def test_f25_a_table_that_was_replaced_by_another_of_its_name_is_copied_as_it_is_now(engine):
    """A new oid, and rows that are no older than they look: the half-done run of the table before is given up."""
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, v text)",
                        "INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 20000) AS n")  # fmt: skip
    first = await limited(engine, FULL, chunks(5))
    await engine.source("CREATE TABLE n (LIKE t INCLUDING ALL)", "INSERT INTO n SELECT id, 'new' FROM t",
                        "BEGIN; ALTER TABLE t RENAME TO old; ALTER TABLE n RENAME TO t; COMMIT")  # fmt: skip
    last = await limited(engine, FULL, chunks(1000))
    assert (first.status, last.status) == ("PARTIAL", "COMPLETE")
    assert last.run_id != first.run_id
    assert engine.target('SELECT "V", COUNT(*) FROM {db}."SHOP"."T" GROUP BY 1') == [("new", 20000)]
    assert engine.leftovers() == []


# --- just below the line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [MERGE, APPEND], ids=["merge", "append"])
async def test_below_a_run_without_rows_moves_no_file_and_asks_a_fixed_number_of_questions(engine, at, table):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old', '2020-01-01Z' FROM generate_series(1, 100) AS n")
    await engine.run_one(table)
    said = at("COPY INTO")
    receipt = await engine.run_one(table)
    assert (receipt.rows_read, receipt.rows_loaded, receipt.status) == (0, 0, "COMPLETE")
    assert [each for each in said if each.startswith(("PUT", "COPY"))] == []
    assert len(said) <= 20
    await equal(engine)


def test_below_what_an_account_may_have_set_otherwise_is_set_for_each_session():
    assert sql.alter_session(sql.SESSION_PARAMETERS) == (
        "ALTER SESSION SET TRANSACTION_ABORT_ON_ERROR = TRUE, ABORT_DETACHED_QUERY = TRUE,"
        " QUOTED_IDENTIFIERS_IGNORE_CASE = FALSE, TIMEZONE = 'UTC', TIMESTAMP_TYPE_MAPPING = 'TIMESTAMP_NTZ',"
        " AUTOCOMMIT = TRUE, ERROR_ON_NONDETERMINISTIC_MERGE = TRUE"
    )


async def test_below_every_session_of_a_run_has_them_from_its_login(engine, monkeypatch):
    made = []
    connect = SessionPool._connect

    async def noted(pool, login):
        made.append(pool._parameters["session_parameters"])
        return await connect(pool, login)

    monkeypatch.setattr(SessionPool, "_connect", noted)
    await engine.source(TABLE, FILLED)
    await engine.run_one(FULL)
    assert made
    for parameters in made:
        assert sql.SESSION_PARAMETERS.items() <= parameters.items()
        assert {"STATEMENT_TIMEOUT_IN_SECONDS", "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", "QUERY_TAG"} <= parameters.keys()


async def test_below_keys_of_text_need_no_order_that_both_sides_share(engine):
    """Nothing is cut or searched by a range of text: not by `C`, not by a language, and case is told apart."""
    await engine.source(
        'CREATE TABLE t (id text COLLATE "C" PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())',
        "INSERT INTO t SELECT unnest(ARRAY['a', 'B', 'A', 'ä', 'Z', 'a b', 'ab', '']), '1'",
    )
    table = {**MERGE, "deletes": "reconcile"}
    await engine.run_one(table)
    await engine.source(
        "UPDATE t SET v = '2', updated_at = now() WHERE id IN ('A', 'ä', '')", "DELETE FROM t WHERE id = 'a'"
    )
    await engine.run_one(table)
    await equal(engine)
    (found,) = await verify(engine.config(table), [], level="bisect")
    assert found.ok


async def test_below_the_longest_name_has_landing_tables_too(engine):
    await engine.source(TABLE, FILLED)
    name = "T" * 240
    for _ in range(2):
        await engine.run_one({**FULL, "target_name": name})
    assert engine.target(f'SELECT COUNT(*) FROM {{db}}."SHOP"."{name}"') == [(100,)]
    with pytest.raises(Exception, match="must have at most 240 characters"):
        engine.config({**FULL, "target_name": name + "T"})


@pytest.mark.parametrize(
    ("errno", "tries", "remedy"),
    [
        (90073, 1, "the resource monitor's quota is used up: raise it"),
        (606, 1, "set target.warehouse, and GRANT USAGE on it to the role"),
        (630, 1, "raise target.statement_timeout_s or the warehouse's size"),
        (604, 2, "run again"),
    ],
)
async def test_below_a_warehouse_that_does_not_work_is_told_with_what_to_do(engine, at, errno, tries, remedy):
    """Exhausted, not there, too slow; only what may pass by itself is tried again."""
    await engine.source(TABLE, FILLED)
    await engine.run_one(FULL)
    said = at("COPY INTO", before=fails_with(errno), only=(1, 2, 3))
    (receipt,) = (await engine.run(FULL)).values()
    assert receipt.status == "FAILED"
    assert remedy in receipt.error["remedy"]
    assert len([each for each in said if each.startswith("COPY")]) == tries
    assert len(engine.target(ROWS)) == 100


async def test_below_a_put_that_gets_no_answer_is_ended_and_named(engine, at):
    """PrivateLink without the way to the stage's bucket: the driver's own limit ends it, and the path is named."""
    await engine.source(TABLE, FILLED)
    said = at("PUT", before=fails_with(253003, driver_errors.OperationalError), only=(1, 2, 3))
    (receipt,) = (await engine.run(FULL)).values()
    assert receipt.status == "FAILED"
    assert "cannot upload a staged file" in receipt.error["message"]
    assert "check the network path to the stage's bucket" in receipt.error["remedy"]
    assert len([each for each in said if each.startswith("PUT")]) == 2, "limits.attempts"
