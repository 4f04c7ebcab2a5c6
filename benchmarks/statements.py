"""Counts statements on their way to the embedded warehouse: a relay on loopback that reads the requests it passes on.

`with Counting(port) as relay:` listens on `relay.port`. What a run costs at the target is so counted there, and not by
who asks.
"""

from __future__ import annotations

import gzip
import socket
import socketserver
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

import orjson

STATEMENT = b"POST /queries/v1/query-request"
BLOCK_BYTES = 1 << 16


class Counting(socketserver.ThreadingTCPServer):
    """`statements`: how many of each kind have passed, by their first words."""

    daemon_threads = True

    def __init__(self, upstream_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.upstream = ("127.0.0.1", upstream_port)
        self.port = int(self.server_address[1])
        self.statements: Counter[str] = Counter()
        self._serving = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._serving.join()
        self.server_close()

    def count(self, body: bytes) -> None:
        words = str(orjson.loads(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)["sqlText"]).split()
        self.statements[" ".join(words[: 1 if words[0].upper() == "PUT" else 2]).upper()] += 1  # PUT names a file


class _Relayed(socketserver.StreamRequestHandler):
    """A connection of a client: its requests one after another, and the answers as they come."""

    server: Counting
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as upstream:
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True).start()
            with suppress(OSError):  # either side has left
                while head := self._head():
                    self._pass_on(head, upstream)

    def _pass_on(self, head: bytes, upstream: socket.socket) -> None:
        upstream.sendall(head)
        size = _length(head)
        if head.startswith(STATEMENT):
            body = self.rfile.read(size)
            upstream.sendall(body)
            self.server.count(body)
            return
        while size:
            block = self.rfile.read(min(size, BLOCK_BYTES))
            upstream.sendall(block)
            size -= len(block)

    def _head(self) -> bytes:
        """Of the next request, b"" where the client has left."""
        lines = [self.rfile.readline()]
        while lines[-1] not in (b"\r\n", b""):
            lines.append(self.rfile.readline())
        return b"".join(lines)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _copy(source: socket.socket, to: socket.socket) -> None:
    """Until either side has left. The warehouse closes connections that were idle, which their client has to see."""
    with suppress(OSError):
        while block := source.recv(BLOCK_BYTES):
            to.sendall(block)
    with suppress(OSError):
        to.shutdown(socket.SHUT_RDWR)
