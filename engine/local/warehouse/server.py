"""The HTTP face: login, statements with their requestId, uploads. What the connector needs of Snowflake's protocol."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import itertools
import logging
import os
import secrets
import socket
import threading
import time
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from engine.local.warehouse import functions, loading
from engine.local.warehouse.catalog import Catalog
from engine.local.warehouse.faults import TIMEOUT, SqlError, translate
from engine.local.warehouse.locks import Locks
from engine.local.warehouse.query import VERSION
from engine.local.warehouse.session import Session
from engine.local.warehouse.stage import Stages
from engine.local.warehouse.statements import Statements
from engine.local.warehouse.wire import INSERT as INSERT_KIND
from engine.local.warehouse.wire import Result, counts

log = logging.getLogger("borealis.warehouse")

SESSIONS_MAX = 512  # each counts twice, by its two tokens
SESSION_IDLE_S = 4 * 3600  # Snowflake's
DETACHED_S = 5  # a transaction that blocks others, whose client has no connection left, is undone (Snowflake: 5 min)
ANSWERS_MAX = 32  # kept for a repeated requestId; the connector repeats only its latest
ANSWER_BYTES_MAX = 1 << 20  # a larger one is a SELECT's, kept only until the next
THREADS = 128  # statements at once, those that wait for a lock included

_connected: set[tuple[str, int]] = set()


class Connections(H11Protocol):
    """uvicorn's protocol, which also tells which clients are still there."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # asyncio leaves Nagle on for a listener that it did not make: 40 ms a statement
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.client:
            _connected.add(self.client)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client:
            _connected.discard(self.client)
        super().connection_lost(exc)


