"""Every function under the role that Terraform gives it: what it does is allowed, and what is allowed it does."""

import asyncio
import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from engine.local.cloud.cloud import READER, Cloud
from engine.local.cloud.functions import Answer, Functions
from tests.cloud.test_runs import execute, query, short_of_time
from tests.faults.proxy import FaultProxy
from tests.terraform.behalf import of_failures, of_keys, of_lambda, of_schedules, of_step_functions
from tests.terraform.checks import FUNCTIONS, metrics_of
from tests.terraform.deployed import deployed, functions, put_policies, role_of
from tests.terraform.enforcement import enforced
from tests.terraform.policies import Call, missing, needless, rights_of
from tests.terraform.running import Rendered
from tests.terraform.test_faults import Fault, broken

DEADLINE_S = 5
LINE_BYTES_S = 5e6
"""Of each connection: the bank's 64 MB do not fit into one function."""
SLOW_LINE_BYTES_S = 1.5e6
SETTLE_S = 250
INTEGRATION = "BOREALIS_S3"
WHOLE = {"stage": {"storage_integration": INTEGRATION}, "sign_receipts": True}
UNSEEN = {
    ("", "s3:AbortMultipartUpload"): "of a file that fails half way; tests/stage/test_rights.py needs it",
    ("", "rds-db:connect"): "of a login at Aurora, which is no request to AWS; tests/secrets/test_rds.py",
    ("benchmark", "dynamodb:GetItem"): "of the plan of a round that was cut off, which the next one goes on with",
    ("benchmark", "dynamodb:DeleteItem"): "of the same, when it is done",
}
"""Rights, of all functions or of one, whose use is not seen here."""
LEFT = "files/20200101T000000ABCDEF/20200101T000000ABCDEF_1/c1"
"""Of a run that was killed long ago."""


@dataclass
class Ran:
    """All that the functions do, and what they called meanwhile."""

    rendered: Rendered
    up: Cloud
    line: FaultProxy
    functions: Functions
    calls: list[Call]

    def invoke(self, function: str, **event) -> Answer:
        return self.functions.invoke(f"{self.name(function)}:live", event)

    def name(self, function: str) -> str:
        return f"borealis-{self.rendered.environment}-{function}"

    def without_state_machine(self, function: str) -> None:
        spec = self.functions.specs[self.name(function)]
        env = {name: value for name, value in spec.env.items() if name != "BOREALIS_AWS__STATE_MACHINE"}
        self.functions.specs[self.name(function)] = replace(spec, env=env)
        while self.functions.kill_one(self.name(function)):
            pass


@pytest.fixture(scope="module")
def whole(root, every) -> Rendered:
    """Prod with everything that is optional; the others are planned by now, for later nobody unknown may ask AWS."""
    return root.render("prod", **WHOLE)


@pytest.fixture(scope="module")
def ran(whole, tmp_path_factory) -> Iterator[Ran]:
    with short_of_time(tmp_path_factory.mktemp("cloud"), deadline_s=DEADLINE_S) as (up, line):
        line.answers_per_s = LINE_BYTES_S
        configuration = re.sub(r"(?ms)^\[aws\].*?(?=^\[\[)", "", up.settings.read_text())
        (stage,) = [each["bucket"] for each in whole.all("aws_s3_bucket") if "stage" in each.address]
        query(
            up,
            f"CREATE STORAGE INTEGRATION {INTEGRATION} TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE"
            f" STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::1:role/r' STORAGE_ALLOWED_LOCATIONS = ('s3://{stage}/')",
        )
        with deployed(up, whole, configuration) as made, enforced(up.aws) as calls:
            yield Ran(whole, up, line, made, calls)


def succeeded(ran: Ran, answer: Answer) -> None:
    assert answer.outcome == "ok", answer.payload
    ended = ran.up.aws.execution(answer.payload["execution"], seconds=SETTLE_S)
    assert ended.status == "SUCCEEDED", ended.cause
    assert {table["status"] for table in ended.output["tables"]} == {"COMPLETE"}, ended
    assert ran.functions.settle(SETTLE_S)


def test_health_looks_at_everything(ran):
    answer = ran.invoke("health", deep=True)
    assert [each for each in answer.payload["checks"] if not each["ok"]] == []
    answer = ran.invoke("health", cloud=True)
    faults = [each["name"] for each in answer.payload["findings"] if each["level"] == "fault"]
    assert faults == ["target: warehouse"]  # the embedded one computes without


def test_a_schedule_that_does_not_fit_fans_out_and_the_snapshot_passes_on(ran):
    answer = ran.invoke("scheduled", tables=["bank.*"], full=True)
    assert answer.payload["status"] == "STARTED", answer.payload
    succeeded(ran, answer)


def test_a_person_fans_out_and_the_snapshot_sweeps_what_a_killed_run_left(ran):
    (stage,) = [each["bucket"] for each in ran.rendered.all("aws_s3_bucket") if "stage" in each.address]
    ran.up.aws.client("s3").put_object(Bucket=stage, Key=LEFT, Body=b"")
    succeeded(ran, ran.invoke("parallel", tables=["public.airlines"]))


def test_tables_are_measured(ran):
    answer = ran.invoke("benchmark", tables=["public.airlines"], rounds=1)
    assert answer.payload.get("status") == "COMPLETE", answer.payload


