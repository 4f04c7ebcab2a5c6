"""A real browser without a window, over its own debugging protocol: what a page shows, asks for and complains of."""

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-port=0"
).split()
PATIENCE_S = 60  # a cold start on a busy machine of two cores took 9 s


def installed() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """`events` are all that the browser has told since the tab was opened: (method, parameters)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count()
        self.events: list[tuple[str, dict[str, Any]]] = []

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        asked = next(self._ids)
        await self._socket.send_json({"id": asked, "method": method, "params": parameters})
        while (told := await self._socket.receive_json()).get("id") != asked:
            self.events.append((told["method"], told["params"]))
        if "error" in told:
            raise RuntimeError(f"{method}: {told['error']['message']}")
        return told["result"]

    async def open(self, page: Path) -> None:
        """The page has loaded and its scripts have run."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        await self.ask("Page.navigate", url=page.as_uri())
        while "Page.loadEventFired" not in [method for method, _ in self.events]:
            told = await self._socket.receive_json()
            self.events.append((told["method"], told["params"]))

    async def value(self, expression: str) -> Any:
        found = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def told(self, *methods: str) -> list[dict[str, Any]]:
        return [parameters for method, parameters in self.events if method in methods]


@contextlib.asynccontextmanager
async def tab() -> AsyncIterator[Tab]:
    """Of a browser of its own, with a new and empty profile."""
    with tempfile.TemporaryDirectory(prefix="borealis-browser-", ignore_cleanup_errors=True) as profile:
        command = (installed() or NAMES[0], *FLAGS, f"--user-data-dir={profile}", "about:blank")
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{await _port(Path(profile))}/json/list") as answer:
                    (first, *_) = [each for each in await answer.json() if each["type"] == "page"]
                async with session.ws_connect(first["webSocketDebuggerUrl"], max_msg_size=2**27) as socket:
                    yield Tab(socket)
        finally:
            process.terminate()
            await process.wait()


async def _port(profile: Path) -> int:
    """Which it took it writes into its profile."""
    while True:
        with contextlib.suppress(OSError, IndexError):
            return int((profile / "DevToolsActivePort").read_text().split()[0])
        await asyncio.sleep(0.05)
