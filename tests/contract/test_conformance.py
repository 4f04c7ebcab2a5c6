"""Statements other than COPY: transactions, publishing, MERGE, names, types, what the checksums are made of."""

# ruff: noqa: E501  (a case is a line, so that cases can be compared)

from __future__ import annotations

import concurrent.futures
import datetime as dt
import hashlib
from decimal import Decimal

import pytest
from snowflake.connector import ProgrammingError

from .conftest import Connect, House, local_only

UTC = dt.UTC


# ---- the session


def test_a_session_tells_where_it_is(house: House) -> None:
    """CURRENT_...() answer from the session, and CURRENT_TIMESTAMP() is the statement's time."""
    row = house.run(
        "SELECT CURRENT_VERSION(), CURRENT_ACCOUNT(), CURRENT_REGION(), CURRENT_ROLE(), CURRENT_USER(), CURRENT_WAREHOUSE(), "
        "CURRENT_DATABASE(), CURRENT_SESSION(), CURRENT_TIMESTAMP(), LAST_QUERY_ID()"
    )[0]
    assert row[0]
    assert row[4]
    assert row[6] == house.database
    assert abs(row[8] - dt.datetime.now(UTC)) < dt.timedelta(minutes=5)


def test_session_parameters_are_kept(house: House) -> None:
    """What ALTER SESSION sets is shown by SHOW PARAMETERS until it is unset."""
    house.run("ALTER SESSION SET LOCK_TIMEOUT = 77, QUERY_TAG = 'x y'")
    assert [r[1] for r in house.run("SHOW PARAMETERS LIKE 'LOCK_TIMEOUT'")] == ["77"]
    house.run("ALTER SESSION UNSET LOCK_TIMEOUT")
    assert [r[1] for r in house.run("SHOW PARAMETERS LIKE 'LOCK_TIMEOUT'")] == ["43200"]


def test_binding(house: House) -> None:
    """Values bound by the client arrive as they are."""
    table = house.table('"N" NUMBER(38,0), "T" VARCHAR, "TS" TIMESTAMP_NTZ(6), "F" FLOAT')
    when = dt.datetime(2024, 1, 2, 3, 4, 5, 123456)  # noqa: DTZ001
    house.run(
        f"INSERT INTO {table} VALUES (%s, %s, %s, %s), (%s, %s, %s, %s)",
        (10**37, 'it\'s \\ "x" é', when, 0.1, None, "", None, None),
    )
    assert house.rowcount == 2
    assert house.run(f'SELECT * FROM {table} ORDER BY "N"') == [
        (10**37, 'it\'s \\ "x" é', when, 0.1),
        (None, "", None, None),
    ]


# ---- transactions


def test_a_transaction_is_isolated(house: House, connect: Connect) -> None:
    """Others see what a transaction wrote after COMMIT, and nothing after ROLLBACK."""
    table, other = house.table('"A" NUMBER(10,0)'), house.twin(connect())
    house.run("BEGIN")
    house.run(f"INSERT INTO {table} VALUES (1)")
    assert other.one(f"SELECT COUNT(*) FROM {table}") == 0
    house.run("COMMIT")
    assert other.one(f"SELECT COUNT(*) FROM {table}") == 1
    house.run("BEGIN")
    house.run(f"DELETE FROM {table}")
    house.run("ROLLBACK")
    assert other.one(f"SELECT COUNT(*) FROM {table}") == 1


def test_reads_are_of_what_is_committed(house: House, connect: Connect) -> None:
    """Each statement of a transaction that has not written sees what others have committed since the last."""
    table, other = house.table('"A" NUMBER(10,0)'), house.twin(connect())
    house.run("BEGIN")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 0
    other.run(f"INSERT INTO {table} VALUES (1)")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 1
    house.run("COMMIT")


