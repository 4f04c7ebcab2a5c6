"""Loading: a partial COPY, a swap that must not destroy, replies that are lost, merges in trouble (F20 to F23).

What goes wrong goes wrong at the real warehouse, or on the way to it: see the fixture `at`.
"""

import asyncio
import gzip
import re

import pytest
import snowflake.connector.errors as driver_errors

from tests.conftest import connected
from tests.integration.test_incremental import APPEND, MERGE, ROWS, TABLE, equal

FULL = {"name": "public.t"}
SMALL = {"chunk_bytes": "64KiB", "readers": 1, "loaders": 1}
COUNT = 'SELECT COUNT(*), COUNT(DISTINCT "ID") FROM {db}."SHOP"."T"'


def lost(*_) -> None:
    raise driver_errors.OperationalError(msg="the connection was reset", errno=250003)


def staged(statement: str) -> tuple[str, list[str]]:
    """Where the files of a COPY are, quoted as in it, and their names."""
    location = re.search(r"FROM '?(@.*?/)'?[) ]+FILES", statement)
    files = re.search(r"FILES = \((.*?)\)", statement)
    assert location
    assert files
    return location[1], re.findall(r"'([^']+)'", files[1])


@pytest.fixture
async def copied(engine):
    """500 rows that were copied, and other 12,000 at the source since."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 500) AS n")
    await engine.run_one(FULL)
    await engine.source("DELETE FROM t", "INSERT INTO t SELECT n, repeat('x', 50) FROM generate_series(1, 12000) AS n")
    return engine


async def fails(engine, *words: str, table=FULL, code: str = "gate") -> None:
    """The run is FAILED, told so; the target has its 500 rows; and the next one is made good."""
    (receipt,) = (await engine.run(table, limits={**SMALL, "attempts": 1})).values()
    assert (receipt.status, receipt.error["code"]) == ("FAILED", code), receipt.error
    for word in words:
        assert word in f"{receipt.error['message']} {receipt.error['remedy']}"
    assert engine.target(COUNT) == [(500, 500)]
    assert (await engine.run_one(table)).rows_loaded == 12000
    await equal(engine)


# --- F20 --------------------------------------------------------------------------------------------------------------


async def test_f20_a_bad_row_in_the_middle_loads_nothing_and_is_isolated_only_by_policy(copied):
    await copied.source("ALTER TABLE t ADD day date", "UPDATE t SET day = 'infinity' WHERE id = 6000")
    (receipt,) = (await copied.run(FULL, limits=SMALL)).values()
    assert receipt.status == "FAILED"
    assert "column day: 1 values have no exact form as DATE (infinity)" in receipt.error["message"]
    assert copied.target(COUNT) == [(500, 500)]
    assert [name for name in copied.leftovers() if "BOREALIS" in name and "__" in name] == []
    receipt = await copied.run_one({**FULL, "on_loss": "text"}, limits=SMALL)
    assert receipt.losses[0]["keys"] == [{"id": "6000"}]
    kept = 'SELECT "ID", "DAY__PG_TEXT" FROM {db}."SHOP"."T" WHERE "DAY__PG_TEXT" IS NOT NULL'
    assert copied.target(kept) == [(6000, "infinity")]
    await equal(copied)


async def test_f20_a_file_that_is_not_there_fails_the_load(copied, at):
    """Somebody removed it between PUT and COPY."""
    at("COPY INTO", before=lambda copy: copied.target(f"REMOVE {staged(copy)[0]}".replace("'", "")), only=(2,))
    await fails(copied, "cannot load public.t", code="target")


async def test_f20_a_file_that_was_loaded_before_is_no_success(copied, at):
    """LOAD_SKIPPED: the load metadata of the landing table knows the file, and COPY says all went well."""
    at("COPY INTO", before=copied.target, only=(2,))
    await fails(copied, "did not load every file whole")


async def test_f20_a_file_with_other_rows_than_were_read_is_no_success(copied, at, tmp_path):
    """COPY reports it as LOADED, with as many rows loaded as parsed."""

    def shorter(copy: str) -> None:
        location, (name, *_) = staged(copy)
        (tmp_path / name).write_bytes(gzip.compress(b'1,"x",2020-01-01 00:00:00+00\n'))
        copied.target(f"PUT 'file://{tmp_path}/{name}' {location} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")

    at("COPY INTO", before=shorter, only=(2,))
    await fails(copied, "rows where", "were read")


async def test_f20_a_copy_names_its_files_aborts_on_any_error_and_forces_nothing(copied, at):
    said = at("COPY INTO")
    await copied.run_one(FULL, limits=SMALL)
    copies = [each for each in said if each.startswith("COPY INTO")]
    assert len(copies) > 3
    for copy in copies:
        assert staged(copy)[1]
        assert "ERROR_ON_COLUMN_COUNT_MISMATCH = TRUE" in copy
        assert copy.endswith("ON_ERROR = ABORT_STATEMENT PURGE = FALSE FORCE = FALSE")
    assert not [each for each in said if "VALIDATION_MODE" in each or "ON_ERROR = CONTINUE" in each]


# --- F21 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begins", ["SHOW SCHEMAS", "SELECT TABLE_SCHEMA", "SELECT TABLE_NAME", 'SELECT "TABLE_NAME"'])
async def test_f21_a_target_that_cannot_tell_what_it_has_is_not_one_that_has_nothing(copied, at, begins):
    """A 503 to "is there such a table?", for as long as the run asks; nothing is made, and nothing replaced."""

    def unavailable(_) -> None:
        raise driver_errors.OperationalError(msg="HTTP 503: Service Unavailable", errno=290503)

    said = at(begins, before=unavailable, only=(1, 2))
    with pytest.raises(Exception, match="503"):
        await copied.run(FULL)
    made = ("CREATE SCHEMA", "CREATE TABLE", "CREATE OR REPLACE", "ALTER TABLE", "DROP", "COPY")
    assert [each for each in said if each.startswith(made)] == []
    assert copied.target(COUNT) == [(500, 500)]
    await copied.run_one(FULL)
    await equal(copied)


async def test_f21_one_answer_of_503_is_asked_again(copied, at):
    def unavailable(_) -> None:
        raise driver_errors.OperationalError(msg="HTTP 503: Service Unavailable", errno=290503)

    at("SELECT TABLE_SCHEMA", before=unavailable)
    await copied.run_one(FULL)
    await equal(copied)


async def test_f21_the_landing_table_has_all_that_belongs_to_the_table_before_it_takes_its_place(copied, at):
    """LIKE copies columns with their masking policies and tags, and clustering; COPY GRANTS who may read. One swap."""
    said = at("ALTER TABLE")
    await copied.run_one(FULL)
    (create,) = (each for each in said if each.startswith("CREATE OR REPLACE TABLE"))
    assert ' LIKE "' in create
    assert " COPY GRANTS " in create
    (swap,) = (each for each in said if " SWAP WITH " in each)
    assert said.index(create) < min(said.index(each) for each in said if each.startswith("COPY")) < said.index(swap)
    assert not [each for each in said if each.startswith(("DROP TABLE IF EXISTS " + swap.split()[2], "TRUNCATE"))]


# --- F22 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "begins"),
    [
        *((FULL, begins) for begins in ("COMMIT", "PUT", "CREATE OR REPLACE", "ALTER TABLE")),
        *((MERGE, begins) for begins in ("COMMIT", "MERGE")),
        *((APPEND, begins) for begins in ("COMMIT", "COPY INTO")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.get("publish", value.get("mode", "full")),
)
async def test_f22_a_lost_reply_to_any_statement_doubles_nothing(engine, at, table, begins):
    """It was done; nobody knows. Each COMMIT loses its answer, of the others the first and the third."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 100) AS n")
    await asyncio.sleep(0.05)
    await engine.run_one(table)
    await engine.source("INSERT INTO t SELECT n, repeat('y', 50) FROM generate_series(101, 4000) AS n")
    await asyncio.sleep(0.05)
    at(begins, after=lost, only=range(1, 99) if begins == "COMMIT" else (1, 3))
    receipt = await engine.run_one(table, limits=SMALL)
    await equal(engine)
    assert receipt.rows_loaded == (4000 if table is FULL else 3900)
    assert (await engine.run_one(table)).rows_loaded == (4000 if table is FULL else 0)
    await equal(engine)


