"""The state machine that Terraform deploys, interpreted by moto, with functions under the real runtime client."""

import dataclasses
import functools
import json
import threading

import anyio
import pytest

from engine.config import State
from handlers.replay import replay
from tests.cloud.conftest import RUN, TEMPLATE, TRACE

REQUEST = {"tables": ["public.*"], "full": True}


def test_groups_are_planned_copied_and_finished(machine):
    machine.planned(0, 1, 2)
    ended = machine.execute(REQUEST)
    assert (ended.status, ended.output["status"], ended.output["tables"]) == (
        "SUCCEEDED",
        "COMPLETE",
        [{"table": "public.a"}],
    )
    ids = {"execution": ended.arn, "correlation_id": ended.arn}
    request = {**REQUEST, "correlation_id": ended.arn}
    assert machine.asked("plan") == [{"step": "plan", **ids, "request": request, "round": 1}]
    for group in (0, 1, 2):
        assert machine.asked(f"group {group}") == [{"run_id": RUN, "group": group, **ids, "trace": TRACE}]
    assert machine.asked("finish") == [{"step": "finish", **ids, "run_id": RUN, "round": 1, "trace": TRACE}]
    assert machine.aws.messages(machine.dead_letters) == []


def test_the_correlation_id_of_a_request_is_in_every_event(machine):
    machine.planned(0)
    machine.execute({"correlation_id": "7a"})
    assert [each.event["correlation_id"] for each in machine.functions.trace] == ["7a"] * 3


def test_a_run_with_nothing_to_copy_is_finished_all_the_same(machine):
    machine.planned()
    assert machine.execute({}).status == "SUCCEEDED"
    assert [each.function for each in machine.functions.trace] == ["parallel", "parallel"]


def test_what_is_left_is_planned_again_in_the_next_round(machine):
    machine.planned(0)
    plan = {"run_id": RUN, "groups": [0], "trace": TRACE}
    machine.answers("plan", *({**plan, "round": number} for number in (1, 2, 3)))
    left = {"run_id": RUN, "tables": []}
    machine.answers(
        "finish",
        {**left, "status": "PARTIAL", "round": 1},
        {**left, "status": "PARTIAL", "round": 2},
        {**left, "status": "COMPLETE", "round": 3},
    )
    ended = machine.execute(REQUEST)
    assert (ended.status, ended.output["round"]) == ("SUCCEEDED", 3)
    first, *others = machine.asked("plan")
    again = {**first, "run_id": RUN, "trace": TRACE}
    assert others == [{**again, "round": 2}, {**again, "round": 3}]
    assert len(machine.asked("group 0")) == 3


@pytest.mark.parametrize("name", ["plan", "group 0", "finish"])
def test_what_may_pass_later_is_tried_again(machine, name):
    machine.planned(0)
    passes = json.loads((machine.script / f"{name}.json").read_text())
    machine.answers(name, {"raise": "RetryableError", "message": "the source is restarting"}, *passes)
    assert machine.execute(REQUEST).status == "SUCCEEDED"
    first, second = machine.asked(name)
    assert first == second


def test_a_function_that_is_killed_is_tried_again(machine):
    machine.planned(0, 1)
    machine.answers("group 0", {"exit": 1}, {"status": "COMPLETE"})
    machine.answers("group 1", {"seconds": 5}, {"status": "COMPLETE"})
    assert machine.execute(REQUEST).status == "SUCCEEDED"
    killed = {each.payload["errorType"] for each in machine.functions.trace if each.killed}
    assert killed == {"Runtime.ExitError", "Sandbox.Timedout"}
    assert (len(machine.asked("group 0")), len(machine.asked("group 1"))) == (2, 2)


def test_f24_throttling_is_waited_out(machine):
    machine.planned(0, 1)
    for group in (0, 1):
        machine.answers(f"group {group}", {"status": "COMPLETE", "seconds": 0.8})
    machine.functions.specs["worker"] = dataclasses.replace(machine.functions.specs["worker"], concurrency=1)
    assert machine.execute(REQUEST).status == "SUCCEEDED"
    assert [each.outcome for each in machine.functions.trace] == ["ok"] * 4


def test_at_most_so_many_workers_run_at_once(machine):
    machine.planned(0, 1, 2, 3)
    for group in range(4):
        machine.answers(f"group {group}", {"status": "COMPLETE", "seconds": 0.3})
    machine.execute(REQUEST)
    workers = [each for each in machine.functions.trace if each.function == "worker"]
    assert len({each.environment for each in workers}) == 2


def test_a_worker_that_fails_for_good_does_not_stop_the_others(machine):
    machine.planned(0, 1, 2)
    machine.answers("group 1", {"raise": "FatalError", "message": "a value has no place"})
    machine.answers("finish", {"status": "FAILED", "run_id": RUN, "round": 1, "tables": [{"table": "public.b"}]})
    ended = machine.execute(REQUEST)
    assert [len(machine.asked(f"group {group}")) for group in (0, 1, 2)] == [1, 1, 1]
    (letter,) = machine.aws.messages(machine.dead_letters)
    told = json.loads(letter)["error"]
    assert (told["code"], json.loads(told["message"])) == ("TablesFailed", [{"table": "public.b"}])
    assert (ended.status, ended.error, json.loads(ended.cause)) == ("FAILED", "RunFailed", told)


