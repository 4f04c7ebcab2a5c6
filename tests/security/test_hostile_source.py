"""A source where others own tables: what they may put there is data to us, and what they may run changes nothing."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given

from engine.connect import addresses
from engine.plan import cursor_of
from engine.quoting import literal, quote, sf_literal, shown
from engine.source.catalogue import relations, tables
from engine.source.connection import connected
from engine.source.horizon import read_horizon
from engine.source.snapshot import open_snapshot
from engine.sql import source as sql
from tests.conftest import CommandLine
from tests.conftest import connected as plain
from tests.integration.conftest import Engine, engine
from tests.security.odd import NAMES, ODD_TEXT, fuzzed

__all__ = ["engine"]


@pytest.fixture
async def canary(engine: Engine) -> Engine:
    """A table on either side that must still be there after all that is tried."""
    await engine.source("CREATE TABLE canary (id int)", "INSERT INTO canary VALUES (1)")
    await engine.run_one({"name": "public.canary"})
    return engine


async def alive(engine: Engine) -> None:
    await engine.source("SELECT id FROM canary")
    assert engine.target('SELECT "ID" FROM {db}."SHOP"."CANARY"') == [(1,)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


HOSTILE = [
    '"; DROP TABLE canary; --', "'); DROP TABLE public.canary; --", "../../../tmp/x", "..", "\\..\\x", "%2e%2e/%s",
    "x\r\nborealis: COMPLETE", "\x1b[2J\x1b[31m", "{0.__class__}", "@~/x", "\u202e[/red]", "T__20260101T000000ABCDEF_0",
]  # fmt: skip


async def test_hostile_names_are_names_from_end_to_end(canary, borealis: CommandLine):
    """As schema, table, key and column at once, in one run of the command line, merged and verified too."""
    entries = []
    for number, name in enumerate(HOSTILE):
        q = quoted(name)
        await canary.source(f"CREATE SCHEMA {quoted(f's{number}{name}'[:40])}")
        where = f"{quoted(f's{number}{name}'[:40])}.{q}"
        await canary.source(f"CREATE TABLE {where} ({q} int PRIMARY KEY, at timestamptz DEFAULT now())",
                            f"INSERT INTO {where} VALUES ({number})")  # fmt: skip
        entries.append({"name": where, "mode": "incremental", "cursor": "at"} if number % 2 else {"name": where})
    config = canary.values(*entries, {"name": "public.canary"}, defaults={"cursor_lag_s": 1})
    first = borealis(config, "run")
    assert first.code == 0, first.log
    verified = borealis(config, "verify", "--level", "bisect")
    assert (verified.code, {each["ok"] for each in verified.output["tables"]}) == (0, {True}), verified.log
    for number, name in enumerate(HOSTILE):
        stored = quoted(name.upper())
        assert canary.target(f'SELECT {stored} FROM {{db}}."SHOP".{stored}'.replace("{db}", "{db}")) == [(number,)], (
            name
        )
    await alive(canary)


def test_no_name_reaches_a_path(canary):
    """Files on the stage, on disk and in a bucket are named by run and chunk alone."""
    stages = canary.warehouse.directory
    before = {path.name for path in stages.parent.iterdir()}
    for path in stages.rglob("*"):
        assert stages in path.resolve().parents
    assert before == {path.name for path in stages.parent.iterdir()}


async def test_any_name_is_one_name_to_a_real_parser(canary, proof):
    """`quote` and `literal`, which all statements are made with, at PostgreSQL and at the target's stand-in."""
    tried: list[str] = []

    @fuzzed(proof, 60)
    @given(NAMES | ODD_TEXT.map(lambda text: text.replace("\x00", "")))
    def collected(name: str) -> None:
        if name and not any("\ud800" <= char <= "\udfff" for char in name):
            tried.append(name)

    collected()
    async with plain(canary.dsn) as connection:
        for name in tried:
            row = await connection.fetchrow(f"SELECT {literal(name)} AS {quote(name)}")
            assert row[0] == name
            assert next(iter(row.keys())).encode() == name.encode()[:63].decode(errors="ignore").encode()
    with canary.warehouse.connect() as session, session.cursor() as cursor:
        for name in tried:
            assert cursor.execute(f"SELECT {sf_literal(name)}").fetchall() == [(name,)], name
    await alive(canary)