@pytest.mark.parametrize("table", [MERGE, APPEND], ids=["merge", "append"])
async def test_f22_a_run_whose_every_reply_to_commit_is_lost_is_made_good_by_the_next(engine, at, table):
    """Not even looking it up helps: the run fails with all its work done, and the next one finds it done."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 100) AS n")
    await asyncio.sleep(0.05)
    await engine.run_one(table)
    await engine.source("INSERT INTO t SELECT n, 'new' FROM generate_series(101, 300) AS n")
    await asyncio.sleep(0.05)
    at("COMMIT", after=lost, only=(2,))  # the first one is that of the load
    (receipt,) = (await engine.run(table, limits={"attempts": 1})).values()
    assert receipt.status == "FAILED"
    await equal(engine)
    assert (await engine.run_one(table)).status == "COMPLETE"
    await equal(engine)
    assert engine.leftovers() == []


# --- F23 --------------------------------------------------------------------------------------------------------------


async def test_f23_a_merge_waits_its_turn_for_the_table_and_is_tried_again_where_the_queue_is_full(engine, at):
    """000625: too many wait for the lock. It may pass, so the run waits too, and merges once."""

    def full(_) -> None:
        raise driver_errors.ProgrammingError(msg="Number of waiters for this lock exceeds the 20 limit", errno=625)

    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 100) AS n")
    await engine.run_one(MERGE)
    await engine.source("UPDATE t SET v = 'new', updated_at = now() WHERE id < 50")
    said = at("MERGE", before=full)
    receipt = await engine.run_one(MERGE)
    assert len([each for each in said if each.startswith("MERGE")]) == 2
    assert "0 rows inserted, 49 rows updated" in receipt.notes
    await equal(engine)


async def test_f23_a_table_that_another_session_has_locked_is_merged_when_it_lets_go(engine):
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 100) AS n")
    await engine.run_one(MERGE)
    await engine.source("UPDATE t SET v = 'new', updated_at = now()")
    with engine.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f'UPDATE "{engine.database}"."SHOP"."T" SET "V" = \'mine\' WHERE "ID" = 5')
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(engine.run_one(MERGE))
            await asyncio.sleep(1)
            assert not run.done()
            await asyncio.to_thread(cursor.execute, "ROLLBACK")
    await equal(engine)


async def test_f23_a_run_is_one_merge_that_looks_only_where_its_keys_are(engine, at):
    """Twelve rows of ten thousand: the range of their keys stands in ON as literals, so that Snowflake prunes by it."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 10000) AS n")
    await engine.run_one(MERGE)
    await engine.source("UPDATE t SET v = 'new', updated_at = now() WHERE id BETWEEN 4001 AND 4012")
    said = at("MERGE")
    receipt = await engine.run_one(MERGE, limits=SMALL)
    (merge,) = (each for each in said if each.startswith("MERGE"))
    assert ' ON t."ID" = s."ID" AND t."ID" >= 4001 AND t."ID" <= 4012 WHEN MATCHED' in merge
    assert "0 rows inserted, 12 rows updated" in receipt.notes
    await equal(engine)


