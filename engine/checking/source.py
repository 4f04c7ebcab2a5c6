"""The source's parameter group and its role: what a run needs, and no more than that."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.checking.finding import Finding, Findings
from engine.config import Config
from engine.connect import addresses
from engine.machine import bounds_of
from engine.source.connection import Address, Connection, Translated, connected
from engine.wiring import Wanted, choose_tables

STREAMING_DELAY_MS = 30_000
"""The longest that Aurora allows; a chunk of 150 MiB takes 2 to 20 s to read."""

_SETTINGS = """
SELECT name, reset_val FROM pg_settings WHERE name IN ('rds.force_ssl', 'max_connections', 'hot_standby_feedback',
  'superuser_reserved_connections', 'max_standby_streaming_delay', 'old_snapshot_threshold', 'statement_timeout',
  'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')
"""
_ROLE = """
SELECT r.rolname AS name, pg_is_in_recovery() AS standby, s.ssl AS encrypted,
       pg_has_role(r.rolname, 'pg_read_all_stats', 'USAGE') AS sees_all,
       array_remove(ARRAY[
         CASE WHEN r.rolsuper THEN 'SUPERUSER' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
         CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolreplication THEN 'REPLICATION' END
       ], NULL) AS powers
FROM pg_roles r LEFT JOIN pg_stat_ssl s ON s.pid = pg_backend_pid() WHERE r.rolname = current_user
"""
_WRITABLE = """
SELECT count(*) FROM unnest($1::oid[]) AS t(oid)
WHERE has_table_privilege(t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
"""


async def look(config: Config) -> list[Finding]:
    source, primary = addresses(config)
    found = Findings("source")
    async with found.looking("connection", "nothing can be read"), connected(source) as connection:
        with Translated("cannot read the source's settings"):
            settings = dict(await connection.fetch(_SETTINGS))
            role = dict(await connection.fetchrow(_ROLE))
        _encryption(source, settings, encrypted=bool(role["encrypted"]), found=found)
        _connections(config, settings, found)
        _patience(settings, found, standby=role["standby"])
        _time_limits(settings, found)
        await _rights(config, connection, role, found)
    if any(table.mode == "incremental" and not table.cursor_lag_s for table in config.tables):
        async with found.looking("open transactions", "their rows would be passed over"):
            await _sees_all(primary or source, found)
    return found.found


def _encryption(address: Address, settings: dict[str, str], *, encrypted: bool, found: Findings) -> None:
    url = urlsplit(address.dsn)
    mode = dict(parse_qsl(url.query)).get("sslmode", "prefer")
    if _on_this_machine(url.hostname):
        return
    if not encrypted:
        found.fault(
            "encryption", "this session is not encrypted", "rows and the password travel in clear",
            'set source.sslmode = "verify-full" and source.sslrootcert, and rds.force_ssl = 1 in the parameter group',
        )  # fmt: skip
    elif mode != "verify-full":
        found.advice(
            "encryption", f"sslmode is {mode}", "TLS is used, but anybody could be on the other side",
            'set source.sslmode = "verify-full", and source.sslrootcert to the bundle of RDS',
        )  # fmt: skip
    if settings.get("rds.force_ssl") in ("0", "off"):
        found.advice(
            "rds.force_ssl",
            "it is off",
            "others may log in without TLS",
            "set rds.force_ssl = 1 in the parameter group",
        )


def _on_this_machine(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "127.0.0.1").is_loopback
    except ValueError:
        return host == "localhost"


def _connections(config: Config, settings: dict[str, str], found: Findings) -> None:
    """Each function has its readers and the snapshot's connection."""
    functions = config.limits.workers if config.aws.state_machine else 1
    each = bounds_of(config).readers_max + 1
    most = config.source.connections_max
    wanted = min(functions * each + 1, most) if most else functions * each + 1
    free = int(settings["max_connections"]) - int(settings["superuser_reserved_connections"])
    spare = config.source.connections_spare
    told = f"{functions} functions with {each} connections each" + (f", at most {most}" if most else "")
    if wanted + spare > free:
        found.fault(
            "max_connections", f"{told}, make {wanted}; with {spare} spared, {free} are not enough",
            "logins would be refused (53300), those of the application too",
            f"set source.connections_max to {max(2, free - spare)} or less, lower limits.workers, or raise it",
        )  # fmt: skip
    else:
        found.ok("max_connections", f"{told}, make {wanted} of {free}")


def _patience(settings: dict[str, str], found: Findings, *, standby: bool) -> None:
    """How long rows that are dead on the primary can still be read."""
    if standby:
        if settings["hot_standby_feedback"] == "off":
            found.advice(
                "hot_standby_feedback", "it is off on this standby", "a vacuum on the primary ends chunks half read",
                "set hot_standby_feedback = on in the reader's parameter group; runs go on meanwhile, with retries",
            )  # fmt: skip
        delay = int(settings["max_standby_streaming_delay"])
        if 0 <= delay < STREAMING_DELAY_MS:
            found.advice(
                "max_standby_streaming_delay", f"{delay} ms", "a chunk that reads for longer may be cancelled (40001)",
                f"set it to {STREAMING_DELAY_MS} (Aurora's most) or more in the reader's parameter group",
            )  # fmt: skip
    if settings.get("old_snapshot_threshold", "-1") != "-1":
        found.fault(
            "old_snapshot_threshold", "it is set", "a long run's snapshot becomes too old (72000)",
            "set old_snapshot_threshold = -1 in the parameter group",
        )  # fmt: skip


def _time_limits(settings: dict[str, str], found: Findings) -> None:
    """Of the role, its database or the parameter group; a run's sessions set their own (engine.sql.source.PINNED)."""
    limits = [f"{name} = {value} ms" for name, value in settings.items() if name.endswith("_timeout") and value != "0"]
    found.ok("time limits", f"{', '.join(sorted(limits)) or 'none'} for this role; a run's sessions set their own")


async def _rights(config: Config, connection: Connection, role: dict[str, Any], found: Findings) -> None:
    chosen = await choose_tables(config, Wanted())
    unreadable = [each.label for each, relation in chosen if not relation.readable]
    if unreadable:
        found.fault(
            "SELECT", f"{role['name']} may not read {_some(unreadable)}", "these tables fail",
            f'GRANT USAGE on their schema and SELECT on the tables to "{role["name"]}"',
        )  # fmt: skip
    else:
        found.ok("SELECT", f"{role['name']} may read all {len(chosen)} tables")
    with Translated("cannot read the role's rights"):
        writable = await connection.fetchval(_WRITABLE, [relation.oid for _, relation in chosen])
    if role["powers"] or writable:
        more = [*role["powers"], *([f"writing to {writable} of the tables"] if writable else [])]
        found.advice(
            "more than SELECT", f"{role['name']} has {', '.join(more)}", "a run needs SELECT alone; more is a risk",
            "take a role of its own with USAGE, SELECT and pg_read_all_stats (docs/first-deployment.md)",
        )  # fmt: skip


async def _sees_all(address: Address, found: Findings) -> None:
    async with connected(address) as connection:
        with Translated("cannot read the role's rights"):
            role = dict(await connection.fetchrow(_ROLE))
    if not role["sees_all"]:
        found.fault(
            "pg_read_all_stats", f"{role['name']} does not see when others' transactions began",
            "a row that is committed late would be passed over, so incremental tables are refused",
            f'GRANT pg_read_all_stats TO "{role["name"]}", or set cursor_lag_s',
        )  # fmt: skip


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
