"""What functions tell of themselves, under the real runtime client, and what they do not."""

import json
import time
from pathlib import Path

import pytest

from engine.local.cloud.environment import ROOT, FunctionSpec
from engine.local.cloud.functions import Functions
from tests.handlers.conftest import MINIMAL
from tests.telemetry.collector import Collector

CODE = Path(__file__).with_name("functions")
SECRET = "hunter2-hunter2"
HEADER = "Root=1-6553f100-0123456789abcdef01234567;Parent=00f067aa0ba902b7;Sampled={}"


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture
def functions(tmp_path):
    """`told` has no collector; `first` and `second` are two functions that have one."""

    def started(collector: Collector | None = None) -> Functions:
        spec = FunctionSpec("told.handler", code=CODE, env={**MINIMAL, "PYTHONPATH": f"{CODE}:{ROOT}"})
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} if collector else {}
        opened.append(Functions(tmp_path, dict.fromkeys(("told", "first", "second"), spec), variables))
        return opened[-1]

    opened: list[Functions] = []
    yield started
    for each in opened:
        each.close()


def lines_of(answer):
    return [json.loads(line) for line in answer.logs if line.startswith("{")]


def told(answer, event):
    return [line for line in lines_of(answer) if line.get("event") == event]


def test_every_line_has_the_correlation_id_and_its_own_tasks_keys(functions):
    """Tasks at the same time, and their threads, each keep what they noted, and leave nothing to the next."""
    answer = functions().invoke("told", {"correlation_id": "order-7"}, request_id="r1")
    assert answer.outcome == "ok", answer
    lines = [line for line in lines_of(answer) if "event" in line]
    assert {(line["correlation_id"], line["request_id"], line["function"]) for line in lines} == {
        ("order-7", "r1", "told")
    }
    for event in ("from_task", "from_thread"):
        assert sorted((line["number"], line["chunk"]) for line in told(answer, event)) == [
            (number, str(number)) for number in range(8)
        ]
    assert "chunk" not in told(answer, "invocation_finished")[0]


def test_an_invocation_does_not_inherit_the_keys_of_the_one_before(functions):
    running = functions()
    cold, warm = running.invoke("told", {"correlation_id": "one"}), running.invoke("told", {}, request_id="two")
    assert [told(each, "invocation_started")[0]["cold_start"] for each in (cold, warm)] == [True, False]
    assert {line["correlation_id"] for line in lines_of(warm) if "event" in line} == {"two"}


def test_an_invocation_is_told_as_metrics(functions):
    (metric,) = [line for line in lines_of(functions().invoke("told", {})) if "_aws" in line]
    (definition,) = metric["_aws"]["CloudWatchMetrics"]
    assert (definition["Namespace"], definition["Dimensions"]) == ("Borealis", [["service", "function"]])
    units = {each["Name"]: each["Unit"] for each in definition["Metrics"]}
    assert units == {
        "ChunksLeft": "Count", "InvocationSeconds": "Seconds", "GivenAwaySeconds": "Seconds", "CostEstimate": "None"
    }  # fmt: skip
    assert (metric["service"], metric["function"], metric["ChunksLeft"]) == ("borealis", "told", [3.0])
    assert 25 < metric["GivenAwaySeconds"][0] < 30
    assert 0 < metric["CostEstimate"][0] < 0.0001


@pytest.mark.parametrize(
    ("do", "kind", "code"), [("fail", "TargetError", "target"), ("break", "ValueError", "unexpected")]
)
def test_a_failure_is_told_in_our_words_alone(functions, do, kind, code):
    answer = functions().invoke("told", {"do": do, "secret": SECRET})
    assert answer.outcome == "error"
    (failure,) = told(answer, "invocation_failed")
    error = failure["error"]
    assert (error["class"], error["code"], failure["level"]) == (kind, code, "ERROR")
    assert SECRET not in "\n".join(answer.logs)
    assert SECRET not in json.dumps(answer.payload)
    assert [line["InvocationFailures"] for line in lines_of(answer) if "_aws" in line] == [[1.0]]


def test_that_a_library_spoke_is_told_without_its_words(functions):
    answer = functions().invoke("told", {"do": "fail", "secret": SECRET})
    (line,) = told(answer, "library")
    assert (line["library"], line["said"]) == ("driver", "WARNING")


def test_two_functions_of_a_run_share_one_trace(functions, collector):
    """The first continues Lambda's own, the second what the event carries, whatever Lambda gives it."""
    running = functions(collector)
    first = running.invoke("first", {}, trace_id=HEADER.format(0))
    second = running.invoke("second", {"trace": first.payload["trace"]})
    assert (first.outcome, second.outcome) == ("ok", "ok")
    root, trace = HEADER[5:40], "6553f1000123456789abcdef01234567"
    assert {span.trace_id.hex() for span in collector.spans} == {trace}
    assert len(collector.spans) == 2 * (1 + 1 + 8)
    parents = {span.span_id: span for span in collector.spans}
    (one,), (two,) = collector.named("first"), collector.named("second")
    assert one.parent_span_id.hex() == "00f067aa0ba902b7"
    assert parents[two.parent_span_id].name == "table"
    assert {parents[span.parent_span_id].name for span in collector.named("read")} == {"table"}
    assert {line["trace_id"] for each in (first, second) for line in lines_of(each) if "event" in line} == {root}
    assert {each["faas.name"] for each in collector.resources} == {"first", "second"}


def test_a_span_says_that_it_failed_and_with_which_code_alone(functions, collector):
    functions(collector).invoke("first", {"do": "fail", "secret": SECRET})
    assert {(span.name, span.status.code, span.status.message) for span in collector.spans} == {
        ("first", 2, "target"),
        ("table", 2, "target"),
    }
    assert SECRET.encode() not in b"".join(collector.requests)


@pytest.mark.parametrize(("status", "delay_s"), [(503, 0.0), (400, 0.0), (200, 9.0)])
def test_a_collector_that_is_in_trouble_costs_seconds_and_no_run(functions, collector, status, delay_s):
    collector.status, collector.delay_s = status, delay_s
    running = functions(collector)
    began = time.monotonic()
    answer = running.invoke("first", {})
    assert answer.outcome == "ok"
    assert time.monotonic() - began - answer.init_s < 7
    assert told(answer, "invocation_finished")[0]["spans_lost"] == 10


def test_without_a_collector_the_trace_is_handed_on_still(functions):
    answer = functions().invoke("told", {}, trace_id=HEADER.format(1))
    assert answer.payload["trace"] == HEADER.format(1)


def test_nothing_runs_on_after_an_invocation(functions, collector):
    running = functions(collector)
    threads = [running.invoke("first", {"do": "nothing"}).payload["threads"] for _ in range(3)]
    assert threads == [1, 1, 1]