def test_an_error_aborts_the_transaction_when_asked(house: House) -> None:
    """With TRANSACTION_ABORT_ON_ERROR every statement after an error fails, and COMMIT keeps nothing."""
    table = house.table('"A" NUMBER(10,0)')
    house.run("BEGIN")
    house.run(f"INSERT INTO {table} VALUES (1)")
    assert house.refused(f"INSERT INTO {table} VALUES ('x')") in (100038, 2023)
    house.refused(f"INSERT INTO {table} VALUES (2)")
    house.run("ROLLBACK")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 0


def test_an_error_leaves_the_transaction_open_by_default(house: House, connect: Connect) -> None:
    """Without it only the failed statement is undone, and COMMIT keeps the rest."""
    table, other = house.table('"A" NUMBER(10,0)'), house.twin(connect(TRANSACTION_ABORT_ON_ERROR=False))
    other.run("BEGIN")
    other.run(f"INSERT INTO {table} VALUES (1)")
    other.refused(f"INSERT INTO {table} VALUES ('x')")
    other.run(f"INSERT INTO {table} VALUES (2)")
    other.run("COMMIT")
    assert house.run(f'SELECT "A" FROM {table} ORDER BY 1') == [(1,), (2,)]


def test_ddl_commits_first(house: House) -> None:
    """CREATE, ALTER and DROP commit the open transaction, so that a later ROLLBACK undoes nothing of it."""
    table = house.table('"A" NUMBER(10,0)')
    house.run("BEGIN")
    house.run(f"INSERT INTO {table} VALUES (1)")
    house.run(f"COMMENT ON TABLE {table} IS 'x'")
    house.run("ROLLBACK")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 1


def test_insert_overwrite_rolls_back(house: House) -> None:
    """INSERT OVERWRITE replaces all rows inside the transaction, from the table itself too."""
    table = house.table('"A" NUMBER(10,0), "B" VARCHAR')
    house.run(f"INSERT INTO {table} VALUES (1, 'x'), (2, 'y')")
    house.run("BEGIN")
    house.run(f'INSERT OVERWRITE INTO {table} ("A") SELECT "A" + 1 FROM {table}')
    assert house.run(f"SELECT * FROM {table} ORDER BY 1") == [(2, None), (3, None)]
    house.run("ROLLBACK")
    assert house.run(f"SELECT * FROM {table} ORDER BY 1") == [(1, "x"), (2, "y")]


def test_many_write_one_ledger(house: House, connect: Connect) -> None:
    """Transactions that load their own file and insert into one ledger run side by side without a conflict."""
    table, ledger = house.table('"A" NUMBER(10,0), "B" VARCHAR'), house.table('"CHUNK" NUMBER(10,0)', "LEDGER")

    def load(number: int) -> None:
        mine = house.twin(connect())
        for turn in range(5):
            name = f"{number}_{turn}.csv.gz"
            mine.put("1,x\n" * 100, name)
            mine.run("BEGIN")
            mine.copy(table, name)
            mine.run(f"INSERT INTO {ledger} SELECT {number}")
            mine.run("COMMIT")

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(load, range(6)))
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 3000
    assert house.one(f"SELECT COUNT(*) FROM {ledger}") == 30


def test_one_file_is_loaded_once(house: House, connect: Connect) -> None:
    """Two sessions that COPY the same file into one table at once load it once."""
    table = house.table('"A" NUMBER(10,0), "B" VARCHAR')
    house.put("1,x\n")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        twins = [house.twin(connect()) for _ in range(4)]
        list(pool.map(lambda twin: twin.copy(table), twins))
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 1


def test_a_version_is_taken_once(house: House, connect: Connect) -> None:
    """Of two sessions that compare and set the same row, the second waits and then changes no row."""
    table = house.table('"NAME" VARCHAR, "VERSION" NUMBER(19,0)')
    house.run(f"INSERT INTO {table} VALUES ('t', 3)")
    first, second = house.twin(connect()), house.twin(connect())
    change = f"""UPDATE {table} SET "VERSION" = 4 WHERE "NAME" = 't' AND "VERSION" = 3"""
    first.run("BEGIN")
    second.run("BEGIN")
    assert second.one(f'SELECT "VERSION" FROM {table}') == 3
    first.run(change)
    assert first.rowcount == 1
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.run, change)
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.5)
        first.run("COMMIT")
        waiting.result(20)
    assert second.rowcount == 0
    second.run("COMMIT")


