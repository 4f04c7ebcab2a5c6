"""Every scenario from end to end, on hardly any rows: it verifies what arrived, judges, and tells what it cost."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import snowflake.connector
from rich.console import Console

from benchmarks import __main__ as suite
from benchmarks.bench import Bench
from benchmarks.contest import DisqualifiedError
from benchmarks.scenarios import (
    BUDGET_S,
    adaptive,
    cold_start,
    end_to_end,
    fan_out,
    growth,
    loading,
    merge,
    null_target,
    resume,
    small_tables,
    verify,
)
from benchmarks.statements import Counting
from benchmarks.warehouse import served
from engine.local.postgres import PostgresServer
from tests.conftest import execute

SCALE = 0.005
"""Of which the scenarios take their share: 12,000 rows of lineitem, 4 small tables, 100 to plan."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One for all, as in a run of the suite: the tables are made once."""
    scratch = tmp_path_factory.mktemp("bench")
    with PostgresServer(scratch / "postgres") as server:
        yield Bench(server, scratch, "quick", SCALE, 1, Console(quiet=True), peers=False, warm_up=False)


@pytest.fixture(autouse=True)
def one_warehouse(warehouse, monkeypatch):
    """The session's for all scenarios, each of which would start its own."""

    @contextmanager
    def serve(directory):
        directory.mkdir(parents=True)
        yield warehouse.endpoint

    monkeypatch.setattr("benchmarks.warehouse.serve", serve)


def found(bench, scenario):
    """Its findings, all of whose contenders ran and left what they should, and all of whose targets were measured."""
    findings = scenario.run(bench)
    for finding in findings:
        assert json.dumps(finding.to_json())
        assert [(outcome.failed, outcome.lost, len(outcome.runs)) for outcome in finding.outcomes] == [
            ("", "", 1) for _ in finding.outcomes
        ]
        assert [target.name for target in finding.targets if not target.measured] == []
    return findings


def runs_of(finding):
    return {outcome.name: outcome.runs[0] for outcome in finding.outcomes}


def test_end_to_end_is_compared_with_the_slower_of_its_halves(bench):
    (finding,) = found(bench, end_to_end)
    runs = runs_of(finding)
    whole, extraction, loading_alone = runs[end_to_end.WHOLE], runs[end_to_end.EXTRACT], runs[end_to_end.LOAD]
    slower_s = max(extraction.seconds, loading_alone.seconds)
    assert finding.targets[0].measured == pytest.approx(whole.seconds / slower_s)
    assert {"read", "put", "load"} <= whole.phases.keys()
    assert {"wait", "put", "load"} == loading_alone.phases.keys()
    assert whole.extra["warehouse_rss_peak_mb"] > 50, "the warehouse's memory is told apart"
    assert 0 < finding.figures["busy_share_of_cores"] <= 1.1


def test_the_warehouse_and_duckdb_load_the_same_files(bench):
    (finding,) = found(bench, loading)
    theirs, ours = finding.outcomes
    assert theirs.runs[0].rows == ours.runs[0].rows == finding.rows
    assert finding.targets[0].measured == pytest.approx(ours.runs[0].seconds / theirs.runs[0].seconds)
    assert ours.runs[0].extra["warehouse_cpu_s"] > 0


def test_nothing_is_left_of_reading_without_a_target(bench):
    (finding,) = found(bench, null_target)
    runs = runs_of(finding)
    assert runs[null_target.BASE].compressed_bytes == 0
    assert 0 < runs["borealis gzip"].compressed_bytes < runs["borealis gzip"].raw_bytes


def test_a_run_that_is_interrupted_is_gone_on_with(bench):
    """What has been loaded by then is not read again: at most six of sixteen chunks are under way."""
    (finding,) = found(bench, resume)
    assert 0.5 <= finding.figures["killed_second_read_share"] <= 15 / 16
    assert 0 < finding.figures["out_of_time_second_read_share"] < 1


def test_as_many_workers_copy_as_were_asked_for(bench, monkeypatch):
    monkeypatch.setattr(fan_out, "WORKERS", (1, 2))
    (finding,) = found(bench, fan_out)
    assert [len(outcome.runs[0].extra["workers"]) for outcome in finding.outcomes] == [1, 2]
    for outcome in finding.outcomes:
        assert all(worker["chunks_done"] for worker in outcome.runs[0].extra["workers"])


