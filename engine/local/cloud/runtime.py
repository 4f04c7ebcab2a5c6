"""The Runtime API of one execution environment: what the real runtime client of a function asks for work.

One server an environment, on a loopback port of its own, as in Lambda; that is how a request says whose it is.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

API = "/2018-06-01/runtime"


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation as the runtime client is handed it."""

    request_id: str
    payload: bytes
    deadline_at: float
    """Unix seconds."""
    arn: str
    trace_id: str
    """`Root=1-..;Parent=..;Sampled=1`"""


@dataclass(frozen=True, slots=True)
class Posted:
    """What the runtime client answered: a response, the error of a handler, or that of an import."""

    kind: Literal["response", "error", "init"]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body) if self.body else None


class RuntimeApi:
    """Where an environment and its runtime client meet. Fields are read and written under `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting = False
        """The runtime client has asked for the next invocation: it is idle."""
        self.posted: Posted | None = None
        self._work: Work | None = None
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name=f"runtime-api-{self.address}", daemon=True).start()

    def hand_out(self, work: Work) -> None:
        """To the client that waits. Call with `changed` held."""
        self.posted, self.waiting, self._work = None, False, work
        self.changed.notify_all()

    def wait_until(self, met: Callable[[], bool], seconds: float) -> bool:
        """Call with `changed` held."""
        return self.changed.wait_for(met, max(seconds, 0.0))

    def close(self) -> None:
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or `accept` would wait on
        self._listener.close()

    def next_work(self) -> Work | None:
        """Blocks until there is some; None when the environment is gone."""
        with self.changed:
            self.waiting = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._work is not None or self._closed)
            work, self._work = self._work, None
            return work

    def post(self, posted: Posted) -> None:
        with self.changed:
            self.posted = posted
            self.changed.notify_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, address = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with connection, contextlib.suppress(OSError):  # a killed process leaves its connection behind
            _Requests(connection, address, self)  # type: ignore[arg-type]  # it only keeps what is given as its server


class _Requests(BaseHTTPRequestHandler):
    """The requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer would wait 40 ms for the client's acknowledgement
    server: RuntimeApi  # type: ignore[assignment]

    def do_GET(self) -> None:
        if self.path != f"{API}/invocation/next":
            self._answer(404)
            return
        if work := self.server.next_work():
            self._answer(
                200,
                work.payload,
                {
                    "Lambda-Runtime-Aws-Request-Id": work.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int(work.deadline_at * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": work.arn,
                    "Lambda-Runtime-Trace-Id": work.trace_id,
                    "Content-Type": "application/json",
                },
            )
        else:
            self.close_connection = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        kind = self.path.rsplit("/", 1)[1]
        if self.path == f"{API}/init/error":
            self.server.post(Posted("init", body))
        elif kind == "response":
            self.server.post(Posted("response", body))
        else:
            self.server.post(Posted("error", body))
        self._answer(202, b'{"status":"OK"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name of the base class
        """Nothing: what ran is in the trace."""

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
