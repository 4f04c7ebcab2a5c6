"""What AWS would answer: ids and ARNs of resources that Terraform has yet to make, in the form that AWS gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

ACCOUNT = "123456789012"
AVAILABILITY_ZONES = "abc"

_ARNS = {
    "aws_dynamodb_table": "dynamodb:{region}:{account}:table/{name}",
    "aws_iam_role": "iam::{account}:role/{name}",
    "aws_iam_policy": "iam::{account}:policy/{name}",
    "aws_kms_key": "kms:{region}:{account}:key/{uuid}",
    "aws_kms_alias": "kms:{region}:{account}:{name}",
    "aws_lambda_function": "lambda:{region}:{account}:function:{function_name}",
    "aws_lambda_alias": "lambda:{region}:{account}:function:{function_name}:{name}",
    "aws_cloudwatch_log_group": "logs:{region}:{account}:log-group:{name}",
    "aws_cloudwatch_metric_alarm": "cloudwatch:{region}:{account}:alarm:{alarm_name}",
    "aws_s3_bucket": "s3:::{bucket}",
    "aws_scheduler_schedule_group": "scheduler:{region}:{account}:schedule-group/{name}",
    "aws_scheduler_schedule": "scheduler:{region}:{account}:schedule/{group_name}/{name}",
    "aws_sfn_state_machine": "states:{region}:{account}:stateMachine:{name}",
    "aws_sns_topic": "sns:{region}:{account}:{name}",
    "aws_sqs_queue": "sqs:{region}:{account}:{name}",
    "aws_ssm_parameter": "ssm:{region}:{account}:parameter/{name}",
    "aws_vpc": "ec2:{region}:{account}:vpc/{id}",
}
_IDS = {
    "aws_vpc": "vpc-{hex}",
    "aws_subnet": "subnet-{hex}",
    "aws_security_group": "sg-{hex}",
    "aws_network_acl": "acl-{hex}",
    "aws_route_table": "rtb-{hex}",
    "aws_internet_gateway": "igw-{hex}",
    "aws_nat_gateway": "nat-{hex}",
    "aws_eip": "eipalloc-{hex}",
    "aws_vpc_endpoint": "vpce-{hex}",
    "aws_kms_key": "{uuid}",
    "aws_iam_role": "{name}",
    "aws_s3_bucket": "{bucket}",
    "aws_sqs_queue": "https://sqs.{region}.amazonaws.com/{account}/{name}",
    "aws_sns_topic": "arn:aws:sns:{region}:{account}:{name}",
    "aws_sfn_state_machine": "arn:aws:states:{region}:{account}:stateMachine:{name}",
    "aws_lambda_function": "{function_name}",
    "aws_dynamodb_table": "{name}",
    "aws_cloudwatch_log_group": "{name}",
}


def answers(kind: str, address: str, change: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Of the values that are unknown in a plan those that others refer to."""
    digest = hashlib.sha256(address.encode()).hexdigest()
    known = {name: value for name, value in change["after"].items() if isinstance(value, str)}
    uuid = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    told = {"region": region, "account": ACCOUNT, "hex": digest[:17], "uuid": uuid, "address": address, **known}
    told["id"] = _IDS.get(kind, "mock-{hex}").format_map(_Told(told))
    told["key_id"] = uuid
    told["url"] = told["id"]
    told["arn"] = "arn:aws:" + _ARNS.get(kind, "mock:{region}:{account}:{address}").format_map(_Told(told))
    made: dict[str, Any] = {
        **{name: told[name] for name in ("id", "arn", "key_id", "url", "region")},
        "version_id": digest[:32],
        "zone_id": f"Z{digest[:20].upper()}",
        "prefix_list_id": f"pl-{told['hex']}",
        "dns_entry": [{"dns_name": f"{told['id']}.vpce.{region}.amazonaws.com", "hosted_zone_id": "Z0HOSTED"}],
    }
    unknown = {name for name, value in change["after_unknown"].items() if value is True}
    return {name: value for name, value in made.items() if name in unknown}


class _Told(dict[str, str]):
    """What is unknown, as a name that is generated, has its own name for a value."""

    def __missing__(self, name: str) -> str:
        return f"unknown-{name}"
