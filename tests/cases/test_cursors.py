"""F01 to F03, and F12: what is late, tied, empty, put back, from the future or renamed is not passed over unsaid."""

import asyncio
import signal
from contextlib import asynccontextmanager

import pytest

from engine import wiring
from engine.repair import repair
from engine.source.horizon import read_horizon
from engine.source.snapshot import open_snapshot
from engine.verify import verify
from tests.conftest import connected, through
from tests.integration.test_incremental import APPEND, MERGE, ROWS, TABLE, equal


@pytest.mark.parametrize("table", [MERGE, APPEND], ids=["merge", "append"])
@pytest.mark.parametrize("writes_before", [True, False], ids=["wrote", "idle"])
async def test_f01_a_row_committed_late_arrives_with_the_next_run(engine, table, writes_before):
    """A transaction older than the newest rows commits after the run: its rows are below their cursor values.

    Also where it has not written yet, and so has no transaction id, when the run looks.
    """
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await asyncio.sleep(0.2)
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.fetchval("SELECT now()")
        if writes_before:
            await late.execute("INSERT INTO t VALUES (2, 'late')")
        await engine.source("INSERT INTO t VALUES (3, 'soon')")
        await asyncio.sleep(0.2)
        receipt = await engine.run_one(table)
        if not writes_before:
            await late.execute("INSERT INTO t VALUES (2, 'late')")
        await transaction.commit()
    assert receipt.lag_seconds > 0.1
    assert any("past what is known to be complete" in note for note in receipt.notes)
    await asyncio.sleep(0.2)
    await engine.run_one(table)
    await equal(engine)


async def test_f01_a_late_commit_is_seen_while_reading_from_the_standby(engine, postgres, standby, replayed):
    """The standby's own pg_stat_activity shows no writers: the primary is asked."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await replayed()
    primary, engine.dsn = engine.dsn, engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    source = {"primary_dsn": primary}
    await asyncio.sleep(0.2)
    await engine.run_one(MERGE, source=source)
    async with connected(primary) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO t VALUES (2, 'late')")
        async with connected(primary) as other:
            await other.execute("INSERT INTO t VALUES (3, 'soon')")
        await engine.run_one(MERGE, source=source)
        assert engine.target(ROWS) == [(1, "first"), (3, "soon")]
        await transaction.commit()
    await engine.run_one(MERGE, source=source)
    assert engine.target(ROWS) == [(1, "first"), (2, "late"), (3, "soon")]


async def test_f01_a_standby_without_its_primary_needs_a_fixed_lag(engine, postgres, standby, replayed):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await replayed()
    engine.dsn = engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    with pytest.raises(Exception, match=r"source\.primary_dsn .* or cursor_lag_s"):
        await engine.run(MERGE)
    await engine.run_one({**MERGE, "cursor_lag_s": 5})
    assert engine.target(ROWS) == [(1, "first")]


async def test_f01_a_role_that_cannot_see_others_transactions_is_refused(engine, postgres):
    """NULL xact_start is not the same as no writers."""
    role = f"reader_{engine.database.lower()}"
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'x')", f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
                        f"GRANT SELECT ON t TO {role}")  # fmt: skip
    engine.dsn = engine.dsn.replace("postgres@", f"{role}:secret@")
    with pytest.raises(Exception, match="GRANT pg_read_all_stats"):
        await engine.run(MERGE)
    await engine.run_one({**MERGE, "cursor_lag_s": 1})


async def test_f01_a_lag_comes_on_top_of_what_open_transactions_ask(engine):
    """It is for clocks that are not the source's own, and looks away from nothing."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    table = {**APPEND, "cursor_lag_s": 0.2}
    await asyncio.sleep(0.5)
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO t VALUES (2, 'late')")
        await engine.source("INSERT INTO t VALUES (3, 'soon')")
        await asyncio.sleep(1)
        await engine.run_one(table)
        await transaction.commit()
    await asyncio.sleep(0.5)
    await engine.run_one(table)
    await equal(engine)


