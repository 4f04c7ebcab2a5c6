"""F13: every kind of relation arrives whole, or is refused by name before a row moves."""

import pytest

from engine import runs
from engine.wiring import Refused, Wanted
from tests.conftest import connected

PARTED = (
    "CREATE TABLE p (id int, region text) PARTITION BY LIST (region)",
    "CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu')",
    "CREATE TABLE p_us PARTITION OF p FOR VALUES IN ('us')",
    "INSERT INTO p SELECT n, CASE n % 2 WHEN 0 THEN 'eu' ELSE 'us' END FROM generate_series(1, 100) AS n",
)


async def reader_of(engine, *statements: str) -> None:
    """From here on the engine reads as a role that owns nothing and has only what `{role}` is given."""
    role = f"r_{engine.database.lower()}"
    grants = (statement.format(role=role) for statement in statements)
    await engine.source(f"CREATE ROLE {role} LOGIN PASSWORD 'right'", *grants)
    engine.dsn = engine.dsn.replace("postgres@", f"{role}:right@")


async def refused(engine, name: str) -> str:
    """Why the table is refused, by its plan alone."""
    (plan,) = await runs.plans_of(engine.config({"name": name}), Wanted())
    assert isinstance(plan, Refused)
    return "; ".join(plan.faults)


async def test_f13_a_partition_that_the_role_may_not_read_is_named_before_a_row_moves(engine):
    """PostgreSQL asks for rights on the parent alone, and chunks are read from the leaves."""
    await engine.source(*PARTED)
    await reader_of(engine, "GRANT SELECT ON p, p_eu TO {role}")
    assert "may not read 1 of them, such as public.p_us" in await refused(engine, "public.p")


async def test_f13_a_policy_on_a_partition_is_refused_like_one_on_the_table(engine):
    """Read through its parent the partition would show all its rows, and read by itself those of the policy."""
    await engine.source(
        *PARTED, "ALTER TABLE p_us ENABLE ROW LEVEL SECURITY", "CREATE POLICY few ON p_us USING (id < 10)"
    )
    await reader_of(engine, "GRANT SELECT ON p, p_eu, p_us TO {role}")
    assert "row-level security" in await refused(engine, "public.p")


async def test_f13_an_unlogged_partition_is_refused_on_a_standby(engine, postgres, standby, replayed):
    await engine.source(*PARTED[:2], "CREATE UNLOGGED TABLE p_us PARTITION OF p FOR VALUES IN ('us')")
    await replayed()
    engine.dsn = engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    assert "public.p: public.p_us is unlogged" in await refused(engine, "public.p")


async def test_f13_a_temporary_table_is_nobody_elses_also_as_a_child(engine):
    """A session may make a temporary child of any table; PostgreSQL shows its rows to nobody else."""
    await engine.source("CREATE TABLE base (id int)", "INSERT INTO base VALUES (1)")
    async with connected(engine.dsn) as other:
        await other.execute("CREATE TEMP TABLE mine () INHERITS (base); INSERT INTO mine VALUES (2)")
        await other.execute("CREATE TEMP TABLE alone (id int)")
        receipts = await engine.run({"name": "*.*"})
    assert {name: receipt.status for name, receipt in receipts.items()} == {"public.base": "COMPLETE"}
    assert engine.target('SELECT "ID" FROM {db}."SHOP"."BASE"') == [(1,)]


@pytest.mark.parametrize("reader", ["copy", "cursor"])
async def test_f13_chunks_belong_to_a_leaf_and_bring_each_row_once(engine, reader):
    """The same pages of two leaves are not the same rows."""
    await engine.source(*PARTED, "INSERT INTO p SELECT n, CASE n % 2 WHEN 0 THEN 'eu' ELSE 'us' END "
                        "FROM generate_series(101, 20000) AS n")  # fmt: skip
    receipt = await engine.run_one({"name": "public.p", "reader": reader}, limits={"chunk_bytes": "128KiB"})
    assert receipt.chunks > 4
    rows = engine.target('SELECT COUNT(*), COUNT(DISTINCT "ID"), COUNT(DISTINCT "REGION") FROM {db}."SHOP"."P"')
    assert rows == [(20_000, 20_000, 2)]
