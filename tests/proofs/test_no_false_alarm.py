"""What the engine has copied is the same on both sides to `verify`, at every level, whatever type and value it is."""

from random import Random

import asyncpg
import pytest

from engine.verify import verify
from tests.conftest import connected
from tests.proofs.random_values import RANDOM, TYPES, column, edges

ROWS = 200
CHOSEN = {
    "integer": "NUMBER(38,4)", "bigint": "VARCHAR", "smallint": "NUMBER(38,0)", "numeric(12,2)": "NUMBER(38,9)",
    "numeric": "VARCHAR", "numeric(60,40)": "VARCHAR(200)", "double precision": "VARCHAR", "money": "NUMBER(24,4)",
    "boolean": "VARCHAR(1)", "date": "VARCHAR", "timestamp": "VARCHAR", "timestamptz": "VARCHAR", "time": "VARCHAR",
    "json": "VARCHAR", "jsonb": "VARCHAR", "integer[]": "VARCHAR", "double precision[]": "VARCHAR", "pair": "VARCHAR",
    "bytea": "VARCHAR", "interval": "VARCHAR(100)", "real": "VARCHAR", "char(9)": "VARCHAR",
}  # fmt: skip


@pytest.fixture
async def types(engine):
    """Types of this server, each with its edge values."""
    await engine.source(*TYPES)
    known = dict.fromkeys(RANDOM, ()) | edges(lossy=True)
    async with connected(engine.dsn) as connection:
        for extension, values in {"hstore": ['a=>1, b=>NULL, "c d"=>""'], "citext": ["MiXed", "mixed "]}.items():
            if await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = $1", extension):
                await connection.execute(f"CREATE EXTENSION {extension}")
                known[extension] = values
        try:
            await connection.fetchval("SELECT '<a/>'::xml")
            known["xml"] = ["<a b='1'>\n<c/></a>", "just text"]
        except asyncpg.FeatureNotSupportedError:
            pass
    return known


async def fill(engine, draw, name, types, first, rows):
    """Rows numbered from `first` on; what is there of them is replaced."""
    columns = [column(draw, type_name, rows, types) for type_name in types]
    values = ", ".join(f"${n}::text::{type_name}" for n, type_name in enumerate(types, 2))
    names = ", ".join(f"c{n}" for n in range(len(types)))
    async with connected(engine.dsn) as connection:
        await connection.execute(f"DELETE FROM {name} WHERE id >= {first} AND id < {first + rows}")
        await connection.executemany(
            f"INSERT INTO {name} (id, {names}) VALUES ($1, {values})",
            list(zip(range(first, first + rows), *columns, strict=True)),
        )


async def equal(engine, proof, seed, types, tables, levels) -> None:
    receipts = await engine.run(*tables)
    assert {r.status for r in receipts.values()} == {"COMPLETE"}, [r.error for r in receipts.values()]
    for level in levels:
        for result in await verify(engine.config(*tables), [], level=level):
            proof("rows compared", result.rows_source)
            proof("false alarms", int(not result.ok))
            columns = {name for each in result.differences for name in each.columns}
            named = {name: list(types)[int(name[1:])] for name in columns if name != "id"}
            assert result.ok, f"BOREALIS_SEED={seed}: {result.table} {level}: {result.error or named}"
            assert result.rows_source == result.rows_target > 0


async def test_every_type_that_is_copied_is_equal_at_every_level(engine, types, proof):
    """Copied in full and merged, lossy values as NULL and as text beside it, columns of the types that a user chose."""
    seed = proof.seed()
    columns = ", ".join(f"c{n} {type_name}" for n, type_name in enumerate(types))
    chosen = {f"c{n}": {"type": CHOSEN[of]} for n, of in enumerate(types) if of in CHOSEN}
    incremental = {"mode": "incremental", "cursor": "at", "key": ["id"]}
    tables = [
        {"name": "public.nulled", "on_loss": "null", "verify": "checksum"},
        {"name": "public.kept", "on_loss": "text", "verify": "checksum", **incremental},
        {"name": "public.chosen", "on_loss": "null", "verify": "checksum", "columns": chosen, **incremental},
    ]
    names = [table["name"].removeprefix("public.") for table in tables]
    await engine.source(
        *(f"CREATE TABLE {n} (id int, {columns}, at timestamptz DEFAULT clock_timestamp())" for n in names)
    )
    for number in range(proof.times(1)):
        draw = Random(f"{seed} {number}")
        for name in names:
            await fill(engine, draw, name, types, number * ROWS, ROWS)
        await equal(engine, proof, seed, types, tables, ["count", "bisect"])  # checksums are compared as it runs
        await fill(engine, draw, "kept", types, number * ROWS + ROWS // 2, ROWS)
        await equal(engine, proof, seed, types, tables[1:2], ["count", "checksum", "bisect"])
