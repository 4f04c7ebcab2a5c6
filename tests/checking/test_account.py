"""What Terraform made, broken thing by thing: each is found, and the others are looked at all the same."""

import io
import json
import secrets
import zipfile
from dataclasses import dataclass

import boto3
import pytest

from engine import config as settings
from engine.checking import account
from engine.checking.finding import faults

ACCOUNT = "arn:aws:{}:eu-central-1:123456789012:{}"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                                                "Action": "sts:AssumeRole"}]}  # fmt: skip


@dataclass
class Made:
    name: str
    values: dict

    async def look(self):
        found = await account.look(settings.parse(self.values))
        return {each.name.partition(": ")[2].replace(self.name, "N"): each for each in found}

    async def bad(self):
        """(level, what) of all that is not as it should be."""
        return {name: (each.level, each.what) for name, each in (await self.look()).items() if each.level != "ok"}


@pytest.fixture(scope="module")
def package():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handlers.py", "")
    return buffer.getvalue()


@pytest.fixture
def made(aws, package):
    """All as Terraform makes it."""
    name = f"b{secrets.token_hex(4)}"
    boto3.client("dynamodb").create_table(
        TableName=f"{name}-state", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
    )  # fmt: skip
    time_to_live(name, on=True)
    backups(name, on=True)
    queue = boto3.client("sqs").create_queue(
        QueueName=name, Attributes={"MessageRetentionPeriod": str(14 * 86_400)}
    )["QueueUrl"]  # fmt: skip
    topic = boto3.client("sns").create_topic(Name=name)["TopicArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ACCOUNT.format("sqs", name))
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    machine = boto3.client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role)
    boto3.client("logs").create_log_group(logGroupName=f"/{name}/audit")
    subnet = boto3.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    for key in account.FUNCTIONS:
        make_function(f"{name}-{key}", role, package, {"SubnetIds": [subnet], "SecurityGroupIds": []})
    return Made(name, {
        "source": {"dsn": "postgresql://reader@127.0.0.1:1/shop"},
        "target": {"account": "A", "user": "U", "password": "none", "database": "D", "schema": "S"},
        "tables": [{"name": "public.*"}],
        "state": {"table": f"{name}-state"},
        "aws": {
            "region": "eu-central-1", "dead_letter_queue": queue, "topic": topic, "audit_log_group": f"/{name}/audit",
            "state_machine": machine["stateMachineArn"],
            "snapshot_function": f"{ACCOUNT.format('lambda', 'function')}:{name}-snapshot:live",
        },
    })  # fmt: skip


def time_to_live(name, *, on):
    boto3.client("dynamodb").update_time_to_live(
        TableName=f"{name}-state", TimeToLiveSpecification={"Enabled": on, "AttributeName": "expires"}
    )


def backups(name, *, on):
    boto3.client("dynamodb").update_continuous_backups(
        TableName=f"{name}-state", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
    )


def make_function(name, role, package, vpc):
    client = boto3.client("lambda")
    client.create_function(
        FunctionName=name, Role=role, Runtime="python3.13", Handler="handlers.handler", Code={"ZipFile": package},
        Timeout=900, MemorySize=1769, VpcConfig=vpc, Publish=True,
    )  # fmt: skip
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")


async def test_nothing_is_found_where_all_is_as_terraform_makes_it(made):
    found = await made.look()
    assert {each.level for each in found.values()} == {"ok"}
    assert len(found) == 5 + len(account.FUNCTIONS)


async def test_a_state_table_without_time_to_live_or_backups(made):
    time_to_live(made.name, on=False)
    backups(made.name, on=False)
    bad = await made.bad()
    assert {name: level for name, (level, _) in bad.items()} == {
        "time to live": "advice", "point-in-time recovery": "advice"
    }  # fmt: skip


async def test_a_state_table_with_other_keys(made):
    client = boto3.client("dynamodb")
    client.delete_table(TableName=f"{made.name}-state")
    client.create_table(
        TableName=f"{made.name}-state", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    assert await made.bad() == {"state.table N-state": ("fault", "its keys are [('id', 'S')]")}


async def test_what_is_not_there_is_a_fault_each_and_hides_nothing_of_the_others(made):
    boto3.client("dynamodb").delete_table(TableName=f"{made.name}-state")
    boto3.client("sqs").delete_queue(QueueUrl=made.values["aws"]["dead_letter_queue"])
    boto3.client("sns").delete_topic(TopicArn=made.values["aws"]["topic"])
    boto3.client("stepfunctions").delete_state_machine(stateMachineArn=made.values["aws"]["state_machine"])
    boto3.client("logs").delete_log_group(logGroupName=f"/{made.name}/audit")
    boto3.client("lambda").delete_alias(FunctionName=f"{made.name}-worker", Name="live")
    found = await made.look()
    assert {name for name, each in found.items() if each.level == "fault"} == {
        "state.table N-state", "aws.dead_letter_queue", "aws.topic", "aws.state_machine", "aws.audit_log_group",
        "function N-worker",
    }  # fmt: skip
    assert faults(found.values())
    assert all(each.why and each.what for each in found.values() if each.level == "fault")


async def test_a_queue_that_forgets_soon_and_one_in_which_letters_wait(made):
    sqs, queue = boto3.client("sqs"), made.values["aws"]["dead_letter_queue"]
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    assert await made.bad() == {"aws.dead_letter_queue": ("advice", "1 messages wait")}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "3600"})
    assert await made.bad() == {"aws.dead_letter_queue": ("advice", "keeps messages for 1 h")}


async def test_a_topic_that_tells_nobody(made):
    sns = boto3.client("sns")
    for each in sns.list_subscriptions_by_topic(TopicArn=made.values["aws"]["topic"])["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    assert await made.bad() == {"aws.topic": ("advice", "0 subscriptions, 0 wait to be confirmed")}


async def test_a_time_limit_that_leaves_no_time_and_a_function_outside_of_the_vpc(made, package):
    client = boto3.client("lambda")
    client.update_function_configuration(FunctionName=f"{made.name}-worker", Timeout=60)
    version = client.publish_version(FunctionName=f"{made.name}-worker")["Version"]
    client.update_alias(FunctionName=f"{made.name}-worker", Name="live", FunctionVersion=version)
    role = client.get_function_configuration(FunctionName=f"{made.name}-health")["Role"]
    client.delete_function(FunctionName=f"{made.name}-health")
    make_function(f"{made.name}-health", role, package, {})
    assert await made.bad() == {
        "function N-worker": ("fault", "its time limit is 60 s"),
        "function N-health": ("fault", "it is in no VPC"),
    }
