"""What must hold of an environment as Terraform renders it: each check raises AssertionError, in words.

They are functions rather than tests because test_faults.py breaks the tree and sees each of them fail.
"""

from __future__ import annotations

import importlib
import json
import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.config import Config, load_text
from engine.local.cloud.aws import definition
from handlers.events import HealthEvent, RunRequest
from tests.terraform.answers import ACCOUNT
from tests.terraform.policies import _like, rights
from tests.terraform.running import ROOT, TREE, Rendered, Resource

Check = Callable[[Rendered], None]

PLATFORM = re.compile(r"POWERTOOLS_SERVICE_NAME$|OTEL_|DD_|NEW_RELIC_")
"""Variables that libraries and extensions read, rather than the engine."""
OUTSIDE = re.compile(
    r"arn:aws:(rds-db|iam|s3|states):[^:]*:(aws|\d*):(dbuser|policy/|sfc-|lambda:|sqs:|sns:)|arn:aws:iam::\d+:root$"
)
"""ARNs of what is not Terraform's: users of Aurora, policies of AWS, Snowflake's bucket, the account itself."""
FUNCTIONS = {"scheduled", "parallel", "worker", "snapshot", "health", "benchmark"}
TIMEOUT_S_MAX = 900


# --- the functions ----------------------------------------------------------------------------------------------


def functions_are_those_of_the_package(rendered: Rendered) -> None:
    found = {each["handler"].split(".")[1]: each for each in rendered.all("aws_lambda_function")}
    assert set(found) == FUNCTIONS, f"functions are {sorted(found)}"
    for each in found.values():
        module, name = each["handler"].rsplit(".", 1)
        assert callable(getattr(importlib.import_module(module), name, None)), f"there is no {each['handler']}"
        assert (each["runtime"], each["architectures"]) == ("python3.13", ["arm64"]), each.address
        assert 0 < each["timeout"] <= TIMEOUT_S_MAX, f"{each.address}: timeout {each['timeout']}"
        assert 512 <= each["memory_size"] <= 10240, f"{each.address}: memory {each['memory_size']}"
        assert each["tracing_config"][0]["mode"] == "Active", f"{each.address} is not traced"
        assert each["vpc_config"][0]["subnet_ids"], f"{each.address} is in no subnet"


def their_environment_is_a_configuration(rendered: Rendered) -> None:
    """Every variable is a setting, and names what Terraform makes."""
    config = configuration(rendered)
    state, queue, topic, machine = (
        rendered.all(f"aws_{kind}")[0] for kind in ("dynamodb_table", "sqs_queue", "sns_topic", "sfn_state_machine")
    )  # fmt: skip
    assert config.state.table == state["name"]
    assert config.aws.dead_letter_queue == queue["url"]
    assert config.aws.topic == topic["arn"]
    assert config.aws.state_machine == machine["arn"]
    assert config.aws.audit_log_group in {each["name"] for each in rendered.all("aws_cloudwatch_log_group")}
    assert config.aws.results_bucket in {each["bucket"] for each in rendered.all("aws_s3_bucket")}
    assert config.aws.snapshot_function in {each["arn"] for each in rendered.all("aws_lambda_alias")}
    assert config.aws.region == rendered.variables["region"]


def configuration(rendered: Rendered) -> Config:
    """What a function reads when it starts. Raises ConfigError with every fault."""
    (kept,) = rendered.all("aws_s3_object")
    environments = [each["environment"][0]["variables"] for each in rendered.all("aws_lambda_function")]
    assert all(each == environments[0] for each in environments)
    variables: dict[str, str] = environments[0]
    strange = [name for name in variables if not name.startswith("BOREALIS_") and not PLATFORM.match(name)]
    assert not strange, f"nobody reads {strange}"
    place = f"s3://{kept['bucket']}/{kept['key']}?versionId={kept['version_id']}"
    assert variables["BOREALIS_CONFIG"] == place, variables["BOREALIS_CONFIG"]
    content = re.sub('(?m)^sslrootcert = "/(opt|var/task)/.*"$', "", kept["content"])  # of a layer, or the package
    return load_text(content, place, variables, base=Path("/var/task"))


# --- what is kept -----------------------------------------------------------------------------------------------


