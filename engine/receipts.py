"""Audits receipts later: is each what was written, by whose key, and is the target still what it says.

A check that finds nothing wrong is `ok`; `differs` is a finding; `cannot tell` says why nothing can be said, such as a
table that a later run has replaced. Only the target is asked, and KMS.
"""

from __future__ import annotations

import re
import sys
import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field, ValidationError

from engine.config import Config
from engine.errors import BorealisError, GateError, RefusedError
from engine.ledger import files_of
from engine.quoting import quote
from engine.seal import digest_of, is_signed
from engine.sql import target as sql
from engine.target.snowflake import LEDGER_DAYS, TargetCatalogue, Watermark
from engine.typemap.canonical import target_text
from engine.wiring import Parts, parts

Verdict = Literal["ok", "differs", "cannot tell"]
DAY_S = 86_400.0
RUN_DAYS_MAX = 1
"""Of a run from its first chunk to its receipt (engine.kept): the ledger may have begun to forget that long before."""


class _Verified(BaseModel):
    left_out: int = 0
    columns: list[tuple[str, str, str]] = []
    """Name, type, and the shape where not the value is compared."""
    checksum_source: str | None = None


class _Files(BaseModel):
    count: int = 0
    root: str = ""


class _Receipt(BaseModel):
    """What of a receipt is held against the target."""

    table: str
    target_table: str
    status: str
    run_id: str
    mode: str
    rows_loaded: int
    finished_at: str = ""
    plan_hash: str = ""
    watermark: str | None = None
    verification: _Verified = Field(default_factory=_Verified)
    files: _Files = Field(default_factory=_Files)
    seal: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    """digest, signature, plan, run, files, rows or checksum."""
    verdict: Verdict
    why: str
    remedy: str = ""


@dataclass(slots=True)
class Audited:
    """One receipt, and what was found."""

    table: str
    target_table: str
    run_id: str
    checks: list[Check] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(check.verdict != "differs" for check in self.checks)

    def add(self, what: str, right: bool, why: str, otherwise: str = "", remedy: str = "") -> bool:
        self.checks.append(Check(what, "ok", why) if right else Check(what, "differs", otherwise, remedy))
        return right

    def cannot_tell(self, why: str, *what: str, remedy: str = "") -> None:
        self.checks += [Check(each, "cannot tell", why, remedy) for each in what]


def content_of(file: Path) -> bytes:
    """`-` is standard input."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise BorealisError(f"cannot read {file}: {error.strerror}", remedy="name the file of a receipt") from None


def receipts_in(text: bytes) -> list[dict[str, Any]]:
    """Of what `run --json` printed, or of one receipt by itself. Raises RefusedError."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedError([f"the receipt is no JSON: {error}; give the output of `borealis run --json`"]) from None
    receipts = found["tables"] if isinstance(found, dict) and isinstance(found.get("tables"), list) else [found]
    for receipt in receipts:
        _parsed(receipt)
    return receipts


def _parsed(receipt: object) -> _Receipt:
    try:
        return _Receipt.model_validate(receipt)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc'])) or 'the receipt'}: {each['msg']}" for each in error.errors()]
        raise RefusedError([f"no receipt of Borealis: {fault}" for fault in faults]) from None


async def audit(config: Config, receipts: Sequence[Mapping[str, Any]], key: str | None = None) -> list[Audited]:
    """Audits them one by one; without any, the newest of each table that the state has. `key` must have signed them:
    without it `aws.signing_key`.
    """
    key = key or config.aws.signing_key
    async with parts(config) as made:
        latest = await made.state.last_receipts()
        catalogue = await made.target.catalogue()
        return [
            await _audited(made, each, key, catalogue, latest)
            for each in receipts or [latest[name] for name in sorted(latest)]
        ]


async def _audited(
    made: Parts,
    raw: Mapping[str, Any],
    key: str | None,
    catalogue: TargetCatalogue,
    latest: Mapping[str, Mapping[str, Any]],
) -> Audited:
    receipt = _parsed(raw)
    done = Audited(receipt.table, receipt.target_table, receipt.run_id)
    untouched = done.add(
        "digest", receipt.seal.get("digest") == digest_of(raw), "it is as it was written",
        "it is not what was written: its digest is another", "take the receipt from where it was first kept",
    )  # fmt: skip
    untouched &= await _signature(done, receipt, key, made.config.aws.region, digest_of(raw))
    done.add(
        "plan", re.fullmatch("[0-9a-f]{64}", receipt.plan_hash) is not None, f"hash {receipt.plan_hash}",
        "there is no hash of a plan", "the receipt is of an older engine, or was changed",
    )  # fmt: skip
    target = "run", "files", "rows", "checksum"
    if not untouched:
        done.cannot_tell("the receipt is not to be trusted", *target)
    elif receipt.status != "COMPLETE":
        done.cannot_tell(f"the run ended {receipt.status}: it published nothing", *target)
    else:
        await _target(made, done, receipt, catalogue, latest)
    return done


