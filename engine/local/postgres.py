"""A private PostgreSQL server: real binaries, one directory, a loopback port, gone when its owner is gone.

A watcher holds the other end of a pipe of ours: when this process dies, however it dies, the pipe closes and the
watcher stops the server. Everything here blocks; asynchronous callers use a thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from engine.errors import SourceError
from engine.local.binaries import Account, environment, find_bin_dir, run_program, version_of

START_SECONDS_MAX = 60.0  # measured 0.6 to 0.9 s; the rest is for crash recovery on a busy machine
STOP_SECONDS_MAX = 30.0  # a fast shutdown writes a checkpoint
PORT_TRIES_MAX = 5  # a free port can be taken between the look and the listen
LOG_TAIL_LINES = 15

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path is limited to 107 bytes, temporary directories are longer
    "fsync": "off",  # the data of a demonstration need not survive a power cut
    "full_page_writes": "off",
    "wal_level": "logical",
    "wal_keep_size": "512MB",  # a standby that was stopped for a test still finds its place
    "max_wal_size": "2GB",
    "max_prepared_transactions": "10",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}

# The superuser needs no password here, every other role does, so that a wrong password is refused as in production.
HBA = """\
host  all          postgres  127.0.0.1/32  trust
host  replication  postgres  127.0.0.1/32  trust
host  all          all       127.0.0.1/32  scram-sha-256
host  replication  all       127.0.0.1/32  scram-sha-256
"""


class PostgresServer:
    """A server in `directory` (created if absent, `data` and `server.log` within). `port` 0 takes a free one.

    `settings` override SETTINGS; `bin_dir`, else the variable BOREALIS_POSTGRES_BIN, names the binaries to use.
    Starting on the directory of a server that was left running, or left its pid file, stops that one first.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        bin_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.directory = Path(directory).absolute()
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.port = port
        self.settings = dict(settings or {})
        self.bin_dir = find_bin_dir(bin_dir)
        self.version = version_of(self.bin_dir)
        self._port_is_ours = port == 0
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def pid(self) -> int | None:
        """Of the postmaster while it runs."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def dsn(self, database: str = "postgres", user: str = "postgres", password: str = "") -> str:
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{quote(user, safe='')}{secret}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def start(self) -> Self:
        """Ready for connections on return. SourceError with the end of the server's log otherwise."""
        if self.pid:
            return self
        account = Account.for_directory(self.directory)
        if not (self.data / "PG_VERSION").exists():
            self._initdb(account)
        self._clear_left_over()
        for left in reversed(range(PORT_TRIES_MAX)):
            if self._port_is_ours and not (self.port and _is_free(self.port)):
                self.port = _free_port()
            self._configure()
            log_from = self.log.stat().st_size if self.log.exists() else 0
            self._launch(account)
            if self._ready_within(START_SECONDS_MAX):
                return self
            exited = self.pid is None
            self.kill()
            tail = _tail(self.log, log_from)
            if not (left and self._port_is_ours and "Address already in use" in tail):
                how = "did not start" if exited else f"was not ready after {START_SECONDS_MAX:.0f} s"
                raise SourceError(
                    f"PostgreSQL {self.version} in {self.directory} {how}",
                    remedy=f"The end of its log, {self.log}:\n{tail}",
                    code="postgres_start",
                )
        raise AssertionError

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, a checkpoint is written. Does nothing when it does not run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """An immediate shutdown: for clients and for the next start it is a crash."""
        self._end(signal.SIGQUIT)

    def promote(self) -> None:
        """Make a standby a primary; it accepts writes on return."""
        run_program(self.bin_dir, self.directory, "pg_ctl", "promote", "-w", "-D", str(self.data))

    def _initdb(self, account: Account) -> None:
        # Made beside its place and renamed, so that an interrupted initdb leaves nothing that looks finished.
        self.directory.mkdir(parents=True, exist_ok=True)
        new = self.directory / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        account.give(new)
        run_program(
            self.bin_dir,
            self.directory,
            "initdb",
            "-D",
            str(new),
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "--auth=trust",
            "--no-sync",
        )
        with (new / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("\ninclude 'borealis.conf'\n")
        (new / "pg_hba.conf").write_text(HBA, encoding="utf-8")
        new.rename(self.data)

    def _configure(self) -> None:
        settings = {**SETTINGS, **self.settings, "port": str(self.port)}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        (self.data / "borealis.conf").write_text("".join(lines), encoding="utf-8")

    def _launch(self, account: Account) -> None:
        command = [*account.prefix, str(self.bin_dir / "postgres"), "-D", str(self.data)]
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for us to answer, after our own connections are closed.
            self._server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data,
                env=environment(self.bin_dir), start_new_session=True, **account.popen,
            )  # fmt: skip
        script = 'read -r _; kill -QUIT "$1" 2>/dev/null'
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", script, "watcher", str(self._server.pid)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _ready_within(self, seconds: float) -> bool:
        """Line 8 of postmaster.pid tells it, as pg_ctl reads it; `ready` also on a hot standby."""
        assert self._server is not None
        give_up = time.monotonic() + seconds
        while self._server.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
                if len(lines) >= 8 and lines[0] == str(self._server.pid) and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        return False

    def _end(self, how: signal.Signals) -> None:
        server, watcher, self._server, self._watcher = self._server, self._watcher, None, None
        if watcher is not None:  # first, or it would signal a number that another process may have by then
            watcher.kill()
            watcher.communicate()
        if server is None:
            return
        if server.poll() is None:
            server.send_signal(how)
        for next_signal in (signal.SIGQUIT, signal.SIGKILL):
            try:
                server.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                server.send_signal(next_signal)
        server.wait()

    def _clear_left_over(self) -> None:
        """Stop the server that an owner who died left in this directory, and take its pid file away."""
        file = self.data / "postmaster.pid"
        try:
            pid = int(file.read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        give_up = time.monotonic() + STOP_SECONDS_MAX
        while _is_postmaster(pid, self.data):
            if time.monotonic() > give_up:
                raise SourceError(
                    f"PostgreSQL, process {pid}, still runs in {self.data}", remedy="Stop it", code="postgres_start"
                )
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
            time.sleep(0.05)
        file.unlink(missing_ok=True)


def standby_of(
    primary: PostgresServer, directory: str | os.PathLike[str], settings: Mapping[str, str] | None = None
) -> PostgresServer:
    """A streaming hot standby of a running primary, started, with the primary's settings overridden by `settings`."""
    standby = PostgresServer(directory, settings={**primary.settings, **(settings or {})}, bin_dir=primary.bin_dir)
    standby.data.mkdir(parents=True, mode=0o700)
    Account.for_directory(standby.directory).give(standby.data)
    run_program(
        standby.bin_dir,
        standby.directory,
        "pg_basebackup",
        "-D",
        str(standby.data),
        "-d",
        primary.dsn(),
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "--no-sync",
    )
    return standby.start()


def _is_postmaster(pid: int, data: Path) -> bool:
    """Whether the process `pid` runs and was started on `data`: after a reboot the number may be anybody's."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return False
        ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        command = subprocess.run(ps, check=False, capture_output=True, text=True, timeout=10).stdout
    return "postgres" in command and str(data) in command


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:])