def test_functions_follow_one_another_where_there_is_no_state_machine(ran):
    """What Terraform does not make, but a person may: the right to go on by itself is for a run that was left."""
    ran.line.answers_per_s = SLOW_LINE_BYTES_S
    since = len(ran.functions.trace)
    with ThreadPoolExecutor() as threads:
        for function, table in {"scheduled": "bank.accounts", "parallel": "public.flights"}.items():
            ran.without_state_machine(function)
            threads.submit(ran.invoke, function, tables=[table], full=True)
    ran.line.answers_per_s = math.inf
    assert ran.functions.settle(SETTLE_S)
    followed = {each.function for each in ran.functions.trace[since:] if "resume" in each.event}
    assert followed == {ran.name("scheduled"), ran.name("parallel")}
    assert [each.payload for each in ran.functions.trace[since:] if each.outcome != "ok"] == []


def test_a_failure_is_told(ran):
    asyncio.run(execute(ran.up, f"REVOKE SELECT ON public.planes FROM {READER}"))
    answer = ran.invoke("scheduled", tables=["public.planes"])
    assert answer.payload["status"] == "FAILED", answer.payload
    answer = ran.invoke("parallel", resume="20261123T020000A1B2C3", generation=10_000)
    assert answer.payload["status"] == "FAILED", answer.payload
    (queue,) = [each["url"] for each in ran.rendered.all("aws_sqs_queue")]
    letters = [json.loads(each)["function"] for each in ran.up.aws.messages(queue)]
    assert {tuple(each.rsplit(":", 2)[1:]) for each in letters} == {
        (ran.name(each), "live") for each in ("scheduled", "parallel")
    }


def test_a_right_that_is_taken_away_is_missed(ran):
    role = ran.name("health")
    put_policies(ran.up.aws, ran.rendered, role, without="dynamodb:Query")
    answer = ran.invoke("health")
    put_policies(ran.up.aws, ran.rendered, role)
    (state,) = [each for each in answer.payload["checks"] if each["name"] == "state"]
    assert not state["ok"]
    assert "dynamodb:Query" in state["detail"]


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
@pytest.mark.parametrize("stage", ["a stage of ours", "Snowflake's own stage"])
def test_every_function_may_do_what_it_does_and_nothing_else(ran, prod, function, stage):
    rendered = ran.rendered if stage == "a stage of ours" else prod
    (made,) = [each for each in functions(rendered) if each["function_name"] == ran.name(function)]
    having = rights_of(rendered, role_of(rendered, made))
    absent = _own(ran.rendered) - _own(rendered)
    calls = [
        each for each in ran.calls if each.role == ran.name(function) and not each.resource.startswith(tuple(absent))
    ]
    calls += [*of_lambda(rendered, made), *of_keys(rendered, calls)]
    assert missing(having, calls) == []
    seen = {action for one, action in UNSEEN if one in {"", function}}
    assert [each for each in needless(having, calls) if not any(f": {action} on " in each for action in seen)] == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"dynamodb:PutItem", ', "", ": dynamodb:PutItem on arn:aws:dynamodb:"),
        ('"dynamodb:PutItem", ', '"dynamodb:PutItem", "dynamodb:Scan", ', "Coordinate: dynamodb:Scan on "),
        ("      Resource = local.state_table_arn", "      Resource = local.topic_arn", "dynamodb:Query on "),
        ('["${function.arn}:live"]', "[function.arn]", "lambda:InvokeFunction on "),
    ],
    ids=["missing", "needless", "on another resource", "without the alias"],
)  # fmt: skip
def test_a_wrong_right_is_seen(ran, changed, old, new, says):
    """By what the functions called, held against the policy that Terraform then renders."""
    broken(changed, Fault("roles.tf", old, new, "", ""))
    having = rights_of(changed.render("prod", like=ran.rendered, **WHOLE), ran.name("scheduled"))
    calls = [each for each in ran.calls if each.role == ran.name("scheduled")]
    assert says in "\n".join([*missing(having, calls), *needless(having, calls)])


def _own(rendered: Rendered) -> set[str]:
    """ARNs of what only some environments have."""
    return {each["arn"] for kind in ("aws_s3_bucket", "aws_kms_key") for each in rendered.all(kind)}


def test_the_state_machine_may_do_what_it_does_and_nothing_else(ran):
    (machine,) = ran.rendered.all("aws_sfn_state_machine")
    role = machine["role_arn"].rsplit("/", 1)[1]
    having = rights_of(ran.rendered, role)
    calls = [each for each in ran.calls if each.role == role]
    calls += of_keys(ran.rendered, [*calls, *of_failures(ran.rendered, role)])
    calls += [*of_failures(ran.rendered, role), *of_step_functions(ran.rendered, role)]
    assert missing(having, calls) == []
    assert needless(having, calls) == []


def test_the_scheduler_may_do_what_it_does_and_nothing_else(ran):
    for role in {
        each["target"][0]["role_arn"].rsplit("/", 1)[1] for each in ran.rendered.all("aws_scheduler_schedule")
    }:
        calls = list(of_schedules(ran.rendered, role))
        calls += of_keys(ran.rendered, calls)
        assert missing(rights_of(ran.rendered, role), calls) == []
        assert needless(rights_of(ran.rendered, role), calls) == []


def test_every_alarm_of_the_engine_is_on_a_metric_that_these_runs_told(ran):
    told = {
        (metric["Name"], tuple(sorted(line[name] for name in each["Dimensions"][0])))
        for answer in ran.functions.trace
        for text in answer.logs
        if '"_aws"' in text
        for line in [json.loads(text[text.index("{") :])]
        for each in line["_aws"]["CloudWatchMetrics"]
        for metric in each["Metrics"]
    }
    wanted = {
        (metric, tuple(sorted(dimensions.values())))
        for place, namespace, metric, dimensions in metrics_of(ran.rendered)
        if namespace == "Borealis" and place.startswith("aws_")
    }
    assert {metric for metric, _ in wanted - told} <= {"LagSeconds"}  # of incremental tables, which these are not
