"""A forked run is the command line, or tests that use it prove nothing."""

import os

import pytest

from tests.integration.conftest import engine

__all__ = ["engine"]


async def test_a_forked_run_is_told_by_its_code_its_output_and_its_log(engine, launcher):
    await engine.source("CREATE TABLE t AS SELECT 1 AS id")
    config = engine.values({"name": "public.t"})
    ended, refused = launcher.start(config, "run"), launcher.start(config, "run", "public.nothing")
    done = ended.wait()
    assert (done.code, done.output["status"], done.output["tables"][0]["rows_read"]) == (0, "COMPLETE", 1)
    assert "table_finished" in done.log
    assert engine.target('SELECT "ID" FROM {db}."SHOP"."T"') == [(1,)]
    assert refused.wait().code == 2


async def test_a_killed_run_is_gone(engine, launcher):
    running = launcher.start(engine.values({"name": "public.t"}), "run")
    running.kill()
    killed = running.wait()
    assert (killed.code, killed.output) == (-9, None)
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)


async def test_the_environment_of_a_run_is_its_own(engine, launcher):
    config = engine.values({"name": "public.t"})
    assert launcher.start(config, "plan", BOREALIS_LIMITS__READERS="none").wait().code == 2
    assert "readers" not in launcher.start(config, "plan").wait().log