def test_closing_a_session_rolls_back(house: House, connect: Connect) -> None:
    """A transaction that was open when its session closed is gone, and so are its locks."""
    table = house.table('"A" NUMBER(10,0)')
    connection = connect()
    other = house.twin(connection)
    other.run(f"INSERT INTO {table} VALUES (1)")
    other.run("BEGIN")
    other.run(f"DELETE FROM {table}")
    connection.close()
    house.run(f'UPDATE {table} SET "A" = 2')
    assert house.rowcount == 1


# ---- MERGE


def test_merge_counts_what_it_did(house: House) -> None:
    """The result has rows inserted and updated, in the order of the documentation."""
    target, source = (
        house.table('"ID" NUMBER(10,0), "T" VARCHAR, "V" NUMBER(5,0)'),
        house.table('"ID" NUMBER(10,0), "T" VARCHAR', "SRC"),
    )
    house.run(f"INSERT INTO {target} VALUES (1, 'a', 1), (2, 'b', 2)")
    house.run(f"INSERT INTO {source} VALUES (2, 'B'), (2, 'C'), (3, 'c'), (NULL, 'n')")
    house.run("BEGIN")
    result = house.run(
        f'MERGE INTO {target} t USING (SELECT "ID", "T" FROM {source} '
        f'QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "T" DESC NULLS LAST) = 1) s '
        f'ON t."ID" = s."ID" AND t."ID" >= 1 AND t."ID" <= 9 '
        f'WHEN MATCHED THEN UPDATE SET "T" = s."T" WHEN NOT MATCHED THEN INSERT ("ID", "T") VALUES (s."ID", s."T")'
    )
    house.run("COMMIT")
    assert [int(n) for n in result[0]] == [2, 1]
    assert house.run(f'SELECT "ID", "T", "V" FROM {target} ORDER BY 1 NULLS LAST') == [
        (1, "a", 1), (2, "C", 2), (3, "c", None), (None, "n", None),
    ]  # fmt: skip


def test_merge_with_delete(house: House) -> None:
    """A matched row is deleted by the clause whose condition holds, the others are updated."""
    target, source = (
        house.table('"ID" NUMBER(10,0), "T" VARCHAR'),
        house.table('"ID" NUMBER(10,0), "T" VARCHAR, "GONE" BOOLEAN', "SRC"),
    )
    house.run(f"INSERT INTO {target} VALUES (1, 'a'), (2, 'b')")
    house.run(f"INSERT INTO {source} VALUES (1, 'x', TRUE), (2, 'y', FALSE), (3, 'z', FALSE)")
    result = house.run(
        f'MERGE INTO {target} t USING {source} s ON t."ID" = s."ID" WHEN MATCHED AND s."GONE" THEN DELETE '
        f'WHEN MATCHED THEN UPDATE SET "T" = s."T" WHEN NOT MATCHED THEN INSERT ("ID", "T") VALUES (s."ID", s."T")'
    )
    assert sorted(int(n) for n in result[0]) == [1, 1, 1]
    assert house.run(f"SELECT * FROM {target} ORDER BY 1") == [(2, "y"), (3, "z")]


def test_merge_refuses_two_rows_for_one(house: House) -> None:
    """Two source rows that update one target row fail with 100090; equal new keys are all inserted."""
    target, source = house.table('"ID" NUMBER(10,0), "T" VARCHAR'), house.table('"ID" NUMBER(10,0), "T" VARCHAR', "SRC")
    merge = (f'MERGE INTO {target} t USING {source} s ON t."ID" = s."ID" WHEN MATCHED THEN UPDATE SET "T" = s."T" '
             f'WHEN NOT MATCHED THEN INSERT ("ID", "T") VALUES (s."ID", s."T")')  # fmt: skip
    house.run(f"INSERT INTO {source} VALUES (1, 'x'), (1, 'y')")
    house.run(merge)
    assert house.one(f"SELECT COUNT(*) FROM {target}") == 2
    assert house.refused(merge) == 100090


