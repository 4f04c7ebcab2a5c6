"""The suite itself, on little: it makes its tables, races, checks, judges and keeps."""

import json
import re
import subprocess
import sys

import asyncpg
import pytest
from rich.console import Console

from benchmarks.bench import Bench, Finding, Target
from benchmarks.contenders import extract, psql
from benchmarks.contest import Contender, Outcome, Run
from benchmarks.data import small, trickle
from benchmarks.report.results import RESULTS
from benchmarks.scenarios.extract import CURSOR, OURS, judged
from benchmarks.simulator.world import read_costs
from engine import predict
from tests.conftest import ROOT, connected

SCALE = 0.001


@pytest.fixture
def bench(postgres, tmp_path):
    return Bench(postgres, tmp_path, "quick", SCALE, rounds=1, console=Console(quiet=True), peers=False)


def command(*arguments):
    asked = [sys.executable, "-m", "benchmarks", "run", *arguments]
    return subprocess.run(asked, check=False, cwd=ROOT, capture_output=True, text=True, timeout=200)


def test_extraction_is_measured_judged_and_kept(tmp_path):
    ended = command("--only", "extract", "--scale", str(SCALE), "--rounds", "1", "--no-peers", "--keep", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    (file,) = tmp_path.iterdir()
    result = json.loads(file.read_text())
    assert [finding["dataset"] for finding in result["scenarios"]] == ["lineitem", "wide"]
    for finding in result["scenarios"]:
        names = [contender["name"] for contender in finding["contenders"]]
        assert names == [psql.NAME, OURS, CURSOR]
        for contender in finding["contenders"]:
            assert (contender["failed"], contender["lost"], len(contender["runs"])) == ("", "", 1)
            assert contender["rows_per_second"] > 0
            assert contender["name"] in ended.stdout
    assert [target["met"] for target in result["scenarios"][0]["targets"]] == [
        "not met" not in line for line in ended.stdout.splitlines() if line.rstrip().endswith("met")
    ]
    (spent,) = result["spent"]
    assert spent["scenario"] == "extract"
    assert 0 < spent["making"] < spent["seconds"]
    assert result["machine"]["cores"]
    assert {"python", "postgresql", "asyncpg"} <= result["versions"].keys()


@pytest.mark.parametrize("name", ["narrow", "fat", "trickle"])
def test_every_table_arrives_as_it_is(bench, name):
    table = bench.table(name)
    assert table is bench.table(name)
    contenders = [
        Contender(psql.NAME, psql.argv(bench.server.bin_dir, table.dsn, table.name), table.check),
        Contender("copy", extract.argv(table.dsn, table.name), table.check),
        Contender("cursor", extract.argv(table.dsn, table.name, reader="cursor", codec="zstd"), table.check),
    ]
    for outcome in bench.race(contenders):
        assert (outcome.failed, outcome.lost) == ("", "")
        assert [run.rows for run in outcome.runs] == [table.rows]


async def test_small_tables_are_made_in_any_number(database):
    async with connected(database) as connection:
        names = await small.make(connection, tables=203, rows=7)
        counts = [await connection.fetchval(f"SELECT count(*) FROM {name}") for name in names]
    assert counts == [7] * 203


async def test_what_changes_is_later_than_everything_before(database, tmp_path):
    async with connected(database) as connection:
        await trickle.make(connection, 0.001, tmp_path)
        before = await connection.fetchrow("SELECT count(*), max(updated_at) FROM trickle")
        await trickle.change(connection, inserted=30, updated=20, deleted=5)
        rows = await connection.fetchval("SELECT count(*) FROM trickle")
        changed = await connection.fetchval("SELECT count(*) FROM trickle WHERE updated_at > $1", before["max"])
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("INSERT INTO trickle SELECT * FROM trickle LIMIT 1")
    assert (rows, changed) == (before["count"] + 25, 50)


def test_a_machine_without_room_is_refused_before_anything_is_made():
    ended = command("--scale", "1000000")
    assert ended.returncode
    assert "GB of disk are free" in ended.stderr
    assert "making" not in ended.stdout


def test_an_unknown_scenario_is_refused_with_those_there_are():
    ended = command("--only", "nonsense")
    assert ended.returncode
    assert "extract" in ended.stderr


def results_named(*files):
    return {name for file in files for name in re.findall(r"results/([\w.:-]+\.json)", file.read_text())}


def test_a_result_that_a_document_names_is_kept():
    named = results_named(*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("engine/*.py"))
    assert named
    assert {name for name in named if not (RESULTS / name).is_file()} == set()


def test_the_defaults_of_a_prediction_are_those_of_the_result_that_the_documents_name():
    """What a plan says before anything was run is what the benchmark measured, rounded."""
    (name,) = results_named(ROOT / "docs" / "scale.md")
    costs = read_costs(RESULTS / name)
    assert round(costs.staged_share, 2) == predict.STAGED_SHARE
    assert round(costs.csv_share, 2) == predict.CSV_SHARE


def outcome(name, seconds, **told):
    return Outcome(name, [Run(seconds, 1_000_000, 10**8, 10**7, 0.5, 0.9, 10**8)], **told)


def met(outcomes):
    return {target.name.removeprefix(f"{OURS}, ").removeprefix(f"{OURS} / "): target.met for target in judged(outcomes)}


def test_extraction_is_judged_by_those_who_raced():
    judgement = met(
        [
            outcome(psql.NAME, 1.4),
            outcome(OURS, 1.0),
            outcome(CURSOR, 2.0),
            outcome("duckdb parquet", 0.9),
        ]
    )
    assert judgement == {
        "psql | zstd -1, rows/s": True,
        "duckdb parquet, rows/s": False,
        f"{CURSOR} / {OURS}, rows/s": False,
        "client CPU s per million rows": True,
        "client and backend CPU s per million rows": True,
        "peak RSS MB": True,
    }


def test_what_lost_a_value_meets_no_target():
    judgement = met([outcome(psql.NAME, 9.0), outcome(OURS, 1.0, lost="price"), outcome(CURSOR, 1.0)])
    assert not any(judgement.values())


def test_a_finding_tells_of_those_who_failed():
    told = Finding("s", "d", 1, "a", [outcome("a", 1.0), Outcome("b", failed="no")], [Target("t", "at most", 1, None)])
    a, b = told.to_json()["contenders"]
    assert (a["ratio_to_base"], b["ratio_to_base"], b["failed"]) == (1.0, None, "no")
    assert told.to_json()["targets"] == [{"name": "t", "sense": "at most", "wanted": 1, "measured": None, "met": False}]
