"""The forms that every store shares: how a value is packed, and how a taken lease is told."""

from __future__ import annotations

import time
import zlib
from typing import Any

import orjson

from engine.errors import LeaseError, StateError
from engine.state.port import DOCUMENT_BYTES_MAX


def pack(name: str, value: dict[str, Any]) -> bytes:
    packed = zlib.compress(orjson.dumps(value))
    if len(packed) > DOCUMENT_BYTES_MAX:
        raise StateError(
            f"{name} takes {len(packed)} bytes of state, more than {DOCUMENT_BYTES_MAX}",
            remedy="set limits.chunk_bytes higher, so that a plan has fewer chunks; of a table of tens of thousands of "
            "partitions name the partitions as tables of their own",
        )
    return packed


def unpack(packed: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(zlib.decompress(packed))
    except (zlib.error, ValueError):
        value = None
    if not isinstance(value, dict):
        raise StateError(
            "the state holds a document that Borealis has not written", remedy="give it a state of its own"
        )
    return value


def first_version() -> int:
    """Of a new document: microseconds of the clock, so that it is not one that a deleted document had."""
    return time.time_ns() // 1000


def taken(table: str, run_id: str, owner: str, seconds_left: float) -> LeaseError:
    return LeaseError(
        f"{table} is held by run {run_id} ({owner})",
        remedy=f"wait for it to end; the lease ends {seconds_left:.0f} s after its last sign of life",
        run_id=run_id,
    )
