"""The embedded server as a process: what it keeps, whom it serves, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError
from engine.local.warehouse.process import Endpoint, attach_or_serve, serve

from .conftest import Connect, House, local_only, open_connection

pytestmark = local_only


class Raw:
    """The protocol without the connector."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.token = ""
        body = {"data": {"LOGIN_NAME": "raw", "PASSWORD": "x", "ACCOUNT_NAME": "local", "SESSION_PARAMETERS": {}}}
        self.token = self.post("/session/v1/login-request?requestId=1", body)["data"]["token"]

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        client = http.client.HTTPConnection(self.endpoint.host, self.endpoint.port, timeout=30)
        headers = {"Authorization": f'Snowflake Token="{self.token}"', "Content-Type": "application/json"}
        client.request("POST", path, json.dumps(body), headers)
        answer = client.getresponse()
        assert answer.status == 200
        found: dict[str, Any] = json.loads(answer.read())
        client.close()
        return found

    def query(self, sql: str, request: str) -> dict[str, Any]:
        return self.post(f"/queries/v1/query-request?requestId={request}", {"sqlText": sql})


def test_a_repeated_request_is_answered_once(house: House, endpoint: Endpoint) -> None:
    """A requestId that was seen answers with the first result and runs nothing, also while the first still runs."""
    table, raw, request = house.table('"A" NUMBER(10,0)'), Raw(endpoint), str(uuid.uuid4())
    insert = f"INSERT INTO {table} SELECT SEQ FROM (SELECT UNNEST(RANGE(2000000)) AS SEQ)"
    answers: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(raw.query(insert, request))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.append(raw.query(insert, request))
    assert answers[0]["success"], answers[0]
    assert all(a == answers[0] for a in answers)
    assert house.one(f"SELECT COUNT(*) FROM {table}") == 2_000_000


def test_an_error_is_an_answer(endpoint: Endpoint) -> None:
    """Errors come as success: false with HTTP 200, a foreign token as 390104."""
    raw = Raw(endpoint)
    answer = raw.query("SELECT no_such_column", str(uuid.uuid4()))
    assert (answer["success"], answer["code"]) == (False, "000904")
    raw.token = "stranger"
    assert raw.query("SELECT 1", str(uuid.uuid4()))["code"] == "390104"


def test_a_statement_that_takes_too_long_ends(house: House, connect: Connect) -> None:
    """STATEMENT_TIMEOUT_IN_SECONDS ends a statement with 000630."""
    slow = house.twin(connect(STATEMENT_TIMEOUT_IN_SECONDS=1))
    big = "(SELECT UNNEST(RANGE(3000000)) AS X)"
    assert slow.refused(f"SELECT COUNT(*) FROM {big} a JOIN {big} b ON a.X <> b.X") == 630
    assert slow.one("SELECT 1") == 1


def test_locks_of_a_lost_client_are_released(house: House, endpoint: Endpoint) -> None:
    """A client that vanishes in a transaction blocks the others for no longer than the server's patience."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"INSERT INTO {table} VALUES (1)")
    raw = Raw(endpoint)
    for sql in ("BEGIN", f'UPDATE {table} SET "A" = 2'):
        assert raw.query(sql, str(uuid.uuid4()))["success"]
    house.run(f'UPDATE {table} SET "A" = 3')
    assert house.one(f'SELECT "A" FROM {table}') == 3


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    """After kill -9 committed rows and staged files are there, an open transaction's are not."""
    with serve(tmp_path) as endpoint:
        connection = open_connection(endpoint)
        house = House(connection, "D", "S", tmp_path)
        for sql in (
            "CREATE DATABASE D",
            "CREATE SCHEMA S",
            "CREATE STAGE STAGE",
            "CREATE TABLE T (\"a\" NUMBER(38,0)) COMMENT = 'c'",
        ):
            house.run(sql)
        house.put("1\n")
        house.run("INSERT INTO T VALUES (1)")
        house.run("BEGIN")
        house.run("INSERT INTO T VALUES (2)")
        os.kill(endpoint.pid, signal.SIGKILL)
        connection.close(retry=False)
    with serve(tmp_path) as endpoint:
        house = House(open_connection(endpoint), "D", "S", tmp_path)
        assert house.run('SELECT "a" FROM D.S.T') == [(1,)]
        assert len(house.run("LIST @D.S.STAGE")) == 1
        assert house.run("SELECT COMMENT FROM D.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'S'") == [("c",)]
        house.copy(house.table('"A" NUMBER(10,0)', "U"))
        house.connection.close()


def test_a_directory_has_one_server(tmp_path: Path) -> None:
    """A second server of a directory is refused with its name and the holder's pid; attaching shares the first."""
    with attach_or_serve(tmp_path) as first:
        with (
            pytest.raises(ConfigError, match=rf"{tmp_path.name}.*already served by the process {first.pid}"),
            serve(tmp_path),
        ):
            pass
        with attach_or_serve(tmp_path) as second:
            assert second == first
        open_connection(first).close()
    with attach_or_serve(tmp_path) as third:
        assert third.pid != first.pid


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed takes the server with it."""
    code = (
        "import sys, time; from pathlib import Path; from engine.local.warehouse.process import serve\n"
        "with serve(Path(sys.argv[1])) as e:\n    print(e.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent")
