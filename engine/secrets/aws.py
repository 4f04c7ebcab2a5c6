"""What the process's own AWS identity signs: its login to Vault, and its password at an RDS or Aurora database.

Credentials come from the SDK's normal chain, in a function from its role. Nothing is sent from here, but looking for
credentials may block: callers use a thread.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
from typing import Any
from urllib.parse import urlencode

import botocore.session
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

from engine.errors import SecretError

TOKEN_S = 900
"""Life of a database token: what RDS accepts at most. It is checked at login only; sessions live on."""
SERVER_ID = "X-Vault-AWS-IAM-Server-ID"

logging.getLogger("botocore.auth").setLevel(logging.INFO)  # its debug lines quote the session token


@functools.cache
def _session() -> Any:
    """Made once, for it takes 5 to 15 ms; who we are is looked up anew, for the credentials of a role change."""
    return botocore.session.Session()


def _credentials() -> ReadOnlyCredentials:
    try:
        found = _session().get_component("credential_provider").load_credentials()
        frozen = found.get_frozen_credentials() if found is not None else None
    except BotoCoreError as error:
        raise SecretError(f"cannot get AWS credentials: {type(error).__name__}", retryable=True) from None
    if frozen is None:
        raise SecretError(
            "there are no AWS credentials to sign with",
            remedy="run with a role (function, container, instance), or set AWS_PROFILE or AWS_ACCESS_KEY_ID",
        )
    return frozen


def identity_request(region: str | None, server_id: str | None) -> dict[str, str]:
    """A signed GetCallerIdentity, in the fields that Vault's AWS method replays at STS.

    Signed for the STS of `region`, or the global one. hvac signs for the global one alone, which Vault refuses where
    its `sts_region` is set, as it is in a VPC whose only way to STS is the endpoint of its region.
    """
    suffix = ".cn" if region is not None and region.startswith("cn-") else ""
    host = f"sts.{region}.amazonaws.com{suffix}" if region else "sts.amazonaws.com"
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"Host": host, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    if server_id is not None:
        headers[SERVER_ID] = server_id
    request = AWSRequest("POST", f"https://{host}/", headers=headers, data=body)
    SigV4Auth(_credentials(), "sts", region or "us-east-1").add_auth(request)
    signed = json.dumps({name: [value] for name, value in request.headers.items()})
    return {
        "iam_http_request_method": "POST",
        "iam_request_url": base64.b64encode(request.url.encode()).decode(),
        "iam_request_headers": base64.b64encode(signed.encode()).decode(),
        "iam_request_body": base64.b64encode(body.encode()).decode(),
    }


def database_token(host: str, port: int, user: str, region: str | None) -> str:
    """The password of `user` at an RDS or Aurora endpoint, for `TOKEN_S`.

    As `generate_db_auth_token` of the SDK, without its `rds` client, whose model the functions' package leaves out.
    """
    region = region or _session().get_config_variable("region")
    if region is None:
        raise SecretError("the database's token needs a region", remedy="set aws.region")
    request = AWSRequest("GET", f"https://{host}:{port}/?{urlencode({'Action': 'connect', 'DBUser': user})}")
    SigV4QueryAuth(_credentials(), "rds-db", region, expires=TOKEN_S).add_auth(request)
    return str(request.url).removeprefix("https://")
