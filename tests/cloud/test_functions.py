"""What the runner does as Lambda does: the real runtime client, in processes that are reused, frozen and killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from engine.local.cloud.environment import ROOT, FunctionSpec
from engine.local.cloud.functions import Functions, Throttled, UnknownFunction

CODE = Path(__file__).with_name("functions")


@pytest.fixture
def functions(tmp_path):
    specs = {
        "plain": FunctionSpec("plain.handler", memory_mb=128, timeout_s=1, concurrency=3, code=CODE),
        "broken": FunctionSpec("plain.absent", code=CODE),
    }
    with Functions(tmp_path, specs, {"SET": "for all"}) as functions:
        yield functions


def test_a_warm_environment_is_used_again_and_keeps_its_module(functions):
    first, second = functions.invoke("plain", {}), functions.invoke("plain", {})
    assert (first.cold, second.cold) == (True, False)
    assert [first.payload["calls"], second.payload["calls"]] == [1, 2]
    assert first.payload["pid"] == second.payload["pid"]
    assert first.init_s > 0 == second.init_s


def test_the_handler_sees_its_context(functions):
    seen = functions.invoke("plain", {}, request_id="7", trace_id="Root=1-2-3").payload
    assert (seen["request_id"], seen["function"], seen["memory_mb"], seen["trace_id"]) == (
        "7",
        "plain",
        128,
        "Root=1-2-3",
    )
    assert seen["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:plain"
    assert 800 < seen["remaining_ms"] <= 1000


def test_the_environment_is_the_functions_own(functions, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_DEVELOPER", "x")
    seen = functions.invoke("plain", {"do": "environment"}).payload["did"]
    assert "SECRET_OF_THE_DEVELOPER" not in seen
    assert (seen["SET"], seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) == ("for all", "128")
    assert Path(seen["TMPDIR"]).is_dir()
    assert not Path(seen["HOME"]).exists()


def test_an_error_of_the_handler_is_told_by_the_name_of_its_class(functions):
    answer = functions.invoke("plain", {"do": "fail", "with": "the lake is frozen"})
    assert (answer.outcome, answer.error["errorType"]) == ("error", "RetryableError")
    assert answer.error["errorMessage"] == "the lake is frozen"
    assert not functions.invoke("plain", {}).cold


def test_an_import_that_fails_is_told(functions):
    answer = functions.invoke("broken", {})
    assert (answer.outcome, answer.error["errorType"]) == ("init", "Runtime.HandlerNotFound")
    assert functions.invoke("broken", {}).cold


def test_past_its_time_an_environment_is_killed(functions):
    functions.invoke("plain", {})
    answer = functions.invoke("plain", {"do": "sleep", "with": 5})
    assert (answer.outcome, answer.killed, answer.error["errorType"]) == ("timeout", True, "Sandbox.Timedout")
    assert "Task timed out after 1.00 seconds" in answer.error["errorMessage"]
    assert 1 <= answer.seconds < 1.5
    assert functions.invoke("plain", {}).cold


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("where", ["allocate", "allocate in child"])
def test_past_its_memory_an_environment_is_killed(functions, where):
    answer = functions.invoke("plain", {"do": where, "with": 200})
    assert (answer.outcome, answer.error["errorType"]) == ("memory", "Runtime.OutOfMemory")
    assert answer.memory_mb > 128
    assert answer.seconds < 0.9


def test_a_process_that_ends_is_told_and_replaced(functions):
    answer = functions.invoke("plain", {"do": "exit", "with": 3})
    assert (answer.outcome, answer.error["errorType"]) == ("exit", "Runtime.ExitError")
    assert answer.error["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert functions.invoke("plain", {}).payload["calls"] == 1


def test_busy_environments_get_company_up_to_the_cap(functions):
    answers, refused = [], []

    def invoke():
        try:
            answers.append(functions.invoke("plain", {"do": "sleep", "with": 0.5}))
        except Throttled:
            refused.append(1)

    threads = [threading.Thread(target=invoke) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answers), len(refused)) == (3, 2)
    assert len({answer.environment for answer in answers}) == 3
    assert not functions.invoke("plain", {}).cold


def test_nothing_runs_between_two_invocations(functions, tmp_path):
    ticks = tmp_path / "ticks"
    functions.invoke("plain", {"do": "tick", "with": str(ticks)})
    before = ticks.stat().st_size
    time.sleep(0.3)
    assert ticks.stat().st_size == before
    functions.invoke("plain", {"do": "sleep", "with": 0.2})
    assert ticks.stat().st_size > before


def test_one_in_the_middle_of_its_work_can_be_killed(functions):
    timer = threading.Timer(0.3, functions.kill_one, ["plain"])
    timer.start()
    answer = functions.invoke("plain", {"do": "sleep", "with": 0.9})
    assert (answer.outcome, answer.error["errorType"]) == ("exit", "Runtime.ExitError")
    assert answer.error["errorMessage"].endswith("signal 9")
    assert functions.invoke("plain", {}).cold


def test_a_frozen_one_can_be_killed(functions):
    first = functions.invoke("plain", {})
    assert functions.kill_one("plain") == first.environment
    assert functions.kill_one("plain") is None
    assert functions.invoke("plain", {}).cold


def test_f24_an_event_that_fails_is_tried_twice_more_under_the_same_request_id(functions, tmp_path):
    calls = tmp_path / "calls"
    functions.send("plain", {"do": "count", "with": [str(calls), 9]}, request_id="one")
    assert functions.settle(10)
    assert calls.stat().st_size == 3
    assert [(each.request_id, each.outcome) for each in functions.trace] == [("one", "error")] * 3


def test_an_event_that_passes_at_last_is_not_tried_again(functions, tmp_path):
    calls = tmp_path / "calls"
    functions.send("plain", {"do": "count", "with": [str(calls), 2]})
    assert functions.settle(10)
    assert [each.outcome for each in functions.trace] == ["error", "ok"]


def test_events_wait_for_an_environment(functions):
    for _ in range(8):
        functions.send("plain", {"do": "sleep", "with": 0.1})
    assert functions.settle(20)
    assert Counter(each.outcome for each in functions.trace) == {"ok": 8}
    assert len({each.environment for each in functions.trace}) == 3


def test_each_invocation_has_its_log(functions):
    functions.invoke("plain", {"do": "say", "with": "first"})
    logs = functions.invoke("plain", {"do": "say", "with": "second"}, request_id="two").logs
    assert "START RequestId: two" in logs[0]
    assert logs[1:3] == ["second", "second"]
    assert "END RequestId: two" in logs[-2]
    assert "REPORT RequestId: two" in logs[-1]
    assert "Memory Size: 128 MB" in logs[-1]


def test_the_trace_says_what_ran_where(functions):
    functions.invoke("plain", {})
    functions.invoke("plain", {"do": "sleep", "with": 0.3})
    first, second = functions.trace
    assert (first.function, first.environment, first.cold) == ("plain", "plain-1", True)
    assert (second.environment, second.cold, second.outcome) == ("plain-1", False, "ok")
    assert 0.3 <= second.seconds < 0.7
    assert second.remaining_s == pytest.approx(1 - second.seconds, abs=0.05)
    assert second.started_at > first.started_at


def test_a_function_that_is_not_there_is_refused(functions):
    with pytest.raises(UnknownFunction):
        functions.invoke("nobody", {})


def test_frozen_processes_end_with_their_owner(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from engine.local.cloud.functions import Functions, FunctionSpec;"
        "f = Functions(Path(sys.argv[2]), {'plain': FunctionSpec('plain.handler', code=Path(sys.argv[3]))});"
        "print(f.invoke('plain', {}).payload['pid'], flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, str(ROOT), str(tmp_path), str(CODE)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert ran.returncode == -signal.SIGKILL
    for _ in range(100):
        if not is_running(int(ran.stdout)):
            return
        time.sleep(0.05)
    os.kill(int(ran.stdout), signal.SIGKILL)
    pytest.fail("the function outlived its owner")


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