class Client:
    """A session with what the protocol keeps beside it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.addresses: set[tuple[str, int]] = set()
        self.answers: OrderedDict[str, asyncio.Future[bytes]] = OrderedDict()
        self.running: str | None = None
        self.timed_out = False


class Server:
    def __init__(self, directory: Path, memory: str) -> None:
        self.directory = directory
        os.environ["TZ"] = "UTC"
        self.root = duckdb.connect(
            str(directory / "warehouse.duckdb"),
            config={
                "memory_limit": memory, "temp_directory": str(directory / "spill"),
                "lambda_syntax": "ENABLE_SINGLE_ARROW", "max_expression_depth": "100000",
                "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
                "fsync_mode": "NONE",  # a process that dies loses nothing; a machine that does may lose all
            },
        )  # fmt: skip
        self.stages = Stages(directory)
        self.catalog = Catalog(self.root)
        functions.install(self.root)
        loading.install(self.root)
        self.stages.sweep({e.id for e in self.catalog.all("STAGE")})
        self.statements = Statements(self.stages)
        self.locks = Locks(self._gone)
        self.clients: dict[str, Client] = {}
        self.numbers = itertools.count(int(time.time()) * 1000)
        threading.stack_size(256 << 20)  # virtual; sqlglot recurses into deep expressions
        self.pool = ThreadPoolExecutor(THREADS, "statement")
        self.app = Starlette(
            routes=[
                Route("/session/v1/login-request", self.login, methods=["POST"]),
                Route("/session/token-request", self.renew, methods=["POST"]),
                Route("/session/heartbeat", self.heartbeat, methods=["POST"]),
                Route("/session", self.logout, methods=["POST"]),
                Route("/queries/v1/query-request", self.query, methods=["POST"]),
                Route("/queries/v1/abort-request", self.abort, methods=["POST"]),
                Route("/monitoring/queries/{id}", self.monitor, methods=["GET"]),
                Route("/telemetry/send", self.ignore, methods=["POST"]),
                Route("/stages/{stage:int}/{path:path}", self.upload, methods=["PUT"]),
                Route("/stages/{stage:int}/{path:path}", self.download, methods=["GET", "HEAD"]),
                Route("/health", self.health, methods=["GET"]),
            ]
        )

    # ---- sessions

    async def login(self, request: Request) -> Response:
        body = (await _body(request))["data"]
        self._expire()
        if len(self.clients) >= SESSIONS_MAX:
            return _failed(SqlError(390195, "08004", f"More than {SESSIONS_MAX} sessions are open."))
        session = Session(
            next(self.numbers), self.catalog, self.root.cursor(), self.locks, str(body.get("LOGIN_NAME", "")).upper()
        )
        session.base_url = str(request.base_url)
        session.account = str(body.get("ACCOUNT_NAME") or "LOCAL").upper()
        query = request.query_params
        session.role = (query.get("roleName") or "ACCOUNTADMIN").upper()
        session.warehouse = (query.get("warehouse") or "").upper() or None
        self._place(session, query.get("databaseName"), query.get("schemaName"))
        try:
            for name, value in (body.get("SESSION_PARAMETERS") or {}).items():
                session.set(name, value)
        except SqlError as fault:
            session.close()
            return _failed(fault)
        token, master = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.clients[token] = self.clients[master] = Client(session)
        return _json(
            {
                "token": token, "masterToken": master, "validityInSeconds": 3600,
                "masterValidityInSeconds": SESSION_IDLE_S,
                "sessionId": session.number, "serverVersion": VERSION, "displayUserName": session.user,
                "firstLogin": False, "remMeToken": None, "remMeValidityInSeconds": 0, "healthCheckInterval": 45,
                "newClientForUpgrade": None, "parameters": _parameters(session),
                "sessionInfo": {"databaseName": session.database, "schemaName": session.schema,
                                "warehouseName": session.warehouse, "roleName": session.role},
            }
        )  # fmt: skip

    def _place(self, session: Session, database: str | None, schema: str | None) -> None:
        """The session's database and schema, if they exist: otherwise it has none, as in Snowflake."""
        names = [n.strip('"') if n.startswith('"') else n.upper() for n in (database, schema) if n]
        if names and self.catalog.find("DATABASE", (names[0],)):
            session.database = names[0]
            wanted = names[1] if len(names) > 1 else "PUBLIC"
            session.schema = wanted if self.catalog.find("SCHEMA", (names[0], wanted)) else None

    def _expire(self) -> None:
        """Ends sessions that nobody has used for long; where there are too many, those of clients that left too."""
        now, full = time.monotonic(), len(self.clients) >= SESSIONS_MAX
        for client in {id(c): c for c in self.clients.values()}.values():
            left = full and not client.addresses & _connected
            if client.running is None and now - client.session.used > (DETACHED_S if left else SESSION_IDLE_S):
                self._forget(client)

    def _forget(self, client: Client) -> None:
        for token in [t for t, c in self.clients.items() if c is client]:
            del self.clients[token]
        with client.session.busy:
            client.session.close()

    def _gone(self, holder: object) -> bool:
        """Undo the session that holds a lock if its client has left."""
        client = next((c for c in list(self.clients.values()) if c.session is holder), None)
        if client is None or client.running is not None or client.addresses & _connected:
            return False
        if time.monotonic() - client.session.used < DETACHED_S:
            return False
        log.info("session %s left a transaction that blocks others: rolled back", client.session.number)
        self._forget(client)
        return True

    def _client(self, request: Request) -> Client | None:
        token = request.headers.get("authorization", "").removeprefix('Snowflake Token="').removesuffix('"')
        client = self.clients.get(token)
        if client and request.client:
            client.addresses = (client.addresses & _connected) | {(request.client.host, request.client.port)}
            client.session.used = time.monotonic()
        return client

    async def renew(self, request: Request) -> Response:
        client = self._client(request)
        if client is None:
            return _gone()
        token = secrets.token_urlsafe(32)
        self.clients[token] = client
        master = next(t for t, c in self.clients.items() if c is client)
        return _json({"sessionToken": token, "masterToken": master, "validityInSecondsST": 3600,
                      "validityInSecondsMT": SESSION_IDLE_S, "sessionId": client.session.number})  # fmt: skip

    async def heartbeat(self, request: Request) -> Response:
        return _json(None) if self._client(request) else _gone()

    async def logout(self, request: Request) -> Response:
        client = self._client(request)
        if client is None:
            return _gone()
        if request.query_params.get("delete"):
            if client.running:
                client.session.interrupt()
            await asyncio.get_running_loop().run_in_executor(self.pool, self._forget, client)
        return _json(None)

    # ---- statements

    async def query(self, request: Request) -> Response:
        body = await _body(request)
        client = self._client(request)
        if client is None:
            return _gone()
        key = f"{request.query_params.get('requestId', uuid.uuid4())} {bool(body.get('describeOnly'))}"
        known = client.answers.get(key)
        if known is None:
            known = client.answers[key] = asyncio.get_running_loop().create_future()
            _trim(client.answers)
            try:
                known.set_result(await self._run(client, body, key))
            except BaseException as error:
                client.answers.pop(key, None)
                known.set_exception(error)
                known.exception()  # seen
                raise
        return Response(await asyncio.shield(known), media_type="application/json")

    async def _run(self, client: Client, body: dict[str, Any], key: str) -> bytes:
        loop = asyncio.get_running_loop()

        def expire() -> None:
            if client.running == key:
                client.timed_out = True
                client.session.interrupt()

        timer = loop.call_later(client.session.timeout_s, expire)
        try:
            return await loop.run_in_executor(self.pool, self._answer, client, body, key)
        finally:
            timer.cancel()

    def _answer(self, client: Client, body: dict[str, Any], key: str) -> bytes:
        session = client.session
        with session.busy:
            client.running, client.timed_out = key, False
            number = str(uuid.uuid4())
            try:
                result = self._execute(session, body)
                answer: dict[str, Any] = {
                    "data": self._data(session, result, number),
                    "success": True,
                    "code": None,
                    "message": None,
                }
                return orjson.dumps(answer)
            except Exception as error:
                fault = translate(error)
                if fault.errno == 604 and client.timed_out:
                    fault = SqlError(630, "57014", TIMEOUT.format(int(session.timeout_s)))
                if fault.errno >= 300000:
                    log.warning("unforeseen error in %.200r", body.get("sqlText"), exc_info=error)
                return _failure(fault, number)
            finally:
                client.running = None
                session.last_query_id = number
                session.used = time.monotonic()

    def _execute(self, session: Session, body: dict[str, Any]) -> Result:
        sql = body["sqlText"]
        for name, value in (body.get("parameters") or {}).items():
            if name.upper() != "MULTI_STATEMENT_COUNT":
                session.parameters[name.upper()] = str(value)
        if body.get("describeOnly"):
            return self.statements.describe(session, sql)
        bindings = body.get("bindings") or {}
        columns = [bindings[k] for k in sorted(bindings, key=int)]
        if not any(isinstance(c.get("value"), list) for c in columns):
            return self.statements.run(session, sql, [_bound(c["type"], c["value"]) for c in columns])
        rows = zip(*[[_bound(c["type"], v) for v in c["value"]] for c in columns], strict=True)
        alone = not session.open
        if alone:
            session.begin()
        try:
            total = sum(int(self.statements.run(session, sql, row).rows[0][0]) for row in rows)
            if alone:
                session.commit()
        except BaseException:
            if alone:
                session.rollback()
            raise
        return counts(INSERT_KIND, rows_inserted=total)

    def _data(self, session: Session, result: Result, number: str) -> dict[str, Any]:
        return result.answer() | {
            "queryId": number, "parameters": _parameters(session), "finalDatabaseName": session.database,
            "finalSchemaName": session.schema, "finalWarehouseName": session.warehouse, "finalRoleName": session.role,
            "numberOfBinds": 0, "arrayBindSupported": False, "version": 1, "sqlState": "00000",
        }  # fmt: skip

    async def abort(self, request: Request) -> Response:
        body = await _body(request)
        client = self._client(request)
        if client is None:
            return _gone()
        if client.running and client.running.startswith(str(body.get("requestId"))):
            client.session.interrupt()
        return _json(None)

    async def monitor(self, request: Request) -> Response:
        del request
        return _json({"queries": []})

    async def ignore(self, request: Request) -> Response:
        await request.body()
        return _json(None)

    async def health(self, request: Request) -> Response:
        del request
        return _json({"directory": str(self.directory), "pid": os.getpid()})

    # ---- staged files

    async def upload(self, request: Request) -> Response:
        """To disk as it comes, and under its name only when it is whole."""
        stage = next((e for e in self.catalog.all("STAGE") if e.id == request.path_params["stage"]), None)
        if stage is None:
            return Response(status_code=404)
        target = self.stages.place(stage.id, request.path_params["path"])
        part = self.stages.incoming / uuid.uuid4().hex
        try:
            with part.open("wb", buffering=0) as file:
                async for block in request.stream():
                    file.write(block)
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return Response(status_code=200)

    async def download(self, request: Request) -> Response:
        path = self.stages.place(request.path_params["stage"], request.path_params["path"])
        return FileResponse(path) if path.is_file() else Response(status_code=404)

    def close(self) -> None:
        for client in {id(c): c for c in self.clients.values()}.values():
            client.session.interrupt()
            self._forget(client)
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.root.close()