def test_what_a_person_reads_of_a_name_is_one_line_without_escapes(proof):
    @fuzzed(proof, 200)
    @given(ODD_TEXT)
    def tried(name: str) -> None:
        assert shown(name).isprintable()

    tried()


@pytest.mark.parametrize("asked", [(), ("public.x\rborealis: all is well\x07",)], ids=["of a table", "of a request"])
async def test_a_name_cannot_forge_a_line_of_the_log(canary, borealis, asked):
    """Its line break and its colours are shown as what they are; in lines of JSON they are escaped anyway."""
    name = "x\nborealis: all is well\x1b[2J"
    await canary.source(f"CREATE TABLE {quoted(name)} (at timestamp)",
                        f"INSERT INTO {quoted(name)} VALUES ('infinity')")  # fmt: skip
    table = {"name": "public.canary"} if asked else {"name": f"public.{quoted(name)}"}
    process = borealis.start(canary.values(table), "run", *asked)
    output, log = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "all is well" in output + log
    assert not {"\x1b", "\x07"} & set(output + log)
    assert not [line for line in log.splitlines() if line.startswith("borealis: all is well")]


# --- what runs as us --------------------------------------------------------------------------------------------

SETTINGS = {"TimeZone": "Asia/Tokyo", "DateStyle": "German", "IntervalStyle": "postgres", "extra_float_digits": "-10",
            "bytea_output": "escape", "search_path": "evil, pg_catalog", "xmlbinary": "hex"}  # fmt: skip


@pytest.fixture
async def evil(engine: Engine) -> Engine:
    """A view whose owner has every session that reads it print otherwise, beside a table of somebody else."""
    sets = "; ".join(f"PERFORM set_config('{name}', '{value}', false)" for name, value in SETTINGS.items())
    await engine.source(
        "CREATE SCHEMA evil",
        f"CREATE FUNCTION evil.set() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {sets}; RETURN 1; END $$",
        "CREATE FUNCTION evil.md5(text) RETURNS text LANGUAGE sql AS $$ SELECT '0' $$",
        "CREATE FUNCTION evil.count(int) RETURNS bigint LANGUAGE sql AS $$ SELECT 7::bigint $$",
        "CREATE VIEW evil.v AS SELECT evil.set() AS id",
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, d date, f float8, b bytea, i interval)",
        r"INSERT INTO t SELECT n, '2026-01-02 03:04:05Z', '2026-01-02', 0.1 + n, '\x00ff', '1 day 02:03' "
        "FROM generate_series(1, 20000) n",
        "ANALYZE t",
    )
    return engine


ONE_READER = {"readers": 1, "loaders": 1, "chunk_bytes": "256KiB"}


async def test_a_view_cannot_change_what_a_session_prints_of_other_tables(evil):
    entries = [{"name": "evil.v"}, {"name": "public.t", "verify": "checksum"}]
    receipts = await evil.run(*entries, limits=ONE_READER)
    assert {receipt.status for receipt in receipts.values()} == {"COMPLETE"}, [r.error for r in receipts.values()]
    ((at, day, interval, binary),) = evil.target('SELECT DISTINCT "AT", "D", "I", "B" FROM {db}."SHOP"."T"')
    assert (at, day) == (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), date(2026, 1, 2))
    assert (interval, bytes(binary)) == ("P1DT2H3M", b"\x00\xff")
    assert evil.target('SELECT COUNT(*), SUM("F") FROM {db}."SHOP"."T"')[0][0] == 20000


