"""What `verify` says of a table while its source goes on: what the next run brings is no fault, damage is."""

import pytest

from engine.repair import repair
from engine.verify import verify

T = '{db}."SHOP"."T"'
LEVELS = ("count", "checksum", "bisect")


async def verdicts(engine, table) -> list[bool]:
    return [(await verify(engine.config(table), [], level=level))[0].ok for level in LEVELS]


@pytest.mark.parametrize("publish", ["merge", "append"])
async def test_rows_that_came_after_the_last_run_are_no_difference_at_any_level(engine, publish):
    table = {"name": "public.t", "mode": "incremental", "cursor": "at", "publish": publish}
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now(), v text)",
                        "INSERT INTO t SELECT n, now(), 'v' FROM generate_series(1, 500) n")  # fmt: skip
    await engine.run_one(table)
    await engine.source("INSERT INTO t SELECT n, clock_timestamp(), 'new' FROM generate_series(501, 520) n")
    if publish == "merge":
        await engine.source("UPDATE t SET v = 'w', at = clock_timestamp() WHERE id < 10")
    assert await verdicts(engine, table) == [True, True, True]
    engine.target(f'UPDATE {T} SET "V" = \'V\' WHERE "ID" = 77')
    assert await verdicts(engine, table) == [True, False, False]
    engine.target(f'DELETE FROM {T} WHERE "ID" = 78')
    engine.target(f'DELETE FROM {T} WHERE "ID" > 480')
    assert await verdicts(engine, table) == [False, False, False]


@pytest.mark.parametrize(("flag", "set_to"), [("boolean", "true"), ("timestamptz", "now()")])
async def test_rows_marked_as_deleted_after_the_last_run_are_no_difference(engine, flag, set_to):
    """They are at the target until the next run: neither they, nor rows that came and went meanwhile, are extra."""
    await engine.source(f"CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now(), gone {flag})",
                        "INSERT INTO t SELECT n FROM generate_series(1, 50) AS n")  # fmt: skip
    table = {"name": "public.t", "mode": "incremental", "cursor": "at", "deletes": "soft", "soft_column": "gone"}
    await engine.run_one(table)
    await engine.source(f"UPDATE t SET gone = {set_to}, at = clock_timestamp() WHERE id < 5",
                        f"INSERT INTO t VALUES (99, clock_timestamp(), {set_to})")  # fmt: skip
    assert await verdicts(engine, table) == [True, True, True]
    (mended,) = await repair(engine.config(table), [])
    assert (mended.ok, mended.repaired) == (True, {})
    engine.target(f'INSERT INTO {T} ("ID") VALUES (1000)')
    assert (await verdicts(engine, table))[1:] == [False, False]


async def test_a_day_that_an_append_has_done_with_is_compared(engine):
    """A merge reads the last day again; an append does not, so what differs there stays if nobody tells of it."""
    made = "CREATE TABLE t (id int PRIMARY KEY, day date, v text)"
    await engine.source(made, "INSERT INTO t SELECT n, '2026-01-01'::date + n % 3, 'v' FROM generate_series(1, 30) n")
    table = {"name": "public.t", "mode": "incremental", "cursor": "day", "publish": "append"}
    await engine.run_one(table)
    engine.target(f"UPDATE {T} SET \"V\" = 'w' WHERE \"DAY\" = '2026-01-03'::DATE")
    (found,) = await verify(engine.config(table), [], level="bisect")
    assert found.differing == {"changed": 10}


async def test_rows_that_are_kept_as_gone_are_no_difference_and_an_extra_row_becomes_one(engine):
    """By `reconcile` with a column that marks them: verify looks past them, a repair marks what it would delete."""
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now())",
                        "INSERT INTO t SELECT n FROM generate_series(1, 20) AS n")  # fmt: skip
    table = {"name": "public.t", "mode": "incremental", "cursor": "at", "deletes": "reconcile"} | {
        "soft_column": "gone_at"
    }
    await engine.run_one(table)
    assert await verdicts(engine, table) == [True, True, True]  # the column is not there yet
    await engine.source("DELETE FROM t WHERE id = 3")
    await engine.run_one(table)
    assert await verdicts(engine, table) == [True, True, True]
    await engine.source("DELETE FROM t WHERE id = 4", "INSERT INTO t VALUES (3, clock_timestamp())")
    (mended,) = await repair(engine.config(table), [])
    assert mended.ok, mended
    assert mended.repaired == {"extra": 1}
    assert engine.target(f'SELECT "ID" FROM {T} WHERE "GONE_AT" IS NOT NULL ORDER BY 1') == [(3,), (4,)]
    await engine.run_one(table)
    assert await verdicts(engine, table) == [True, True, True]
    assert engine.target(f'SELECT "ID" FROM {T} WHERE "GONE_AT" IS NOT NULL') == [(4,)]
