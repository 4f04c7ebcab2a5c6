"""A stand-in for Artifactory and for GitHub's identities, as their REST documentation describes what is used of them.

A checksum that differs is a conflict; what is there cannot be written again, since the token has no right to delete; a
token is given for the identity of the workflow alone.
"""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

IDENTITY, REQUEST_TOKEN, TOKEN = "header.workflow.signature", "asked-by-the-runner", "lives-minutes"


class ArtifactoryFront:
    """`files` is what it keeps, by path below the repository; `failures` is the statuses of the next answers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.failures: list[int] = []
        self.requests: list[str] = []
        front = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                front.requests.append(f"{self.command} {self.path}")
                status, content = front.failures.pop(0) if front.failures else 0, b""
                if not status:
                    status, content = front.answer(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = answer  # noqa: N815 names of the standard library

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def workflow(self) -> dict[str, str]:
        """What a job with `id-token: write` finds, and the repository's variables."""
        return {
            "ARTIFACTORY_URL": self.url,
            "ARTIFACTORY_REPOSITORY": "packages",
            "ARTIFACTORY_PROVIDER": "github",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/identity?job=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
        }

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        where, bearer = urlsplit(path), headers.get("Authorization", "")
        if where.path == "/identity":
            right = bearer == f"Bearer {REQUEST_TOKEN}" and parse_qs(where.query)["audience"] == [self.url]
            return (200, json.dumps({"value": IDENTITY}).encode()) if right else (401, b"")
        if where.path == "/access/api/v1/oidc/token":
            right = method == "POST" and json.loads(body) == {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
                "subject_token": IDENTITY,
                "provider_name": "github",
            }
            return (200, json.dumps({"access_token": TOKEN}).encode()) if right else (400, b"")
        if bearer != f"Bearer {TOKEN}":
            return 401, b""
        name = where.path.removeprefix("/artifactory/packages/")
        if method == "PUT":
            if name in self.files:
                return 403, b""
            if headers["X-Checksum-Sha256"] != hashlib.sha256(body).hexdigest():
                return 409, b""
            self.files[name] = body
            return 201, b"{}"
        return (200, self.files[name]) if name in self.files else (404, b"")
