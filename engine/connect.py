"""Turns settings into the ways to reach both sides: addresses of the source, sessions at the target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from engine.config import Config
from engine.deadline import Deadline
from engine.logins import source_logins, target_logins
from engine.machine import bounds_of
from engine.source.connection import Address
from engine.sql.target import SESSION_PARAMETERS, ExternalStage, Names, create_database
from engine.target.session import FixedParameters, LoginParameters, SessionPool
from engine.tuning import LOADERS_MAX

if TYPE_CHECKING:
    from engine.stage.s3 import S3Stage


def names_of(config: Config) -> Names:
    target, stage = config.target, config.stage
    external = None
    if stage.url is not None and stage.storage_integration is not None:
        external = ExternalStage(f"{stage.url.rstrip('/')}/", stage.storage_integration)
    return Names(target.database, target.schema_name, target.state_schema, external)


@asynccontextmanager
async def bucket_of(config: Config) -> AsyncIterator[S3Stage | None]:
    """The bucket behind an external stage, where one is set."""
    stage = config.stage
    if stage.url is None:
        yield None
        return
    from engine import aws  # noqa: PLC0415 - it takes 0.2 s, which who needs no bucket need not wait
    from engine.stage.s3 import S3Stage  # noqa: PLC0415

    async with aws.client("s3", config.aws.region, connections=2 * bounds_of(config).readers_max) as client:
        yield S3Stage(client, stage.url, part_bytes=stage.part_bytes, kms_key=stage.kms_key)


def addresses(config: Config) -> tuple[Address, Address | None]:
    """Where rows are read, and the primary where that is another."""
    source = config.source

    def address(dsn: str) -> Address:
        return Address(
            _with_tls(dsn, source.sslmode, str(source.sslrootcert) if source.sslrootcert else None),
            source_logins(config, dsn),
            source.connect_timeout_s,
            source.statement_timeout_s,
            source.lock_timeout_s,
            source.connections_spare,
            source.replica_lag_s_max,
            config.limits.snapshot_s_max,
            config.limits.snapshot_transactions_max,
        )

    primary = address(source.primary_dsn.get_secret_value()) if source.primary_dsn else None
    return address(source.dsn.get_secret_value()), primary


def _with_tls(dsn: str, sslmode: str | None, sslrootcert: str | None) -> str:
    wanted = {name: value for name, value in (("sslmode", sslmode), ("sslrootcert", sslrootcert)) if value}
    if not wanted:
        return dsn
    url = urlsplit(dsn)
    return url._replace(query=urlencode(dict(parse_qsl(url.query)) | wanted)).geturl()


@dataclass(slots=True)
class KeptSessions:
    """Sessions that a warm function keeps over its invocations, in the one event loop of its process.

    Connections to the source are not kept: a frozen function would hold them against the limit of the database.
    """

    config: Config | None = None
    pool: SessionPool | None = None


KEPT: ContextVar[KeptSessions | None] = ContextVar("kept", default=None)
"""Set where a process outlives its run: sessions are then checked and used again, and left open at the end."""


@asynccontextmanager
async def sessions(config: Config, run_id: str, deadline: Deadline | None = None) -> AsyncIterator[SessionPool]:
    """Sessions at the target: Snowflake, or the embedded warehouse, served from here if nobody serves it yet.

    No statement runs longer than the deadline lets this process live.
    """
    common = _common(config, run_id, deadline or Deadline())
    kept = KEPT.get()
    if config.target.local is not None:
        async with _local(config, common, config.target.local) as pool:
            yield pool
    elif kept is None:
        pool = _pool(config, _place(config) | common, target_logins(config))
        async with _closing(pool):
            yield pool
    else:
        yield await _again(config, common, kept)


@asynccontextmanager
async def _local(config: Config, common: dict[str, Any], directory: Path) -> AsyncIterator[SessionPool]:
    from engine.local.warehouse.process import attach_or_serve  # noqa: PLC0415 - an extra, not in a function's package

    with attach_or_serve(directory) as endpoint:
        anybody = FixedParameters({"user": "borealis", "password": "none"})
        pool = _pool(config, endpoint.connection() | common, anybody)
        async with _closing(pool):
            async with pool.session() as session:
                await session.execute(create_database(names_of(config)), doing=f"cannot use {pool.place}")
            yield pool


async def _again(config: Config, common: dict[str, Any], kept: KeptSessions) -> SessionPool:
    if kept.pool is not None and kept.config == config:
        await kept.pool.renew(common["session_parameters"])
        return kept.pool
    if kept.pool is not None:
        await kept.pool.close()
    kept.config, kept.pool = config, _pool(config, _place(config) | common, target_logins(config))
    return kept.pool


def _pool(config: Config, parameters: dict[str, Any], logins: LoginParameters) -> SessionPool:
    target = config.target
    is_local = target.local is not None
    place = f"the embedded warehouse in {target.local}" if is_local else f"Snowflake ({target.host or target.account})"
    return SessionPool(parameters, place, (config.limits.loaders or LOADERS_MAX) + 2, logins)


@asynccontextmanager
async def _closing(pool: SessionPool) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await pool.close()


def _common(config: Config, run_id: str, deadline: Deadline) -> dict[str, Any]:
    target = config.target
    tag = orjson.dumps({"app": "borealis", "run": run_id, "tag": target.query_tag}).decode()
    return {
        "database": target.database,
        "login_timeout": round(target.login_timeout_s),
        "network_timeout": round(target.network_timeout_s),
        "application": "borealis",
        "enable_server_session_keep_alive_auto_detection": False,  # close() always logs out, which ends statements
        "session_parameters": {
            **SESSION_PARAMETERS,
            "STATEMENT_TIMEOUT_IN_SECONDS": deadline.statement_s(target.statement_timeout_s),
            "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": round(target.queue_timeout_s),
            "QUERY_TAG": tag,
        },
    }


def _place(config: Config) -> dict[str, Any]:
    """Where the target is, and as what to work there."""
    target = config.target
    place: dict[str, Any] = {
        name: value
        for name in ("account", "host", "port", "role", "warehouse")
        if (value := getattr(target, name)) is not None
    }
    return place | ({"protocol": target.protocol} if target.host is not None else {})
