"""The port to the state that runs share. The data's own truth stands beside the data, not here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one target table. A holder that lost it has a lower token than the one that has it now."""

    table: str
    run_id: str
    token: int


class State(Protocol):
    """Leases and history. Every call is idempotent but `acquire`."""

    async def acquire(self, table: str, run_id: str) -> Lease:
        """Raises LeaseError, with who has it, while another live run holds the table."""

    async def heartbeat(self, lease: Lease) -> bool:
        """Prolongs the lease; False where it was lost."""

    async def release(self, lease: Lease) -> None: ...

    async def record(self, run_id: str, target: str, receipt: dict[str, Any]) -> None:
        """Keeps a receipt."""

    async def last_receipts(self) -> dict[str, dict[str, Any]]:
        """The newest receipt of each target table."""

    async def leases(self) -> list[dict[str, Any]]:
        """The leases now held: table, run_id, owner, seconds left."""

    async def began(self, run_id: str) -> bool:
        """The run, or one of the invocation, began in this state's sight: without a lease, what it left is dead."""