async def test_f01_a_prepared_transaction_holds_the_watermark(engine):
    """pg_prepared_xacts tells when it was prepared, which is later than the now() of its rows."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await asyncio.sleep(0.2)
    first = await engine.run_one(MERGE)
    async with connected(engine.dsn) as connection:
        await connection.execute("BEGIN; INSERT INTO t VALUES (2, 'late'); PREPARE TRANSACTION 'two'")
        await connection.execute("INSERT INTO t VALUES (3, 'soon')")
        second = await engine.run_one(MERGE)
        assert second.watermark == first.watermark
        await connection.execute("COMMIT PREPARED 'two'")
    await engine.run_one(MERGE)
    await equal(engine)


async def test_f01_a_number_as_cursor_waits_for_the_transactions_that_were_open(engine):
    """A sequence hands out 2 before 3, and 3 commits first."""
    await engine.source("CREATE TABLE t (id bigserial PRIMARY KEY, v text)", "INSERT INTO t (v) VALUES ('first')")
    table = {"name": "public.t", "mode": "incremental", "cursor": "id", "publish": "append"}
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute("INSERT INTO t (v) VALUES ('late')")
        await engine.source("INSERT INTO t (v) VALUES ('soon')")
        held = await engine.run_one(table)
        assert held.rows_read == 0
        await transaction.commit()
    await engine.run_one(table)
    await equal(engine)


@pytest.mark.parametrize("publish", ["merge", "append"])
async def test_f01_a_number_as_cursor_of_a_table_that_is_empty_or_was_emptied(engine, publish):
    """No number is the greatest then: none is complete, and what is still to commit is told of."""
    await engine.source("CREATE TABLE t (id bigserial PRIMARY KEY, v text)")
    table = {"name": "public.t", "mode": "incremental", "cursor": "id", "publish": publish}
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        await late.execute("BEGIN; INSERT INTO t (v) VALUES ('late')")
        await engine.source("INSERT INTO t (v) VALUES ('soon')")
        held = await engine.run_one(table)
        assert any(note.startswith("1 rows have a cursor past what is known to be complete") for note in held.notes)
        await late.execute("COMMIT")
    await engine.run_one(table)
    await equal(engine)
    await engine.source("TRUNCATE t")
    assert (await engine.run_one(table)).rows_read == 0


async def test_f01_a_transaction_prepared_while_the_run_waits_for_it_has_not_ended(engine):
    """It leaves pg_stat_activity by PREPARE as it would by COMMIT; its number is below what others have committed."""
    await engine.source("CREATE TABLE t (id bigserial PRIMARY KEY, v text)", "INSERT INTO t (v) VALUES ('first')")
    table = {"name": "public.t", "mode": "incremental", "cursor": "id", "publish": "append"}
    await engine.run_one(table)
    async with connected(engine.dsn) as late, connected(engine.dsn) as other:
        await late.execute("BEGIN; INSERT INTO t (v) VALUES ('late')")
        await other.execute("INSERT INTO t (v) VALUES ('soon')")
        run = asyncio.create_task(engine.run_one(table))
        asked = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'borealis' AND query LIKE '%FILTER%xact%'"
        )
        while not await other.fetchval(asked):
            await asyncio.sleep(0.01)
        await late.execute(f"PREPARE TRANSACTION '{engine.database}'")
        assert (await run).rows_read == 0
        await other.execute(f"COMMIT PREPARED '{engine.database}'")
    await engine.run_one(table)
    await equal(engine)


@pytest.mark.parametrize("publish", ["merge", "append"])
async def test_f01_what_commits_between_horizon_and_snapshot_is_seen(engine, monkeypatch, publish):
    """The horizon comes first: a commit between the two is then in the snapshot, and else would be in neither."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await asyncio.sleep(0.2)
    table = {**MERGE, "publish": publish}
    await engine.run_one(table)
    async with connected(engine.dsn) as late:
        await late.execute("BEGIN; INSERT INTO t VALUES (2, 'late')")
        await engine.source("INSERT INTO t VALUES (3, 'soon')")
        await asyncio.sleep(0.2)
        took: list[str] = []

        async def commit(name: str) -> None:
            took.append(name)
            if len(took) == 1:
                await late.execute("COMMIT")

        async def horizon_then_commit(*args, **named):
            answer = await read_horizon(*args, **named)
            await commit("horizon")
            return answer

        @asynccontextmanager
        async def snapshot_then_commit(*args, **named):
            async with open_snapshot(*args, **named) as snapshot:
                await commit("snapshot")
                yield snapshot

        monkeypatch.setattr(wiring, "read_horizon", horizon_then_commit)
        monkeypatch.setattr(wiring, "open_snapshot", snapshot_then_commit)
        await engine.run_one(table)
        assert sorted(took) == ["horizon", "snapshot"]
    monkeypatch.undo()
    await engine.run_one(table)
    await equal(engine)


