"""Where the conformance suite runs: the embedded warehouse, or a real account named by BOREALIS_TEST_SNOWFLAKE_*.

_ACCOUNT, _USER and _PRIVATE_KEY_FILE (or _PASSWORD) choose the account; _ROLE, _WAREHOUSE and _DATABASE where in it.
Every test has a schema of its own, dropped when it ends.
"""

from __future__ import annotations

import gzip
import io
import itertools
import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import snowflake.connector
from snowflake.connector import DatabaseError, SnowflakeConnection

from engine.local.warehouse.process import Endpoint, serve
from engine.state.port import State
from tests.contract.states import Backend, backend

_ENV = {k.removeprefix("BOREALIS_TEST_SNOWFLAKE_").lower(): v for k, v in os.environ.items()
        if k.startswith("BOREALIS_TEST_SNOWFLAKE_")}  # fmt: skip
REAL = "account" in _ENV
local_only = pytest.mark.skipif(REAL, reason="speaks of the embedded server itself")

FORMAT = r"""FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP FIELD_DELIMITER = ',' RECORD_DELIMITER = '\n'
 FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = () EMPTY_FIELD_AS_NULL = TRUE
 TRIM_SPACE = FALSE SKIP_BYTE_ORDER_MARK = FALSE REPLACE_INVALID_CHARACTERS = FALSE
 ERROR_ON_COLUMN_COUNT_MISMATCH = TRUE BINARY_FORMAT = HEX DATE_FORMAT = 'YYYY-MM-DD' TIME_FORMAT = AUTO
 TIMESTAMP_FORMAT = AUTO ENCODING = 'UTF8') ON_ERROR = ABORT_STATEMENT PURGE = FALSE"""
PARAMETERS = {
    "TRANSACTION_ABORT_ON_ERROR": True,
    "TIMEZONE": "UTC",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    "ABORT_DETACHED_QUERY": True,
    "STATEMENT_TIMEOUT_IN_SECONDS": 120,
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "BINARY_INPUT_FORMAT": "HEX",
    "QUERY_TAG": '{"borealis": "conformance"}',
}
Connect = Callable[..., SnowflakeConnection]


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint | None]:
    if REAL:
        yield None
        return
    with serve(tmp_path_factory.mktemp("warehouse")) as served:
        yield served


def open_connection(endpoint: Endpoint | None, **parameters: Any) -> SnowflakeConnection:
    if endpoint is None:
        where: dict[str, Any] = {k: v for k, v in _ENV.items() if k != "database"}
    else:
        where = {
            "user": "conformance",
            "password": "any",
            "login_timeout": 20,
            "network_timeout": 60,
        } | endpoint.connection()
    with warnings.catch_warnings():  # each major deprecates arguments that the other needs
        warnings.simplefilter("ignore")
        return snowflake.connector.connect(**where, session_parameters=PARAMETERS | parameters)


@pytest.fixture
def connect(endpoint: Endpoint | None) -> Iterator[Connect]:
    """Opens further sessions; all are closed when the test ends."""
    opened: list[SnowflakeConnection] = []

    def another(**parameters: Any) -> SnowflakeConnection:
        opened.append(open_connection(endpoint, **parameters))
        return opened[-1]

    yield another
    for connection in opened:
        connection.close()


_numbers = itertools.count(os.getpid() * 1000)


@dataclass
class House:
    """A session with a schema of its own."""

    connection: SnowflakeConnection
    database: str
    schema: str
    folder: Path

    def name(self, table: str, schema: str | None = None) -> str:
        return ".".join('"' + p.replace('"', '""') + '"' for p in (self.database, schema or self.schema, table))

    def run(self, sql: str, parameters: Any = None, **more: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters, **more)
        self.rowcount = cursor.rowcount
        self.names = [d[0] for d in cursor.description or ()]
        return cursor.fetchall()

    def one(self, sql: str, parameters: Any = None) -> Any:
        return self.run(sql, parameters)[0][0]

    def table(self, columns: str, name: str = "T", more: str = "") -> str:
        self.run(f"CREATE TABLE {self.name(name)} ({columns}) {more}")
        return self.name(name)

    @property
    def stage(self) -> str:
        return f"@{self.name('STAGE')}"

    def put(self, data: str | bytes, name: str = "a.csv.gz", folder: str = "run/", *, raw: bool = False) -> None:
        """Stage `data`, compressed by gzip unless it is raw."""
        body = data.encode() if isinstance(data, str) else data
        self.connection.cursor().execute(
            f"PUT 'file:///tmp/{name}' '{self.stage}/{folder}' PARALLEL = 1 AUTO_COMPRESS = FALSE "
            "SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE",
            file_stream=io.BytesIO(body if raw else gzip.compress(body, 1)),
        )

    def copy(self, table: str, *files: str, columns: str = "", select: str = "", force: bool = False,
             form: str = FORMAT, folder: str = "run/") -> list[tuple[Any, ...]]:  # fmt: skip
        source = f"{self.stage}/{folder}"
        source = f"(SELECT {select} FROM {source})" if select else source
        names = ", ".join(f"'{f}'" for f in files or ("a.csv.gz",))
        return self.run(
            f"COPY INTO {table} {columns} FROM {source} FILES = ({names}) {form} FORCE = {str(force).upper()}"
        )

    def load(self, columns: str, data: str | bytes, **more: Any) -> str:
        """A new table with this CSV in it."""
        table = self.table(columns)
        self.put(data)
        self.copy(table, **more)
        return table

    def refused(self, sql: str, parameters: Any = None) -> int:
        """The number of the error that the statement raises."""
        with pytest.raises(DatabaseError) as caught:
            self.run(sql, parameters)
        return int(caught.value.errno or 0)

    def twin(self, connection: SnowflakeConnection) -> House:
        return House(connection, self.database, self.schema, self.folder)


@pytest.fixture
def house(connect: Connect, tmp_path: Path) -> Iterator[House]:
    connection = connect()
    made = House(connection, _ENV.get("database", "CONFORMANCE"), f"S{next(_numbers)}", tmp_path)
    if not REAL:
        made.run(f'CREATE DATABASE IF NOT EXISTS "{made.database}"')
    made.run(f'CREATE SCHEMA "{made.database}"."{made.schema}"')
    made.run(f"CREATE STAGE {made.name('STAGE')} ENCRYPTION = (TYPE = 'SNOWFLAKE_FULL')")
    yield made
    connection.rollback()
    connection.cursor().execute(f'DROP SCHEMA IF EXISTS "{made.database}"."{made.schema}"')


@pytest_asyncio.fixture(params=["sqlite", "dynamodb"])
async def states(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    """Opens one state, as often as there are processes to be played."""
    if request.param == "dynamodb":
        request.getfixturevalue("aws")
    async with backend(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
def state(states: Backend) -> State:
    return states()
