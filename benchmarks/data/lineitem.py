"""TPC-H's lineitem, its rows by tpchgen-cli, its types by TPC-H's own DDL (dss.ddl)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg

from benchmarks.data.port import columns, create

NAME = "lineitem"
ABOUT = "TPC-H's own: 16 columns of integers, decimals, dates, short text"
COLUMNS = columns("""
    l_orderkey integer NOT NULL
    l_partkey integer NOT NULL
    l_suppkey integer NOT NULL
    l_linenumber integer NOT NULL
    l_quantity decimal(15,2) NOT NULL
    l_extendedprice decimal(15,2) NOT NULL
    l_discount decimal(15,2) NOT NULL
    l_tax decimal(15,2) NOT NULL
    l_returnflag char(1) NOT NULL
    l_linestatus char(1) NOT NULL
    l_shipdate date NOT NULL
    l_commitdate date NOT NULL
    l_receiptdate date NOT NULL
    l_shipinstruct char(25) NOT NULL
    l_shipmode char(10) NOT NULL
    l_comment varchar(44) NOT NULL
""")
BYTES_A_ROW = 180


def rows(scale: float) -> int:
    """About: an order has 1 to 7 lines."""
    return round(6_001_215 * scale)


async def make(connection: asyncpg.Connection, scale: float, folder: Path) -> None:
    """Scales from 0.001 on."""
    generator = str(Path(sys.executable).with_name("tpchgen-cli"))
    command = [generator, "csv", "-s", f"{scale:f}", "-T", NAME, "--output-dir", str(folder), "-q"]
    await asyncio.to_thread(subprocess.run, command, check=True, cwd=folder, stdin=subprocess.DEVNULL)
    file = folder / f"{NAME}.csv"
    async with connection.transaction():
        await create(connection, NAME, COLUMNS)
        await connection.copy_to_table(NAME, source=file, format="csv", header=True)
    file.unlink()
