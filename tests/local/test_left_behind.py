"""What is left behind: by the embedded warehouse on a machine, nothing; by clients at the warehouse, not for long."""

import tempfile
import time

import orjson
import urllib3

from engine.local.warehouse.process import serve

LOGIN = b'{"data": {"LOGIN_NAME": "tester"}}'


def test_an_embedded_warehouse_leaves_no_temporary_files(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with serve(tmp_path / "warehouse"):
        pass
    assert list((tmp_path / "tmp").iterdir()) == []


def test_sessions_of_clients_that_left_make_room_and_those_of_others_stay(tmp_path):
    with serve(tmp_path / "warehouse") as endpoint, urllib3.HTTPConnectionPool("127.0.0.1", endpoint.port) as pool:

        def log_in(pool=pool):
            answer = orjson.loads(pool.request("POST", "/session/v1/login-request", body=LOGIN).data)
            return answer["success"] and answer["data"]["token"]

        def lives(token):
            asked = pool.request("POST", "/session/heartbeat", headers={"Authorization": f'Snowflake Token="{token}"'})
            return orjson.loads(asked.data)["success"]

        here = log_in()
        assert lives(here)
        with urllib3.HTTPConnectionPool("127.0.0.1", endpoint.port) as another:
            left = [log_in(another) for _ in range(255)]
        assert all(left)
        assert not log_in(), "it holds no more"
        time.sleep(6)
        assert log_in()
        assert lives(here)
        assert not lives(left[0])