def what_is_kept_is_encrypted(rendered: Rendered) -> None:
    """With a key that is made here and rotates."""
    keys = {each["arn"] for each in rendered.all("aws_kms_key") if each["enable_key_rotation"]}
    used = {
        "aws_dynamodb_table": lambda each: each["server_side_encryption"][0]["kms_key_arn"],
        "aws_sqs_queue": lambda each: each["kms_master_key_id"],
        "aws_sns_topic": lambda each: each["kms_master_key_id"],
        "aws_cloudwatch_log_group": lambda each: each["kms_key_id"],
        "aws_lambda_function": lambda each: each["kms_key_arn"],
        "aws_s3_bucket_server_side_encryption_configuration": _bucket_key,
    }  # fmt: skip
    for kind, key in used.items():
        for each in rendered.all(kind):
            assert key(each) in keys, f"{each.address} is not encrypted with a key of ours that rotates"
    encrypted = {each["bucket"] for each in rendered.all("aws_s3_bucket_server_side_encryption_configuration")}
    assert encrypted == {each["bucket"] for each in rendered.all("aws_s3_bucket")}, "a bucket has no encryption"


def _bucket_key(each: Resource) -> str:
    return str(each["rule"][0]["apply_server_side_encryption_by_default"][0]["kms_master_key_id"])


def what_is_kept_has_an_end(rendered: Rendered) -> None:
    for each in rendered.all("aws_cloudwatch_log_group"):
        assert each["retention_in_days"] > 0, f"{each.address} is kept for ever"
    expiring = {each["bucket"] for each in rendered.all("aws_s3_bucket_lifecycle_configuration")}
    assert expiring == {each["bucket"] for each in rendered.all("aws_s3_bucket")}, "a bucket has no lifecycle"
    for each in rendered.all("aws_sqs_queue"):
        assert each["message_retention_seconds"] == 14 * 24 * 3600, f"{each.address} forgets letters early"


def the_state_is_the_engines(rendered: Rendered) -> None:
    """Keys and time to live as engine/state/dynamodb.py writes them; and it can be had back."""
    code = (ROOT / "engine" / "state" / "dynamodb.py").read_text(encoding="utf-8")
    (expires,) = set(re.findall(r'"(\w+)": _expires\(', code))
    (table,) = rendered.all("aws_dynamodb_table")
    assert [table["ttl"][0]["attribute_name"], table["ttl"][0]["enabled"]] == [expires, True], "items never expire"
    assert table["point_in_time_recovery"][0]["enabled"], "the state cannot be had back"
    assert [(each["name"], each["type"]) for each in table["attribute"]] == [("pk", "S"), ("sk", "S")]
    assert (table["hash_key"], table["range_key"]) == ("pk", "sk")
    assert table["deletion_protection_enabled"] == (rendered.environment == "prod")


# --- who may enter, and who leave -------------------------------------------------------------------------------


def nothing_comes_in_from_everywhere(rendered: Rendered) -> None:
    """No rule lets addresses in but those of the VPC; what goes out to everywhere is Vault's or Snowflake's alone."""
    everywhere = {"0.0.0.0/0", "::/0"}
    for each in rendered.all("aws_security_group"):
        for rule in [*(each["ingress"] or []), *(each["egress"] or [])]:
            assert not everywhere & {*(rule["cidr_blocks"] or ()), *(rule["ipv6_cidr_blocks"] or ())}, each.address
    for each in rendered.all("aws_vpc_security_group_ingress_rule"):
        assert each["cidr_ipv4"] not in everywhere, f"{each.address} is open to everywhere"
        assert each["ip_protocol"] != "-1", f"{each.address} is open for every protocol"
    for each in rendered.all("aws_vpc_security_group_egress_rule"):
        assert each["ip_protocol"] == "tcp", f"{each.address} lets every protocol out"
        outside = each["cidr_ipv4"] in everywhere and "by NAT" not in (each["description"] or "")
        assert not outside, f"{each.address} lets everything out"
    for each in rendered.all("aws_lambda_function_url"):
        assert each["authorization_type"] == "AWS_IAM", f"{each.address} asks nobody who he is"
    for each in rendered.all("aws_s3_bucket"):
        (block,) = [one for one in rendered.all("aws_s3_bucket_public_access_block") if one["bucket"] == each["bucket"]]
        names = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        assert all(block[name] for name in names), f"{each.address} may become public"


# --- nothing dangles --------------------------------------------------------------------------------------------


def every_arn_is_of_something(rendered: Rendered) -> None:
    """What policies, functions, schedules and alarms name exists; a pattern matches something that does."""
    known = set(_known(rendered))
    for address, arn in _named(rendered):
        if not OUTSIDE.match(arn):
            found = arn in known or any(_like(arn, each) for each in known)
            assert found, f"{address} names {arn}, which is nowhere"


