"""Ours, of awkward values: each table as a run would plan it, refused by name or extracted, under a policy."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contenders import protocol
from benchmarks.contenders.extract import config_of, extracted, plan_of
from engine.errors import BorealisError
from engine.machine import bounds_of
from engine.model import Field, Table
from engine.source import catalogue
from engine.source.connection import Address, connected
from engine.source.snapshot import Snapshot, open_snapshot
from engine.sql import source as sql
from engine.sql.source import END, needs_end
from engine.typemap import ColumnPolicy, Measured, map_table, measure_select


def argv(dsn: str, tables: Sequence[str], on_loss: str) -> list[str]:
    named = [argument for table in tables for argument in ("--table", table)]
    return [sys.executable, "-m", "benchmarks.contenders.losses", "--dsn", dsn, *named, "--on-loss", on_loss]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--table", required=True, action="append")
    parser.add_argument("--on-loss", required=True, choices=["error", "text"])
    parser.add_argument("--into", required=True, type=Path)
    asked = parser.parse_args()
    protocol.run(lambda: asyncio.run(_each(asked)))


async def _each(asked: argparse.Namespace) -> dict[str, Any]:
    config = config_of(asked.dsn, codec="zstd")
    address = Address(asked.dsn)
    async with connected(address) as connection:
        relations = [each for each in await catalogue.relations(connection) if each.name in asked.table]
    refused, columns = {}, {}
    async with open_snapshot(address, relations, bounds_of(config).readers_max) as snapshot:
        for table in (await snapshot.tables(relations)).values():
            into = asked.into / table.name
            into.mkdir()
            try:
                fields = await _fields(table, snapshot, asked.on_loss)
                plan, tuning = plan_of(config, table, fields, "copy")
                await extracted(config, plan, tuning, snapshot, into)
            except BorealisError as error:
                refused[table.name] = str(error).splitlines()[0]
            else:
                columns[table.name] = [field.target.lower() for field in fields] + [END] * needs_end(fields)
    return {"extra": {"refused": refused, "columns": columns}}


async def _fields(table: Table, snapshot: Snapshot, on_loss: str) -> tuple[Field, ...]:
    policies = {column.name: ColumnPolicy(on_loss=on_loss) for column in table.columns}  # type: ignore[arg-type]
    fields = map_table(table, policies, await _measured(table, snapshot), version=snapshot.version).fields
    await _refuse(table, snapshot, fields)
    return fields


async def _measured(table: Table, snapshot: Snapshot) -> dict[str, Measured]:
    wanted = {column.name: triple for column in table.columns if (triple := measure_select(column)) is not None}
    if not wanted:
        return {}
    async with snapshot.reader() as connection:
        row = await connection.fetchrow(sql.measure(wanted.values(), sql.all_rows_of(table)))
    return {name: Measured(*(int(value or 0) for value in row[3 * n : 3 * n + 3])) for n, name in enumerate(wanted)}


async def _refuse(table: Table, snapshot: Snapshot, fields: Sequence[Field]) -> None:
    """What a run refuses by name: here before it is read, there when the read or the target meets it."""
    found = [(field, loss) for field, loss in sql.losses_of(fields) if field.on_loss == "error"]
    if not found:
        return
    async with snapshot.reader() as connection:
        counts = await connection.fetchrow(sql.count_losses(fields, sql.all_rows_of(table)))
    lost = dict(zip(((field.source, loss.reason) for field, loss in sql.losses_of(fields)), counts, strict=True))
    for field, loss in found:
        if count := lost[field.source, loss.reason]:
            raise BorealisError(f"{count} values have no exact form as {field.target_type} ({loss.reason})")


if __name__ == "__main__":
    main()