def test_a_merge_is_rated_by_what_changed(bench):
    (finding,) = found(bench, merge)
    assert [outcome.runs[0].rows for outcome in finding.outcomes] == [finding.rows // 100, finding.rows // 10]
    assert finding.figures["statements_of_a_run"] >= 10


def test_a_table_is_verified_whole_at_each_level(bench, monkeypatch):
    monkeypatch.setitem(verify.LEVELS, bench.profile, verify.LEVELS["full"])
    (finding,) = found(bench, verify)
    assert {name: run.rows for name, run in runs_of(finding).items()} == dict.fromkeys(
        ("checksum", "count", "bisect"), finding.rows
    )


def test_statements_of_small_tables_are_counted_and_all_tables_planned(bench):
    replicated, planned = found(bench, small_tables)
    statements, ms, *_ = replicated.targets
    assert statements.measured == pytest.approx(round(statements.measured), abs=0.3), "each table needs the same"
    assert ms.measured == pytest.approx(replicated.outcomes[0].runs[0].seconds / 4 * 1000)
    assert planned.outcomes[0].runs[0].rows == planned.rows == 100


def test_ten_times_the_rows_are_compared_with_the_rows(bench):
    (finding,) = found(bench, growth)
    one, ten = (outcome.runs[0] for outcome in finding.outcomes)
    assert finding.targets[0].measured == pytest.approx(ten.seconds / one.seconds / (ten.rows / one.rows / 10))


def test_a_run_with_a_receipt_sends_fewer_bytes_where_the_line_is_slow(bench, monkeypatch):
    """With one reader and one loader, since of few rows several are done before anything could be chosen better."""
    alone = {"readers": 1, "loaders": 1}
    settings = {adaptive.FIXED: adaptive.LIMITS | alone, adaptive.FIRST: alone, adaptive.AGAIN: alone}
    monkeypatch.setattr(adaptive, "SETTINGS", settings)
    monkeypatch.setattr(adaptive, "LINE_BYTES_S", 2e6)
    slow, fast = found(replace(bench, scale=0.05), adaptive)
    assert [slow.scenario, fast.scenario] == ["adaptive, slow line", "adaptive, fast line"]
    for finding in (slow, fast):
        fixed, first, again = (dict(_decided(outcome)) for outcome in finding.outcomes)
        assert fixed["codec"] == "limits.compression_level"
        assert first["codec"] == "cores", "nothing is known yet"
        assert again["codec"] == ("history" if finding is slow else "cores")
    fixed, first, again = (outcome.runs[0] for outcome in slow.outcomes)
    assert again.compressed_bytes < 0.9 * first.compressed_bytes == 0.9 * fixed.compressed_bytes
    fixed, first, again = (outcome.runs[0] for outcome in fast.outcomes)
    assert again.compressed_bytes == first.compressed_bytes


def _decided(outcome):
    (decisions,) = outcome.runs[0].extra["decisions"]
    return ((each["setting"], each["source"]) for each in decisions)


def test_functions_are_started_in_each_place_and_called(bench, monkeypatch):
    """From the checkout alone: building the package takes minutes, and tests/local/test_package.py does."""
    monkeypatch.setattr(cold_start, "places_in", lambda _: [cold_start.CHECKOUT])
    monkeypatch.setattr(cold_start, "functions_of", lambda _: ["handlers.health"])
    imports, started = found(bench, cold_start)
    assert imports.figures["handlers.health alone, modules"] > imports.figures["nothing alone, modules"]
    assert started.dataset == cold_start.CHECKOUT.name
    assert 0 < started.figures["handlers.health, warm_ms"] < started.figures["handlers.health, cold_ms"]


def test_what_takes_minutes_runs_when_it_is_named():
    assert cold_start not in suite._chosen([], "quick")
    assert cold_start in suite._chosen([], "full")
    assert suite._chosen([cold_start.NAME], "quick") == [cold_start]


def test_the_quick_suite_is_to_take_nine_minutes_and_the_full_one_forty():
    assert sum(budget["quick"] for budget in BUDGET_S.values()) <= 9 * 60
    assert sum(budget["full"] for budget in BUDGET_S.values()) <= 40 * 60


def test_every_scenario_is_in_the_list():
    modules = {file.stem for file in Path(small_tables.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(BUDGET_S) == modules


async def test_no_rate_is_told_of_a_table_that_arrived_otherwise(database, tmp_path):
    await execute(database, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    with served(tmp_path) as warehouse:
        config = warehouse.settings("t", database, {"name": "public.t"})
        warehouse.execute("CREATE TABLE PUBLIC.T (ID NUMBER(10,0), V VARCHAR(134217728))")
        warehouse.execute("INSERT INTO PUBLIC.T VALUES (1, 'a'), (2, 'c')")
        with pytest.raises(DisqualifiedError, match=r"public\.t: the checksums"):
            await warehouse.compared(config)
        warehouse.execute("UPDATE PUBLIC.T SET V = 'b' WHERE ID = 2")
        assert await warehouse.compared(config) == 2


def test_statements_are_counted_on_their_way_and_files_pass(warehouse, target_database, tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(b"1\n" * 100_000)
    login = {"account": "local", "host": "127.0.0.1", "protocol": "http", "user": "u", "password": "p"}
    with Counting(warehouse.endpoint.port) as relay:
        with snowflake.connector.connect(**login, port=relay.port) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {target_database}")
            cursor.execute("CREATE STAGE PUBLIC.S")
            for _ in range(2):
                cursor.execute(f"PUT 'file://{file}' @PUBLIC.S AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
            assert cursor.execute("LIST @PUBLIC.S").fetchall()[0][1] == file.stat().st_size
        counted = dict(relay.statements)
    assert counted == {"CREATE DATABASE": 1, "CREATE STAGE": 1, "PUT": 2, "LIST @PUBLIC.S": 1}
