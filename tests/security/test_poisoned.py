"""What the engine reads back was written by it, unless somebody else can write there: then it says so, and stops."""

import json
import time
import uuid
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine import kept, rollback
from engine.connect import addresses
from engine.errors import GateError, RefusedError, StateError, TargetError
from engine.ledger import Loaded, files_of
from engine.source.snapshot import Baton, SnapshotLostError, open_snapshot
from engine.state.forms import unpack
from engine.state.sqlite import SqliteState
from engine.sweep import leftovers
from engine.target import snowflake
from engine.target.snowflake import TargetCatalogue, TargetTable
from tests.integration.conftest import engine
from tests.security.odd import ODD_TEXT, fuzzed

__all__ = ["engine"]

ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | ODD_TEXT
JSON = st.recursive(st.none() | st.integers() | ODD_TEXT, lambda i: st.lists(i) | st.dictionaries(ODD_TEXT, i)).map(
    json.dumps
)


def test_a_row_of_the_ledger_is_understood_or_refused(proof):
    @fuzzed(proof, 150)
    @given(st.lists(st.tuples(*[ANY] * 5, ANY | JSON, ANY, ANY | JSON), max_size=3))
    @example([(1, 1, 1, 1, 1, '{"a": 1}', "s", "")])
    @example([(1, 1, 1, 1, 1, '[{"keys": 1}]', "s", "")])
    @example([(float("inf"), 1, 1, 1, 1, None, "s", "1")])
    def tried(rows):
        try:
            files_of(Loaded.of(rows))
        except GateError as refused:
            assert refused.remedy  # noqa: PT017 - either is allowed

    tried()


def test_a_watermark_is_understood_or_refused_by_the_name_of_its_table(proof):
    @fuzzed(proof, 150)
    @given(st.tuples(*[ANY | JSON] * 8))
    @example(("SHOP.T", "r", "1", "c", "{", "v", None, None))
    def tried(row):
        try:
            snowflake._watermark(row)
        except TargetError as refused:
            assert "WATERMARKS" in refused.message  # noqa: PT017

    tried()


def test_any_name_and_comment_at_the_target_is_somebody_else_s_or_a_run_s(proof):
    """Who may make tables in the schema of ours could name one like a landing table of the 99th of a month."""

    @fuzzed(proof, 150)
    @given(ODD_TEXT, ODD_TEXT, st.from_regex(r"__\d{8}T\d{6}[0-9A-F]{6}_\d(_K)?", fullmatch=True))
    @example("T", "[borealis run x", "__20261399T999999ABCDEF_0")
    def tried(name, comment, end):
        table = TargetTable(name + end, True, False, comment, {})
        found = leftovers(TargetCatalogue({}, {table.name: table}, {}))
        assert all(each.of == name for each in found)
        assert table.comment_for("R").endswith("[borealis run R]")

    tried()


def test_a_landing_table_of_a_name_with_a_line_break_is_swept_like_any_other():
    table = TargetTable("LINE\nBREAK__20260101T000000ABCDEF_0", True, False, "", {})
    assert [each.of for each in leftovers(TargetCatalogue({}, {table.name: table}, {}))] == ["LINE\nBREAK"]


@pytest.mark.parametrize("body", [b"", b"x", zlib.compress(b"{"), zlib.compress(b"[1]"), zlib.compress(b"[" * 100_000)])
def test_a_document_of_the_state_that_is_none_is_refused(body):
    with pytest.raises(StateError, match="that Borealis has not written"):
        unpack(body)


async def test_what_another_version_has_kept_of_a_table_is_forgotten_and_of_a_run_refused(tmp_path):
    """An update in the middle of a run: the table is begun anew; who only has a part of a run leaves it alone."""
    state = SqliteState(tmp_path / "state.db", lease_s=60)
    await state.put("plan/SHOP.T", {"plan": "of another form", "password": "hunter2"})
    await state.put("run/20260101T000000ABCDEF", {"status": "UNHEARD OF"})
    slots = await kept.slots_of(state, ["SHOP.T"])
    assert slots["SHOP.T"].kept is None
    assert slots["SHOP.T"].version, "so that what is kept from now on takes its place"
    record = kept.SharedRun("R", tables=("SHOP.T",))
    for asked in (kept.slots_of_run(state, record), kept.shared_run(state, "20260101T000000ABCDEF")):
        with pytest.raises(StateError, match="was written by another version of Borealis") as caught:
            await asked
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
    await state.close()