async def test_f01_a_session_that_hides_its_transactions_holds_the_watermark(engine):
    """With track_activities off xact_start is NULL, whoever asks; that is not the same as no writers."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first')")
    await asyncio.sleep(0.2)
    first = await engine.run_one(MERGE)
    async with connected(engine.dsn) as late:
        await late.execute("SET track_activities = off")
        await late.execute("BEGIN; INSERT INTO t VALUES (2, 'late')")
        await engine.source("INSERT INTO t VALUES (3, 'soon')")
        await asyncio.sleep(0.2)
        second = await engine.run_one(MERGE)
        assert second.watermark == first.watermark
        assert any("hides its transactions" in note for note in second.notes)
        assert (await engine.run_one({**MERGE, "cursor_lag_s": 60})).watermark == first.watermark
        await late.execute("COMMIT")
    await engine.run_one(MERGE)
    await equal(engine)


async def test_f01_an_application_s_clock_may_be_behind_by_the_lag_and_a_comparison_finds_what_was_later(engine):
    """Such a stamp is no transaction's start, so nothing that is open tells of it."""
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'first', now() - interval '1 min')")
    table = {**MERGE, "cursor_lag_s": 20}
    await engine.run_one(table)
    await engine.source("INSERT INTO t VALUES (2, 'soon')")
    await engine.run_one(table)
    await engine.source("INSERT INTO t VALUES (3, 'late', now() - interval '10 s')",
                        "INSERT INTO t VALUES (4, 'too late', now() - interval '5 min')")  # fmt: skip
    await engine.run_one(table)
    assert [row[0] for row in engine.target(ROWS)] == [1, 2, 3]
    await compared_and_repaired(engine, table, {"missing": 1})


async def compared_and_repaired(engine, table, differing):
    """What no cursor can tell is found and mended."""
    (found,) = await verify(engine.config(table), [], level="bisect")
    assert found.differing == differing
    (mended,) = await repair(engine.config(table), [])
    assert mended.ok
    await equal(engine)


@pytest.mark.parametrize("column", ["timestamptz", "timestamp", "timestamp(0)", "date", "bigint"])
@pytest.mark.parametrize("publish", ["merge", "append"])
async def test_f02_ties_at_the_boundary_are_neither_lost_nor_read_for_ever(engine, column, publish):
    """50,000 rows with one cursor value, read in many chunks; then more of the same value; then silence."""
    stamp = "7" if column == "bigint" else f"(now() - interval '2 days')::{column}"
    await engine.source(f"CREATE TABLE t (id int PRIMARY KEY, v text, c {column})",
                        f"INSERT INTO t SELECT n, 'x', {stamp} FROM generate_series(1, 50000) AS n")  # fmt: skip
    table = {"name": "public.t", "mode": "incremental", "cursor": "c", "publish": publish}
    await engine.run_one(table, limits={"chunk_bytes": "256KiB"})
    await equal(engine, "id")
    await engine.source("INSERT INTO t SELECT n, 'y', c FROM t, generate_series(60001, 60010) AS n WHERE id = 1"
                        if column == "date" and publish == "merge" else "SELECT 1")  # fmt: skip
    await engine.run_one(table)
    await equal(engine, "id")
    again = await engine.run_one(table)
    assert again.rows_read in ((0, 50_010) if column == "date" else (0,))
    await equal(engine, "id")


