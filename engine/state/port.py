"""The port to the state that runs share. The data's own truth stands beside the data, not here.

Leases say who may do something now; documents are small values that change by compare-and-set: the plan of an
unfinished run, the snapshot that functions share, the answer to an event that came before; receipts are history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

DOCUMENT_BYTES_MAX = 350_000
"""Of a document, compressed: a DynamoDB item holds 400 KB, names and attributes included."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do something alone, such as writing one target table (`SCHEMA.TABLE`).

    A holder that lost it has a lower token than the one that has it now. It ends when nobody prolonged it for
    `state.lease_s`, by the clock of who asks; where clocks differ, a lease can be taken that much too early from a
    holder that lives, which then is told so by its next heartbeat: who is about to change something asks first.
    """

    table: str
    run_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Document:
    """A value as it was read; `version` is what a later `put` must name to replace it."""

    value: dict[str, Any]
    version: int


class State(Protocol):
    """Leases, documents and history. Every call is idempotent but `acquire` and `put`."""

    async def acquire(self, table: str, run_id: str) -> Lease:
        """Raises LeaseError, with who has it, while another holder is alive, be it one of the same run."""

    async def heartbeat(self, lease: Lease) -> bool:
        """Prolongs the lease; False where it was lost."""

    async def release(self, lease: Lease) -> None:
        """Gives the lease back; without effect where it was lost."""

    async def leases(self) -> list[dict[str, Any]]:
        """The leases now held: target, run_id, owner, seconds_left."""

    async def get(self, name: str) -> Document | None: ...

    async def put(
        self, name: str, value: dict[str, Any], *, version: int = 0, keep_s: float | None = None
    ) -> int | None:
        """Writes a document in the place of the `version` that was read (0: there is none yet).

        Returns its new version, or None where another was faster; a version is not used again after a delete.
        After `keep_s` seconds the document is as if deleted. Raises StateError over DOCUMENT_BYTES_MAX.
        """

    async def delete(self, name: str, *, version: int) -> None:
        """Deletes the version that was read or written; without effect where another has replaced it."""

    async def names(self, prefix: str) -> list[str]:
        """The names of the documents that begin so, sorted."""

    async def record(self, run_id: str, target: str, receipt: dict[str, Any]) -> None:
        """Keeps the receipt of a run, in the place of one that it left before."""

    async def last_receipts(self) -> dict[str, dict[str, Any]]:
        """The receipt of the newest run of each target table, by its run id, which begins with its time."""

    async def receipts(self, target: str, limit: int) -> list[dict[str, Any]]:
        """At most `limit` receipts of a target table, of the newest run first."""

    async def began(self, run_id: str) -> bool:
        """The run, or one of the invocation, took a lease here: without one now, what it left is dead."""

    async def close(self) -> None: ...
