"""A finding, and where findings are collected. A fault stops runs; advice does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from engine.errors import BorealisError

Level = Literal["ok", "advice", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    level: Level
    what: str
    why: str = ""
    remedy: str = ""


@dataclass(slots=True)
class Findings:
    """Of one part; each has its own, since the parts are looked at at once."""

    part: str
    found: list[Finding] = field(default_factory=list)

    def ok(self, name: str, what: str) -> None:
        self.found.append(Finding(f"{self.part}: {name}", "ok", what))

    def fault(self, name: str, what: str, why: str, remedy: str) -> None:
        self.found.append(Finding(f"{self.part}: {name}", "fault", what, why, remedy))

    def advice(self, name: str, what: str, why: str, remedy: str) -> None:
        self.found.append(Finding(f"{self.part}: {name}", "advice", what, why, remedy))

    @asynccontextmanager
    async def looking(self, name: str, why: str) -> AsyncIterator[None]:
        """What cannot be looked at is a fault of its own, and the others are looked at all the same."""
        try:
            yield
        except BorealisError as error:
            self.fault(name, error.message, why, error.remedy)


def faults(found: Iterable[Finding]) -> bool:
    return any(each.level == "fault" for each in found)
