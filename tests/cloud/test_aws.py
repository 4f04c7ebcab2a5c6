"""Lambda as clients meet it: boto3 against the functions, with the service's errors."""

import dataclasses
import json
import secrets

import pytest
from botocore.exceptions import ClientError

from engine.local.cloud.environment import FunctionSpec
from engine.local.cloud.functions import Functions, arn_of
from tests.cloud.conftest import CODE


@pytest.fixture
def client(aws, tmp_path):
    spec = FunctionSpec(
        "plain.handler", code=CODE, concurrency=1, on_failure=aws.queue(f"failed-{secrets.token_hex(4)}")
    )
    with Functions(tmp_path, {"plain": spec}, aws.variables) as functions:
        aws.functions = functions
        yield aws.client("lambda", retries={"total_max_attempts": 1})


@pytest.mark.parametrize("name", ["plain", arn_of("plain")], ids=["name", "ARN"])
def test_a_client_gets_what_the_handler_returned(client, name):
    answer = client.invoke(FunctionName=name, Payload=json.dumps({"do": "return", "with": [1, "a", None]}))
    assert answer["StatusCode"] == 200
    assert json.load(answer["Payload"])["did"] == [1, "a", None]


def test_a_client_is_told_of_an_error(client):
    answer = client.invoke(FunctionName="plain", Payload=json.dumps({"do": "fail", "with": "cold"}))
    assert answer["FunctionError"] == "Unhandled"
    assert json.load(answer["Payload"])["errorType"] == "RetryableError"


def test_a_client_is_told_that_there_is_no_such_function(client):
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.invoke(FunctionName="nobody", Payload="{}")


def test_a_client_is_throttled(client, aws):
    aws.functions.specs["plain"] = dataclasses.replace(aws.functions.specs["plain"], concurrency=0)
    with pytest.raises(ClientError, match="TooManyRequestsException") as refused:
        client.invoke(FunctionName="plain", Payload="{}")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


def test_an_event_that_keeps_failing_is_sent_to_the_destination_on_failure(client, aws):
    event = {"do": "fail", "with": "cold"}
    answer = client.invoke(FunctionName="plain", InvocationType="Event", Payload=json.dumps(event))
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert aws.functions.settle(10)
    assert len(aws.functions.trace) == 3
    (message,) = aws.messages(aws.functions.specs["plain"].on_failure)
    record = json.loads(message)
    assert (record["requestPayload"], record["responsePayload"]["errorMessage"]) == (event, "cold")
    assert record["requestContext"]["requestId"] == aws.functions.trace[0].request_id
    assert record["requestContext"]["functionArn"] == f"{arn_of('plain')}:$LATEST"


def test_an_answer_that_is_too_large_is_refused(client):
    answer = client.invoke(FunctionName="plain", Payload=json.dumps({"do": "bytes", "with": 7_000_000}))
    assert json.load(answer["Payload"])["errorType"] == "Function.ResponseSizeTooLarge"
