"""An engine in this process, between a database of the test's own and a target database of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import config as settings
from engine import runs
from engine.config import Config
from engine.model import Receipt
from engine.wiring import Wanted
from tests.conftest import Warehouse, execute


@dataclass
class Engine:
    """`await engine.run({"name": "public.t"})`, then `engine.target('SELECT * FROM "SHOP"."T"')`."""

    dsn: str
    warehouse: Warehouse
    database: str
    directory: Path

    def config(self, *tables: Mapping[str, Any], **sections: Mapping[str, Any]) -> Config:
        return settings.parse(self.values(*tables, **sections), base=self.directory)

    def values(self, *tables: Mapping[str, Any], **sections: Mapping[str, Any]) -> dict[str, Any]:
        """As a TOML file would have them."""
        return {
            "source": {"dsn": self.dsn, **sections.get("source", {})},
            "target": {
                "local": str(self.warehouse.directory),
                "database": self.database,
                "schema": "SHOP",
                **sections.get("target", {}),
            },
            "defaults": dict(sections.get("defaults", {})),
            "limits": {"readers": 3, "loaders": 2, "attempts": 2, **sections.get("limits", {})},
            "state": {"path": str(self.directory / "state.db"), **sections.get("state", {})},
            "stage": dict(sections.get("stage", {})),
            "tables": [dict(table) for table in tables],
        }

    async def source(self, *statements: str) -> None:
        await execute(self.dsn, *statements)

    async def run(
        self, *tables: Mapping[str, Any], full: bool = False, **sections: Mapping[str, Any]
    ) -> dict[str, Receipt]:
        receipts = await runs.run(self.config(*tables, **sections), Wanted(full=full))
        return {receipt.table: receipt for receipt in receipts}

    async def run_one(self, table: Mapping[str, Any], *, full: bool = False, **sections: Mapping[str, Any]) -> Receipt:
        """The receipt of a run of one table that must end COMPLETE."""
        (receipt,) = (await self.run(table, full=full, **sections)).values()
        assert receipt.status == "COMPLETE", receipt.error
        return receipt

    def target(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows from the target; `{db}` stands for its database, quoted."""
        return self.warehouse.query(sql.replace("{db}", f'"{self.database}"'))

    def tables(self, schema: str) -> list[str]:
        rows = self.target(f"SELECT TABLE_NAME FROM {{db}}.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{schema}'")
        return sorted(row[0] for row in rows)

    def leftovers(self) -> list[str]:
        """What a run must not leave behind: landing tables and staged files."""
        ours = [name for name in self.tables("BOREALIS") if name not in ("LEDGER", "WATERMARKS")]
        staged = [row[0] for row in self.target('LIST @{db}."BOREALIS"."STAGE"/')]
        return ours + staged


@pytest.fixture
def engine(database: str, warehouse: Warehouse, target_database: str, tmp_path: Path) -> Engine:
    return Engine(database, warehouse, target_database, tmp_path)
