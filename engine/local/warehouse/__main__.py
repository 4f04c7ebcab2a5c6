"""`python -m engine.local.warehouse --dir DIR --port PORT`: the server, until its parent ends or it is told to."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path

from engine.local.warehouse import shims

shims.install()  # before anything imports fakesnow

import uvicorn  # noqa: E402

from engine.local.warehouse.process import ENDPOINT, Lock  # noqa: E402
from engine.local.warehouse.server import Connections, Server  # noqa: E402


def default_memory() -> str:
    """Half of this machine's memory: DuckDB holds 2,048 values of a column at once, however large they are."""
    return f"{max(2 * 2**30, os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 2)}B"


def main() -> int:
    parser = argparse.ArgumentParser(prog="engine.local.warehouse", description="The embedded warehouse.")
    parser.add_argument("--dir", type=Path, required=True, help="where tables and staged files are kept")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--memory", default=default_memory(), help="DuckDB's memory limit, such as 4GB")
    parser.add_argument("--child", action="store_true", help="end when standard input closes: the parent is gone")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", "Arrow output on a DB-API result")
    directory = arguments.dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with Lock(directory):
        listener = socket.create_server(("127.0.0.1", arguments.port))
        host, port = listener.getsockname()[:2]
        server = Server(directory, arguments.memory)
        config = uvicorn.Config(
            server.app,
            log_level="warning",
            access_log=False,
            http=Connections,
            lifespan="off",
            timeout_keep_alive=3600,
        )
        running = uvicorn.Server(config)
        if arguments.child:
            threading.Thread(target=_watch, args=(running,), daemon=True).start()
        endpoint = directory / ENDPOINT
        ready = json.dumps({"host": host, "port": port, "pid": os.getpid()})
        endpoint.write_text(ready)
        print(ready, flush=True)  # noqa: T201
        try:
            running.run(sockets=[listener])
        finally:
            endpoint.unlink(missing_ok=True)
            server.close()
    return 0


def _watch(running: uvicorn.Server) -> None:
    """The parent holds the other end of standard input."""
    while sys.stdin.buffer.read(1 << 10):
        pass
    running.should_exit = True
    running.force_exit = True


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = main()
    sys.stdout.flush()
    os._exit(code)  # statements that still wait for a lock must not keep the process