def _trim(answers: OrderedDict[str, asyncio.Future[bytes]]) -> None:
    latest = next(reversed(answers))
    for key, future in list(answers.items()):
        large = (
            future.done()
            and not future.cancelled()
            and not future.exception()
            and len(future.result()) > ANSWER_BYTES_MAX
        )
        if key != latest and future.done() and (large or len(answers) > ANSWERS_MAX):
            del answers[key]


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    found = orjson.loads(raw) if raw else {}
    return found if isinstance(found, dict) else {}


def _json(data: object) -> Response:
    return Response(
        orjson.dumps({"data": data, "success": True, "code": None, "message": None}), media_type="application/json"
    )


def _failure(fault: SqlError, number: str = "") -> bytes:
    code = f"{fault.errno:06d}"
    data = {"errorCode": code, "sqlState": fault.sqlstate, "queryId": number, "internalError": fault.errno >= 300000,
            "line": -1, "pos": -1, "type": "COMPILATION"}  # fmt: skip
    return orjson.dumps({"data": data, "code": code, "message": fault.message, "success": False})


def _failed(fault: SqlError) -> Response:
    return Response(_failure(fault), media_type="application/json")


def _gone() -> Response:
    return _failed(SqlError(390104, "08001", "Session no longer exists. New login required to access the service."))


