"""moto as IAM: every request is signed by a role, allowed by that role's policy, and noted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import unquote

import requests
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import BaseResponse

from engine.local.cloud.aws import Aws
from tests.terraform.answers import ACCOUNT
from tests.terraform.policies import Call

_ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:DeleteObjects": "s3:DeleteObject",
}
"""Where IAM has another name than the API."""


@contextmanager
def enforced(aws: Aws) -> Iterator[list[Call]]:
    """What roles call meanwhile; requests of nobody whom moto's IAM knows are refused, as are those without a right."""
    calls: list[Call] = []

    def authorize(self: BaseResponse, kind: type, resource: str = "*") -> None:
        asked = kind(
            account_id=self.current_account, method=self.method, path=_path(self), data=self.data, body=self.raw_body,
            headers=self.headers, action=self._get_action(),
        )  # fmt: skip
        asked.check_signature()
        asked._action = _action(asked._action, self)
        found = _resource(asked._service, self, resource)
        role = asked._access_key.arn.split("/")[1]
        if asked._action != "sts:GetCallerIdentity":
            calls.append(Call(role, asked._action, found))
        asked.check_action_permitted(found)

    requests.post(f"{aws.url}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    with mock.patch.object(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", authorize):
        yield calls
    requests.post(f"{aws.url}/moto-api/reset-auth", data="inf", timeout=10).raise_for_status()


def _path(response: Any) -> str:
    query = response.uri.partition("?")[2]
    return f"{response.raw_path}?{query}" if query else str(response.raw_path)


def _action(action: str, response: Any) -> str:
    if action == "s3:GetObject" and "versionId" in response.uri:
        return "s3:GetObjectVersion"
    return _ACTIONS.get(action, action)


def _resource(service: str, response: Any, told: str) -> str:
    """The ARN that a request is about; moto knows it for S3 alone."""
    if service == "s3":
        first = re.search("<Key>([^<]+)</Key>", _text(response)) if "delete" in response.querystring else None
        return f"{told}/{first[1]}" if first else told  # moto asks the bucket, AWS each object
    body = _body(response)
    place = f"{response.region}:{ACCOUNT}"
    if service == "lambda":
        name = unquote(response.path.split("/functions/")[1].split("/")[0])
        qualifier = response._get_param("Qualifier")
        arn = name if name.startswith("arn:") else f"arn:aws:lambda:{place}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn
    if service == "logs":
        return f"arn:aws:logs:{place}:log-group:{body['logGroupName']}:log-stream:{body['logStreamName']}"
    if service == "kms":
        return str(body["KeyId"])
    if "TableName" in body:
        return f"arn:aws:dynamodb:{place}:table/{body['TableName']}"
    if "QueueUrl" in body:
        return f"arn:aws:sqs:{place}:{body['QueueUrl'].rsplit('/', 1)[1]}"
    found = [body[name] for name in ("TopicArn", "stateMachineArn", "executionArn") if name in body]
    return str(found[0]) if found else told


def _body(response: Any) -> Mapping[str, Any]:
    if isinstance(response.body, dict):
        return response.body
    text = _text(response)
    if text.startswith("{"):
        found: dict[str, Any] = json.loads(text)
        return found
    return {name: values[0] for name, values in response.querystring.items()}


def _text(response: Any) -> str:
    body = response.raw_body
    return body.decode() if isinstance(body, bytes) else str(body or "")
