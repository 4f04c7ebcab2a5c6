"""The faults that a run can end with, and what the policy knows about each.

BorealisError
├── ConfigError         the configuration cannot be run; exit code 2
├── RefusedError        a table cannot arrive exactly, found before it is published
├── SourceError         PostgreSQL; retryable where the same statement may pass later
├── TargetError         Snowflake
├── GateError           counts or checksums disagree: the target is untouched
└── LeaseError          another run has this table
"""

from __future__ import annotations


class BorealisError(Exception):
    """Something went wrong that a user can act on: what and where in the message, then the remedy."""

    code = "error"
    retryable = False

    def __init__(self, message: str, *, remedy: str = "", retryable: bool | None = None, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if retryable is not None:
            self.retryable = retryable
        if code:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}." if self.remedy else f"{self.message}."


class ConfigError(BorealisError):
    """The configuration is invalid. `faults` has one line a fault, each naming the setting and the remedy."""

    code = "config"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(self.faults)


class RefusedError(BorealisError):
    """A table is refused: one line a fault, each naming the table, the column and the remedy."""

    code = "refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(self.faults)


class SourceError(BorealisError):
    code = "source"


class TargetError(BorealisError):
    code = "target"

    def __init__(
        self, message: str, *, remedy: str = "", retryable: bool = False, errno: int = 0, code: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy, retryable=retryable, code=code)
        self.errno = errno


class GateError(BorealisError):
    code = "gate"


class LeaseError(BorealisError):
    code = "lease"
    retryable = True
