"""SQLite's own: a dead process stands in nobody's way. What all stores promise: tests/contract/test_state.py."""

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from engine.errors import ConfigError, LeaseError
from engine.state.sqlite import SqliteState

LEASE_S = 60.0


@pytest.fixture
def state(tmp_path):
    return SqliteState(tmp_path / "deep" / "state.db", lease_s=LEASE_S)


def own(state, owner: str, expires_in: float = LEASE_S) -> None:
    """Makes the lease someone else's."""
    with closing(sqlite3.connect(state._path)) as db, db:
        db.execute("UPDATE lease SET owner = ?, expires = unixepoch() + ?", [owner, expires_in])


def pid_of_the_gone() -> int:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


async def test_a_process_of_this_machine_that_is_gone_has_lost_its_lease(state):
    await state.acquire("SHOP.T", "run1")
    own(state, f"{socket.gethostname()}:{pid_of_the_gone()}")
    assert (await state.acquire("SHOP.T", "run2")).run_id == "run2"


async def test_a_holder_on_another_machine_keeps_its_lease_until_it_ends(state):
    await state.acquire("SHOP.T", "run1")
    own(state, "elsewhere:1")
    with pytest.raises(LeaseError):
        await state.acquire("SHOP.T", "run2")
    assert [lease["run_id"] for lease in await state.leases()] == ["run1"]
    own(state, "elsewhere:1", expires_in=-1)
    assert await state.leases() == []
    await state.acquire("SHOP.T", "run2")


async def test_a_file_that_is_no_database_names_the_setting(tmp_path):
    (tmp_path / "state.db").write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(ConfigError, match=r"state\.path: cannot use"):
        await SqliteState(tmp_path / "state.db", lease_s=LEASE_S).leases()
