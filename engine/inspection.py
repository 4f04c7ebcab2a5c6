"""Looks without moving a row: is everything in reach (check), where does each table stand (status)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson

from engine.config import Config
from engine.connect import addresses
from engine.errors import BorealisError
from engine.model import SUFFIXES, Field
from engine.plan import TablePlan
from engine.runs import plans_of
from engine.source.connection import Address
from engine.source.facts import facts
from engine.spool import compressor
from engine.sql import target as target_sql
from engine.sql.source import END
from engine.sql.target import landing_name
from engine.unfinished import unfinished
from engine.wiring import Parts, Refused, Wanted, choose_tables, parts, target_key

# --- check ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckItem:
    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(slots=True)
class CheckReport:
    items: list[CheckItem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(item.ok for item in self.items)

    @asynccontextmanager
    async def looking(self, name: str) -> AsyncIterator[list[str]]:
        """Collects details for one item; a fault becomes the item's, and the check goes on."""
        details: list[str] = []
        began = time.monotonic()
        try:
            yield details
        except BorealisError as error:
            remedy = error.remedy
            self.items.append(CheckItem(name, False, str(error) if not remedy else error.message, remedy))
        else:
            milliseconds = (time.monotonic() - began) * 1000
            self.items.append(CheckItem(name, True, f"{'; '.join(details)} ({milliseconds:.0f} ms)"))


async def check(config: Config) -> CheckReport:
    """Reaches for both sides and plans every table: access, versions, rights, settings, types."""
    report = CheckReport()
    source, primary = addresses(config)
    async with report.looking("source") as details:
        await _look_at_source(source, details)
    if primary is not None:
        async with report.looking("primary") as details:
            await _look_at_source(primary, details)
    async with report.looking("target") as details, parts(config) as made:
        await made.target.prepare_ground()
        ((version, account, role, warehouse),) = await made.target.execute(
            target_sql.WHO, doing="cannot ask the target who we are"
        )
        details.append(f"Snowflake {version}, account {account}, role {role}, warehouse {warehouse}")
    if config.stage.url is not None and report.items[-1].ok:
        async with report.looking("stage") as details, parts(config) as made:
            await _try_stage(made, details)
    planned: list[TablePlan | Refused] = []
    if report.ok:
        async with report.looking("tables") as details:
            planned += await plans_of(config, Wanted())
            details.append(f"{len(planned)} tables")
        for each in planned:
            if isinstance(each, Refused):
                report.items += [CheckItem(each.label, False, fault) for fault in each.faults]
            else:
                report.items += [CheckItem(each.table.label, True, note) for note in each.notes]
    return report


async def _look_at_source(address: Address, details: list[str]) -> None:
    found = await facts(address)
    place = "standby" if found.standby else "primary"
    details.append(f"PostgreSQL {found.version} at {address.place} as {found.user}, {place}")
    details.append(f"encoding {found.encoding}, max_connections {found.connections_max}")
    details.append("sees open transactions of others" if found.sees_all else "does not see open transactions of others")
    if found.standby_settings:
        details.append(found.standby_settings)


_PROBE = Field("probe", "PROBE", "VARCHAR", select="probe", quoted=True)


async def _try_stage(made: Parts, details: list[str]) -> None:
    """Writes to the bucket and lets the target load from it, as a run does; nothing of it stays."""
    target, bucket, codec = made.target, made.bucket, made.config.limits.codec or "gzip"
    assert bucket is not None
    run_id, name = f"{made.run_id}_0", f"probe.{SUFFIXES[codec]}"
    names, folder, landing = target.names, target.folder(run_id), landing_name(_PROBE.target, run_id)
    details.append(f"{bucket.url}, region {await bucket.region()}")
    packer = compressor(codec, 1)
    content = packer.compress(f'"probe","{END}"\n'.encode()) + packer.flush()
    create = target_sql.create_landing(names, landing, [_PROBE], "", transient=True)
    copy = target_sql.copy_into(names, names.ours(landing), [_PROBE], folder, [name], codec=codec, force=False)
    try:
        await bucket.probe(f"{folder}/{name}", content)
        await target.execute(create, doing="cannot make a table to try the stage with")
        await target.execute(copy, doing=f"cannot load from {bucket.url}")
        await bucket.remove(made.run_id)
    finally:
        with anyio.CancelScope(shield=True), suppress(BorealisError):
            await target.execute(target_sql.drop(names.ours(landing)), doing="cannot drop that table")
            await bucket.remove(made.run_id)
    details.append("written, loaded by the target and deleted again")


# --- status -----------------------------------------------------------------------------------------------------


async def status(config: Config, names: Sequence[str]) -> list[dict[str, Any]]:
    """A line a table: its watermark and how far that is behind, its last receipt, its lease, its unfinished run."""
    async with parts(config) as made:
        chosen = await choose_tables(config, Wanted(names))
        await made.target.prepare_ground()
        catalogue = await made.target.catalogue()
        receipts = await made.state.last_receipts()
        held = await made.state.leases()
        half = await unfinished(made.state, made.target, [target_key(config, each) for each, _ in chosen], held)
        leases = {lease["target"]: lease for lease in held}
    lines = []
    for each, _ in chosen:
        key = target_key(config, each)
        existing = catalogue.tables.get(each.target_name)
        mark = catalogue.watermarks.get(key)
        last = receipts.get(key, {})
        lines.append(
            {
                "table": each.label,
                "target_table": each.target_name,
                "exists": existing is not None,
                "mode": each.options.mode,
                "watermark": mark.settled(existing).value if mark else None,
                "last_status": last.get("status"),
                "last_run_id": last.get("run_id"),
                "last_rows": last.get("rows_loaded"),
                "last_error": (last.get("error") or {}).get("message"),
                "lag_seconds": last.get("lag_seconds"),
                "lease": orjson.dumps(leases[key]).decode() if key in leases else None,
                "unfinished": half.get(key),
            }
        )
    return lines