def test_deletes_by_reconciling(house: House) -> None:
    """Rows whose key is not in the other table are marked or deleted by NOT EXISTS."""
    target, keys = (
        house.table('"ID" NUMBER(10,0), "DELETED_AT" TIMESTAMP_TZ(6)'),
        house.table('"ID" NUMBER(10,0)', "KEYS"),
    )
    house.run(f"INSERT INTO {target} VALUES (1, NULL), (2, NULL)")
    house.run(f"INSERT INTO {keys} VALUES (1)")
    absent = f'NOT EXISTS (SELECT 1 FROM {keys} k WHERE k."ID" = t."ID")'
    house.run(f'UPDATE {target} t SET "DELETED_AT" = CURRENT_TIMESTAMP() WHERE {absent}')
    assert house.rowcount == 1
    assert house.run(f'SELECT "ID" FROM {target} WHERE "DELETED_AT" IS NOT NULL') == [(2,)]
    house.run(f"DELETE FROM {target} t WHERE {absent}")
    assert house.rowcount == 1


# ---- publishing


def test_a_swap_exchanges_tables_over_schemas(house: House) -> None:
    """SWAP WITH exchanges names; rows, comment, kind, grants and load metadata stay with their table."""
    other = house.schema + "B"
    house.run(f'CREATE SCHEMA "{house.database}"."{other}"')
    try:
        table, landing = house.table('"A" NUMBER(10,0), "B" VARCHAR'), house.name("LANDING", other)
        house.run(f"""CREATE TRANSIENT TABLE {landing} ("A" NUMBER(10,0), "B" VARCHAR) COMMENT = 'it''s new'""")
        house.put("1,x\n")
        house.copy(landing)
        house.run(f"ALTER TABLE {table} SWAP WITH {landing}")
        assert house.run(f"SELECT * FROM {table}") == [(1, "x")]
        assert house.one(f"SELECT COUNT(*) FROM {landing}") == 0
        assert house.copy(table) == [("Copy executed with 0 files processed.",)]
        assert house.run(
            f'SELECT TABLE_SCHEMA, TABLE_NAME, IS_TRANSIENT, COMMENT FROM "{house.database}".INFORMATION_SCHEMA.TABLES '
            f"WHERE TABLE_SCHEMA IN (%s, %s) ORDER BY 1", (house.schema, other),
        ) == [(house.schema, "T", "YES", "it's new"), (other, "LANDING", "NO", None)]  # fmt: skip
    finally:
        house.run(f'DROP SCHEMA "{house.database}"."{other}"')


def test_a_rename_may_change_the_schema(house: House) -> None:
    """RENAME TO moves a table with its rows to another schema, unless its name is taken there."""
    other = house.schema + "B"
    house.run(f'CREATE SCHEMA "{house.database}"."{other}"')
    try:
        table = house.table('"A" NUMBER(10,0)')
        house.run(f"INSERT INTO {table} VALUES (1)")
        house.run(f"ALTER TABLE {table} RENAME TO {house.name('Néw table', other)}")
        assert house.one(f"SELECT COUNT(*) FROM {house.name('Néw table', other)}") == 1
        assert house.refused(f"SELECT * FROM {table}") == 2003
        house.table('"A" NUMBER(10,0)')
        assert house.refused(f"ALTER TABLE {house.name('Néw table', other)} RENAME TO {table}") == 2002
    finally:
        house.run(f'DROP SCHEMA "{house.database}"."{other}"')


