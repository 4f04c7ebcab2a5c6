"""What `verify` finds when the target was damaged, down to the row and the column, and what a repair makes of it."""

import random

import pytest

from engine import gates
from engine.repair import repair
from engine.verify import verify
from engine.wiring import parts

ROWS = 20_000
T = '{db}."SHOP"."T"'
COLUMNS = '"ID", "PART", "NAME", "AT", "AMOUNT"'
MADE = f"""
    CREATE TABLE t (id int, part text, name text, at timestamptz, amount numeric(12,2), PRIMARY KEY (id, part));
    INSERT INTO t SELECT n, chr(65 + n % 3), CASE WHEN n % 7 > 0 THEN 'name ' || n END,
      '2026-01-01Z'::timestamptz + n * interval '1 minute', n / 7.0 FROM generate_series(1, {ROWS}) AS n"""

DAMAGES = {
    "missing": ('DELETE FROM {t} WHERE "ID" = {n}', "missing", ()),
    "extra": (
        'INSERT INTO {t} ({c}) SELECT -"ID", "PART", "NAME", "AT", "AMOUNT" FROM {t} WHERE "ID" = {n}',
        "extra",
        (),
    ),
    "doubled": ('INSERT INTO {t} ({c}) SELECT {c} FROM {t} WHERE "ID" = {n}', "doubled", ()),
    "one character": ('UPDATE {t} SET "NAME" = "NAME" || \'.\' WHERE "ID" = {n}', "changed", ("name",)),
    "truncated": ('UPDATE {t} SET "NAME" = LEFT("NAME", LENGTH("NAME") - 1) WHERE "ID" = {n}', "changed", ("name",)),
    "zone": ('UPDATE {t} SET "AT" = DATEADD(hour, 1, "AT") WHERE "ID" = {n}', "changed", ("at",)),
    "empty for NULL": ('UPDATE {t} SET "NAME" = \'\' WHERE "ID" = {null}', "changed", ("name",)),
    "NULL": ('UPDATE {t} SET "AMOUNT" = NULL WHERE "ID" = {n}', "changed", ("amount",)),
    "a cent and a name": ('UPDATE {t} SET "AMOUNT" = "AMOUNT" + 0.01, "NAME" = \'x\' WHERE "ID" = {n}', "changed",
                          ("name", "amount")),
}  # fmt: skip


