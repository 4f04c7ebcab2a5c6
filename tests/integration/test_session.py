"""What a role or a database sets changes nothing of what is read, nor when a session ends (F07)."""

import pytest

from engine.source.connection import Address
from engine.source.connection import connected as engine_connected
from tests.conftest import connected

HOSTILE = {
    "DateStyle": "SQL, DMY", "TimeZone": "Asia/Kathmandu", "IntervalStyle": "postgres_verbose",
    "extra_float_digits": "-5", "bytea_output": "escape", "client_encoding": "LATIN1", "xmlbinary": "hex",
    "quote_all_identifiers": "on", "statement_timeout": "1ms", "idle_in_transaction_session_timeout": "1ms",
    "standard_conforming_strings": "off", "default_transaction_isolation": "read committed", "jit": "on",
}  # fmt: skip


@pytest.mark.parametrize("reader", ["copy", "cursor"])
async def test_f07_hostile_settings_of_a_role_and_a_database_change_nothing(engine, reader):
    role = f"r_{engine.database.lower()}"
    name = engine.dsn.rpartition("/")[2]
    await engine.source(
        "CREATE SCHEMA evil", "CREATE FUNCTION evil.length(text) RETURNS int LANGUAGE sql AS 'SELECT 0'",
        "CREATE TYPE pair AS (a int, b timestamptz)",
        "CREATE TABLE t (d date, ts timestamp, tz timestamptz, i interval, f float8, b bytea, v text, "
        "p pair, r regclass)",
        r"""INSERT INTO t VALUES ('2020-02-01', '2020-02-01 03:04:05.000006', '2020-02-01 03:04:05.000006+00',
            '1 mon -2 days', 0.1, '\x00ff', E'a\\b é', ROW(1, '2020-02-01 00:00+00'), 'pg_class')""",
        f"CREATE ROLE {role} LOGIN PASSWORD 'right'", f"GRANT SELECT ON t TO {role}",
        *(f"ALTER ROLE {role} IN DATABASE {name} SET {setting} = '{value}'" for setting, value in HOSTILE.items()),
        f"ALTER ROLE {role} SET search_path = evil, pg_catalog",
    )  # fmt: skip
    engine.dsn = engine.dsn.replace("postgres@", f"{role}:right@")
    await engine.run_one({"name": "public.t", "reader": reader, "verify": "checksum"})
    (row,) = engine.target(
        """SELECT "D"::VARCHAR, TO_VARCHAR("TS", 'YYYY-MM-DD HH24:MI:SS.FF6'), DATE_PART(EPOCH_MICROSECOND, "TZ"), "I",
        "F", HEX_ENCODE("B"), "V", TO_JSON("P"), "R" FROM {db}."SHOP"."T" """
    )
    assert row == (
        "2020-02-01", "2020-02-01 03:04:05.000006", 1580526245000006, "P1M-2D", 0.1, "00FF", "a\\b é",
        '{"a":1,"b":"2020-02-01T00:00:00+00:00"}', "pg_class",
    )  # fmt: skip


async def test_no_statement_of_a_run_writes_at_the_source(engine):
    """Each session is read-only, whatever is sent in it."""
    await engine.source("CREATE TABLE t (a int)")
    async with engine_connected(Address(engine.dsn)) as connection:
        with pytest.raises(Exception, match="read-only transaction"):
            await connection.execute("INSERT INTO public.t VALUES (1)")
    async with connected(engine.dsn) as plain:
        assert await plain.fetchval("SELECT count(*) FROM t") == 0
