"""The real parts that tests run against: PostgreSQL servers, the embedded warehouse, the command line.

Servers live for the session, databases for a test. `BOREALIS_POSTGRES_BIN` chooses the PostgreSQL.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
import snowflake.connector
import tomlkit
from snowflake.connector import SnowflakeConnection

from engine.local import flights
from engine.local.postgres import PostgresServer, standby_of
from engine.local.warehouse.process import Endpoint, serve
from tests.faults.proxy import FaultProxy
from tests.proof import proof, pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown

__all__ = ["proof", "pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]

ROOT = Path(__file__).parents[1]
COMMAND_SECONDS_MAX = 300.0

Query = Callable[..., Awaitable[list[tuple[Any, ...]]]]


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


async def execute(dsn: str, *statements: str) -> None:
    async with connected(dsn) as connection:
        for statement in statements:
            await connection.execute(statement)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The server of the session: `postgres.dsn(database, user)`."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def standby(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A hot standby of `postgres`, streaming; wait with `replayed` after a write."""
    server = standby_of(postgres, tmp_path_factory.mktemp("standby"))
    yield server
    server.stop()


@pytest.fixture
def replayed(postgres: PostgresServer, standby: PostgresServer) -> Callable[[], Awaitable[None]]:
    """`await replayed()`: what the primary has written by now can be read on the standby."""

    async def wait() -> None:
        async with connected(postgres.dsn()) as primary, connected(standby.dsn()) as follower:
            written = await primary.fetchval("SELECT pg_current_wal_lsn()::text")
            for _ in range(1000):
                if await follower.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
                    return
                await follower.execute("SELECT pg_sleep(0.01)")
        pytest.fail(f"the standby has not replayed {written} after 10 s")

    return wait


@asynccontextmanager
async def cloned(postgres: PostgresServer, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    await execute(postgres.dsn(), f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield postgres.dsn(name)
    finally:
        await execute(postgres.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[str]:
    """The address of an empty database."""
    async with cloned(postgres, "template0") as dsn:
        yield dsn


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def flights_template(postgres: PostgresServer) -> str:
    """The name of a database with the five tables of the flights; never written to."""
    await execute(postgres.dsn(), "CREATE DATABASE flights_template")
    await flights.load(postgres.dsn("flights_template"))
    return "flights_template"


@pytest.fixture
async def flights_database(postgres: PostgresServer, flights_template: str) -> AsyncIterator[str]:
    """The address of a database with the flights, of this test alone."""
    async with cloned(postgres, flights_template) as dsn:
        yield dsn


@pytest.fixture
def query() -> Query:
    """`await query(dsn, sql, *arguments)`: the rows as tuples."""

    async def run(dsn: str, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        async with connected(dsn) as connection:
            return [tuple(row) for row in await connection.fetch(sql, *arguments)]

    return run


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[FaultProxy]:
    """Between a test and `postgres`: `through(dsn, proxy)` is the address by way of it."""
    with FaultProxy(postgres.port) as proxy:
        yield proxy


def through(dsn: str, proxy: FaultProxy) -> str:
    parts = urlsplit(dsn)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()


class Warehouse:
    """The embedded warehouse of the session: `directory` for `target.local`, `connect` for the real connector."""

    def __init__(self, directory: Path, endpoint: Endpoint) -> None:
        self.directory = directory
        self.endpoint = endpoint

    def connect(self, **parameters: Any) -> SnowflakeConnection:
        limits = {"login_timeout": 20, "network_timeout": 60}
        return snowflake.connector.connect(
            **self.endpoint.connection(), user="tester", password="none", **(limits | parameters)
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one statement, in a session of its own."""
        with self.connect() as connection, connection.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(sql)]


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    directory = tmp_path_factory.mktemp("warehouse")
    with serve(directory) as endpoint:
        yield Warehouse(directory, endpoint)


@pytest.fixture
def target_database() -> str:
    """A name that no other test uses."""
    return f"T{uuid.uuid4().hex[:12].upper()}"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its exit code, its one JSON object (None if it printed none), its log."""

    code: int
    output: Any
    log: str


class CommandLine:
    """`borealis(config, "run", "public.orders", "--full")`, as a process of its own, in the test's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, config: Mapping[str, Any], command: str, *arguments: str, **environment: str) -> Ran:
        ran = self.start(config, command, *arguments, **environment)
        try:
            output, log = ran.communicate(timeout=COMMAND_SECONDS_MAX)
        finally:
            ran.kill()
            ran.wait()
        return Ran(ran.returncode, json.loads(output) if output.strip() else None, log)

    def start(
        self, config: Mapping[str, Any], command: str, *arguments: str, **environment: str
    ) -> subprocess.Popen[str]:
        """The same, still running, for tests that end it early."""
        file = self.directory / "borealis.toml"
        file.write_text(tomlkit.dumps(config), encoding="utf-8")
        main = "import sys; from engine.cli import main; sys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", main, command, *arguments, "--config", str(file), "--json"],
            cwd=self.directory, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
def borealis(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    """Of the server that stands in for AWS."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - half a second, for the few tests that ask

    from engine.local.dynamodb import make_atomic  # noqa: PLC0415 - imports moto too

    make_atomic()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def aws(moto_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of AWS; the environment leads every client there."""
    address = f"http://127.0.0.1:{moto_port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    return address