def damage(engine, name: str, n: int) -> tuple[str, tuple[str, ...]]:
    statement, kind, columns = DAMAGES[name]
    engine.target(statement.format(t=T, c=COLUMNS, n=n, null=n // 7 * 7, db="{db}"))
    return kind, columns


def rows_of(engine) -> set:
    return set(engine.target(f'SELECT "ID", "PART", "NAME", TO_VARCHAR("AT"), "AMOUNT" FROM {T}'))


@pytest.fixture
async def copied(engine):
    """A table of 20,000 rows and its copy."""
    await engine.source(MADE)
    await engine.run_one({"name": "public.t"})
    return engine


async def test_each_damage_is_found_named_and_repaired(copied):
    """One run of each kind at once, at rows drawn by chance; the seed is in the message of a failure."""
    seed = random.randrange(2**32)
    drawn = random.Random(seed)
    config, before = copied.config({"name": "public.t"}), rows_of(copied)
    (clean,) = await verify(config, [], level="bisect")
    assert clean.ok
    assert clean.rows_source == clean.rows_target == ROWS
    assert not clean.differences
    wanted = {}
    for name, n in zip(DAMAGES, drawn.sample(range(8, ROWS), len(DAMAGES)), strict=True):
        n += n % 7 == 0  # noqa: PLW2901 - a row whose name is not NULL
        kind, columns = damage(copied, name, n)
        at = n // 7 * 7 if name == "empty for NULL" else -n if kind == "extra" else n
        wanted[str(at)] = (kind, columns)
    (found,) = await verify(config, [], level="bisect")
    assert not found.ok
    assert {each.key["id"]: (each.kind, each.columns) for each in found.differences} == wanted, f"seed {seed}"
    (mended,) = await repair(config, [])
    assert mended.ok
    assert sum(mended.repaired.values()) == len(wanted), f"seed {seed}: {mended}"
    assert rows_of(copied) == before, f"seed {seed}"
    (clean,) = await verify(config, [])
    assert clean.ok


async def test_rows_without_a_key_are_found_and_repaired_by_their_whole_content(engine):
    """Equal rows are counted: one too few or too many is seen."""
    await engine.source(
        "CREATE TABLE t (a int, b text)", "INSERT INTO t SELECT n % 50, 'b' FROM generate_series(1, 500) n"
    )
    config = engine.config({"name": "public.t"})
    await engine.run_one({"name": "public.t"})
    engine.target(f'DELETE FROM {T} WHERE "A" = 3')
    engine.target(f"INSERT INTO {T} VALUES (5, 'b'), (99, 'c')")
    (found,) = await verify(config, [], level="bisect")
    assert found.differing == {"missing": 1, "doubled": 1, "extra": 1}
    assert all(each.key is None for each in found.differences)
    (mended,) = await repair(config, [])
    assert mended.ok, mended
    assert engine.target(f'SELECT "A", COUNT(*) FROM {T} GROUP BY 1 HAVING COUNT(*) <> 10') == []


@pytest.mark.parametrize("publish", ["merge", "append"])
async def test_what_the_next_run_will_bring_is_no_difference_and_is_not_repaired(engine, publish):
    """A repair that brought rows above the watermark would let an append bring them again."""
    table = {"name": "public.t", "mode": "incremental", "cursor": "at", "publish": publish}
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now(), v text)",
                        "INSERT INTO t SELECT n, now(), 'v' FROM generate_series(1, 1000) n")  # fmt: skip
    await engine.run_one(table)
    config = engine.config(table)
    await engine.source("INSERT INTO t VALUES (2000, clock_timestamp(), 'new')")
    engine.target(f'UPDATE {T} SET "V" = \'w\' WHERE "ID" = 7')
    (found,) = await verify(config, [], level="bisect")
    assert found.differing == {"newer": 1, "changed": 1}
    assert [(each.kind, each.key) for each in found.differences] == [("changed", {"id": "7"})]
    (mended,) = await repair(config, [])
    assert mended.ok
    assert mended.repaired == {"changed": 1}
    assert mended.differing == {"newer": 1}
    await engine.run_one(table)
    (clean,) = await verify(config, [])
    assert clean.ok
    assert clean.rows_target == 1001


async def test_rows_that_are_gone_at_the_source_stay_where_deletes_are_not_replicated(engine):
    table = {"name": "public.t", "mode": "incremental", "cursor": "at"}
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now())",
                        "INSERT INTO t SELECT n FROM generate_series(1, 10) n")  # fmt: skip
    await engine.run_one(table)
    await engine.source("DELETE FROM t WHERE id = 4")
    (mended,) = await repair(engine.config(table), [])
    assert mended.differing == {"extra": 1}
    assert not mended.repaired
    assert not mended.ok
    (mended,) = await repair(engine.config({**table, "deletes": "reconcile"}), [])
    assert mended.ok
    assert mended.repaired == {"extra": 1}
    assert engine.target(f"SELECT COUNT(*) FROM {T}") == [(9,)]


async def test_a_sample_looks_at_the_same_keys_on_both_sides(copied):
    config = copied.config({"name": "public.t"})
    (found,) = await verify(config, [], level="bisect", sample=0.1)
    assert found.ok
    assert found.rows_source == found.rows_target
    assert ROWS * 0.08 < found.rows_source < ROWS * 0.12
    copied.target(f'DELETE FROM {T} WHERE "ID" <= 1000')
    (found,) = await verify(config, [], level="bisect", sample=0.1)
    assert not found.ok
    assert 60 < found.differing["missing"] < 140


async def test_a_repair_that_would_not_make_rows_equal_changes_nothing(copied, monkeypatch):
    """As if what is inserted were lost: the checksum inside the transaction sees it."""
    config = copied.config({"name": "public.t"})
    damage(copied, "doubled", 100)
    before = rows_of(copied)
    monkeypatch.setattr("engine.repair.target_sql.insert_all", lambda *_, **__: "SELECT 1")
    (refused,) = await repair(config, [])
    assert "nothing was changed" in refused.error
    assert rows_of(copied) == before
    assert copied.leftovers() == []