@pytest.mark.parametrize(
    ("name", "run_id", "error", "calls"),
    [
        ("plan", None, "FatalError", 1),
        ("finish", RUN, "FatalError", 1),
        ("plan", None, "RetryableError", 9),
    ],
    ids=["plan", "finish", "plan, at last"],
)
def test_what_is_left_of_a_failure_is_enough_to_replay_it(machine, name, run_id, error, calls):
    machine.planned(0)
    machine.answers(name, {"raise": error, "message": "public.a is gone"})
    ended = machine.execute(REQUEST)
    assert ended.status == "FAILED"
    assert len(machine.asked(name)) == calls
    (message,) = machine.aws.messages(machine.dead_letters)
    letter = json.loads(message)
    told = letter.pop("error")
    assert (told["code"], json.loads(told["message"])["errorMessage"]) == (error, "public.a is gone")
    assert letter.pop("time")
    assert letter == {
        "function": None,
        "state_machine": machine.arn,
        "event": {**REQUEST, "correlation_id": ended.arn},
        "run_id": run_id,
        "correlation_id": ended.arn,
    }
    (text,) = machine.aws.messages(machine.told)
    assert text.startswith(f"The execution {ended.arn} has failed with {error}: ")
    assert f" Correlation id: {ended.arn}. " in text


def test_a_letter_of_the_state_machine_can_be_replayed(machine, monkeypatch):
    machine.planned(0)
    passes = json.loads((machine.script / "plan.json").read_text())
    machine.answers("plan", {"raise": "FatalError", "message": "public.a is gone"}, *passes)
    machine.execute(REQUEST)
    for name, value in {**machine.aws.variables, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    (replayed,) = anyio.run(functools.partial(replay, machine.dead_letters, None, most=10, dry_run=False))
    assert (replayed.sent, replayed.goes_to, replayed.failure) == (True, machine.arn, "FatalError: public.a is gone")
    arn = f"{machine.arn.replace(':stateMachine:', ':execution:')}:replay-{replayed.message_id}"
    assert machine.aws.execution(arn, seconds=20).status == "SUCCEEDED"
    assert (
        machine.asked("plan")[1]["request"].items()
        >= {
            **machine.asked("plan")[0]["request"],
            "idempotency_key": f"replay-{replayed.message_id}",
        }.items()
    )
    assert machine.aws.messages(machine.dead_letters) == []


def test_a_failure_is_told_even_if_the_queue_is_gone(machine):
    machine.planned(0)
    machine.answers("plan", {"raise": "FatalError"})
    machine.aws.client("sqs").delete_queue(QueueUrl=machine.dead_letters)
    assert json.loads(machine.execute(REQUEST).cause)["code"] == "FatalError"
    assert len(machine.aws.messages(machine.told)) == 1


def test_executions_at_the_same_time_do_not_mix(machine):
    machine.planned(0)
    ended = []
    threads = [threading.Thread(target=lambda: ended.append(machine.execute(REQUEST))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.status for each in ended} == {"SUCCEEDED"}
    assert {each["correlation_id"] for each in machine.asked("group 0")} == {each.arn for each in ended}


def test_all_functions_of_an_execution_are_in_the_trace_of_who_started_it(machine):
    machine.planned(0, 1)
    trace_id = "Root=1-6b04381d-5f1e4bfeccf8181e0131f36a;Parent=567c1c8180e3b70b;Sampled=1"
    client = machine.aws.client("stepfunctions")
    started = client.start_execution(stateMachineArn=machine.arn, name="traced", input="{}", traceHeader=trace_id)
    machine.aws.execution(started["executionArn"], seconds=20)
    assert [each.trace_id for each in machine.functions.trace] == [trace_id] * 4
    machine.execute(REQUEST)
    others = {each.trace_id for each in machine.functions.trace[4:]}
    assert len(others) == 1
    assert trace_id not in others


def test_every_task_that_calls_a_function_retries_alike():
    states = json.loads(TEMPLATE.read_text(encoding="utf-8").replace("${workers}", "8"))["States"]
    tasks = [states["Plan"], states["Finish"], states["Work"]["ItemProcessor"]["States"]["Copy"]]
    policies = [[{**retrier, "Comment": None} for retrier in task["Retry"]] for task in tasks]
    assert policies[0] == policies[1] == policies[2]
    assert {retrier["JitterStrategy"] for retrier in policies[0]} == {"FULL"}


def test_an_error_of_the_service_is_told_too(machine):
    machine.planned(0)
    machine.answers("plan", {"seconds": 1.5})
    states = json.loads(machine.text)
    states["States"]["Plan"]["TimeoutSeconds"] = 1
    states["States"]["Plan"]["Retry"] = []
    ended = machine.aws.execute(machine.aws.state_machine(f"{machine.name}-hasty", json.dumps(states)), REQUEST)
    (letter,) = machine.aws.messages(machine.dead_letters)
    assert json.loads(letter)["error"] == json.loads(ended.cause)
    assert json.loads(ended.cause)["code"] == "States.Timeout"


def test_retries_outlast_the_lease_of_a_function_that_died():
    """Who comes after it is refused until then; with full jitter a pause is half of its bound on average."""
    states = json.loads(TEMPLATE.read_text(encoding="utf-8").replace("${workers}", "8"))["States"]
    (retrier,) = [each for each in states["Finish"]["Retry"] if "RetryableError" in each["ErrorEquals"]]
    pauses = [retrier["IntervalSeconds"] * retrier["BackoffRate"] ** n for n in range(retrier["MaxAttempts"])]
    assert sum(min(pause, retrier["MaxDelaySeconds"]) for pause in pauses) / 2 > 4 * State().lease_s
