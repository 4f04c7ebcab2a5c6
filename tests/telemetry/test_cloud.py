"""A run over many functions, with all that it has in production: one trace, one correlation id, no value, no secret."""

import json
import time
import zlib

import anyio
import pytest

from engine.config import load
from engine.local.cloud.cloud import DATABASE, READER, cloud
from tests.conftest import execute
from tests.telemetry.collector import Collector

ROWS = ("zq-row-text", "zq-refused-text", "91827364550")
HEADER = "Root=1-6553f100-0123456789abcdef01234567;Parent=00f067aa0ba902b7;Sampled=0"
TABLES = """
[[tables]]
name = "public.good"

[[tables]]
name = "public.broken"
columns.v.type = "NUMBER(10,2)"
"""
SOURCE = (
    "CREATE TABLE good AS SELECT n AS id, 'zq-row-text' || n AS v, 91827364550 AS w FROM generate_series(1, 200000) n",
    "CREATE TABLE broken AS SELECT 'zq-refused-text' AS v",
    f"GRANT SELECT ON good, broken TO {READER}",
)


class Ran:
    """What is left of a fanned-out run of one table that arrives and one whose value the target refuses."""

    def __init__(self, up, collector):
        self.up, self.collector = up, collector
        request = {"tables": ["public.good", "public.broken"], "correlation_id": "order-7"}
        started = up.functions.invoke("parallel", request, trace_id=HEADER)
        self.execution = up.aws.execution(started.payload["execution"], seconds=200)
        assert up.functions.settle(60)
        self.answers = up.functions.trace
        texts = [line for answer in self.answers for line in answer.logs if line.startswith("{")]
        self.lines = [json.loads(line) for line in texts]

    def told(self, event):
        return [line for line in self.lines if line.get("event") == event]

    def everything(self):
        """(where, what) of all that is left outside of source and target."""
        yield "spans", b"".join(self.collector.requests)
        for log in self.up.functions.directory.glob("*/log"):
            yield str(log), log.read_bytes()
        for queue in (self.up.dead_letters, self.up.told):
            yield queue, "".join(self.up.aws.messages(queue)).encode()
        client = self.up.aws.client("stepfunctions")
        yield "execution", repr(client.get_execution_history(executionArn=self.execution.arn)).encode()
        state = self.up.aws.client("dynamodb")
        table = load(self.up.settings).state.table  # moto keeps those of clouds before
        for number, item in enumerate(state.scan(TableName=table)["Items"]):
            packed = [value["B"] for value in item.values() if "B" in value]
            yield f"state {number}", repr(item).encode() + b"".join(map(zlib.decompress, packed))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    with Collector() as collector, cloud(tmp_path_factory.mktemp("cloud")) as up:
        up.functions.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        up.settings.write_text(up.settings.read_text() + TABLES)
        anyio.run(execute, up.primary.dsn(DATABASE), *SOURCE)
        time.sleep(1)  # for the standby
        yield Ran(up, collector)


def test_all_functions_of_the_run_took_part(ran):
    assert {answer.function for answer in ran.answers} == {"parallel", "snapshot", "worker"}
    assert {answer.outcome for answer in ran.answers} == {"ok"}
    statuses = {line["table"]: line["status"] for line in ran.told("table_finished")}
    assert statuses == {"public.good": "COMPLETE", "public.broken": "FAILED"}


def test_every_line_of_every_function_has_the_correlation_id_and_the_trace(ran):
    lines = [line for line in ran.lines if "event" in line]
    assert {line["function"] for line in lines} == {"parallel", "snapshot", "worker"}
    assert {(line["correlation_id"], line["trace_id"]) for line in lines} == {
        ("order-7", "1-6553f100-0123456789abcdef01234567")
    }


def test_every_line_from_the_plan_on_has_the_run(ran):
    (run_id,) = {answer.payload["run_id"] for answer in ran.answers if answer.function == "worker"}
    runs = {(line["event"], line["run_id"]) for line in ran.lines if "event" in line and "run_id" in line}
    assert {run for _, run in runs} == {run_id}
    assert {event for event, _ in runs} >= {"invocation_started", "table_started", "table_finished", "progress"}
    assert all("run_id" in line for line in ran.lines if "event" in line and line["function"] in ("worker", "snapshot"))


def test_every_span_of_every_function_is_in_one_tree(ran):
    """Lambda gives each function of an execution what it likes; the events hand the trace on."""
    spans = ran.collector.spans
    assert {span.trace_id.hex() for span in spans} == {"6553f1000123456789abcdef01234567"}
    assert {each["faas.name"] for each in ran.collector.resources} == {"parallel", "snapshot", "worker"}
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_span_id not in known]
    assert [(span.name, span.parent_span_id.hex()) for span in roots] == [("parallel", "00f067aa0ba902b7")]
    phases = {"prepare", "copy", "read", "wait", "put", "load", "gates", "publish"}
    assert phases | {"table", "parallel", "snapshot", "worker"} == {span.name for span in spans}


def test_what_workers_did_is_measured_where_they_did_it(ran):
    metrics = [line for line in ran.lines if "_aws" in line and "InvocationSeconds" in line]
    assert len(metrics) == len(ran.answers)
    workers = [line for line in metrics if line["function"] == "worker"]
    for name in ("ReadSeconds", "PutSeconds", "LoadSeconds", "BytesRead", "ChunksLeft", "CostEstimate"):
        assert all(name in line for line in workers), name
    alone = [line for line in ran.lines if "_aws" in line and "InvocationSeconds" not in line]
    sets = {(*line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0], line["table"]) for line in alone}
    assert sets == {
        ("service", which, table) for which in ("function", "table") for table in ("public.good", "public.broken")
    }


def test_nothing_that_is_left_holds_a_value_or_a_secret(ran):
    login = ran.up.vault.client.secrets.kv.v2.read_secret_version(
        "snowflake", mount_point="kv", raise_on_deleted_version=True
    )["data"]["data"]
    secrets = (login["password"], ran.up.vault.root_token, ran.up.functions.variables["AWS_SECRET_ACCESS_KEY"])
    found = dict(ran.everything())
    assert {"spans", "execution", "state 0", ran.up.dead_letters, ran.up.told} <= set(found)
    assert [(where, what) for where, text in found.items() for what in ROWS + secrets if what.encode() in text] == []
    assert b"public.broken: the target refuses a value" in found["execution"]
