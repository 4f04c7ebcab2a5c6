"""The AWS login of Vault, which OpenBao has not: a stand-in in front of it, and the STS that it asks.

`IamFront` passes every request on to OpenBao, but answers `auth/aws/login` itself as Vault's AWS method does: it
replays the signed GetCallerIdentity at STS, compares the server-id header and the role's bound principal, and hands out
a real token of OpenBao. `Sts` is moto's server in a process of its own, which checks signatures.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import requests

from engine.errors import ConfigError
from engine.local.owned import OwnedProcess, environment
from engine.local.vault import CALL_S, READY_S, OpenBao

ACCOUNT = "123456789012"
_BODY = "Action=GetCallerIdentity&Version=2011-06-15"
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


@dataclass(frozen=True)
class Identity:
    """Credentials of an assumed role."""

    access_key: str
    secret_key: str
    session_token: str

    def environment(self) -> dict[str, str]:
        """As Lambda gives them to a function."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }


class Sts:
    """`with Sts(directory) as sts:` - an STS at `sts.address` that refuses what no identity of its own signed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        serve = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
        self._process = OwnedProcess(
            [sys.executable, "-c", serve], cwd=self.directory, log=self.directory / "sts.log",
            env={**environment(), "MOTO_PORT": str(port)},
        )  # fmt: skip
        give_up = time.monotonic() + READY_S
        while True:
            try:
                self._unchecked_requests("0")
            except requests.RequestException:
                if time.monotonic() > give_up:
                    self._process.end()
                    raise ConfigError(
                        ["moto's server, for STS, did not start; install the development group"]
                    ) from None
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.end()

    def role_arn(self, role: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{role}"

    def assume(self, role: str, session: str = "function") -> Identity:
        """An identity of the role; to be called while nobody else asks, for signatures go unchecked meanwhile."""
        self._unchecked_requests("inf")
        sts = boto3.client("sts", endpoint_url=self.address, region_name="us-east-1", aws_access_key_id="setup",
                           aws_secret_access_key="setup")  # noqa: S106  # fmt: skip
        made = sts.assume_role(RoleArn=self.role_arn(role), RoleSessionName=session)["Credentials"]
        self._unchecked_requests("0")
        return Identity(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    def _unchecked_requests(self, count: str) -> None:
        requests.post(f"{self.address}/moto-api/reset-auth", data=count, timeout=CALL_S).raise_for_status()


@dataclass(frozen=True)
class _Role:
    principal: str
    policies: list[str]
    ttl_s: int
    ttl_max_s: int


class RefusedLoginError(Exception):
    """In Vault's words."""