@pytest.fixture
async def table(engine):
    """A table that was loaded twice, so that its last swap left what it replaced."""
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, at int)", "INSERT INTO t VALUES (1, 1)")
    for _ in range(2):
        await engine.run_one({"name": "public.t"})
    return engine


async def test_a_plan_of_another_version_does_not_stop_the_table(table):
    state = SqliteState(table.directory / "state.db", lease_s=60)
    assert await state.put("plan/SHOP.T", {"plan": "of another form"})
    await state.close()
    await table.run_one({"name": "public.t"})
    assert table.target('SELECT "ID" FROM {db}."SHOP"."T"') == [(1,)]


async def test_nothing_that_others_put_beside_our_tables_stops_a_run(table):
    name = f'{{db}}."BOREALIS"."T__20269999T999999{uuid.uuid4().hex[:6].upper()}_0"'
    table.target(f"CREATE TABLE {name} (a int)")
    await table.run_one({"name": "public.t"})
    assert table.target(f"SELECT COUNT(*) FROM {name}") == [(0,)], "what no run can have made is left alone"


async def test_a_watermark_that_no_run_wrote_is_refused_before_anything_moves(table):
    table.target(
        """INSERT INTO {db}."BOREALIS"."WATERMARKS" ("TABLE_NAME", "VERSION", "KEY_NAMES") VALUES ('SHOP.X', 1, '{')"""
    )
    with pytest.raises(TargetError, match=r"the row of SHOP\.X in WATERMARKS was not written by Borealis"):
        await table.run({"name": "public.t"})


@pytest.mark.parametrize("value", ["'; DROP TABLE canary; --", "1'::int); DROP TABLE canary; --", "\\'; --", "x" * 99])
async def test_a_watermark_cannot_write_at_the_source(table, value):
    """Its value goes into the statement that reads what has changed."""
    incremental = {"name": "public.t", "mode": "incremental", "cursor": "at"}
    await table.source("CREATE TABLE canary (a int)")
    await table.run_one(incremental)
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    table.target(f"""UPDATE {{db}}."BOREALIS"."WATERMARKS" SET "VALUE" = '{quoted}' WHERE "TABLE_NAME" = 'SHOP.T'""")
    receipt = (await table.run(incremental))["public.t"]
    assert (receipt.status, receipt.error["code"]) == ("FAILED", "refused"), receipt.error
    await table.source("SELECT * FROM canary")
    assert table.target('SELECT "ID" FROM {db}."SHOP"."T"') == [(1,)]


@pytest.mark.parametrize("baton", ["00000003-0000001B-1", "'; DROP TABLE t; --", "../../etc/passwd"])
async def test_a_baton_that_is_none_or_was_played_before_joins_nobody(table, baton):
    """PostgreSQL forgets a snapshot with who exported it; its name is a literal, and a file of the server's."""
    address, _ = addresses(table.config({"name": "public.t"}))
    with pytest.raises(SnapshotLostError):
        async with open_snapshot(address, [], 1, Baton(baton, "1:1:", time.time())):
            pass
    await table.source("SELECT * FROM t")


async def test_a_baton_of_a_snapshot_that_is_another_s_joins_nobody(table):
    """The identity that goes with it tells."""
    address, _ = addresses(table.config({"name": "public.t"}))
    async with open_snapshot(address, [], 1) as other:
        mixed = Baton(other.baton.exported, "1:1:", time.time())
        with pytest.raises(SnapshotLostError, match="another node than the run"):
            async with open_snapshot(address, [], 1, mixed):
                pass


async def test_a_rollback_to_a_table_that_is_not_ours_is_refused(table):
    """Somebody drops what a swap replaced and puts his own in its place: its mark does not say which run's it is."""
    (previous,) = [name for name in table.tables("BOREALIS") if name.startswith("T__")]
    table.target(f'DROP TABLE {{db}}."BOREALIS"."{previous}"')
    with pytest.raises(RefusedError):
        await rollback.roll_back(table.config({"name": "public.t"}), "public.t", dry_run=True)
