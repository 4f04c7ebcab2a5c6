"""The faults that a run can end with, and what the policy knows about each.

BorealisError
├── FaultsError         several at once, a line each
│   ├── ConfigError     the configuration cannot be run; exit code 2
│   ├── EventError      a function cannot make out what it is asked for
│   └── RefusedError    a table cannot arrive exactly, found before it is published
├── SourceError         PostgreSQL; retryable where the same statement may pass later
├── TargetError         Snowflake
├── AwsError            a service of AWS: a queue, a bucket, a parameter
│   └── StageError      the bucket where staged files wait
├── SecretError         Vault, or the AWS identity that signs; retryable where Vault may answer later
├── GateError           counts or checksums disagree: the target is untouched
├── LeaseError          another run has this table
└── StateError          what runs share cannot be read or written
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


class FaultsError(BorealisError):
    """Several faults of one thing, told together: `faults` has a line each, which names the place and the remedy."""

    what = "refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(self.faults)


class ConfigError(FaultsError):
    """The configuration cannot be run: a setting must be corrected. Exit code 2."""

    code = "config"
    what = "the configuration is refused"


class EventError(FaultsError):
    """A function cannot make out what it is asked for: the event must be corrected."""

    code = "event"
    what = "the event is refused"


class RefusedError(FaultsError):
    """A table cannot arrive exactly, found before it is published: its setting or its rows must be corrected."""

    code = "refused"


class SourceError(BorealisError):
    """PostgreSQL; retryable as the table of SQLSTATEs says."""

    code = "source"


class TargetError(BorealisError):
    """Snowflake; retryable as the table of its numbers says."""

    code = "target"

    def __init__(
        self, message: str, *, remedy: str = "", retryable: bool = False, errno: int = 0, code: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy, retryable=retryable, code=code)
        self.errno = errno


class AwsError(BorealisError):
    """A service of AWS, such as a queue, a bucket, a parameter; retryable as the table of its codes says."""

    code = "aws"


class StageError(AwsError):
    """The bucket of an external stage; retryable as the table of AWS's codes says."""

    code = "stage"


class SecretError(BorealisError):
    """Vault, or the AWS identity that signs; retryable as the table of Vault's answers says."""

    code = "secrets"


class GateError(BorealisError):
    """Counts or checksums disagree: the target is untouched, and someone must look why."""

    code = "gate"


class LeaseError(BorealisError):
    """Something that one may do at a time is being done: by the run `run_id`, where that is known."""

    code = "lease"
    retryable = True

    def __init__(self, message: str, *, remedy: str = "", run_id: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.run_id = run_id


class StateError(BorealisError):
    """The state that runs share; retryable where the same request may pass later."""

    code = "state"
