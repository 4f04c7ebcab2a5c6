"""Proxies that know where a call begins and ends, and break the n-th call of a run: PostgreSQL, and HTTP.

A call is what its server answers at once: a login, a Query, a Sync or Flush; a request of HTTP. `Fuse` counts those of
a run over all of its proxies, in the order in which they come.
"""

import asyncio
import contextlib
import gzip
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, get_args

import orjson

Fault = Literal["before", "after", "lost", "gone"]
"""Killed before the call reaches the server; killed after the server has answered; or it lives, and the answer is lost
with its connection, or with the warehouse's session, which connections alone do not end."""
FAULTS: tuple[Fault, ...] = get_args(Fault)
GONE = b'{"data":{},"code":"390104","message":"Session no longer exists.","success":false}'
STATEMENT = "statement "
"""How the label of a call begins that has a session at the warehouse; only it can be `gone`."""
LABEL_CHARS = 90

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fuse:
    """Counts calls, and says of each which fault it is to have; `broke` is the call that had one."""

    def __init__(self) -> None:
        self.set()

    def set(self, at: int = 0, fault: Fault = "before", kill: Callable[[], None] = lambda: None) -> None:
        """Counting begins anew. `at` is from 1; 0 for none."""
        self.calls: list[str] = []
        self.broke = ""
        self._at, self._fault, self.kill = at, fault, kill

    def call(self, label: str) -> Fault | None:
        self.calls.append(label)
        if len(self.calls) != self._at:
            return None
        self.broke = label
        if self._fault == "before":
            self.kill()
        return self._fault


@asynccontextmanager
async def postgres_calls(upstream_port: int, fuse: Fuse) -> AsyncIterator[int]:
    """The port of a proxy to PostgreSQL."""
    async with _served(upstream_port, _PostgresSession(fuse)) as port:
        yield port


@asynccontextmanager
async def http_calls(upstream_port: int, fuse: Fuse) -> AsyncIterator[int]:
    """The port of a proxy to the embedded warehouse, or to AWS."""
    async with _served(upstream_port, _HttpSession(fuse)) as port:
        yield port


@asynccontextmanager
async def _served(upstream_port: int, session: Callable[[Streams, Streams], Any]) -> AsyncIterator[int]:
    serving: set[asyncio.Task[None] | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            upstream = await asyncio.open_connection("127.0.0.1", upstream_port)
            try:
                await session((reader, writer), upstream)
            finally:
                upstream[1].transport.abort()
        writer.transport.abort()
        serving.discard(asyncio.current_task())

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        while left := [task for task in serving if task and task.cancel()]:
            await asyncio.wait(left)
        await asyncio.sleep(0)  # for the transports to close


# --- PostgreSQL -------------------------------------------------------------------------------------------------------

_SSL, _CANCEL = 80877103, 80877102
_ASKS = (3, 5, 10, 11)
"""Of a login: the server wants to hear more."""
_FLUSH = b"H\0\0\0\4"
"""asyncpg's after Parse and Describe: the answer ends with what it describes, or with an error."""


class _PostgresSession:
    """Message after message; the answer of a call to be broken is held from its first to its last."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    async def __call__(self, client: Streams, server: Streams) -> None:
        if not await _started(client, server):
            return
        request, label, ends = b"", "login", b"Z"
        while label:
            fault = self.fuse.call(f"postgres {label}")
            if fault == "before":
                return
            server[1].write(request)
            answer = await self._answer(client, server, ends, held=fault is not None)
            if fault == "after":
                self.fuse.kill()
            if fault is not None:
                return
            client[1].write(answer)
            request, label = await _request(client[0])
            ends = b"TnE" if request.endswith(_FLUSH) else b"Z"

    async def _answer(self, client: Streams, server: Streams, ends: bytes, *, held: bool) -> bytes:
        """Passed on but for its last message, or `held` as a whole."""
        answer = b""
        while True:
            message = await _message(server[0])
            answer += message
            if message[:1] in ends:
                return answer
            asks = message[:1] == b"R" and int.from_bytes(message[5:9]) in _ASKS
            if not held or asks:
                client[1].write(answer)
                await client[1].drain()
                answer = b""
            if asks:
                server[1].write(await _message(client[0]))


async def _started(client: Streams, server: Streams) -> bool:
    """The first message of a session is passed on; False where it only cancels a statement of another."""
    while True:
        start = await _sized(client[0])
        server[1].write(start)
        if int.from_bytes(start[4:8]) != _SSL:
            await server[1].drain()
            return int.from_bytes(start[4:8]) != _CANCEL
        client[1].write(await server[0].readexactly(1))


async def _request(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """All messages up to the one that asks for an answer, and their query; without a label the session ends."""
    request, label = b"", "bind"
    while True:
        message = await _message(reader)
        request += message
        kind = message[:1]
        if kind in (b"Q", b"P"):
            label = _short(message[5:].lstrip(b"\0") if kind == b"Q" else message[5:].split(b"\0")[1])
        if kind in (b"Q", b"S", b"H"):
            return request, label
        if kind == b"X":
            return request, ""


async def _sized(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size) - 4)


async def _message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(1) + await _sized(reader)


def _short(text: bytes) -> str:
    return " ".join(text.decode(errors="replace").replace("\0", " ").split())[:LABEL_CHARS]


# --- HTTP -------------------------------------------------------------------------------------------------------------

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_TOKEN = re.compile(rb"\r\nauthorization: *([^\r]+)", re.IGNORECASE)
_OPERATION = re.compile(rb"\r\nx-amz-target: *([^\r]+)", re.IGNORECASE)


class _HttpSession:
    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    async def __call__(self, client: Streams, server: Streams) -> None:
        while True:
            head, body = await _http(client[0])
            label = _label(head, body)
            fault = self.fuse.call(label)
            if fault == "before" or (fault == "gone" and not label.startswith(STATEMENT)):
                return
            answer = b"".join(await self._asked(server, head + body))
            if fault == "after":
                self.fuse.kill()
            if fault == "gone":
                await self._end_session(server, head)
                answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(GONE)
                answer += GONE
            elif fault is not None:
                return
            client[1].write(answer)
            await client[1].drain()

    async def _asked(self, server: Streams, request: bytes) -> tuple[bytes, bytes]:
        server[1].write(request)
        await server[1].drain()
        return await _http(server[0])

    async def _end_session(self, server: Streams, head: bytes) -> None:
        token = _TOKEN.search(head)
        end = b"POST /session?delete=true HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n"
        await self._asked(server, end % token[1])


async def _http(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of a request or an answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise AssertionError("a head of HTTP is longer than 64 KiB") from error
    if length := _LENGTH.search(head):
        return head, await reader.readexactly(int(length[1]))
    body, size = b"", b""
    while _CHUNKED.search(head) and size != b"0\r\n":
        size = await reader.readuntil(b"\r\n")
        body += size + await reader.readexactly(int(size, 16) + 2)
    return head, body


def _label(head: bytes, body: bytes) -> str:
    line = head.split(b"\r\n", 1)[0]
    if operation := _OPERATION.search(head):
        return f"state {operation[1].decode().rpartition('.')[2]}"
    if b"/queries/v1/query-request" in line:
        raw = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        return f"{STATEMENT}{_short(orjson.loads(raw)['sqlText'].encode())}"
    return f"warehouse {_short(line.split(b'?')[0])}"
