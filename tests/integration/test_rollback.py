"""A swap is undone within its time, and what runs afterwards neither skips a row nor has one twice."""

import anyio
import anyio.to_thread
import pytest

from engine import publish, rollback, runs
from engine.errors import LeaseError, RefusedError
from engine.rollback import roll_back
from engine.state.chosen import state_of
from engine.wiring import Wanted
from tests.integration.test_incremental import APPEND, MERGE, ROWS, TABLE, equal
from tests.integration.test_resume import chunks

FULL = {"name": "public.t"}
REPLACE = ("UPDATE t SET v = 'wrong'", "DELETE FROM t WHERE id = 2")


async def loaded(engine, table):
    """Loaded, then loaded whole once more with what nobody wanted. Returns what the target had before."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'good' FROM generate_series(1, 3) AS n")
    await anyio.sleep(0.05)
    await engine.run_one(table)
    before = engine.target(ROWS)
    await engine.source("INSERT INTO t VALUES (4, 'later')", *REPLACE)
    await anyio.sleep(0.05)
    await engine.run_one(table, full=True)
    assert engine.target(ROWS) == [(1, "wrong"), (3, "wrong"), (4, "wrong")]
    return before


async def test_a_table_has_the_rows_again_that_it_had_before_the_last_swap(engine):
    before = await loaded(engine, FULL)
    done = await roll_back(engine.config(FULL), "public.t")
    assert engine.target(ROWS) == before
    assert (done.table, done.watermark) == ("public.t", None)
    await engine.run_one(FULL)
    assert engine.target(ROWS) == [(1, "wrong"), (3, "wrong"), (4, "wrong")]


@pytest.mark.parametrize("table", [MERGE, APPEND], ids=["merge", "append"])
async def test_the_next_incremental_run_goes_on_from_the_watermark_that_the_table_had(engine, table):
    """Not from the newer one, which would skip row 4, nor from none, which would load rows 1 to 3 again."""
    await loaded(engine, table)
    done = await roll_back(engine.config(table), "public.t")
    assert done.watermark is not None
    assert done.note == "the next run goes on from its watermark"
    after = await engine.run_one(table)
    assert (after.mode, after.rows_read) == ("incremental", 1)
    assert engine.target(ROWS) == [(1, "good"), (2, "good"), (3, "good"), (4, "wrong")]
    assert (await engine.run_one(table)).rows_read == 0


async def test_changes_that_were_merged_after_the_swap_come_again(engine):
    await loaded(engine, MERGE)
    await engine.source("INSERT INTO t VALUES (5, 'merged')")
    await anyio.sleep(0.05)
    await engine.run_one(MERGE)
    await roll_back(engine.config(MERGE), "public.t")
    assert engine.target(ROWS) == [(1, "good"), (2, "good"), (3, "good")]
    assert (await engine.run_one(MERGE)).rows_read == 2
    assert engine.target(ROWS) == [(1, "good"), (2, "good"), (3, "good"), (4, "wrong"), (5, "merged")]


async def test_without_the_watermark_of_before_the_table_is_loaded_anew(engine):
    """As after a swap of an engine that did not keep it."""
    await loaded(engine, APPEND)
    engine.target('DELETE FROM {db}."BOREALIS"."WATERMARKS" WHERE "TABLE_NAME" LIKE \'% before\'')
    done = await roll_back(engine.config(APPEND), "public.t")
    assert (done.watermark, done.note) == (None, "its watermark is not known: it is loaded anew")
    after = await engine.run_one(APPEND)
    assert after.mode == "full"
    await equal(engine)


async def test_it_can_be_undone_once_and_what_was_taken_away_goes_with_the_next_run(engine):
    await loaded(engine, MERGE)
    await roll_back(engine.config(MERGE), "public.t")
    with pytest.raises(RefusedError, match="nothing is kept to go back to"):
        await roll_back(engine.config(MERGE), "public.t")
    assert len(engine.leftovers()) == 1
    await engine.run_one(MERGE)
    assert engine.leftovers() == []


async def test_a_look_changes_nothing(engine):
    await loaded(engine, MERGE)
    marks = engine.target('SELECT * FROM {db}."BOREALIS"."WATERMARKS" ORDER BY 1')
    planned = await roll_back(engine.config(MERGE), "public.t", dry_run=True)
    assert planned.age_h < 1
    assert engine.target('SELECT * FROM {db}."BOREALIS"."WATERMARKS" ORDER BY 1') == marks
    assert engine.target(ROWS) == [(1, "wrong"), (3, "wrong"), (4, "wrong")]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({**FULL, "keep_previous_h": 0}, r"nothing is kept .* keep_previous_h \(0\)"),
        ({**FULL, "publish": "overwrite"}, "overwritten in place"),
    ],
)
async def test_where_nothing_is_kept_it_says_why_and_what_else_there_is(engine, table, why):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'good')")
    for _ in range(2):
        await engine.run_one(table)
    with pytest.raises(RefusedError, match=why) as refused:
        await roll_back(engine.config(table), "public.t")
    assert "Time Travel" in str(refused.value)
    assert engine.target(ROWS) == [(1, "good")]


async def test_a_table_that_somebody_else_has_replaced_is_left_alone(engine):
    await loaded(engine, FULL)
    engine.target('CREATE OR REPLACE TABLE {db}."SHOP"."T" ("ID" NUMBER(10,0), "V" VARCHAR)')
    with pytest.raises(RefusedError, match="somebody else has replaced it"):
        await roll_back(engine.config(FULL), "public.t")


async def test_while_a_run_has_the_table_it_waits_for_nobody(engine):
    await loaded(engine, FULL)
    config = engine.config(FULL)
    state = state_of(config)
    lease = await state.acquire("SHOP.T", "20261123T020000A1B2C3_1")
    with pytest.raises(LeaseError, match=r"SHOP\.T"):
        await roll_back(config, "public.t")
    await state.release(lease)
    await state.close()
    await roll_back(config, "public.t")


async def test_a_run_that_is_half_done_is_not_gone_on_with(engine):
    """It was planned from the watermark that is no more."""
    await loaded(engine, MERGE)
    await engine.source("INSERT INTO t VALUES (5, 'half')")
    await anyio.sleep(0.05)
    (partial,) = await runs.run(engine.config(MERGE), Wanted(), deadline=chunks(0))
    assert partial.status == "PARTIAL"
    await roll_back(engine.config(MERGE), "public.t")
    after = await engine.run_one(MERGE)
    assert after.run_id != partial.run_id
    assert engine.target(ROWS) == [(1, "good"), (2, "good"), (3, "good"), (4, "wrong"), (5, "half")]


async def test_cut_off_before_the_swap_it_is_repeated(engine, monkeypatch):
    before = await loaded(engine, MERGE)
    with monkeypatch.context() as cut:
        cut.setattr(rollback, "exchange", cut_off)
        with pytest.raises(ConnectionError):
            await roll_back(engine.config(MERGE), "public.t")
    await roll_back(engine.config(MERGE), "public.t")
    assert engine.target(ROWS) == before
    assert (await engine.run_one(MERGE)).rows_read == 1


async def test_cut_off_after_the_swap_the_table_itself_tells_its_watermark(engine, monkeypatch):
    before = await loaded(engine, MERGE)
    with monkeypatch.context() as cut:
        cut.setattr(publish, "move_watermark", until_the_second(publish.move_watermark))
        with pytest.raises(ConnectionError):
            await roll_back(engine.config(MERGE), "public.t")
    assert engine.target(ROWS) == before
    after = await engine.run_one(MERGE)
    assert (after.mode, after.rows_read) == ("incremental", 1)


async def cut_off(*_):
    raise ConnectionError("killed")


def until_the_second(move):
    calls = []

    async def moved(*arguments):
        calls.append(arguments)
        await (cut_off() if len(calls) == 2 else move(*arguments))

    return moved


async def test_the_command_shows_it_first_and_does_it_then(engine, borealis):
    before = await loaded(engine, FULL)
    values = engine.values(FULL)
    look = await anyio.to_thread.run_sync(lambda: borealis(values, "rollback", "public.t", "--dry-run"))
    assert (look.code, look.output["dry_run"]) == (0, True)
    assert engine.target(ROWS) != before
    done = await anyio.to_thread.run_sync(lambda: borealis(values, "rollback", "public.t"))
    assert (done.code, done.output["tables"][0]["undone_run_id"]) == (0, look.output["tables"][0]["undone_run_id"])
    assert engine.target(ROWS) == before
    again = await anyio.to_thread.run_sync(lambda: borealis(values, "rollback", "public.t"))
    assert again.code == 1
    assert "nothing is kept to go back to" in again.log
