"""The demonstration: real flights from a real PostgreSQL into the embedded warehouse, all, then what changed, verified.

Everything is in one directory: `borealis.toml`, `warehouse` (kept, to be queried), `postgres` (gone at the end).
"""

from __future__ import annotations

import functools
import shutil
import signal
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import anyio
from rich.console import Console

from engine import inspection, render, runs
from engine.config import Config, load
from engine.config_values import MINIMAL
from engine.errors import ConfigError
from engine.local import flights
from engine.local.postgres import PostgresServer
from engine.model import Receipt

T = TypeVar("T")

MARK = "# Made by `borealis demo`.\n"
SETTINGS = (
    MARK
    + """\
[source]
dsn = "{dsn}"

[target]
local = "warehouse"
database = "DEMO"
schema = "NYC"

[[tables]]
name = "public.flights"
mode = "incremental"
cursor = "updated_at"
deletes = "reconcile"

[[tables]]
name = "public.*"
"""
)
QUERY = "SELECT CARRIER, COUNT(*) AS FLIGHTS FROM FLIGHTS GROUP BY CARRIER ORDER BY FLIGHTS DESC LIMIT 3"
PORT = 8765
"""Of the snippet that queries the result; any free port does."""


def demonstrate(directory: Path, *, keep: bool = False) -> bool:
    """Whether all of it is COMPLETE and verified. With `keep` PostgreSQL serves on until Ctrl-C."""
    show = Show(render.console())
    _clear(directory)
    with PostgresServer(directory / "postgres") as source:
        with show.step(f"PostgreSQL {source.version} with the flights that left New York in 2013"):
            rows = _await(flights.load, source.dsn())
            show.line(", ".join(f"{table} {count:,}" for table, count in rows.items()))
        config = _configured(directory, source.dsn())
        proven = _replicated_and_verified(config, source.dsn(), show)
        if proven and keep:
            show.keep(directory)
            with suppress(KeyboardInterrupt):
                signal.pause()
    shutil.rmtree(directory / "postgres")
    if proven:
        show.what_next(directory)
    return proven


def _replicated_and_verified(config: Config, dsn: str, show: Show) -> bool:
    with show.step("All tables in full mode"):
        first = _replicated(config, full=True)
        show.receipts(first)
    if any(receipt.status != "COMPLETE" for receipt in first):
        return False
    with show.step("A day's changes at the source"):
        show.line(", ".join(f"{count:,} flights {kind}" for kind, count in _await(flights.change, dsn).items()))
    with show.step("What changed in flights, incrementally"):
        second = _replicated(config, "public.flights")
        show.receipts(second)
    if any(receipt.status != "COMPLETE" for receipt in second):
        return False
    with show.step("Checksums of every table, computed in each database by itself"):
        results = [result.to_json() for result in _await(inspection.verify, config, [], level="checksum")]
        render.show_rows(results, show.to)
    return bool(results) and all(result["ok"] for result in results)


def _replicated(config: Config, *names: str, full: bool = False) -> list[Receipt]:
    with render.observing() as observer:
        return _await(runs.run, config, list(names), full=full, observer=observer)


def _await(function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
    return anyio.run(functools.partial(function, *args, **kwargs))


def _configured(directory: Path, dsn: str) -> Config:
    file = directory / "borealis.toml"
    file.write_text(SETTINGS.format(dsn=dsn), encoding="utf-8")
    return load(file, env={})


def _clear(directory: Path) -> None:
    """Makes the directory, or takes away what an earlier demonstration left there; nobody else's."""
    file = directory / "borealis.toml"
    if directory.exists() and any(directory.iterdir()):
        if not file.exists() or not file.read_text(encoding="utf-8").startswith(MARK):
            raise ConfigError([f"{directory}: is not empty; name another directory with --dir"])
        for name in ("postgres", "warehouse", ".borealis"):
            shutil.rmtree(directory / name, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    file.write_text(MARK, encoding="utf-8")


@dataclass(slots=True)
class Show:
    """What is told on the way, and how long it took."""

    to: Console
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        began = monotonic()
        self.to.print(f"\n{title}", style="bold")
        yield
        self.to.print(f"{monotonic() - began:.1f} s", style="dim")

    def line(self, text: str) -> None:
        self.to.print(text)

    def receipts(self, receipts: list[Receipt]) -> None:
        render.show_receipts(receipts, self.to)

    def keep(self, directory: Path) -> None:
        self.line(f"\nPostgreSQL serves on until Ctrl-C: try borealis plan --config {directory}/borealis.toml")

    def what_next(self, directory: Path) -> None:
        self.to.print(
            f"\nVerified: the target equals the source. {monotonic() - self.began:.0f} s in all.", style="bold green"
        )
        self.line(f"\nTo query the result, serve it and connect as to Snowflake:\n\n{snippet(directory)}")
        self.line(
            f"To replicate your own database, write borealis.toml and run `borealis run`:\n\n{_indented(MINIMAL)}"
        )


def snippet(directory: Path) -> str:
    """Two commands that print the carriers with most flights."""
    return _indented(
        f"borealis warehouse --dir {directory}/warehouse --port {PORT} &\n"
        'python -c "import snowflake.connector as s; '
        f"c = s.connect(account='local', user='demo', password='demo', host='127.0.0.1', port={PORT}, protocol='http', "
        f"database='DEMO', schema='NYC'); print(c.cursor().execute('{QUERY}').fetchall())\"\n"
    )


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")