def _known(rendered: Rendered) -> Iterator[str]:
    below = {
        "aws_cloudwatch_log_group": [":*", ":log-stream:x"],
        "aws_s3_bucket": ["/*", "/borealis.toml", "/benchmarks/x", "/files/x"],
        "aws_scheduler_schedule_group": ["/x"],
    }
    for each in rendered.resources:
        if arn := each.values.get("arn"):
            yield arn
            yield from (f"{arn}{end}" for end in below.get(each.type, ()))
    for each in rendered.all("aws_sfn_state_machine"):
        execution = each["arn"].replace(":stateMachine:", ":execution:")
        labels = [state["Label"] for state in json.loads(each["definition"])["States"].values() if "Label" in state]
        yield from (f"{execution}{middle}:x" for middle in ["", *(f"/{label}" for label in labels)])


def _named(rendered: Rendered) -> Iterator[tuple[str, str]]:
    pattern = re.compile(rf"arn:aws:[a-z0-9-]+:[a-z0-9-]*:(?:{ACCOUNT})?:[^\"\\\s,\]}}]+")
    for each in rendered.resources:
        for name, value in each.values.items():
            if name not in {"arn", "id", "tags_all"} and not name.endswith("_arn_static"):
                for found in pattern.findall(json.dumps(value)):
                    yield f"{each.address} ({name})", found


def policies_are_read_in_full(rendered: Rendered) -> None:
    """Each statement has the parts that the checks of rights know, and no right is on everything of a service."""
    for each in [*rendered.all("aws_iam_role_policy"), *rendered.all("aws_iam_policy")]:
        for right in rights(json.loads(each["policy"])):
            assert right.effect == "Deny" or "*" not in right.action, f"{each.address}: {right.action}"


# --- the state machine and the schedules ------------------------------------------------------------------------


def the_state_machine_is_the_one_that_is_interpreted(rendered: Rendered) -> None:
    """Terraform renders the template as the local cloud does, with nothing left in it to be filled."""
    (machine,) = rendered.all("aws_sfn_state_machine")
    aliases = {each["function_name"].rsplit("-", 1)[1]: each["arn"] for each in rendered.all("aws_lambda_alias")}
    expected = definition(
        TREE / "state_machine.asl.json",
        parallel_arn=aliases["parallel"], worker_arn=aliases["worker"],
        dead_letter_queue_url=rendered.all("aws_sqs_queue")[0]["url"],
        topic_arn=rendered.all("aws_sns_topic")[0]["arn"],
        workers=rendered.variables.get("workers") or 8,
    )  # fmt: skip
    assert "${" not in machine["definition"], "a placeholder is left"
    _check_states(
        json.loads(machine["definition"]), max(each["timeout"] for each in rendered.all("aws_lambda_function"))
    )
    assert json.loads(machine["definition"]) == json.loads(expected)


def _check_states(machine: dict[str, Any], timeout_s: int) -> None:
    """Every state that is gone to is there, and is gone to; a task waits for longer than its function may run."""
    states = machine["States"]
    goals = {machine["StartAt"]}
    for name, state in states.items():
        goals |= {
            each["Next"] for each in [state, *state.get("Choices", ()), *state.get("Catch", ())] if "Next" in each
        }
        goals |= {state["Default"]} if "Default" in state else set()
        if "ItemProcessor" in state:
            _check_states(state["ItemProcessor"], timeout_s)
        if state.get("Resource", "").endswith("lambda:invoke"):
            assert state["TimeoutSeconds"] > timeout_s, f"{name} gives up before its function"
    assert goals == set(states), f"states {sorted(set(states) ^ goals)} dangle"


def schedules_run_something(rendered: Rendered) -> None:
    """Each calls a function by its alias with an event that it takes, of a group that the configuration has."""
    config = configuration(rendered)
    groups = {table.group for table in config.tables}
    aliases = {each["arn"]: each["function_name"] for each in rendered.all("aws_lambda_alias")}
    queues = {each["arn"] for each in rendered.all("aws_sqs_queue")}
    for each in rendered.all("aws_scheduler_schedule"):
        target = each["target"][0]
        function = aliases[target["arn"]].rsplit("-", 1)[1]
        event = {"scheduled": RunRequest, "health": HealthEvent}[function].model_validate_json(target["input"])
        if isinstance(event, RunRequest):
            assert event.idempotency_key == "<aws.scheduler.execution-id>", f"{each.address} may run twice"
            assert event.group is None or event.group in groups, f"{each.address}: no table has the group {event.group}"
            kept = [queue["arn"] in queues for queue in target["dead_letter_config"]]
            assert kept == [True], f"{each.address}: what is not delivered is lost"


