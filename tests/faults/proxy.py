"""A TCP proxy on loopback that is late, slow, stalls, refuses, or cuts, on a thread and a loop of its own.

`with FaultProxy(port) as proxy:` forwards `proxy.port` to `port`. Faults are switched from any thread, while
connections are open; `heal()` ends them all.
"""

import asyncio
import contextlib
import math
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Self

Direction = Literal["requests", "answers"]
READ_BYTES = 64 * 1024


@dataclass
class Cut:
    bytes_left: int
    direction: Direction
    reset: bool
    instead: Callable[[], None] | None = None


class FaultProxy:
    latency_s: float = 0.0
    """Waited before each piece that is passed on, in both directions."""
    answers_per_s: float = math.inf
    """Bytes a second of each connection's answers."""
    requests_per_s: float = math.inf
    """Bytes a second of the requests of all connections together: a line that they share."""
    stalled: bool = False
    """Connections stay open and nothing is passed on."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self.connections = 0
        """How many were accepted."""
        self.cuts = 0
        """How many were cut."""
        self.held = 0
        """How many pieces had to wait, for a line that is late or slow, or stalled."""
        self.clients = 0
        """How many are open at the side of the clients; the server may see the end of one later."""
        self._free_at = 0.0
        self._cut: Cut | None = None
        self._open: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._on_loop(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._on_loop(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut_after(self, bytes_passed: int, direction: Direction = "answers", *, reset: bool = False) -> None:
        """Once: cut the connection that passes this many bytes more, counted over all of them."""
        self._cut = Cut(bytes_passed, direction, reset)

    def call_after(self, bytes_passed: int, direction: Direction, call: Callable[[], None]) -> None:
        """Once: as `cut_after`, but no connection is cut."""
        self._cut = Cut(bytes_passed, direction, reset=False, instead=call)

    def cut_now(self, *, reset: bool = False) -> None:
        """Cut every connection that is open."""
        self._on_loop(self._cut_all(reset))

    def refuse(self) -> None:
        """New connections are refused by the kernel; open ones go on."""
        self._on_loop(self._deaf())

    def heal(self) -> None:
        self.latency_s, self.stalled, self._cut = 0.0, False, None
        self.answers_per_s = self.requests_per_s = math.inf
        if not self._server.is_serving():
            self._on_loop(self._listen())

    def _on_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _deaf(self) -> None:
        self._server.close()

    async def _close(self) -> None:
        self._server.close()
        await self._cut_all(reset=True)
        while len(tasks := asyncio.all_tasks()) > 1:
            for task in tasks - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

    async def _cut_all(self, reset: bool) -> None:
        for pair in list(self._open):
            self.cuts += 1
            self._end(pair, reset)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, up_writer)
        self._open.append(pair)
        self.clients += 1
        with contextlib.suppress(asyncio.CancelledError):
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, up_writer, "requests", pair))
                    group.create_task(self._pump(up_reader, writer, "answers", pair))
            except* OSError:  # one side has gone: so goes the other
                pass
        self._end(pair, reset=False)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            await self._pass_on(reader, writer, direction, pair)
        finally:
            self.clients -= direction == "requests"

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        while data := await reader.read(READ_BYTES):
            late_s = self.latency_s + self._on_the_line(len(data), direction)
            self.held += self.stalled or late_s > 0
            await asyncio.sleep(late_s)
            while self.stalled:
                await asyncio.sleep(0.01)
            cut = self._cut if self._cut and self._cut.direction == direction else None
            passed = data if cut is None or cut.instead else data[: cut.bytes_left]
            writer.write(passed)
            await writer.drain()
            if cut is not None:
                cut.bytes_left -= len(passed)
                if cut.bytes_left <= 0:
                    self._cut = None
                    if cut.instead is not None:
                        cut.instead()
                        continue
                    self.cuts += 1
                    self._end(pair, cut.reset)
                    return
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()

    def _on_the_line(self, size: int, direction: Direction) -> float:
        """Seconds until so many bytes are through, after those that came before them."""
        if direction == "answers":
            return size / self.answers_per_s
        now = self._loop.time()
        self._free_at = max(self._free_at, now) + size / self.requests_per_s
        return self._free_at - now

    def _end(self, pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter], reset: bool) -> None:
        if pair not in self._open:
            return
        self._open.remove(pair)
        for writer in pair:
            if reset:
                linger = struct.pack("ii", 1, 0)  # closing with a linger of zero seconds sends RST
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()
