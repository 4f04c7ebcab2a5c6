"""What Terraform renders, made in the local cloud: by the same names, with functions that have their own roles.

Names, schemas, policies, environments and the state machine are Terraform's. Of the environment only the addresses are
ours, for Aurora, Snowflake and Vault are elsewhere here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from engine.local.cloud.aws import Aws
from engine.local.cloud.cloud import ROLE, Cloud
from engine.local.cloud.environment import FunctionSpec
from engine.local.cloud.functions import Functions
from engine.local.vault_iam import Identity
from tests.terraform.answers import ACCOUNT
from tests.terraform.policies import documents
from tests.terraform.running import Rendered

HERE = re.compile(r"BOREALIS_VAULT__|BOREALIS_LIMITS__")
"""Settings that are the local cloud's own."""
MEMORY_MB = 1024
TIMEOUT_S = 60.0
"""Less than there: a laptop has less of both."""
OPERATOR = "operator"
STATE_MACHINE_KEY = ("ak", "sk")
"""What moto's interpreter signs with."""


@contextmanager
def deployed(up: Cloud, rendered: Rendered, configuration: str) -> Iterator[Functions]:
    """The functions by their full names, which are those that AWS invokes from now on."""
    version = _resources(up.aws, rendered, configuration)
    _roles(up.aws, rendered)
    specs = {each["function_name"]: _spec(up, rendered, each.values, version) for each in functions(rendered)}
    before = up.aws.functions
    with Functions(up.functions.directory.with_name("deployed"), specs, up.functions.variables) as made:
        up.aws.functions = made
        yield made
    up.aws.functions = before


def functions(rendered: Rendered) -> list[Any]:
    return rendered.all("aws_lambda_function")


def role_of(rendered: Rendered, function: Mapping[str, Any]) -> str:
    """Its name."""
    (found,) = [each for each in rendered.all("aws_iam_role") if each["arn"] == function["role"]]
    return str(found["name"])


def _resources(aws: Aws, rendered: Rendered, configuration: str) -> str:
    """The version of the configuration."""
    for table in rendered.all("aws_dynamodb_table"):
        keys = [(table["hash_key"], "HASH"), (table["range_key"], "RANGE")]
        aws.client("dynamodb").create_table(
            TableName=table["name"], BillingMode=table["billing_mode"],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
            AttributeDefinitions=[
                {"AttributeName": each["name"], "AttributeType": each["type"]} for each in table["attribute"]
            ],
        )  # fmt: skip
    for queue in rendered.all("aws_sqs_queue"):
        aws.queue(queue["name"])
    for topic in rendered.all("aws_sns_topic"):
        aws.client("sns").create_topic(Name=topic["name"])
    for group in rendered.all("aws_cloudwatch_log_group"):
        aws.client("logs").create_log_group(logGroupName=group["name"])
    for key in (each for each in rendered.all("aws_kms_key") if each.name == "receipts"):
        kind = {"KeySpec": key["customer_master_key_spec"], "KeyUsage": key["key_usage"]}
        aws.client("kms").create_key(**kind, Tags=[{"TagKey": "_custom_id_", "TagValue": key["key_id"]}])
    for bucket in rendered.all("aws_s3_bucket"):
        aws.client("s3").create_bucket(Bucket=bucket["bucket"])
    for versioning in rendered.all("aws_s3_bucket_versioning"):
        status = {"Status": versioning["versioning_configuration"][0]["status"]}
        aws.client("s3").put_bucket_versioning(Bucket=versioning["bucket"], VersioningConfiguration=status)
    (machine,) = rendered.all("aws_sfn_state_machine")
    made = aws.client("stepfunctions").create_state_machine(
        name=machine["name"], definition=machine["definition"], roleArn=machine["role_arn"]
    )
    assert made["stateMachineArn"] == machine["arn"]
    (kept,) = rendered.all("aws_s3_object")
    put = aws.client("s3").put_object(Bucket=kept["bucket"], Key=kept["key"], Body=configuration.encode())
    return str(put["VersionId"])


def _roles(aws: Aws, rendered: Rendered) -> None:
    """Those of Terraform; the operator may do everything, and the state machine's key is its role's."""
    iam = aws.client("iam")
    for role in rendered.all("aws_iam_role"):
        iam.create_role(RoleName=role["name"], AssumeRolePolicyDocument=role["assume_role_policy"])
        put_policies(aws, rendered, role["name"])
    (machine,) = rendered.all("aws_sfn_state_machine")
    role = machine["role_arn"].rsplit("/", 1)[1]
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}], "Version": "2012-10-17"}
    _user(aws, OPERATOR, {"all": everything}, ("local", "local"))
    _user(aws, role, documents(rendered, role), STATE_MACHINE_KEY)


def put_policies(aws: Aws, rendered: Rendered, role: str, without: str = "") -> None:
    """As Terraform says, less an action."""
    for name, document in documents(rendered, role).items():
        for statement in document["Statement"]:
            actions = statement["Action"]
            statement["Action"] = [
                each for each in ([actions] if isinstance(actions, str) else actions) if each != without
            ]
        document["Statement"] = [each for each in document["Statement"] if each["Action"]]
        aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def _user(aws: Aws, name: str, policies: Mapping[str, Any], key: tuple[str, str]) -> None:
    aws.client("iam").create_user(UserName=name)
    for policy, document in policies.items():
        aws.client("iam").put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    aws.client("iam").create_access_key(UserName=name)
    (made,) = iam_backends[ACCOUNT]["aws"].users[_id_of(name)].access_keys
    made.access_key_id, made.secret_access_key = key


def _id_of(name: str) -> str:
    users = iam_backends[ACCOUNT]["aws"].users
    return next(each for each, user in users.items() if user.name == name)


def _spec(up: Cloud, rendered: Rendered, function: Mapping[str, Any], version: str) -> FunctionSpec:
    """As Terraform says, under an identity of its role; Vault knows the role as its own."""
    variables = {
        name: re.sub(r"versionId=\w+", f"versionId={version}", value)
        for name, value in function["environment"][0]["variables"].items()
        if not HERE.match(name)
    }
    identity = up.sts.assume(ROLE, function["function_name"])
    _known(up.aws, function["role"], identity)
    spec = FunctionSpec(function["handler"], MEMORY_MB, TIMEOUT_S, {**variables, **identity.environment()})
    queues = {each["arn"]: each["url"] for each in rendered.all("aws_sqs_queue")}
    return replace(spec, on_failure=queues.get(destination_of(rendered, function)))


def destination_of(rendered: Rendered, function: Mapping[str, Any]) -> str | None:
    """The ARN of where events go that failed asynchronously."""
    for each in rendered.all("aws_lambda_function_event_invoke_config"):
        if each["function_name"] == function["function_name"] and each["destination_config"]:
            return str(each["destination_config"][0]["on_failure"][0]["destination"])
    return None


def _known(aws: Aws, role: str, identity: Identity) -> None:
    """To this moto as to the one that Vault asks."""
    aws.client("sts").assume_role(RoleArn=role, RoleSessionName="function")
    assumed = sts_backends[ACCOUNT]["aws"].assumed_roles[-1]
    assumed.access_key_id = identity.access_key
    assumed.secret_access_key = identity.secret_key
    assumed.session_token = identity.session_token