def schedules_have_a_time(rendered: Rendered) -> None:
    """In a time zone that there is, at a minute that comes."""
    for each in rendered.all("aws_scheduler_schedule"):
        zone, expression = each["schedule_expression_timezone"], each["schedule_expression"]
        assert zone in zoneinfo.available_timezones(), f"{each.address}: there is no time zone {zone}"
        kind, _, told = expression.removesuffix(")").partition("(")
        if kind == "at":
            datetime.strptime(told, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 it is in the zone beside it
        elif kind == "rate":
            assert re.fullmatch("1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days)", told), expression
        else:
            assert kind == "cron", expression
            _check_cron(expression, told.split(" "))


_MONTHS = {name: n for n, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)}
_DAYS = {name: n for n, name in enumerate("SUN MON TUE WED THU FRI SAT".split(), 1)}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}), ("hour", 0, 23, {}), ("day of the month", 1, 31, {}), ("month", 1, 12, _MONTHS),
    ("day of the week", 1, 7, _DAYS), ("year", 1970, 2199, {}),
)  # fmt: skip


def _check_cron(expression: str, fields: list[str]) -> None:
    """As EventBridge Scheduler documents it."""
    assert len(fields) == len(_FIELDS), f"{expression} has not six fields"
    assert [fields[2], fields[4]].count("?") == 1, f"{expression}: ? belongs to one of the two kinds of days"
    for text, (name, least, most, words) in zip(fields, _FIELDS, strict=True):
        if text == "?" or (name.startswith("day") and re.fullmatch(r"L|LW|[1-7]L|\d+W|[1-7]#[1-5]", text)):
            continue
        for part in text.split(","):
            found = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
            assert found, f"{expression}: {part} is no {name}"
            for value in filter(None, (found[2], found[3])):
                number = words.get(value.upper(), int(value) if value.isdigit() else -1)
                assert least <= number <= most, f"{expression}: {value} is no {name}"


# --- alarms and the dashboard -----------------------------------------------------------------------------------

_OF_AWS = {
    "AWS/Lambda": ("Errors Duration Throttles ConcurrentExecutions Invocations", {"FunctionName"}),
    "AWS/SQS": ("ApproximateNumberOfMessagesVisible ApproximateAgeOfOldestMessage", {"QueueName"}),
    "AWS/States": (
        "ExecutionsStarted ExecutionsSucceeded ExecutionsFailed ExecutionsTimedOut ExecutionsAborted",
        {"StateMachineArn"},
    ),
    "AWS/Scheduler": ("InvocationAttemptCount TargetErrorCount InvocationDroppedCount", {"ScheduleGroup"}),
}
"""Metrics that AWS documents, with the dimensions under which it emits them."""


def metrics_are_emitted(rendered: Rendered) -> None:
    """By the engine, as docs/telemetry.md says and its tests hold, or by AWS; of something that there is."""
    ours, alone = documented_metrics()
    existing = _dimension_values(rendered)
    for place, namespace, metric, dimensions in metrics_of(rendered):
        if namespace == "Borealis":
            names = ours if set(dimensions) == {"service", "function"} else alone if "table" in dimensions else set()
            assert metric in names, f"{place}: nobody emits {metric} with {sorted(dimensions)}"
        else:
            emitted, by = _OF_AWS[namespace]
            assert metric in emitted.split(), f"{place}: {namespace} has no {metric}"
            assert set(dimensions) == by, f"{place}: {metric} is by {by}, not {set(dimensions)}"
        for name, value in dimensions.items():
            assert name == "table" or value in existing[name], f"{place}: there is no {name} {value}"


def documented_metrics() -> tuple[set[str], set[str]]:
    """Names of those with the dimensions service and function, and of those with service and table."""
    text = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    section = text[text.index("## Metrics") : text.index("## Spans")]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    alone = section[section.index("With the dimensions `service` and `table`") :]
    return set(re.findall(r"`(\w+)`", " ".join(rows))), set(re.findall(r"`([A-Z]\w+)`", alone))


def metrics_of(rendered: Rendered) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """(where, namespace, metric, dimensions) of every alarm and graph."""
    for each in rendered.all("aws_cloudwatch_metric_alarm"):
        if each["metric_name"]:
            yield each.address, each["namespace"], each["metric_name"], each["dimensions"] or {}
        for query in each["metric_query"] or ():
            for metric in query["metric"]:
                yield each.address, metric["namespace"], metric["metric_name"], metric["dimensions"] or {}
    for each in rendered.all("aws_cloudwatch_dashboard"):
        for widget in json.loads(each["dashboard_body"])["widgets"]:
            for metric in widget["properties"].get("metrics", ()):
                namespace, name, *pairs = [part for part in metric if isinstance(part, str)] or [None, None]
                if namespace:
                    yield (
                        widget["properties"]["title"],
                        namespace,
                        name,
                        dict(zip(pairs[::2], pairs[1::2], strict=True)),
                    )


