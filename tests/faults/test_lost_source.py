"""A source that is gone between two statements is told as such, wherever that happens."""

import pytest

from engine.errors import SourceError
from engine.source import catalogue
from engine.source.connection import Address, connected
from engine.source.snapshot import Baton, _join, open_snapshot
from tests.conftest import execute, through


async def test_while_readers_lock_the_tables(database, proxy):
    await execute(database, "CREATE TABLE t (id int)")
    async with open_snapshot(Address(database), [], 1) as snapshot:
        relations = [each for each in await catalogue.relations(snapshot.holder) if each.name == "t"]
        tables = list((await snapshot.tables(relations)).values())
        snapshot._address = Address(through(database, proxy))
        await snapshot.open_readers(1, [])
        proxy.cut_now(reset=True)
        with pytest.raises(SourceError, match=r"cannot lock 1 tables: .*the connection was lost") as lost:
            await snapshot.open_readers(1, tables)
    assert lost.value.retryable


async def test_while_a_snapshot_is_joined(database, proxy):
    async with connected(Address(through(database, proxy))) as holder:
        proxy.cut_now(reset=True)
        with pytest.raises(SourceError, match=r"cannot join the run's snapshot: .*the connection was lost") as lost:
            await _join(holder, Baton("00000003-00000001-1", "1:1:", 0.0))
    assert lost.value.retryable