async def test_f02_a_crash_among_ties_loses_and_doubles_none(engine, borealis, proxy):
    """The process is killed once three of many chunks of one cursor value are loaded; the next run ends the window."""
    await engine.source(TABLE, "INSERT INTO t VALUES (0, 'first', now() - interval '2 days')")
    await engine.run_one(APPEND)
    await engine.source("INSERT INTO t SELECT n, repeat('x', 50), now() - interval '1 day' "
                        "FROM generate_series(1, 50000) AS n")  # fmt: skip
    loaded = 'SELECT COUNT(*) FROM {db}."BOREALIS"."LEDGER"'
    ((before,),) = engine.target(loaded)
    proxy.answers_per_s = 1e6
    values = engine.values(
        APPEND, source={"dsn": through(engine.dsn, proxy)}, limits={"readers": 1, "chunk_bytes": "256KiB"}
    )
    process = borealis.start(values, "run")
    try:
        while process.poll() is None and engine.target(loaded)[0][0] < before + 3:
            await asyncio.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was over before it was killed"
    assert engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(1,)]
    await engine.run_one(APPEND)
    await equal(engine)
    assert (await engine.run_one(APPEND)).rows_read == 0
    assert engine.leftovers() == []


async def test_f02_the_watermark_keeps_its_microseconds_and_zone(engine):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'x', '2020-02-03 04:05:06.123456+03')")
    receipt = await engine.run_one(MERGE)
    assert receipt.watermark == "2020-02-03 01:05:06.123456+00"


async def test_f03_rows_without_a_cursor_value_follow_the_policy(engine):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'a', now()), (2, 'b', NULL)")
    receipt = await engine.run_one(MERGE)
    told = "1 rows have no value in the cursor column updated_at: loaded in each run"
    assert told in receipt.notes
    await engine.source("UPDATE t SET v = 'b2' WHERE id = 2")
    assert told in (await engine.run_one(MERGE)).notes
    assert engine.target(ROWS) == [(1, "a"), (2, "b2")]
    failed = (await engine.run({**MERGE, "null_cursor": "fail"}))["public.t"]
    assert failed.status == "FAILED"
    assert "null_cursor" in failed.error["message"]
    await engine.source("INSERT INTO t VALUES (3, 'c', NULL)")
    skipped = await engine.run_one({**MERGE, "null_cursor": "skip"})
    assert any("left out" in note for note in skipped.notes)
    assert engine.target(ROWS) == [(1, "a"), (2, "b2")]


async def test_f03_a_row_from_the_future_does_not_carry_the_watermark_away(engine):
    await engine.source(TABLE, "INSERT INTO t VALUES (1, 'a', '2020-01-01Z'), (2, 'future', '2099-01-01Z')")
    first = await engine.run_one(MERGE)
    assert first.watermark == "2020-01-01 00:00:00+00"
    assert any("1 rows have a cursor past" in note for note in first.notes)
    await engine.source("INSERT INTO t VALUES (3, 'today')")
    await engine.run_one(MERGE)
    await equal(engine)


async def test_f03_a_row_put_back_in_time_is_found_by_a_comparison(engine):
    """No window reads it again: that is the contract of a cursor, and why there is `verify`."""
    await engine.source(
        TABLE, "INSERT INTO t SELECT n, 'a', now() - interval '1 day' FROM generate_series(1, 100) AS n"
    )
    await engine.run_one(MERGE)
    await engine.source("UPDATE t SET v = 'b', updated_at = '2020-01-01Z' WHERE id = 7")
    assert (await engine.run_one(MERGE)).rows_read == 0
    await compared_and_repaired(engine, MERGE, {"changed": 1})


async def test_f12_a_renamed_key_is_a_new_load_and_says_so(engine):
    """Rows under the old name would never be found again by a merge."""
    await engine.source(TABLE, "INSERT INTO t SELECT n, 'a' FROM generate_series(1, 100) AS n")
    await engine.run_one(MERGE)
    await engine.source("ALTER TABLE t RENAME id TO no", "UPDATE t SET v = 'b', updated_at = now() WHERE no = 7")
    receipt = await engine.run_one(MERGE)
    assert receipt.mode == "full"
    assert "loaded anew: the key was (id), now it is (no)" in receipt.notes
    await equal(engine, "no, v")
    assert (await engine.run_one(MERGE)).mode == "incremental"