def _dimension_values(rendered: Rendered) -> dict[str, set[str]]:
    functions = {each["function_name"] for each in rendered.all("aws_lambda_function")}
    services = {
        each["environment"][0]["variables"]["POWERTOOLS_SERVICE_NAME"] for each in rendered.all("aws_lambda_function")
    }
    return {
        "service": services,
        "function": functions,
        "FunctionName": functions,
        "QueueName": {each["name"] for each in rendered.all("aws_sqs_queue")},
        "StateMachineArn": {each["arn"] for each in rendered.all("aws_sfn_state_machine")},
        "ScheduleGroup": {each["name"] for each in rendered.all("aws_scheduler_schedule_group")},
    }


def alarms_are_heard_and_explained(rendered: Rendered) -> None:
    """Each tells the topic, and has a heading in the runbook; each heading after the first has an alarm."""
    topics = [each["arn"] for each in rendered.all("aws_sns_topic")]
    told: set[str] = set()
    for each in rendered.all("aws_cloudwatch_metric_alarm"):
        assert each["alarm_actions"] == topics, f"{each.address} tells nobody"
        assert each["period"] is None or each["period"] * each["evaluation_periods"] <= 7 * 86400, each.address
        found = re.search(r": (docs/\S+\.md)#(\S+)$", each["alarm_description"])
        assert found, f"{each.address} names no heading"
        headings = headings_of(ROOT / found[1])
        assert found[2] in headings, f"{each.address}: {found[1]} has no heading {found[2]}"
        told.add(found[2])
    alarms = {heading for heading in headings_of(ROOT / "docs" / "runbook.md") if heading in _ALARMS}
    expected = alarms if rendered.environment == "prod" else alarms - {"lag"}
    assert told >= expected, f"no alarm for {sorted(expected - told)}"


_ALARMS = set(
    "errors duration dead-letters failures lag missed losses throttles unhealthy executions-failed backed-off".split()
)


def headings_of(file: Path) -> set[str]:
    """Anchors, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def the_dashboard_can_be_drawn(rendered: Rendered) -> None:
    """Widgets have what CloudWatch asks of their type, and none lies over another."""
    (dashboard,) = rendered.all("aws_cloudwatch_dashboard")
    widgets = json.loads(dashboard["dashboard_body"])["widgets"]
    needs = {
        "metric": {"metrics", "region", "title"},
        "log": {"query", "region"},
        "alarm": {"alarms"},
        "text": {"markdown"},
    }
    taken: dict[tuple[int, int], str] = {}
    for widget in widgets:
        title = widget["properties"].get("title", widget["type"])
        lacking = needs[widget["type"]] - set(widget["properties"])
        assert not lacking, f"{title} lacks {lacking}"
        assert widget["x"] + widget["width"] <= 24, f"{title} is beyond the edge"
        for place in _places(widget):
            assert place not in taken, f"{title} lies over {taken.get(place)}"
            taken[place] = title
    alarms = {each["arn"] for each in rendered.all("aws_cloudwatch_metric_alarm")}
    shown = {arn for widget in widgets for arn in widget["properties"].get("alarms", ())}
    assert shown == alarms, f"the dashboard shows other alarms than there are: {sorted(shown ^ alarms)}"
    groups = {each["name"] for each in rendered.all("aws_cloudwatch_log_group")}
    asked = {
        group for widget in widgets for group in re.findall(r"SOURCE '([^']+)'", widget["properties"].get("query", ""))
    }
    assert asked <= groups, f"the dashboard asks {sorted(asked - groups)}, which are not there"


def _places(widget: dict[str, Any]) -> Iterable[tuple[int, int]]:
    return (
        (x, y)
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    )


CHECKS: tuple[Check, ...] = (
    functions_are_those_of_the_package,
    their_environment_is_a_configuration,
    what_is_kept_is_encrypted,
    what_is_kept_has_an_end,
    the_state_is_the_engines,
    nothing_comes_in_from_everywhere,
    every_arn_is_of_something,
    policies_are_read_in_full,
    the_state_machine_is_the_one_that_is_interpreted,
    schedules_run_something,
    schedules_have_a_time,
    metrics_are_emitted,
    alarms_are_heard_and_explained,
    the_dashboard_can_be_drawn,
)
