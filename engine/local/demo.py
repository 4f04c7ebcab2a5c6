"""The demonstration: real flights from a real PostgreSQL into the embedded warehouse, all, then what changed, verified.

Everything is in one directory: `borealis.toml`, `warehouse` (kept, to be queried), `postgres` (gone at the end).
"""

from __future__ import annotations

import functools
import shutil
import signal
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from rich.console import Console

from engine import render, runs, verify
from engine.config import Config, load
from engine.config_values import MINIMAL
from engine.errors import ConfigError
from engine.local import flights
from engine.local.postgres import PostgresServer
from engine.local.warehouse.process import serve
from engine.model import Receipt
from engine.wiring import Wanted

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


@dataclass(slots=True)
class Outcome:
    """What the demonstration came to; `proven` when every receipt is COMPLETE and every checksum equal."""

    receipts: list[Receipt] = field(default_factory=list)
    verification: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    proven: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "status": "COMPLETE" if self.proven else "FAILED",
            "seconds": round(self.seconds, 1),
            "tables": self.receipts,
            "verification": self.verification,
        }


def demonstrate(directory: Path, to: Console, *, keep: bool = False) -> Outcome:
    """With `keep` PostgreSQL serves on until Ctrl-C."""
    show, outcome = Show(to), Outcome()
    _clear(directory)
    with PostgresServer(directory / "postgres") as source, ExitStack() as stack:
        with show.step(f"PostgreSQL {source.version} with the flights that left New York in 2013"):
            rows = _await(_make_ready, source.dsn(), directory / "warehouse", stack)
            show.line(", ".join(f"{table} {count:,}" for table, count in rows.items()))
        outcome.proven = _replicate_and_verify(_configured(directory, source.dsn()), source.dsn(), show, outcome)
        outcome.seconds = show.seconds
        if outcome.proven and keep:
            show.line(f"\nPostgreSQL serves on until Ctrl-C: try borealis plan --config {directory}/borealis.toml")
            with suppress(KeyboardInterrupt):
                signal.pause()
    shutil.rmtree(directory / "postgres")
    if outcome.proven:
        show.what_next(directory, outcome.seconds)
    return outcome


async def _make_ready(dsn: str, warehouse: Path, stack: ExitStack) -> dict[str, int]:
    """Loads the flights while the warehouse starts; it serves all commands until the stack is closed."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, stack.enter_context, serve(warehouse))
        rows = await flights.load(dsn)
    return rows  # noqa: RET504 for mypy a task group might swallow an error


def _replicate_and_verify(config: Config, dsn: str, show: Show, outcome: Outcome) -> bool:
    with show.step("All tables in full mode"):
        if not _replicated(config, show, outcome, full=True):
            return False
    with show.step("A day's changes at the source"):
        show.line(", ".join(f"{count:,} flights {kind}" for kind, count in _await(flights.change, dsn).items()))
    with show.step("What changed in flights, incrementally"):
        if not _replicated(config, show, outcome, "public.flights"):
            return False
    with show.step("Checksums of every table, computed in each database by itself"):
        outcome.verification = [each.to_json() for each in _await(verify.verify, config, [], level="checksum")]
        render.show_verification(outcome.verification, show.to)
    return bool(outcome.verification) and all(each["ok"] for each in outcome.verification)


def _replicated(config: Config, show: Show, outcome: Outcome, *names: str, full: bool = False) -> bool:
    with render.observing() as observer:
        receipts = _await(runs.run, config, Wanted(names, full=full), observer=observer)
    render.show_receipts(receipts, show.to)
    outcome.receipts += receipts
    return all(receipt.status == "COMPLETE" for receipt in receipts)


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
    began: float = field(default_factory=monotonic)

    @property
    def seconds(self) -> float:
        return monotonic() - self.began

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        began = monotonic()
        self.to.print(f"\n{title}", style="bold")
        yield
        self.to.print(f"{monotonic() - began:.1f} s", style="dim")

    def line(self, text: str) -> None:
        self.to.print(text, soft_wrap=True)

    def what_next(self, directory: Path, seconds: float) -> None:
        self.to.print(f"\nVerified: the target equals the source. {seconds:.0f} s in all.", style="bold green")
        self.line(f"\nTo query the result, serve it and connect as to Snowflake:\n\n{snippet(directory)}")
        run = f"{_program('borealis')} run"
        self.line(f"To replicate your own database, write borealis.toml and type `{run}`:\n\n{_indented(MINIMAL)}")


def snippet(directory: Path) -> str:
    """Two commands that print the carriers with most flights."""
    return _indented(
        f"{_program('borealis')} warehouse --dir {directory}/warehouse --port {PORT} &\n"
        f'{_program("python")} -W ignore -c "import snowflake.connector as s; '
        f"c = s.connect(account='local', user='demo', password='demo', host='127.0.0.1', port={PORT}, protocol='http', "
        f"database='DEMO', schema='NYC'); print(c.cursor().execute('{QUERY}').fetchall())\"\n"
    )


def _program(name: str) -> str:
    """What to type for a program of this environment: its name where that leads to it, else its path."""
    ours = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    if not ours.exists() or (found and Path(found) == ours):
        return name
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")
