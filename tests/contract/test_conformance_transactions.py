"""Transactions: isolation, errors inside them, what commits first, and many that write at once."""

from __future__ import annotations

import concurrent.futures

import pytest

from .conftest import Connect, House


def test_a_transaction_is_isolated(house: House, connect: Connect) -> None:
    """Others see what a transaction wrote after COMMIT, and nothing after ROLLBACK."""
    table, other = house.table('"A" NUMBER(10,0)'), house.twin(connect())
    house.run("BEGIN")
    house.run(f"INSERT INTO {table} VALUES (1)")
    assert other.one(f"SELECT COUNT(*) FROM {table}") == 0
    house.run("COMMIT")
    assert other.one(f"SELECT COUNT(*) FROM {table}") == 1
    house.run("BEGIN")
    house.run(f"DELETE FROM {table}")
    house.run("ROLLBACK")
    assert other.one(f"SELECT COUNT(*) FROM {table}") == 1


def test_reads_are_of_what_is_committed(house: House, connect: Connect) -> None:
    """Each statement of a transaction that has not written sees what others have committed since the last."""
    table, other = house.table('"A" NUMBER(10,0)'), house.twin(connect())
    house.run("BEGIN")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 0
    other.run(f"INSERT INTO {table} VALUES (1)")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 1
    house.run("COMMIT")


def test_an_error_aborts_the_transaction_when_asked(house: House) -> None:
    """With TRANSACTION_ABORT_ON_ERROR every statement after an error fails, and COMMIT keeps nothing."""
    table = house.table('"A" NUMBER(10,0)')
    house.run("BEGIN")
    house.run(f"INSERT INTO {table} VALUES (1)")
    assert house.refused(f"INSERT INTO {table} VALUES ('x')") in (100038, 2023)
    house.refused(f"INSERT INTO {table} VALUES (2)")
    house.run("ROLLBACK")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 0


def test_an_error_leaves_the_transaction_open_by_default(house: House, connect: Connect) -> None:
    """Without it only the failed statement is undone, and COMMIT keeps the rest."""
    table, other = house.table('"A" NUMBER(10,0)'), house.twin(connect(TRANSACTION_ABORT_ON_ERROR=False))
    other.run("BEGIN")
    other.run(f"INSERT INTO {table} VALUES (1)")
    other.refused(f"INSERT INTO {table} VALUES ('x')")
    other.run(f"INSERT INTO {table} VALUES (2)")
    other.run("COMMIT")
    assert house.run(f'SELECT "A" FROM {table} ORDER BY 1') == [(1,), (2,)]


def test_ddl_commits_first(house: House) -> None:
    """CREATE, ALTER and DROP commit the open transaction, so that a later ROLLBACK undoes nothing of it."""
    table = house.table('"A" NUMBER(10,0)')
    house.run("BEGIN")
    house.run(f"INSERT INTO {table} VALUES (1)")
    house.run(f"COMMENT ON TABLE {table} IS 'x'")
    house.run("ROLLBACK")
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 1


def test_insert_overwrite_rolls_back(house: House) -> None:
    """INSERT OVERWRITE replaces all rows inside the transaction, from the table itself too."""
    table = house.table('"A" NUMBER(10,0), "B" VARCHAR')
    house.run(f"INSERT INTO {table} VALUES (1, 'x'), (2, 'y')")
    house.run("BEGIN")
    house.run(f'INSERT OVERWRITE INTO {table} ("A") SELECT "A" + 1 FROM {table}')
    assert house.run(f"SELECT * FROM {table} ORDER BY 1") == [(2, None), (3, None)]
    house.run("ROLLBACK")
    assert house.run(f"SELECT * FROM {table} ORDER BY 1") == [(1, "x"), (2, "y")]


def test_many_write_one_ledger(house: House, connect: Connect) -> None:
    """Transactions that load their own file and insert into one ledger run side by side without a conflict."""
    table, ledger = house.table('"A" NUMBER(10,0), "B" VARCHAR'), house.table('"CHUNK" NUMBER(10,0)', "LEDGER")

    def load(number: int) -> None:
        mine = house.twin(connect())
        for turn in range(5):
            name = f"{number}_{turn}.csv.gz"
            mine.put("1,x\n" * 100, name)
            mine.run("BEGIN")
            mine.copy(table, name)
            mine.run(f"INSERT INTO {ledger} SELECT {number}")
            mine.run("COMMIT")

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(load, range(6)))
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 3000
    assert house.one(f"SELECT COUNT(*) FROM {ledger}") == 30


def test_one_file_is_loaded_once(house: House, connect: Connect) -> None:
    """Two sessions that COPY the same file into one table at once load it once."""
    table = house.table('"A" NUMBER(10,0), "B" VARCHAR')
    house.put("1,x\n")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        twins = [house.twin(connect()) for _ in range(4)]
        list(pool.map(lambda twin: twin.copy(table), twins))
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 1


def test_what_may_be_there_already_is_made_once(house: House, connect: Connect) -> None:
    """Sessions that make the same thing at once, if it is not there, all succeed: the first run of two tables does."""
    twins = [house.twin(connect()) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for number in range(10):
            statement = f'CREATE TABLE IF NOT EXISTS {house.name(f"MADE{number}")} ("A" NUMBER(10,0))'
            list(pool.map(lambda twin, statement=statement: twin.run(statement), twins))


def test_a_version_is_taken_once(house: House, connect: Connect) -> None:
    """Of two sessions that compare and set the same row, the second waits and then changes no row."""
    table = house.table('"NAME" VARCHAR, "VERSION" NUMBER(19,0)')
    house.run(f"INSERT INTO {table} VALUES ('t', 3)")
    first, second = house.twin(connect()), house.twin(connect())
    change = f"""UPDATE {table} SET "VERSION" = 4 WHERE "NAME" = 't' AND "VERSION" = 3"""
    first.run("BEGIN")
    second.run("BEGIN")
    assert second.one(f'SELECT "VERSION" FROM {table}') == 3
    first.run(change)
    assert first.rowcount == 1
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.run, change)
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.5)
        first.run("COMMIT")
        waiting.result(20)
    assert second.rowcount == 0
    second.run("COMMIT")