def _parameters(session: Session) -> list[dict[str, Any]]:
    fixed = {
        "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY": 3600, "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,
        "CLIENT_TELEMETRY_ENABLED": False, "CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False, "BINARY_OUTPUT_FORMAT": "HEX",
        "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "arrow", "AUTOCOMMIT": session.on("AUTOCOMMIT"),
        "TIMEZONE": session.parameters["TIMEZONE"],
    }  # fmt: skip
    return [{"name": name, "value": value} for name, value in fixed.items()]


_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001


def _bound(kind: str, value: str | None) -> Any:
    """A bound value from the connector's text."""
    if value is None:
        return None
    if kind == "FIXED":
        return int(value)
    if kind == "REAL":
        return float(value)
    if kind == "BOOLEAN":
        return value.lower() == "true"
    if kind == "BINARY":
        return bytes.fromhex(value)
    if kind == "DATE":
        return (_EPOCH + dt.timedelta(milliseconds=int(value))).date()
    if kind == "TIME":
        return (_EPOCH + dt.timedelta(microseconds=int(value) // 1000)).time()
    if kind.startswith("TIMESTAMP"):
        nanos, _, offset = value.partition(" ")
        moment = _EPOCH + dt.timedelta(microseconds=int(nanos) // 1000)
        return moment if kind == "TIMESTAMP_NTZ" and not offset else moment.replace(tzinfo=dt.UTC)
    return value
