"""What Terraform made, as AWS has it now: state table, queue, topic, state machine, functions, audit log.

With the identity of whoever asks: it needs the rights to describe these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from engine import aws
from engine.checking.finding import Finding, Findings
from engine.config import Config

FUNCTIONS = ("scheduled", "parallel", "worker", "snapshot", "health", "benchmark")
TIMEOUT_S = {"health": 30}
"""At least, where it is not that of the others: eight seconds for each check, all at once, and a cold start."""
TIMEOUT_S_LEAST = 300
QUEUE_S = 4 * 86_400
"""A letter must outlive a long weekend."""
ALIAS = "live"


async def look(config: Config) -> list[Finding]:
    found = Findings("account")
    if config.state.table is not None:
        await _state(config, config.state.table, found)
    if config.aws.dead_letter_queue is not None:
        await _queue(config, config.aws.dead_letter_queue, found)
    if config.aws.topic is not None:
        await _topic(config, config.aws.topic, found)
    if config.aws.state_machine is not None:
        await _state_machine(config, config.aws.state_machine, found)
    if config.aws.audit_log_group is not None:
        await _audit(config, config.aws.audit_log_group, found)
    await _functions(config, found)
    return found.found


@asynccontextmanager
async def _asking(config: Config, service: str, found: Findings, name: str, why: str) -> AsyncIterator[Any]:
    async with found.looking(name, why):
        with aws.Translated(f"cannot look at {name}"):
            async with aws.client(service, config.aws.region) as client:
                yield client


async def _state(config: Config, name: str, found: Findings) -> None:
    why = "runs coordinate by it: without it none begins"
    async with _asking(config, "dynamodb", found, f"state.table {name}", why) as dynamodb:
        table = (await dynamodb.describe_table(TableName=name))["Table"]
        life = (await dynamodb.describe_time_to_live(TableName=name))["TimeToLiveDescription"]
        backups = (await dynamodb.describe_continuous_backups(TableName=name))["ContinuousBackupsDescription"]
        types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        keys = [(each["AttributeName"], types[each["AttributeName"]]) for each in table["KeySchema"]]
        if keys != [("pk", "S"), ("sk", "S")]:
            found.fault(
                f"state.table {name}", f"its keys are {keys}", why, "make it with the strings pk and sk (docs/state.md)"
            )
            return
        found.ok(f"state.table {name}", "keys pk and sk")
        if (life.get("TimeToLiveStatus"), life.get("AttributeName")) != ("ENABLED", "expires"):
            found.advice(
                "time to live", f"{life.get('TimeToLiveStatus')} {life.get('AttributeName', '')}".strip(),
                "leases and receipts stay for ever and are paid for", "enable time to live on the attribute expires",
            )  # fmt: skip
        recovery = backups.get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            found.advice(
                "point-in-time recovery", "it is off", "no row is lost with this table, but receipts and answers are",
                "enable point-in-time recovery",
            )  # fmt: skip


async def _queue(config: Config, url: str, found: Findings) -> None:
    why = "what fails for good would be lost"
    async with _asking(config, "sqs", found, "aws.dead_letter_queue", why) as sqs:
        told = (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))["Attributes"]
        kept_s, waiting = int(told["MessageRetentionPeriod"]), int(told["ApproximateNumberOfMessages"])
        if kept_s < QUEUE_S:
            found.advice(
                "aws.dead_letter_queue", f"keeps messages for {kept_s / 3600:.0f} h", why, "keep them for 14 days"
            )
        elif waiting:
            found.advice(
                "aws.dead_letter_queue", f"{waiting} messages wait", "these events were given up",
                "see what they say with borealis replay --dry-run",
            )  # fmt: skip
        else:
            found.ok("aws.dead_letter_queue", "empty")


async def _topic(config: Config, arn: str, found: Findings) -> None:
    async with _asking(config, "sns", found, "aws.topic", "nobody would be told of failures") as sns:
        told = (await sns.list_subscriptions_by_topic(TopicArn=arn))["Subscriptions"]
        pending = sum(each["SubscriptionArn"] == "PendingConfirmation" for each in told)
        confirmed = len(told) - pending
        if confirmed:
            found.ok("aws.topic", f"{confirmed} subscriptions")
        if pending or not confirmed:
            found.advice(
                "aws.topic", f"{confirmed} subscriptions, {pending} wait to be confirmed",
                "who has not confirmed is told nothing", "follow the link in the mail of AWS, or add to alerts.emails",
            )  # fmt: skip


async def _state_machine(config: Config, arn: str, found: Findings) -> None:
    why = "a run that does not fit one function would not go on"
    async with _asking(config, "stepfunctions", found, "aws.state_machine", why) as machines:
        told = await machines.describe_state_machine(stateMachineArn=arn)
        if (told["status"], told.get("type", "STANDARD")) == ("ACTIVE", "STANDARD"):
            found.ok("aws.state_machine", "active")
        else:
            found.fault(
                "aws.state_machine", f"{told['status']}, {told.get('type')}", why,
                "it must be ACTIVE and STANDARD: apply Terraform",
            )  # fmt: skip


async def _audit(config: Config, group: str, found: Findings) -> None:
    why = "no run begins that cannot be written there"
    async with _asking(config, "logs", found, "aws.audit_log_group", why) as logs:
        answer = await logs.describe_log_groups(logGroupNamePrefix=group)
        mine = next((each for each in answer["logGroups"] if each["logGroupName"] == group), None)
        if mine is None:
            found.fault("aws.audit_log_group", f"there is no log group {group}", why, "apply Terraform, or correct it")
        else:
            found.ok("aws.audit_log_group", f"kept for {mine.get('retentionInDays', 'all')} days")


# --- the functions ----------------------------------------------------------------------------------------------


async def _functions(config: Config, found: Findings) -> None:
    snapshot = config.aws.snapshot_function
    if snapshot is None:
        return
    prefix, _, _ = snapshot.partition(":function:")[2].removesuffix(f":{ALIAS}").rpartition("snapshot")
    for key in FUNCTIONS:
        name = f"{prefix}{key}"
        async with _asking(config, "lambda", found, f"function {name}", "it cannot be invoked") as functions:
            told = await functions.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
            _function(key, name, told, found)


def _function(key: str, name: str, told: dict[str, Any], found: Findings) -> None:
    least = TIMEOUT_S.get(key, TIMEOUT_S_LEAST)
    if told["Timeout"] < least:
        found.fault(
            f"function {name}", f"its time limit is {told['Timeout']} s",
            "each start plans, logs in and hands over: too little time is left to copy in",
            f"set functions.{key}.timeout_s to {least} or more, best 900",
        )  # fmt: skip
    elif not told.get("VpcConfig", {}).get("SubnetIds"):
        found.fault(
            f"function {name}", "it is in no VPC", "Aurora and PrivateLink are reached from inside only",
            "apply Terraform, which sets its subnets and its security group",
        )  # fmt: skip
    else:
        found.ok(f"function {name}", f"{told['Timeout']} s, {told['MemorySize']} MB")
