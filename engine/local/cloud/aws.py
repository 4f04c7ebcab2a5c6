"""AWS on a laptop: moto's server on loopback, in this process, with Lambda being the functions of `functions`.

Whoever asks Lambda there, a client or the state machine, gets the real runtime client's answer. What is
made lives as long as the process, so names should be new; and one at a time, for it is moto itself that is led to them.
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
from moto.stepfunctions.responses import StepFunctionResponse

from engine.local.cloud.functions import ACCOUNT, REGION, Functions, Throttled, UnknownFunction, new_trace_id
from engine.local.dynamodb import make_atomic

KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
POLL_S = 0.1
ROLE = f"arn:aws:iam::{ACCOUNT}:role/state-machine"


@dataclass(frozen=True, slots=True)
class Execution:
    """How an execution of a state machine ended."""

    arn: str
    status: str
    """SUCCEEDED, FAILED, TIMED_OUT or ABORTED; RUNNING where it was not waited for."""
    output: Any
    error: str | None
    cause: str | None


class Aws:
    """`with Aws() as aws:`, then `aws.functions = ...`; `aws.client("sqs")` is boto3's."""

    def __init__(self) -> None:
        self.functions: Functions | None = None
        self._traces: dict[str, str] = {}
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)

    def __enter__(self) -> Self:
        assert "MOTO_PORT" not in os.environ, "another Aws serves in this process"
        for noisy in ("werkzeug", "moto"):  # a line a request; pages an error that a state machine catches
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        make_atomic()
        default_user_config["lambda"] = {"use_docker": False}
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        self._server.start()
        self.url = "http://{}:{}".format(*self._server.get_host_and_port())
        os.environ["MOTO_PORT"] = self.url.rsplit(":", 1)[1]  # where its state machines find the services
        self._invoke = LambdaSimpleBackend.invoke
        self._start = StepFunctionResponse.start_execution
        StepFunctionResponse.start_execution = self._traced()  # type: ignore[method-assign]
        LambdaSimpleBackend.invoke = self._route()  # type: ignore[method-assign]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        StepFunctionResponse.start_execution = self._start  # type: ignore[method-assign]
        LambdaSimpleBackend.invoke = self._invoke  # type: ignore[method-assign]
        self._server.stop()
        del os.environ["MOTO_PORT"]

    @property
    def variables(self) -> dict[str, str]:
        """For the functions."""
        return {"AWS_ENDPOINT_URL": self.url, **KEYS}

    def client(self, service: str, **settings: Any) -> Any:
        """`settings` are botocore's."""
        return boto3.client(
            service,
            config=Config(**settings),
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def queue(self, name: str) -> str:
        """A new queue's URL."""
        return str(self.client("sqs").create_queue(QueueName=name)["QueueUrl"])

    def topic(self, name: str, queue: str) -> str:
        """A new topic's ARN; what it is told arrives in the queue, as it was sent."""
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue.rsplit('/', 1)[1]}"
        topic = self.client("sns").create_topic(Name=name)["TopicArn"]
        raw = {"RawMessageDelivery": "true"}
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
        return str(topic)

    def messages(self, queue: str) -> list[str]:
        """The text of all that lies in a queue, taken out of it."""
        sqs, found = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                found.append(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def log(self, group: str) -> list[tuple[str, dict[str, Any]]]:
        """The lines of JSON of a log group, as they came, each with its stream."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        events = [event for page in pages for event in page["events"]]
        return [(event["logStreamName"], json.loads(event["message"])) for event in events]

    def state_machine(self, name: str, definition: str) -> str:
        """A new state machine's ARN."""
        made = self.client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=ROLE)
        return str(made["stateMachineArn"])

    def execute(self, state_machine: str, event: Any, *, seconds: float = 600) -> Execution:
        """Starts an execution and waits for its end."""
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=state_machine, name=str(uuid.uuid4()), input=json.dumps(event)
        )  # without a name moto would call every execution None
        arn = str(started["executionArn"])
        return self.execution(arn, seconds=seconds)

    def execution(self, arn: str, *, seconds: float) -> Execution:
        """An execution at its end, or RUNNING when the seconds are over."""
        client, give_up = self.client("stepfunctions"), time.monotonic() + seconds
        while (found := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() > give_up:
                break
            time.sleep(POLL_S)
        output = json.loads(found["output"]) if found.get("output") else None
        return Execution(arn, found["status"], output, found.get("error"), found.get("cause"))

    def _traced(self) -> Any:
        """Around moto's own, which passes over whose trace an execution belongs to: its functions then see it."""

        def start_execution(request: Any) -> Any:
            asked = json.loads(request.body)
            execution = f"{asked['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{asked.get('name')}"
            given = asked.get("traceHeader") or request.headers.get("X-Amzn-Trace-Id")
            self._traces[execution] = given or new_trace_id()
            return self._start(request)

        return start_execution

    def _route(self) -> Any:
        """In the place of moto's own function, which answers without running anything."""

        def invoke(
            _: Any,
            function_name: str,
            qualifier: str | None,
            body: Any,
            headers: Mapping[str, str],
            answer: dict[str, Any],
        ) -> bytes:
            assert self.functions is not None, "no functions are deployed"
            named, event = function_name.rsplit(":function:", 1)[-1], json.loads(body or b"{}")
            name = f"{named}:{qualifier}" if qualifier else named
            execution = event.get("execution") or event.get("correlation_id")
            trace_id = headers.get("X-Amzn-Trace-Id") or self._traces.get(execution, "")
            try:
                if headers.get("X-Amz-Invocation-Type") == "Event":
                    self.functions.send(name, event, trace_id=trace_id)
                    return b""
                ended = self.functions.invoke(name, event, trace_id=trace_id)
            except Throttled:
                raise _refused("TooManyRequestsException", 429, "Rate Exceeded.") from None
            except UnknownFunction:
                raise _refused("ResourceNotFoundException", 404, f"Function not found: {name}") from None
            if ended.error is not None:
                answer["x-amz-function-error"] = "Unhandled"
            return json.dumps(ended.payload).encode()

        return invoke


def _refused(error: str, status: int, message: str) -> LambdaClientError:
    refused = LambdaClientError(error, message)
    refused.code = status
    return refused


def definition(template: Path, **values: object) -> str:
    """The state machine as Terraform's templatefile would render it."""
    text = template.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", str(value))
    assert "${" not in text, text[text.index("${") :][:60]
    return text
