"""Tables of one type or of many, as the engine reads them: mapped, staged as CSV, parsed back to fields."""

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from engine.model import Field, Table
from engine.source import catalogue
from engine.sql import source as sql
from engine.typemap import ColumnPolicy, Measured, TypePlan, map_table, measure_select

_FIELD = re.compile(r'("(?:[^"]|"")*"|[^",\n]*)([,\n])')


@asynccontextmanager
async def reading(dsn):
    """A connection with what the engine pins, that may write."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(
            sql.pin(connection.get_server_version().major, 0, 10) + "; SET default_transaction_read_only = off"
        )
        yield connection
    finally:
        await connection.close(timeout=10)


async def table_of(connection, name: str) -> Table:
    oid = await connection.fetchval("SELECT $1::text::regclass::oid", name)
    return (await catalogue.tables(connection, [oid]))[oid]


async def mapped(connection, name: str, policies: Mapping[str, ColumnPolicy] | None = None) -> TypePlan:
    """The plan of a table, measured, on the server's version."""
    table = await table_of(connection, name)
    measured = {}
    for column in table.columns:
        if (question := measure_select(column)) is not None:
            measured[column.name] = Measured(*await connection.fetchrow(sql.measure([question], f"FROM {name}")))
    version = int(await connection.fetchval("SHOW server_version_num"))
    return map_table(table, policies or {}, measured, version=version)


async def copied(connection, query: str, quoted: Sequence[str] = ()) -> bytes:
    blocks: list[bytes] = []

    async def keep(block: bytes) -> None:
        blocks.append(block)

    options = {"force_quote": list(quoted)} if quoted else {}
    await connection.copy_from_query(query, output=keep, format="csv", encoding="UTF8", **options)
    return b"".join(blocks)


def parsed(csv: bytes) -> list[list[str | None]]:
    """Rows of fields; None is a field with nothing in it, '' is one of two quotes."""
    rows: list[list[str | None]] = [[]]
    for value, end in _FIELD.findall(csv.decode()):
        rows[-1].append(value[1:-1].replace('""', '"') if value.startswith('"') else value or None)
        if end == "\n":
            rows.append([])
    assert rows.pop() == []
    return rows


async def staged(connection, name: str, fields: Sequence[Field]) -> list[list[str | None]]:
    """What the engine would stage of each row, without the end mark."""
    return [row[: len(fields)] for row in parsed(await csv_of(connection, fields, f"FROM {name} ORDER BY ctid"))]


async def csv_of(connection, fields: Sequence[Field], rows: str) -> bytes:
    """The same bytes, whichever of the two readers brings them."""
    csv = await copied(connection, sql.copy_select(fields, rows), sql.quoted_columns(fields))
    lines = [record[0] for record in await connection.fetch(sql.line_select(fields, rows))]
    assert b"\n".join([*lines, b""]) == csv
    return csv


async def printed(connection, name: str) -> list[list[str | None]]:
    """What psql would print: the output functions, under the engine's settings."""
    return parsed(await copied(connection, f"SELECT * FROM {name} ORDER BY ctid"))


async def filled(connection, type_name, values):
    """A table of one column `c`, of these values and a last NULL."""
    name = f"pg_temp.t_{uuid.uuid4().hex[:8]}"
    await connection.execute(f"CREATE TEMP TABLE {name.removeprefix('pg_temp.')} (c {type_name})")
    for value in [*values, None]:
        try:
            await connection.execute(f"INSERT INTO {name} VALUES ($1::text::{type_name})", value)
        except asyncpg.FeatureNotSupportedError as error:
            pytest.skip(f"this server has no {type_name}: {error}")
    return name


async def column(connection, name, on_loss="error"):
    """What is staged of the column: one text a row, or a list where a side column stands with it."""
    plan = await mapped(connection, name, {"c": ColumnPolicy(on_loss)})
    rows = await staged(connection, name, plan.fields)
    return plan.fields, [row[0] if len(row) == 1 else row for row in rows]


async def lost(connection, name, field):
    found = {}
    for loss in field.losses:
        count = await connection.fetchval(f"SELECT count(*) FILTER (WHERE {loss.condition}) FROM {name}")
        if count:
            found[loss.reason] = count
    return found