async def test_a_session_is_set_right_after_a_view(evil):
    address, _ = addresses(evil.config({"name": "evil.v"}))
    async with connected(address) as connection:
        (view,) = [each for each in await relations(connection) if each.name == "v"]
    async with open_snapshot(address, [view], 1) as snapshot:
        await snapshot.tables([view])
        async with snapshot.reader() as connection:
            await connection.fetch("SELECT * FROM evil.v")
            assert await connection.fetchval("SHOW TimeZone") == "Asia/Tokyo"
        async with snapshot.reader() as again:
            assert again is connection
            found = {name: await again.fetchval(f"SHOW {name}") for name in SETTINGS}
    assert found == {name: sql.PINNED[name].replace('""', "") or '""' for name in SETTINGS} | {"search_path": '""'}


async def test_a_view_cannot_hide_who_still_writes(evil):
    """A watermark would pass what an open transaction commits later: the view of the server's own is asked."""
    await evil.source("CREATE VIEW evil.pg_stat_activity AS SELECT * FROM pg_catalog.pg_stat_activity WHERE false")
    address, _ = addresses(evil.config({"name": "evil.v"}))
    async with connected(address) as connection:
        oid = await connection.fetchval("SELECT 'evil.v'::regclass::oid")
        table = (await tables(connection, [oid]))[oid]
    async with plain(evil.dsn) as writer, writer.transaction():
        await writer.execute("DELETE FROM t WHERE id = 1")
        numbers = {oid: (table, cursor_of(table, "id"))}
        found = await read_horizon(address, None, numbers, lag_is_set=False, wait_s=0.2)
    assert found.numbers == {}, "nothing is complete while somebody writes"


async def test_a_view_s_function_cannot_write_as_us(canary):
    """Not even where our role could: the transaction only reads."""
    await canary.source(
        "CREATE FUNCTION steal() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('transaction_read_only', "
        "'off', false); INSERT INTO canary VALUES (2); RETURN 1; END $$",
        "CREATE VIEW v AS SELECT steal() AS id",
    )
    receipt = (await canary.run({"name": "public.v"}))["public.v"]
    assert receipt.status == "FAILED"
    await alive(canary)


async def test_a_name_that_hides_one_of_the_system_s_is_not_found(engine):
    """search_path is empty: functions, operators and catalogues are PostgreSQL's own, whatever lies in `public`."""
    await engine.source(
        "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'one')",
        "CREATE FUNCTION md5(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$",
        "CREATE FUNCTION concat(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$",
        "CREATE FUNCTION octet_length(text) RETURNS int LANGUAGE sql AS $$ SELECT 2^30::int $$",
        "CREATE TABLE pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false",
        "ALTER ROLE postgres SET search_path = public, pg_catalog",
    )  # fmt: skip
    try:
        await engine.run_one({"name": "public.t", "verify": "checksum"})
    finally:
        await engine.source("ALTER ROLE postgres RESET search_path")
    assert engine.target('SELECT * FROM {db}."SHOP"."T"') == [(1, "one")]


async def test_rows_that_a_policy_would_hide_refuse_the_table_rather_than_be_missing(engine):
    role = f"r_{engine.database.lower()}"
    await engine.source("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1), (2)",
                        "CREATE POLICY first ON t USING (id = 1)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
                        f"CREATE ROLE {role} LOGIN PASSWORD 'x'", f"GRANT SELECT ON t TO {role}")  # fmt: skip
    engine.dsn, owner = engine.dsn.replace("postgres@", f"{role}:x@"), engine.dsn
    receipt = (await engine.run({"name": "public.t"}))["public.t"]
    engine.dsn = owner
    await engine.source(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert (receipt.status, "row-level security" in receipt.error["message"]) == ("FAILED", True)


async def test_values_that_a_program_would_run_arrive_as_they_are(engine):
    """Formulas, templates, markup and zeros by the megabyte: a copy is exact, what shows it must escape it."""
    values = ["=cmd|'/c calc'!A0", "+1+1", "@SUM(1)", "{{ 7*7 }}", "<script>alert(1)</script>", "\x1b[2J", "0" * 2**22]
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, v text)")
    async with plain(engine.dsn) as connection:
        await connection.executemany("INSERT INTO t VALUES ($1, $2)", list(enumerate(values)))
    await engine.run_one({"name": "public.t"})
    assert [v for (v,) in engine.target('SELECT "V" FROM {db}."SHOP"."T" ORDER BY "ID"')] == values
