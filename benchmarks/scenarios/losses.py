"""What each contender of `extract` loses or refuses of values that are legal in PostgreSQL: found by letting it try."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import asyncpg
from rich import box
from rich.table import Table

from benchmarks.bench import Bench, Finding
from benchmarks.contenders import losses
from benchmarks.contest import Contender, Left, Told
from benchmarks.data.losses import CASES, NAME, make
from benchmarks.peers import ENVIRONMENT, PEERS
from benchmarks.peers.comparing import Verdict, verdicts

ABOUT = "NaN, infinity, BC, intervals and their like: exact, changed or refused"
DATASETS: Mapping[str, Sequence[str]] = {"quick": [], "full": []}

OURS = {"borealis": "error", "borealis, on_loss text": "text"}
"""The default, and the policy that keeps the exact text of what the target's type cannot hold."""
MARKS = {"exact": "=", "changed": "[red]changed", "refused": "[yellow]refused"}
NOTE = "psql | zstd leaves PostgreSQL's own text of everything, also of what no warehouse reads as the column's type"

HOW_LENGTH_MAX = 90  # letters of the reason

Verdicts = Mapping[str, Verdict]
"""By what the case is about."""


def run(bench: Bench) -> list[Finding]:
    dsn = bench.database(NAME)
    asyncio.run(_filled(dsn))
    found: dict[str, Verdicts] = {}
    outcomes = bench.race(_contenders(bench, dsn, found), rounds=0)
    bench.console.print(_table(found))
    bench.lossy |= {name: summary(of) for name, of in found.items()}
    return [Finding(NAME, "awkward", len(CASES), outcomes=outcomes, notes=[NOTE])]


def summary(of: Verdicts) -> str:
    """`3/2`: kinds that are changed, and kinds that are refused."""
    counts = Counter(verdict.kind for verdict in of.values())
    return f"{counts['changed']}/{counts['refused']}"


def _contenders(bench: Bench, dsn: str, found: dict[str, Verdicts]) -> list[Contender]:
    """Each puts what was found of it into `found` when what it left is checked."""
    tables = [case.table for case in CASES]
    ours = [(name, losses.argv(dsn, tables, policy)) for name, policy in OURS.items()]
    theirs = PEERS if bench.peers else []
    return [
        *(Contender(name, argv, partial(_check, dsn, found, name)) for name, argv in ours),
        *(
            Contender(p.name, p.argv(dsn, *tables), partial(_check, dsn, found, p.name), ENVIRONMENT, p.make)
            for p in theirs
        ),
    ]


def _check(dsn: str, found: dict[str, Verdicts], name: str, folder: Path, told: Told) -> Left:
    found[name] = asyncio.run(_compared(dsn, folder, told))
    return Left(rows=0, raw_bytes=0, compressed_bytes=0, lost=_told(found[name]))


async def _compared(dsn: str, folder: Path, told: Told) -> Verdicts:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await verdicts(connection, folder, told["extra"]["refused"], told["extra"].get("columns", {}))
    finally:
        await connection.close()


async def _filled(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await make(connection)
    finally:
        await connection.close()


def _told(of: Verdicts) -> str:
    lossy = [(about, verdict) for about, verdict in of.items() if verdict.kind != "exact"]
    return "; ".join(f"{about} {verdict.kind}: {verdict.how[:HOW_LENGTH_MAX]}" for about, verdict in lossy)


def _table(found: Mapping[str, Verdicts]) -> Table:
    table = Table(title="what became of it", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("of 3 to 9 values each", no_wrap=True)
    for name in found:
        table.add_column(name.replace(" ", "\n"), no_wrap=True)
    for case in CASES:
        table.add_row(case.about, *(MARKS[of[case.about].kind] for of in found.values()))
    return table