@local_only
def test_grants_follow_the_table(house: House) -> None:
    """Grants are kept by COPY GRANTS and travel with the table in a swap."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"GRANT SELECT, INSERT ON TABLE {table} TO ROLE ANALYST")
    house.run(f"CREATE TABLE {house.name('L')} LIKE {table} COPY GRANTS")
    house.run(f"CREATE TABLE {house.name('BARE')} LIKE {table}")
    house.run(f"ALTER TABLE {table} SWAP WITH {house.name('BARE')}")

    def privileges(name: str) -> list[str]:
        return sorted(row[1] for row in house.run(f"SHOW GRANTS ON TABLE {house.name(name)}"))

    assert privileges("L") == privileges("BARE") == ["INSERT", "OWNERSHIP", "SELECT"]
    assert privileges("T") == ["OWNERSHIP"]


def test_a_stream_becomes_stale_by_a_swap(house: House) -> None:
    """SHOW STREAMS lists a stream, and shows it stale once its table was swapped away."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"CREATE STREAM {house.name('CHANGES')} ON TABLE {table}")
    house.run(f"CREATE TABLE {house.name('L')} LIKE {table}")

    def stale() -> str:
        rows = house.run(f'SHOW STREAMS IN DATABASE "{house.database}"')
        at = house.names.index("stale")
        return next(str(r[at]) for r in rows if r[house.names.index("schema_name")] == house.schema)

    assert stale() == "false"
    house.run(f"ALTER TABLE {table} SWAP WITH {house.name('L')}")
    assert stale() == "true"


# ---- tables and their columns


def test_columns_are_described(house: House) -> None:
    """INFORMATION_SCHEMA.COLUMNS has each type's numbers as Snowflake shows them."""
    house.table('"ID" NUMBER(19,0) NOT NULL, "T" VARCHAR, "L" VARCHAR(134217728), "B" BINARY, "J" VARIANT, "A" ARRAY, "O" OBJECT, '
                '"TS" TIMESTAMP_NTZ(6), "TZ" TIMESTAMP_TZ(6), "D" DATE, "TM" TIME(6), "F" FLOAT, "OK" BOOLEAN, "I" INTEGER')  # fmt: skip
    rows = house.run(
        "SELECT COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, IS_NULLABLE "
        f'FROM "{house.database}".INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION',
        (house.schema, "T"),
    )
    assert rows == [
        ("ID", "NUMBER", None, 19, 0, None, "NO"), ("T", "TEXT", 16777216, None, None, None, "YES"),
        ("L", "TEXT", 134217728, None, None, None, "YES"), ("B", "BINARY", 8388608, None, None, None, "YES"),
        ("J", "VARIANT", None, None, None, None, "YES"), ("A", "ARRAY", None, None, None, None, "YES"),
        ("O", "OBJECT", None, None, None, None, "YES"), ("TS", "TIMESTAMP_NTZ", None, None, None, 6, "YES"),
        ("TZ", "TIMESTAMP_TZ", None, None, None, 6, "YES"), ("D", "DATE", None, None, None, None, "YES"),
        ("TM", "TIME", None, None, None, 6, "YES"), ("F", "FLOAT", None, None, None, None, "YES"),
        ("OK", "BOOLEAN", None, None, None, None, "YES"), ("I", "NUMBER", None, 38, 0, None, "YES"),
    ]  # fmt: skip
    described = {r[0]: (r[1], r[3]) for r in house.run(f"DESCRIBE TABLE {house.name('T')}")}
    assert described["ID"] == ("NUMBER(19,0)", "N")
    assert described["L"] == ("VARCHAR(134217728)", "Y")
    assert described["TS"] == ("TIMESTAMP_NTZ(6)", "Y")


ALTERED = [
    ("NUMBER(10,0)", "NUMBER(19,0)", True), ("NUMBER(19,0)", "NUMBER(10,0)", False), ("NUMBER(10,2)", "NUMBER(12,3)", False),
    ("VARCHAR(10)", "VARCHAR(20)", True), ("VARCHAR", "VARCHAR(134217728)", True), ("VARCHAR(10)", "NUMBER(10,0)", False),
    ("NUMBER(10,0)", "VARCHAR", False), ("BINARY(10)", "BINARY(20)", False), ("DATE", "TIMESTAMP_NTZ", False),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "allowed"), ALTERED)