async def _signature(done: Audited, receipt: _Receipt, key: str | None, region: str | None, digest: str) -> bool:
    """False where somebody else has signed it, or nobody who should have."""
    seal = receipt.seal
    if not {"key", "algorithm", "signature"} <= seal.keys():
        if key is None or receipt.status != "COMPLETE":
            done.cannot_tell("it was not signed", "signature", remedy="set aws.signing_key, for receipts to come")
            return True
        return done.add("signature", False, "", "it is not signed", "ask the run's notes why; see docs/receipts.md")
    if key is None:
        why = f"it says {seal['key']}, and no key that should have is named"
        done.cannot_tell(why, "signature", remedy="set aws.signing_key, or name the key with --key")
        return True
    try:
        signed = await is_signed(seal, digest, key, region)
    except BorealisError as error:
        done.cannot_tell(error.message, "signature", remedy=error.remedy)
        return True
    return done.add(
        "signature", signed, f"{key} has signed it", f"{key} has not signed it; it says {seal['key']}",
        "where that is a key of yours that was replaced, name it with --key",
    )  # fmt: skip


async def _target(
    made: Parts,
    done: Audited,
    receipt: _Receipt,
    catalogue: TargetCatalogue,
    latest: Mapping[str, Mapping[str, Any]],
) -> None:
    names = made.target.names
    schema = f"{quote(names.database)}.{quote(names.schema)}."
    if not receipt.target_table.startswith(schema):
        why = f"this configuration writes to {schema[:-1]}"
        done.cannot_tell(why, "run", "files", "rows", "checksum", remedy="audit with the configuration of the run")
        return
    await _files(made, done, receipt)
    name = receipt.target_table.removeprefix(schema)[1:-1].replace('""', '"')
    if not done.add(
        "table", name in catalogue.tables, "it is at the target", "it is not at the target any more", "run it again"
    ):
        return
    if not _is_current(done, receipt, catalogue, name, f"{names.schema}.{name}", latest):
        done.cannot_tell("the table is another run's", "rows", "checksum")
    elif receipt.mode == "incremental":
        why = "it tells of the changes that were brought in, not of the table"
        done.cannot_tell(why, "rows", "checksum", remedy="compare the table with `borealis verify`")
    else:
        await _rows(made, done, receipt)


def _is_current(
    done: Audited, receipt: _Receipt, catalogue: TargetCatalogue, name: str, key: str,
    latest: Mapping[str, Mapping[str, Any]],
) -> bool:  # fmt: skip
    """Whether the table is the one that this run published: by its watermark, which moves with each run of an
    incremental table, by the mark of the last swap, or by the state's newest receipt.
    """
    run, table = receipt.run_id, catalogue.tables[name]
    moved = catalogue.watermarks.get(key, Watermark()).settled(table).run_id
    last = latest.get(key, {})
    newest = str(last["run_id"]) if last.get("status") == "COMPLETE" else ""
    published = (moved if receipt.watermark is not None else "") or table.run_id or newest
    if not published:
        done.cannot_tell("neither the target nor the state says whose the table is", "run")
        return True
    later = [each for each in (moved, table.run_id, newest) if each and _second(each) > _second(run)]
    if later or (published != run and _second(published) == _second(run)):
        done.cannot_tell(f"superseded by run {max(later, default=published)}", "run")
        return False
    return done.add(
        "run", published == run, "the table is this run's", f"the table is that of the earlier run {published}",
        "it was rolled back, restored or published by hand: ask who did",
    )  # fmt: skip


def _second(run_id: str) -> str:
    """When the invocation began that a run's id is of."""
    return run_id[:15]


async def _files(made: Parts, done: Audited, receipt: _Receipt) -> None:
    """What the ledger says of the run, against the receipt's root."""
    try:
        age_s = time.time() - timegm(time.strptime(receipt.finished_at, "%Y-%m-%dT%H:%M:%SZ"))
        loaded = await made.target.loaded(receipt.run_id)
    except ValueError:
        done.cannot_tell("the receipt does not say when the run ended", "files")
        return
    except GateError as error:
        done.add("files", False, "", error.message, error.remedy)
        return
    if age_s > (LEDGER_DAYS - RUN_DAYS_MAX) * DAY_S:
        done.cannot_tell(f"the ledger keeps its lines for {LEDGER_DAYS} days", "files")
        return
    done.add(
        "files", files_of(loaded)["root"] == receipt.files.root,
        f"{receipt.files.count} files stand in the ledger as they do here",
        "the ledger has other files, rows or digests of this run", "ask who may write to the ledger",
    )  # fmt: skip


async def _rows(made: Parts, done: Audited, receipt: _Receipt) -> None:
    verified, remedy = receipt.verification, "`borealis verify --level bisect` finds the rows, --repair mends them"
    rows = receipt.rows_loaded - verified.left_out
    if not verified.columns or verified.left_out or verified.checksum_source is None:
        ((count,),) = await made.target.execute(sql.count(receipt.target_table), doing="cannot count the target")
        done.add("rows", int(count) == rows, f"{rows:,} rows", f"{int(count):,} rows where {rows:,} were", remedy)
        done.cannot_tell("the run was not verified by checksum", "checksum", remedy='set verify = "checksum"')
        return
    try:
        texts = [target_text(quote(name), kind, shape) for name, kind, shape in verified.columns]
    except ValueError as unknown:
        done.cannot_tell(f"{unknown}", "rows", "checksum", remedy="audit with the engine that wrote the receipt")
        return
    statement = sql.checksum_of(receipt.target_table, texts)
    ((count, total),) = await made.target.execute(statement, doing="cannot compute the checksum of the target")
    done.add("rows", int(count) == rows, f"{rows:,} rows", f"{int(count):,} rows where {rows:,} were", remedy)
    done.add(
        "checksum", str(total) == verified.checksum_source, f"{total} over {len(texts)} columns",
        f"{total} where {verified.checksum_source} was", remedy,
    )  # fmt: skip
