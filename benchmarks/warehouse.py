"""The embedded warehouse as a target of the suite: served in a process of its own, and asked what has arrived there.

What it spends is measured apart from the contender: a run at a real warehouse does not pay for it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import snowflake.connector
import tomlkit

from benchmarks.contest import DisqualifiedError, Left, Told
from benchmarks.meter import Meter
from engine.checksum import source_checksum, target_checksum
from engine.config import load
from engine.local.warehouse.process import Endpoint, serve
from engine.wiring import Wanted, looking

DATABASE = "BENCH"
SCHEMA = "PUBLIC"
LOGIN = {"user": "benchmark", "password": "none"}


@dataclass(slots=True)
class Warehouse:
    directory: Path
    endpoint: Endpoint
    _meter: Meter | None = None
    _sums: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Rows and checksum of what does not change at the source, by configuration and table."""

    def settings(self, name: str, dsn: str, *tables: Mapping[str, Any], port: int | None = None, **limits: Any) -> Path:
        """A configuration file as a user would write it; what a swap replaces is not kept, so rounds are alike."""
        values = {
            "source": {"dsn": dsn},
            "target": {
                "account": "local", "host": self.endpoint.host, "port": port or self.endpoint.port, "protocol": "http",
                "database": DATABASE, "schema": SCHEMA, **LOGIN,
            },
            "defaults": {"keep_previous_h": 0},
            "limits": limits,
            "state": {"path": str(self.directory / f"{name}.db")},
            "tables": [dict(table) for table in tables],
        }  # fmt: skip
        file = self.directory / f"{name}.toml"
        file.write_text(tomlkit.dumps(values), encoding="utf-8")
        return file

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last, in a session of its own whose database is ours."""
        login = {**self.endpoint.connection(), **LOGIN, "enable_server_session_keep_alive_auto_detection": False}
        with snowflake.connector.connect(**login, database=DATABASE) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]

    def begin(self) -> None:
        """From here on what it spends is counted."""
        self.spent()
        self._meter = Meter(self.endpoint.pid, None).__enter__()

    def empty(self) -> None:
        """Before a run that is to find nothing."""
        self.execute(f"CREATE OR REPLACE DATABASE {DATABASE}")
        self.begin()

    def spent(self) -> dict[str, float]:
        """Since `begin`: seconds of CPU, and the peak of its memory. Nothing where that cannot be measured."""
        meter, self._meter = self._meter, None
        if meter is None:
            return {}
        meter.__exit__(None, None, None)
        if meter.client_cpu_s is None or meter.rss_peak_bytes is None:
            return {}
        return {
            "warehouse_cpu_s": round(meter.client_cpu_s, 3),
            "warehouse_rss_peak_mb": round(meter.rss_peak_bytes / 1e6, 1),
        }

    def arrived(self, file: Path, directory: Path, told: Told, *, changes: bool = False) -> Left:
        """All rows of a configuration's tables, by checksums that source and target each compute by themselves.

        DisqualifiedError where they differ. `changes`: the source does, so that its own is computed each time.
        """
        del directory
        extra = told.get("extra", {})
        spent = self.spent()
        rows = anyio.run(partial(self.compared, file, changes=changes))
        return Left(rows, extra.get("bytes_read", 0), extra.get("bytes_staged", 0), extra=spent)

    async def compared(self, file: Path, *, changes: bool = False) -> int:
        """The rows of a configuration's tables; DisqualifiedError where source and target differ."""
        rows = 0
        async with looking(load(file, env={}), Wanted()) as (made, found):
            plans, _ = await found.plan_all(full=True)
            for label, plan in plans.items():
                key = f"{file} {label}"
                if changes or key not in self._sums:
                    self._sums[key] = await source_checksum(found.snapshot, plan, plan.fields)
                there = await target_checksum(made.target, made.target.names.table(plan.target_name), plan.fields)
                if there != self._sums[key]:
                    raise DisqualifiedError(f"{label}: the checksums of source and target differ")
                rows += there[0]
        return rows


@contextmanager
def served(directory: Path) -> Iterator[Warehouse]:
    """With an empty database of ours."""
    with serve(directory / "warehouse") as endpoint:
        warehouse = Warehouse(directory, endpoint)
        login = {**endpoint.connection(), **LOGIN, "enable_server_session_keep_alive_auto_detection": False}
        with snowflake.connector.connect(**login) as connection:
            connection.cursor().execute(f"CREATE OR REPLACE DATABASE {DATABASE}")
        yield warehouse
