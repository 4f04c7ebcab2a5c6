"""A benchmark measures what a run does, touches no table that anybody reads, and leaves nothing but its result."""

import asyncio
import json

import boto3
import pytest

from handlers import benchmark
from handlers.entry import FatalError
from tests.conftest import execute
from tests.handlers.conftest import Context

ROWS = 20_000


@pytest.fixture
def whole(environment, monkeypatch, warehouse, tmp_path, target_database):
    warehouse.query(f'CREATE DATABASE "{target_database}"')
    for name, value in {
        "TARGET__HOST": warehouse.endpoint.host,
        "TARGET__PORT": str(warehouse.endpoint.port),
        "TARGET__PROTOCOL": "http",
        "TARGET__DATABASE": target_database,
        "STATE__PATH": str(tmp_path / "state.db"),
        "LIMITS__SPOOL_DIR": str(tmp_path),
        "TABLES": '[{"name": "public.*", "mode": "incremental", "cursor": "id"}]',
    }.items():
        monkeypatch.setenv(f"BOREALIS_{name}", value)
    return target_database


@pytest.fixture
def source(database, monkeypatch):
    monkeypatch.setenv("BOREALIS_SOURCE__DSN", database)
    asyncio.run(
        execute(
            database,
            "CREATE TABLE orders (id int PRIMARY KEY, note text)",
            f"INSERT INTO orders SELECT n, repeat('x', 100) FROM generate_series(1, {ROWS}) n",
        )
    )


def names(warehouse, database):
    rows = warehouse.query(f'SELECT TABLE_SCHEMA, TABLE_NAME FROM "{database}".INFORMATION_SCHEMA.TABLES')
    return sorted(name for schema, name in rows if schema != "INFORMATION_SCHEMA")


def test_each_kind_is_measured_in_rounds_with_its_rows_counted(whole, source, warehouse, capsys):
    answer = benchmark.handler({"tables": ["public.orders"], "rounds": 2}, Context(seconds=120))
    assert answer["status"] == "COMPLETE"
    (table,) = answer["tables"]
    assert (table["table"], table["rows"]) == ("public.orders", ROWS)
    for kind in ("extraction", "end_to_end"):
        assert table[kind]["rounds"] == 2
        assert len(table[kind]["seconds"]) == 2
        assert table[kind]["rows_per_second"] > 1000
    assert table["end_to_end"]["phases"]["total"] > table["extraction"]["seconds"][0] / 10
    assert names(warehouse, whole) == ["LEDGER", "WATERMARKS"]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "EndToEndRowsRate" in line]
    assert told[0]["EndToEndRowsRate"] == [float(table["end_to_end"]["rows_per_second"])]


def test_a_table_that_is_there_is_not_touched(whole, source, warehouse):
    warehouse.query(f'CREATE SCHEMA "{whole}"."SHOP"')
    warehouse.query(f'CREATE TABLE "{whole}"."SHOP"."ORDERS" AS SELECT 1 AS "ID"')
    benchmark.handler({"tables": ["public.orders"], "rounds": 1}, Context(seconds=120))
    assert warehouse.query(f'SELECT "ID" FROM "{whole}"."SHOP"."ORDERS"') == [(1,)]
    assert names(warehouse, whole) == ["LEDGER", "ORDERS", "WATERMARKS"]


def test_the_result_is_kept_in_the_bucket(whole, source, aws, monkeypatch):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    monkeypatch.setenv("BOREALIS_AWS__RESULTS_BUCKET", "results")
    answer = benchmark.handler({"tables": ["public.orders"], "rounds": 1}, Context(seconds=120))
    key = answer.pop("kept_at").removeprefix("s3://results/")
    assert json.loads(s3.get_object(Bucket="results", Key=key)["Body"].read()) == answer


def test_no_more_rounds_are_begun_than_there_is_time_for(whole, source, database):
    more = f"INSERT INTO orders SELECT n, repeat('x', 100) FROM generate_series({ROWS + 1}, {ROWS * 80}) n"
    asyncio.run(execute(database, more))
    answer = benchmark.handler({"tables": ["public.orders"], "rounds": 20}, Context(seconds=25))
    rounds = answer["tables"][0]["end_to_end"]["rounds"]
    assert 1 <= rounds < 20


def test_what_does_not_fit_measures_nothing_and_leaves_nothing(whole, source, warehouse, monkeypatch, tmp_path):
    monkeypatch.setenv("BOREALIS_LIMITS__CHUNK_BYTES", "8192")
    with pytest.raises(FatalError, match=r"there was no time to (extract|load)"):
        benchmark.handler({"tables": ["public.orders"], "rounds": 1}, Context(seconds=4.2))
    assert "ORDERS" not in names(warehouse, whole)


def test_a_table_that_is_not_configured_is_refused(whole, source):
    with pytest.raises(FatalError, match=r"public\.nothing: no configured table has this name"):
        benchmark.handler({"tables": ["public.nothing"]}, Context(seconds=60))
