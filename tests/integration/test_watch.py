"""Long JSON numbers are looked for in the bytes that are read, and by the SELECT only where there may be one."""

import random

import pytest

from engine.source.connection import LossFoundError, Translated
from engine.spool import LossPossibleError, Watch
from tests.integration.typed_rows import copied, mapped, reading

DIGITS = "1234567890" * 4


def number(rng: random.Random) -> str:
    whole, decimals = rng.choice([1, 5, 17, 20, 36, 37, 38, 39, 40]), rng.choice([0, 0, 1, 18, 36, 37, 38, 39])
    written = f"{rng.choice(['', '-'])}{DIGITS[:whole]}" + (f".{DIGITS[:decimals]}" if decimals else "")
    return written + rng.choice(["", "", "e3", "e-30", "e40"])


def document(rng: random.Random, depth: int = 2) -> str:
    kind = rng.randrange(6 if depth else 3)
    if kind < 2:
        return number(rng) if kind else rng.choice(["null", "true", str(rng.random()), str(rng.randrange(10**9))])
    if kind == 2:
        return '"' + rng.choice(["", "é", "9" * 60, '\\"1' + "2" * 50, "a" * 40, "." * 39]) + '"'
    inner = [document(rng, depth - 1) for _ in range(rng.randrange(3))]
    if kind == 3:
        return "{" + ", ".join(f'"{n}{"7" * rng.choice([0, 50])}": {each}' for n, each in enumerate(inner)) + "}"
    return "[" + ", ".join(inner) + "]"


@pytest.mark.parametrize("type_name", ["jsonb", "numeric[]", "jsonb[]"])
async def test_a_watch_lets_nothing_pass_that_the_guard_finds(postgres, type_name):
    """Of random values each that the guard refuses is told by the watch; of the others both selects stage the same."""
    rng, outcomes = random.Random(20261123), {"kept": 0, "lost": 0, "told for nothing": 0}
    async with reading(postgres.dsn()) as connection:
        for _ in range(300):
            values = [document(rng) if type_name.startswith("jsonb") else number(rng) for _ in range(2)]
            made = "SELECT $1::text::jsonb" if type_name == "jsonb" else f"SELECT ARRAY[$1::text]::{type_name}"
            await connection.execute(f"DROP TABLE IF EXISTS pg_temp.t; CREATE TEMP TABLE t (c {type_name})")
            for value in values:
                await connection.execute(f"INSERT INTO t {made}", value)
            (field,) = (await mapped(connection, "pg_temp.t")).fields
            free = await copied(connection, f"SELECT {field.watched} FROM t")
            told = False
            try:
                Watch().look(free)
            except LossPossibleError:
                told = True
            try:
                with Translated("test"):
                    assert await copied(connection, f"SELECT {field.select} FROM t") == free
                outcomes["told for nothing" if told else "kept"] += 1
            except LossFoundError:
                outcomes["lost"] += 1
                assert told, values
    assert all(outcomes.values()), outcomes


@pytest.mark.parametrize("reader", ["copy", "cursor"])
@pytest.mark.parametrize("policy", ["error", "text"])
async def test_a_number_that_is_lost_far_into_a_table_meets_its_policy(engine, reader, policy):
    await engine.source(
        f"CREATE TABLE t AS SELECT n, CASE n WHEN 19999 THEN '{DIGITS}1' ELSE '1' END::jsonb AS v"
        " FROM generate_series(1, 20000) AS n"
    )
    table = {"name": "public.t", "reader": reader, "on_loss": policy}
    (receipt,) = (await engine.run(table, limits={"chunk_bytes": "256KiB"})).values()
    if policy == "error":
        assert receipt.status == "FAILED"
        assert "digits" in receipt.error["message"]
    else:
        assert receipt.rows_loaded == 20000
        assert [(loss["reason"], loss["rows"]) for loss in receipt.losses] == [("digits", 1)]


async def test_rows_that_only_look_so_are_read_again_and_come_once(engine):
    """A text of 40 digits beside the JSON, whose chunk is read again with the guard: no retry, no row twice."""
    await engine.source(
        f"CREATE TABLE t AS SELECT n, CASE n WHEN 15000 THEN '{DIGITS}' END AS looks, to_jsonb(n) AS v"
        " FROM generate_series(1, 20000) AS n"
    )
    receipt = await engine.run_one({"name": "public.t"}, limits={"chunk_bytes": "256KiB"})
    assert (receipt.rows_loaded, receipt.rows_read, receipt.retries) == (20000, 20000, 0)
    assert engine.target('SELECT COUNT(DISTINCT N), COUNT(V), MAX(LOOKS) FROM {db}."SHOP"."T"') == [
        (20000, 20000, DIGITS)
    ]