async def test_a_table_that_is_being_run_is_not_repaired(copied):
    config = copied.config({"name": "public.t"})
    async with parts(config) as made:
        lease = await made.state.acquire("SHOP.T", "somebody")
        (refused,) = await repair(config, [])
        await made.state.release(lease)
    assert "somebody" in refused.error


@pytest.mark.parametrize("was", ["NUMBER(12,2)", "NUMBER(38,9)"])
async def test_a_number_is_compared_with_all_the_decimals_that_its_column_has(engine, was):
    """A column that was made with more decimals than the source's type has keeps them, and damage can hide there."""
    table = {"name": "public.t", "verify": "checksum"}
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, n int, m numeric(10,2))",
                        "INSERT INTO t SELECT n, -n, n / 4.0 FROM generate_series(1, 100) n")  # fmt: skip
    await engine.run_one({**table, "columns": {"n": {"type": was}, "m": {"type": was}}})
    await engine.run_one(table)
    assert engine.target(f'SELECT TO_VARCHAR("N") FROM {T} WHERE "ID" = 7') != [("-7",)]
    for level in ("checksum", "bisect"):
        (clean,) = await verify(engine.config(table), [], level=level)
        assert clean.ok
    if was == "NUMBER(38,9)":
        engine.target(f'UPDATE {T} SET "M" = "M" + 0.000000001 WHERE "ID" = 7')
        (found,) = await verify(engine.config(table), [], level="bisect")
        assert [(each.key, each.columns) for each in found.differences] == [({"id": "7"}, ("m",))]


async def test_a_key_is_told_as_its_database_prints_it(engine):
    """Text, a uuid and a moment, of rows of both sides; a key whose column keeps lossy values as text is one too."""
    table = {"name": "public.t", "on_loss": "text"}
    await engine.source("CREATE TABLE t (name text, u uuid, at timestamptz, v int, PRIMARY KEY (name, u, at))",
                        "INSERT INTO t SELECT 'Ä ' || n, md5(n::text)::uuid, '2026-01-01Z', n "
                        "FROM generate_series(1, 9) n")  # fmt: skip
    await engine.run_one(table)
    engine.target(f'UPDATE {T} SET "V" = 0 WHERE "V" = 3')
    engine.target(f'UPDATE {T} SET "NAME" = \'B\' WHERE "V" = 4')
    (found,) = await verify(engine.config(table), [], level="bisect")
    told = {(each.kind, each.key["name"], each.key["u"], each.columns) for each in found.differences}
    assert told == {
        ("changed", "Ä 3", "eccbc87e-4b5c-e2fe-2830-8fd9f2a7baf3", ("v",)),
        ("missing", "Ä 4", "a87ff679-a2f3-e71d-9181-a67b7542122c", ()),
        ("extra", "B", "a87ff679-a2f3-e71d-9181-a67b7542122c", ()),
    }
    assert {each.key["at"] for each in found.differences if each.kind != "extra"} == {"2026-01-01 00:00:00+00"}


async def test_the_gate_of_a_run_names_what_differs_and_in_which_chunk(engine, monkeypatch):
    """As if the target changed what it loaded: a value of one row, in the second of the table's chunks."""
    await engine.source("CREATE TABLE t (id int PRIMARY KEY, name text)",
                        "INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(1, 3000) AS n")  # fmt: skip
    count = gates._count

    async def damaged(run, landing):
        await run.shared.target.execute(f'UPDATE {landing} SET "NAME" = \'y\' WHERE "ID" = 2000', doing="test")
        return await count(run, landing)

    monkeypatch.setattr(gates, "_count", damaged)
    limits = {"chunk_bytes": 1_000_000}
    receipt = (await engine.run({"name": "public.t", "verify": "checksum"}, limits=limits))["public.t"]
    assert receipt.error["code"] == "gate"
    (chunk,) = receipt.verification["chunks"]
    assert f"differ: 1 changed in name, of the chunks {chunk}" in receipt.error["message"]
    assert receipt.verification["differing"] == {"changed": 1}
    assert not engine.tables("SHOP")