async def test_f23_keys_that_tie_to_the_microsecond_are_one_row_and_no_error(engine, at):
    """Unresolved they are 100090, or two rows: Snowflake inserts unmatched doubles without a word."""
    await engine.source(
        "CREATE TABLE t (id int, v text, updated_at timestamptz)", "INSERT INTO t VALUES (1, 'a', '2020-01-01Z')"
    )
    table = {**MERGE, "key": ["id"]}
    await engine.run_one(table)
    await engine.source(
        "INSERT INTO t VALUES (1, 'b', '2020-01-02Z'), (1, 'c', '2020-01-02Z'), (2, 'd', '2020-01-02Z'),"
        " (2, 'e', '2020-01-02Z')"
    )
    said = at("MERGE")
    await engine.run_one(table)
    (merge,) = (each for each in said if each.startswith("MERGE"))
    assert 'QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "UPDATED_AT" DESC NULLS LAST) = 1' in merge
    rows = engine.target(ROWS)
    assert [key for key, _ in rows] == [1, 2]
    assert rows[0][1] in "bc"
    assert rows[1][1] in "de"


async def test_f23_a_merge_that_meets_two_rows_of_a_key_is_refused_with_what_to_declare(engine, at):
    """ERROR_ON_NONDETERMINISTIC_MERGE is set whatever the account says: 100090 rather than one of the two."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'old' FROM generate_series(1, 10) AS n")
    await engine.run_one(MERGE)
    await engine.source("UPDATE t SET v = 'new', updated_at = now()")

    def nondeterministic(_) -> None:
        raise driver_errors.ProgrammingError(msg="Duplicate row detected during DML action", errno=100090)

    at("MERGE", before=nondeterministic)
    (receipt,) = (await engine.run(MERGE)).values()
    assert (receipt.status, receipt.error["retryable"]) == ("FAILED", False)
    assert "declare `key` with the columns that are" in receipt.error["remedy"]
    assert {v for _, v in engine.target(ROWS)} == {"old"}
    async with connected(engine.dsn) as connection:
        assert await connection.fetchval("SELECT count(*) FROM t WHERE v = 'new'") == 10
