"""The command line with real servers on both sides: what it prints, how it ends, how it is interrupted."""

import json
import signal

import anyio
import pytest

from tests.integration.conftest import Engine, engine

__all__ = ["engine"]

ORDERS = (
    "CREATE TABLE orders (id int PRIMARY KEY, price numeric(9,2))",
    "INSERT INTO orders SELECT n, n / 7.0 FROM generate_series(1, 1000) AS n",
)


async def test_a_table_from_check_to_status(engine: Engine, borealis):
    await engine.source(*ORDERS)
    config = engine.values({"name": "public.orders"})

    checked = borealis(config, "check")
    assert (checked.code, checked.output["ok"]) == (0, True), checked
    assert [item["name"] for item in checked.output["items"]][:2] == ["source", "target"]

    planned = borealis(config, "plan")
    assert (planned.code, planned.output["tables"][0]["target_table"]) == (0, "ORDERS"), planned
    assert borealis(config, "run", "--dry-run").output == planned.output

    unloaded = borealis(config, "verify", "--level", "count")
    assert (unloaded.code, unloaded.output["status"]) == (1, "FAILED"), unloaded

    ran = borealis(config, "run")
    assert (ran.code, ran.output["status"]) == (0, "COMPLETE"), ran
    (receipt,) = ran.output["tables"]
    assert ran.output["run_id"] == receipt["run_id"]
    assert (receipt["table"], receipt["rows_loaded"], receipt["error"]) == ("public.orders", 1000, None)
    events = [json.loads(line) for line in ran.log.splitlines()]
    assert [event["event"] for event in events] == ["table_started", "table_finished"]

    verified = borealis(config, "verify")
    assert (verified.code, verified.output["status"]) == (0, "COMPLETE"), verified
    (state,) = borealis(config, "status").output["tables"]
    assert (state["table"], state["last_status"], state["last_rows"]) == ("public.orders", "COMPLETE", 1000)


async def test_one_table_that_fails_fails_the_run_and_not_the_others(engine: Engine, borealis):
    await engine.source(*ORDERS, "CREATE TABLE odd (v double precision[])", "CREATE TABLE late (at timestamp)",
                        "INSERT INTO late VALUES ('infinity')")  # fmt: skip
    ran = borealis(engine.values({"name": "public.*"}), "run")
    assert (ran.code, ran.output["status"]) == (1, "FAILED")
    statuses = {receipt["table"]: receipt["status"] for receipt in ran.output["tables"]}
    assert statuses == {"public.orders": "COMPLETE", "public.odd": "COMPLETE", "public.late": "FAILED"}
    (error,) = [receipt["error"] for receipt in ran.output["tables"] if receipt["error"]]
    assert "public.late: column at" in error["message"]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"source": {"dsn": "postgresql://postgres@127.0.0.1:1/shop"}}, 1, "127.0.0.1:1"),
        ({"source": {"dsn": "postgresql://postgres@nowhere.invalid/shop"}}, 1, "nowhere.invalid"),
        ({"tables": [{"name": "public.order"}]}, 2, "public.order is not at the source; did you mean public.orders?"),
        ({"tables": [{"name": "sales.*"}]}, 2, "sales.* matches no relation of the source"),
        ({"tables": [{"name": "public.orders", "mode": "incremental", "cursor": "at"}]}, 1, "the cursor column 'at'"),
        ({"tables": [{"name": "public.orders", "exclude_columns": ["prise"]}]}, 1, "'prise', which does not exist"),
    ],
)
async def test_what_cannot_run_ends_with_one_clear_message(engine: Engine, borealis, change, code, message):
    await engine.source(*ORDERS)
    config = engine.values({"name": "public.orders"})
    ran = borealis({**config, **change}, "run")
    assert ran.code == code, ran
    assert message in json.dumps(ran.output)
    assert "Traceback" not in ran.log
    assert engine.tables("SHOP") == []


async def test_names_that_are_not_configured_are_refused(engine: Engine, borealis):
    await engine.source(*ORDERS, "CREATE TABLE other (id int)")
    ran = borealis(engine.values({"name": "public.orders"}), "run", "public.other")
    assert ran.code == 2
    assert "public.other: is at the source, but no entry of tables selects it" in ran.log


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_interrupted_run_ends_soon_and_the_next_one_clears_up(engine: Engine, borealis, sent, code):
    await engine.source("CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(5)::text AS slept")
    process = borealis.start(engine.values({"name": "public.slow"}), "run")
    try:
        assert "table_started" in process.stderr.readline()
        await anyio.sleep(0.5)
        process.send_signal(sent)
        output, log = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, output) == (code, "")
    assert log.splitlines()[-1] == "borealis: interrupted"
    assert "Traceback" not in log
    assert engine.tables("SHOP") == []

    await engine.source("CREATE OR REPLACE VIEW slow AS SELECT 1 AS id, pg_sleep(0)::text AS slept")
    assert borealis(engine.values({"name": "public.slow"}), "run").code == 0
    assert engine.leftovers() == []