class IamFront:
    """`with IamFront(bao, sts.address) as front:` - `front.address` is Vault's address for clients.

    `region` is the configuration's `sts_region` with the endpoint that belongs to it; `server_id` its
    `iam_server_id_header_value`.
    """

    def __init__(self, bao: OpenBao, sts: str, *, region: str | None = None, server_id: str | None = None) -> None:
        self.region = region
        self.server_id = server_id
        self.logins = 0
        self._bao = bao
        self._sts = sts
        self._roles: dict[str, _Role] = {}

    def __enter__(self) -> Self:
        front = self

        class Handler(_Handler):
            pass

        Handler.front = front
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def bind(self, role: str, principal: str, *policies: str, ttl_s: int = 3600, ttl_max_s: int = 86400) -> None:
        """Who has the principal (ARN of an IAM role) may log in to Vault's `role`, and gets a token of the policies."""
        self._roles[role] = _Role(principal, list(policies), ttl_s, ttl_max_s)

    @property
    def sts_host(self) -> str:
        return f"sts.{self.region}.amazonaws.com" if self.region else "sts.amazonaws.com"

    def log_in(self, told: dict[str, str]) -> dict[str, Any]:
        """The answer of OpenBao to the making of a token. Raises RefusedLoginError."""
        role = self._roles.get(told.get("role", ""))
        if role is None:
            raise RefusedLoginError(f'entry for role "{told.get("role")}" not found')
        headers = json.loads(base64.b64decode(told["iam_request_headers"]))
        flat = {name.lower(): value[0] if isinstance(value, list) else value for name, value in headers.items()}
        self._check_server_id(flat)
        arn = self._caller(told, flat)
        if not _matches(arn, role.principal):
            raise RefusedLoginError(f'IAM Principal "{arn}" does not belong to the role "{told["role"]}"')
        self.logins += 1
        made = self._bao.client.auth.token.create(
            policies=role.policies, ttl=f"{role.ttl_s}s", explicit_max_ttl=f"{role.ttl_max_s}s", no_parent=True,
            renewable=True, meta={"canonical_arn": arn},
        )  # fmt: skip
        return dict(made)

    def _check_server_id(self, headers: dict[str, str]) -> None:
        if self.server_id is None:
            return
        given = headers.get("x-vault-aws-iam-server-id")
        if given is None:
            raise RefusedLoginError("error validating X-Vault-AWS-IAM-Server-ID header: missing header")
        if given != self.server_id:
            raise RefusedLoginError(f'error validating X-Vault-AWS-IAM-Server-ID header: expected "{self.server_id}"')
        signed = re.search(r"SignedHeaders=([^,]+)", headers.get("authorization", ""))
        if not signed or "x-vault-aws-iam-server-id" not in signed[1].split(";"):
            raise RefusedLoginError("error validating X-Vault-AWS-IAM-Server-ID header: header wasn't signed")

    def _caller(self, told: dict[str, str], headers: dict[str, str]) -> str:
        """The ARN of who signed, as STS says. As Vault does, the host is that of its own configuration."""
        body = base64.b64decode(told["iam_request_body"]).decode()
        if told.get("iam_http_request_method") != "POST" or body != _BODY:
            raise RefusedLoginError("iam_request_body is not a GetCallerIdentity request")
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/sts/", headers.get("authorization", ""))
        if not scope or scope[1] != (self.region or "us-east-1"):  # moto does not look at it, STS does
            raise RefusedLoginError(
                f"error making upstream request: received error code 403 from STS: SignatureDoesNotMatch, Credential "
                f"should be scoped to a valid region, not '{scope[1] if scope else ''}'"
            )
        answer = requests.post(f"{self._sts}/", data=body, headers={**headers, "host": self.sts_host}, timeout=CALL_S)
        if answer.status_code != 200:
            raise RefusedLoginError(
                f"error making upstream request: received error code {answer.status_code} from STS: {answer.text}"
            )
        found = re.search(r"<Arn>([^<]+)</Arn>", answer.text)
        assert found, answer.text
        return found[1]

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self._bao.port, timeout=CALL_S)
        with contextlib.closing(upstream):
            upstream.request(method, path, body, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheader("Content-Type", "application/json"), answer.read()


def _matches(arn: str, principal: str) -> bool:
    """arn:aws:sts::1:assumed-role/NAME/SESSION is the principal arn:aws:iam::1:role/NAME."""
    canonical = re.sub(r"^arn:(\w+):sts::(\d+):assumed-role/([^/]+)/.*", r"arn:\1:iam::\2:role/\3", arn)
    return canonical == principal


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: IamFront

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Nothing: what is asked here is secret."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/v1/auth/aws/login":
            status, kind, said = self._log_in(body)
        else:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            try:
                status, kind, said = self.front.pass_on(self.command, self.path, headers, body)
            except OSError:
                status, kind, said = 502, "application/json", b'{"errors": ["OpenBao does not answer"]}'
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _log_in(self, body: bytes) -> tuple[int, str, bytes]:
        try:
            return 200, "application/json", json.dumps(self.front.log_in(json.loads(body))).encode()
        except RefusedLoginError as refused:
            return 400, "application/json", json.dumps({"errors": [str(refused)]}).encode()

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = do_HEAD = _answer  # noqa: N815
