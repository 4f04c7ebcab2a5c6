"""What AWS does in the name of a role, beside what its code calls: no request of ours shows it.

From AWS's documentation: Lambda's execution role (VPC, X-Ray, logs, destinations), Step Functions (distributed maps,
logs, X-Ray), EventBridge Scheduler (targets, dead letters), and KMS behind DynamoDB, SQS, SNS, S3 and Lambda.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.terraform.deployed import destination_of, role_of
from tests.terraform.policies import Call
from tests.terraform.running import Rendered

_NETWORK = (
    "AssignPrivateIpAddresses CreateNetworkInterface DeleteNetworkInterface DescribeNetworkInterfaces DescribeSubnets"
    " UnassignPrivateIpAddresses"
)
_DELIVERY = (
    "CreateLogDelivery DeleteLogDelivery DescribeLogGroups DescribeResourcePolicies GetLogDelivery ListLogDeliveries"
    " PutResourcePolicy UpdateLogDelivery"
)


def of_lambda(rendered: Rendered, function: Mapping[str, Any]) -> Iterator[Call]:
    """Logs, traces, the network interface, the queue of what failed, and the key of the environment."""
    role = role_of(rendered, function)
    group = function["logging_config"][0]["log_group"]
    (log,) = [each["arn"] for each in rendered.all("aws_cloudwatch_log_group") if each["name"] == group]
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Call(role, f"logs:{action}", f"{log}:log-stream:x")
    for action in ("PutTelemetryRecords", "PutTraceSegments"):
        yield Call(role, f"xray:{action}", "*")
    for action in _NETWORK.split():
        yield Call(role, f"ec2:{action}", "*")
    if queue := destination_of(rendered, function):
        yield (sent := Call(role, "sqs:SendMessage", queue))
        yield from of_keys(rendered, [sent])
    yield _key(rendered, role, "kms:Decrypt", function["kms_key_arn"], "lambda")


def of_keys(rendered: Rendered, calls: Iterable[Call]) -> list[Call]:
    """What a service asks of the key of a table, queue, topic or bucket, as who called it."""
    keys = _keys(rendered)
    found = set()
    for call in calls:
        service, _, action = call.action.partition(":")
        key = keys.get(call.resource.split("/")[0] if service == "s3" else call.resource)
        if key and service in {"dynamodb", "sqs", "sns"} | ({"s3"} if "Object" in action else set()):
            writes = service in {"sqs", "sns"} or action == "PutObject"
            found |= {_key(rendered, call.role, "kms:Decrypt", key, service)}
            found |= {_key(rendered, call.role, "kms:GenerateDataKey", key, service)} if writes else set()
    return list(found)


def _keys(rendered: Rendered) -> dict[str, str]:
    """The key of each resource that has one, by ARNs."""
    encryption = rendered.all("aws_s3_bucket_server_side_encryption_configuration")
    defaults = [(each, each["rule"][0]["apply_server_side_encryption_by_default"][0]) for each in encryption]
    return {
        **{
            each["arn"]: each["server_side_encryption"][0]["kms_key_arn"] for each in rendered.all("aws_dynamodb_table")
        },
        **{each["arn"]: each["kms_master_key_id"] for each in rendered.all("aws_sqs_queue")},
        **{each["arn"]: each["kms_master_key_id"] for each in rendered.all("aws_sns_topic")},
        **{f"arn:aws:s3:::{each['bucket']}": default["kms_master_key_id"] for each, default in defaults},
    }


def _key(rendered: Rendered, role: str, action: str, key: str, service: str) -> Call:
    through = f"{service}.{rendered.variables['region']}.amazonaws.com"
    return Call(role, action, key, (("kms:ViaService", through),))


def of_failures(rendered: Rendered, role: str) -> Iterator[Call]:
    """Of the state machine, which tells of them in states of its own."""
    (machine,) = rendered.all("aws_sfn_state_machine")
    states = json.loads(machine["definition"])["States"].values()
    resources = {each["Resource"]: each["Parameters"] for each in states if each["Type"] == "Task"}
    queue = resources["arn:aws:states:::sqs:sendMessage"]["QueueUrl"]
    yield from (
        Call(role, "sqs:SendMessage", each["arn"]) for each in rendered.all("aws_sqs_queue") if each["url"] == queue
    )
    yield Call(role, "sns:Publish", resources["arn:aws:states:::sns:publish"]["TopicArn"])


def of_step_functions(rendered: Rendered, role: str) -> Iterator[Call]:
    """A distributed map runs its items as executions of the machine; logs; traces."""
    (machine,) = rendered.all("aws_sfn_state_machine")
    execution = machine["arn"].replace(":stateMachine:", ":execution:")
    (label,) = [each["Label"] for each in json.loads(machine["definition"])["States"].values() if "Label" in each]
    yield Call(role, "states:StartExecution", machine["arn"])
    for action in ("DescribeExecution", "RedriveExecution", "StopExecution"):
        for name in (execution, f"{execution}/{label}"):
            yield Call(role, f"states:{action}", f"{name}:x")
    for action in _DELIVERY.split():
        yield Call(role, f"logs:{action}", "*")
    for action in ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments"):
        yield Call(role, f"xray:{action}", "*")


def of_schedules(rendered: Rendered, role: str) -> Iterator[Call]:
    """Each invokes its target, and sends to its queue what it could not hand over."""
    for each in rendered.all("aws_scheduler_schedule"):
        target = each["target"][0]
        if target["role_arn"].rsplit("/", 1)[1] == role:
            yield Call(role, "lambda:InvokeFunction", target["arn"])
            for queue in target["dead_letter_config"]:
                yield Call(role, "sqs:SendMessage", queue["arn"])
