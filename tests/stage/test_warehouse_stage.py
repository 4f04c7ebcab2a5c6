"""The embedded warehouse's external stages, as Snowflake documents them; by the real connector."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from snowflake.connector import DatabaseError

from tests.contract.conftest import FORMAT
from tests.stage.conftest import allow

Run = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def run(bucket, warehouse, target_database) -> Run:
    """A statement in a schema with a table T and the stage S of the bucket's `prod/`."""
    allow(warehouse, f"{bucket.url}/")
    with warehouse.connect() as connection:

        def statement(sql: str) -> list[tuple[Any, ...]]:
            return connection.cursor().execute(sql).fetchall()

        statement(f'CREATE DATABASE "{target_database}"')
        statement(f"CREATE STAGE S URL = '{bucket.url}/' STORAGE_INTEGRATION = for_tests DIRECTORY = (ENABLE = FALSE)")
        statement("CREATE TABLE T (A NUMBER(10,0), B VARCHAR)")
        yield statement


def put(bucket, key: str, text: str) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key=f"prod/{key}", Body=gzip.compress(text.encode()))


def refused(run: Run, sql: str) -> int:
    with pytest.raises(DatabaseError) as caught:
        run(sql)
    return int(caught.value.errno or 0)


def copy(*files: str, more: str = "") -> str:
    return f"COPY INTO T FROM @S/run/ FILES = ({', '.join(repr(f) for f in files)}) {FORMAT} {more}"


def test_list_and_remove_speak_of_urls_and_take_a_path_for_a_prefix(run, bucket):
    for key in ("run/a", "run/b", "run1/a"):
        put(bucket, key, "1,x\n")
    assert [(row[0], row[1]) for row in run("LIST @S/run/")] == [(f"{bucket.url}/run/{n}", 24) for n in "ab"]
    assert run("REMOVE @S/run/") == [(f"{bucket.url}/run/{n}", "removed") for n in "ab"]
    assert bucket.objects() == ["prod/run1/a"]


def test_copy_loads_the_listed_files_once(run, bucket):
    put(bucket, "run/a.csv.gz", "1,x\n2,\n")
    put(bucket, "run/b.csv.gz", '3,"y\nz"\n')
    loaded = run(copy("a.csv.gz", "b.csv.gz"))
    assert [row[:4] for row in loaded] == [
        (f"{bucket.url}/run/a.csv.gz", "LOADED", 2, 2), (f"{bucket.url}/run/b.csv.gz", "LOADED", 1, 1),
    ]  # fmt: skip
    assert run(copy("a.csv.gz")) == [("Copy executed with 0 files processed.",)]
    put(bucket, "run/a.csv.gz", "4,new\n")
    run(copy("a.csv.gz"))
    assert run("SELECT * FROM T ORDER BY A") == [(1, "x"), (2, None), (3, "y\nz"), (4, "new")]


def test_a_copy_is_undone_with_its_transaction_and_may_be_repeated(run, bucket):
    put(bucket, "run/a.csv.gz", "1,x\n")
    run("BEGIN")
    run(copy("a.csv.gz"))
    run("ROLLBACK")
    run(copy("a.csv.gz"))
    assert run("SELECT COUNT(*) FROM T") == [(1,)]


def test_a_transaction_that_meets_another_reads_its_files_again(run, bucket, warehouse, target_database):
    """DuckDB's transactions conflict where Snowflake's wait, so the server runs the writes of one once more."""
    put(bucket, "run/a.csv.gz", "1,x\n")
    run("CREATE TABLE U (A NUMBER(10,0))")
    run("INSERT INTO U VALUES (1)")
    run("BEGIN")
    run(copy("a.csv.gz"))
    warehouse.query(f'UPDATE "{target_database}"."PUBLIC"."U" SET A = 2')
    run("UPDATE U SET A = A + 1")
    run("COMMIT")
    assert run("SELECT (SELECT COUNT(*) FROM T), (SELECT A FROM U)") == [(1, 3)]


def test_a_fault_in_a_file_names_it(run, bucket):
    put(bucket, "run/a.csv.gz", "1,x\nno,y\n")
    with pytest.raises(DatabaseError, match=r"(?s)run/a.csv.gz', line 2.*\"A\"") as caught:
        run(copy("a.csv.gz"))
    assert caught.value.errno == 100038


def test_what_is_not_there_or_not_allowed_is_refused(run, bucket):
    assert refused(run, copy("nothing.csv.gz")) == 91016
    assert refused(run, f"CREATE STAGE S2 URL = 's3://{bucket.name}/dev/' STORAGE_INTEGRATION = for_tests") == 3167
    assert refused(run, f"CREATE STAGE S2 URL = '{bucket.url}/' STORAGE_INTEGRATION = nobody") == 2003
    assert refused(run, "PUT 'file:///tmp/a.csv.gz' @S/run/") == 2
    bucket.client.delete_bucket(Bucket=bucket.name)
    assert refused(run, "LIST @S") == 91003


def test_purge_deletes_what_was_loaded_and_drop_leaves_the_rest(run, bucket):
    put(bucket, "run/a.csv.gz", "1,x\n")
    put(bucket, "run/b.csv.gz", "1,x\n")
    run(copy("a.csv.gz").replace("PURGE = FALSE", "PURGE = TRUE"))
    assert bucket.objects() == ["prod/run/b.csv.gz"]
    assert [(row[1], row[4], row[9]) for row in run("SHOW STAGES")] == [("S", f"{bucket.url}/", "EXTERNAL")]
    run("DROP STAGE S")
    assert bucket.objects() == ["prod/run/b.csv.gz"]
