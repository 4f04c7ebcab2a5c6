"""What a dataset is: a module with the columns of a table and a function that fills it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import asyncpg

DATASETS = "lineitem narrow wide fat trickle".split()
"""Of one table each; small.py and losses.py make many."""


@dataclass(frozen=True, slots=True)
class Column:
    """`type` as it was declared."""

    name: str
    type: str
    nullable: bool = True

    @property
    def declared(self) -> str:
        return f"{self.name} {self.type}{'' if self.nullable else ' NOT NULL'}"


class Dataset(Protocol):
    """A module of this package; its table is called NAME."""

    NAME: str
    ABOUT: str
    COLUMNS: Sequence[Column]
    BYTES_A_ROW: int
    """Of the table on disk, to refuse a disk that is too small."""

    @staticmethod
    def rows(scale: float) -> int: ...

    @staticmethod
    async def make(connection: asyncpg.Connection, scale: float, folder: Path) -> None:
        """Creates the table and fills it; `folder` is there for files that are needed meanwhile."""


def dataset(name: str) -> Dataset:
    assert name in DATASETS, name
    return cast("Dataset", importlib.import_module(f"benchmarks.data.{name}"))


def columns(declarations: str) -> list[Column]:
    """Of lines `name type` or `name type NOT NULL`, one a column."""
    found = []
    for line in declarations.strip().splitlines():
        name, _, declared = line.strip().partition(" ")
        kind = declared.removesuffix(" NOT NULL")
        found.append(Column(name, kind, nullable=kind == declared))
    return found


async def create(connection: asyncpg.Connection, name: str, columns: Sequence[Column]) -> None:
    await connection.execute(f"CREATE TABLE {name} ({', '.join(column.declared for column in columns)})")


async def generated(
    connection: asyncpg.Connection, name: str, columns: Sequence[Column], select: str, rows: int
) -> None:
    """A table made by the server itself of `select`, whose $1 is the number of rows."""
    async with connection.transaction():
        await create(connection, name, columns)
        await connection.execute(f"INSERT INTO {name} {select}", rows)