def test_a_column_widens_only(house: House, old: str, new: str, allowed: bool) -> None:
    """A text becomes longer and a number gets digits of the same scale; any other change of type is refused."""
    table = house.table(f'"A" {old}, "B" VARCHAR')
    house.run(f"INSERT INTO {table} SELECT NULL, 'x'")
    statement = f'ALTER TABLE {table} ALTER COLUMN "A" SET DATA TYPE {new}'
    if allowed:
        house.run(statement)
        assert house.run(f"DESCRIBE TABLE {table}")[0][1] == new
        assert house.one(f"SELECT COUNT(*) FROM {table}") == 1
    else:
        assert house.refused(statement) in (2108, 2023, 40050)


def test_columns_come_and_go(house: House) -> None:
    """ADD COLUMN takes several; existing rows are NULL there; DROP COLUMN removes it."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"INSERT INTO {table} VALUES (1)")
    house.run(f'ALTER TABLE {table} ADD COLUMN "x" NUMBER(10,0), "Y Z" VARCHAR')
    assert house.run(f'SELECT "A", "x", "Y Z" FROM {table}') == [(1, None, None)]
    house.run(f'ALTER TABLE {table} DROP COLUMN "x"')
    assert house.refused(f'SELECT "x" FROM {table}') == 904


NAMES = [
    "Order",
    "order",
    'a"b',
    "a.b",
    "a b",
    "😀",
    "ß",
    "select",
    "é",
    "x" * 255,
    "$1",
    "%s",
    "'",
    "-- no",
    "/*",
    "a\\b",
]


def test_any_name_will_do(house: House) -> None:
    """Quoted names keep their case and every character, and differ by case alone."""
    quoted = ['"' + n.replace('"', '""') + '"' for n in NAMES]
    for name, text in zip(NAMES, quoted, strict=True):
        del text
        table = house.table(", ".join(f"{q} NUMBER(10,0)" for q in quoted), name)
        house.run(f"INSERT INTO {table} ({', '.join(quoted)}) SELECT {', '.join(str(i) for i in range(len(quoted)))}")
        assert house.run(f"SELECT {', '.join(reversed(quoted))} FROM {table}") == [tuple(reversed(range(len(quoted))))]
        assert house.names == list(reversed(NAMES))
    listed = house.run(
        f'SELECT TABLE_NAME FROM "{house.database}".INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = %s', (house.schema,)
    )
    assert sorted(r[0] for r in listed) == sorted(NAMES)


def test_constraints_are_not_enforced(house: House) -> None:
    """PRIMARY KEY and UNIQUE are recorded at most; NOT NULL is enforced."""
    table = house.table('"A" NUMBER(10,0) NOT NULL, "B" VARCHAR UNIQUE, PRIMARY KEY ("A")')
    house.run(f"INSERT INTO {table} VALUES (1, 'x'), (1, 'x')")
    assert house.refused(f"INSERT INTO {table} VALUES (NULL, 'x')") == 100072


def test_objects_that_are_not_there(house: House) -> None:
    """A missing table is 002003, one that is there 002002, and IF EXISTS is silent about both."""
    assert house.refused(f"SELECT * FROM {house.name('NOPE')}") == 2003
    assert house.refused(f"DROP TABLE {house.name('NOPE')}") == 2003
    house.run(f"DROP TABLE IF EXISTS {house.name('NOPE')}")
    house.run(f"TRUNCATE TABLE IF EXISTS {house.name('NOPE')}")
    table = house.table('"A" NUMBER(10,0)')
    assert house.refused(f'CREATE TABLE {table} ("A" DATE)') == 2002
    house.run(f'CREATE TABLE IF NOT EXISTS {table} ("A" DATE)')
    assert house.refused("SELEC 1") in (1003, 2)


def test_tables_are_listed(house: House) -> None:
    """SHOW TABLES LIKE finds by pattern, and SHOW names the columns that clients look for."""
    house.table('"A" NUMBER(10,0)', "LANDING_1", "COMMENT = 'a'")
    house.table('"A" NUMBER(10,0)', "OTHER")
    rows = house.run(f"""SHOW TABLES LIKE 'LANDING\\\\_%' IN SCHEMA "{house.database}"."{house.schema}" """)
    assert [r[house.names.index("name")] for r in rows] == ["LANDING_1"]
    assert [r[house.names.index("comment")] for r in rows] == ["a"]


# ---- stages


def test_a_path_is_a_prefix(house: House) -> None:
    """LIST and REMOVE take every file whose name begins with the path: `run1/` ends with a slash for that."""
    for folder in ("run1/", "run10/", "run1/sub/"):
        house.put("1\n", folder=folder)
    listed = house.run(f"LIST '{house.stage}/run1/'")
    assert [row[0].split("/", 1)[1] for row in listed] == ["run1/a.csv.gz", "run1/sub/a.csv.gz"]
    assert all(int(row[1]) > 0 for row in listed)
    house.run(f"REMOVE '{house.stage}/run1/'")
    assert [row[0].split("/", 1)[1] for row in house.run(f"LIST {house.stage}")] == ["run10/a.csv.gz"]
    house.run(f"REMOVE {house.stage}/run10/")
    assert house.run(f"LIST {house.stage}") == []


def test_put_from_a_file(house: House) -> None:
    """PUT uploads a file of the client, and reports its name, sizes and status."""
    path = house.folder / "data é.csv.gz"
    path.write_bytes(b"not really gzip" * 1000)
    cursor = house.connection.cursor()
    cursor.execute(
        f"PUT 'file://{path}' '{house.stage}/p q/' PARALLEL = 4 AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE"
    )
    row = cursor.fetchall()[0]
    assert row[6] == "UPLOADED"
    assert house.run(f"LIST '{house.stage}/p q/'")[0][0].endswith("p q/data é.csv.gz")
    assert int(house.run(f"LIST '{house.stage}/p q/'")[0][1]) == 15_000


def test_put_compresses_when_asked(house: House) -> None:
    """AUTO_COMPRESS adds .gz to the name, and COPY reads the file under it."""
    path = house.folder / "plain.csv"
    path.write_text("1,x\n")
    house.run(f"PUT 'file://{path}' '{house.stage}/run/' AUTO_COMPRESS = TRUE OVERWRITE = TRUE")
    assert house.run(f"LIST {house.stage}")[0][0].endswith("run/plain.csv.gz")
    house.copy(house.table('"A" NUMBER(10,0), "B" VARCHAR'), "plain.csv.gz")


# ---- what the checksums are made of


def test_the_checksum_is_the_low_60_bits_of_md5(house: House) -> None:
    """SUM(BITAND(MD5_NUMBER_LOWER64(x), 2^60-1)) equals what PostgreSQL computes from the last 15 hex digits."""
    table = house.table('"T" VARCHAR')
    texts = [f"row {n} é😀" for n in range(100)]
    house.run(f"INSERT INTO {table} VALUES " + ", ".join(["(%s)"] * 100), texts)
    expected = sum(int(hashlib.md5(t.encode()).hexdigest()[-15:], 16) for t in texts)  # noqa: S324
    assert house.one(f'SELECT SUM(BITAND(MD5_NUMBER_LOWER64("T"), 1152921504606846975)) FROM {table}') == expected


def test_sums_are_exact(house: House) -> None:
    """A SUM over NUMBER(38,0) keeps every digit."""
    table = house.table('"N" NUMBER(38,0)')
    house.run(
        f"INSERT INTO {table} VALUES (90000000000000000000000000000000000001), (9000000000000000000000000000000000000)"
    )
    assert house.one(f'SELECT SUM("N") FROM {table}') == 99000000000000000000000000000000000001


CANONICAL = [
    ("TO_VARCHAR(12.50::NUMBER(10,3))", "12.500"), ("TO_VARCHAR('2024-01-02 03:04:05.1'::TIMESTAMP_NTZ, 'YYYY-MM-DD HH24:MI:SS.FF6')", "2024-01-02 03:04:05.100000"),
    ("DATE_PART(EPOCH_MICROSECOND, '1969-12-31 23:59:59.999999'::TIMESTAMP_NTZ)", -1),
    ("DATE_PART(EPOCH_MICROSECOND, '2024-01-01 00:00:00+02'::TIMESTAMP_TZ)", 1704060000000000),
    ("DATEDIFF('day', '1970-01-01'::DATE, '0001-01-01'::DATE)", -719162), ("TO_VARCHAR('01:02:03.4'::TIME, 'HH24:MI:SS.FF6')", "01:02:03.400000"),
    ("HEX_ENCODE('0aFF'::BINARY, 0)", "0aff"), ("MD5(TO_BINARY('0aff', 'HEX'))", hashlib.md5(b"\x0a\xff").hexdigest()),  # noqa: S324
    ("CONCAT_WS('|', 'a', COALESCE(NULL, '-'), IFF(TRUE, '1', '0'))", "a|-|1"), ("CONCAT_WS('|', 'a', NULL)", None),
    ("TRUNC(-1.7::FLOAT)", -1.0), ("ABS(-5)::NUMBER(38,0)", 5), ("CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END", "b"), ("TO_VARCHAR(TRUE)", "true"),
    ("NVL2(NULL, 1, 2)", 2), ("EQUAL_NULL(NULL, NULL)", True), ("BITAND(6, 3)", 2), ("TO_VARCHAR('x'::VARIANT)", "x"),
    ("12345678901234567890123456789012345678::NUMBER(38,0)", 12345678901234567890123456789012345678),
    ("TO_NUMBER('12.345', 10, 2)", Decimal("12.35")), ("PARSE_JSON('{\"a\": {\"b\": 7}}'):a.b::NUMBER(5,0)", 7),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CANONICAL)
def test_canonical_text(house: House, text: str, value: object) -> None:
    """The functions of the checksums answer as documented."""
    assert house.one(f"SELECT {text}") == value


def test_a_row_of_nulls_reads_back(house: House) -> None:
    """NULL of every type is None."""
    types = [
        "NUMBER(38,0)",
        "FLOAT",
        "VARCHAR",
        "BINARY",
        "BOOLEAN",
        "DATE",
        "TIME",
        "TIMESTAMP_NTZ",
        "TIMESTAMP_TZ",
        "TIMESTAMP_LTZ",
        "VARIANT",
    ]
    assert house.run(f"SELECT {', '.join(f'NULL::{t}' for t in types)}") == [(None,) * len(types)]


def test_results_of_many_rows(house: House) -> None:
    """A result of 100,000 rows comes whole and in order."""
    table = house.load('"A" NUMBER(38,0), "B" VARCHAR', "".join(f"{n},x{n}\n" for n in range(100_000)))
    rows = house.run(f'SELECT "A", "B" FROM {table} ORDER BY "A"')
    assert rows[99_999] == (99_999, "x99999")
    assert len(rows) == 100_000


def test_views_see_the_table_of_that_name(house: House) -> None:
    """A view reads by name, so that after a swap it shows the new table."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f'CREATE VIEW {house.name("V")} AS SELECT "A" + 1 AS "b" FROM {table}')
    house.run(f'CREATE TABLE {house.name("L")} AS SELECT 41 AS "A"')
    house.run(f"ALTER TABLE {table} SWAP WITH {house.name('L')}")
    assert house.run(f'SELECT "b" FROM {house.name("V")}') == [(42,)]


def test_errors_are_never_retried_away(house: House) -> None:
    """A statement that DuckDB cannot run is a ProgrammingError at once, not an HTTP error that the connector repeats."""
    for text in ("SELECT NO_SUCH_FUNCTION(1)", "SELECT 'x'::NUMBER(5,0)", "SELECT 1 FROM", "SELECT 'x' + 1"):
        with pytest.raises(ProgrammingError):
            house.run(text)
