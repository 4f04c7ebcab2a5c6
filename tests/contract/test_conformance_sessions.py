"""A session: what it tells of itself, its parameters, binding, its errors and its end."""

# ruff: noqa: E501  (a case is a line, so that cases can be compared)

from __future__ import annotations

import datetime as dt

import pytest
from snowflake.connector import ProgrammingError

from .conftest import Connect, House


def test_a_session_tells_where_it_is(house: House) -> None:
    """CURRENT_...() answer from the session, and CURRENT_TIMESTAMP() is the statement's time."""
    row = house.run(
        "SELECT CURRENT_VERSION(), CURRENT_ACCOUNT(), CURRENT_REGION(), CURRENT_ROLE(), CURRENT_USER(), CURRENT_WAREHOUSE(), "
        "CURRENT_DATABASE(), CURRENT_SESSION(), CURRENT_TIMESTAMP(), LAST_QUERY_ID()"
    )[0]
    assert row[0]
    assert row[4]
    assert row[6] == house.database
    assert abs(row[8] - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


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


def test_errors_are_never_retried_away(house: House) -> None:
    """A statement that DuckDB cannot run is a ProgrammingError at once, not an HTTP error that the connector repeats."""
    for text in ("SELECT NO_SUCH_FUNCTION(1)", "SELECT 'x'::NUMBER(5,0)", "SELECT 1 FROM", "SELECT 'x' + 1"):
        with pytest.raises(ProgrammingError):
            house.run(text)


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
