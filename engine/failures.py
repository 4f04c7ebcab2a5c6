"""A failure in words and as JSON, for a person, a log, a receipt, a message. Nothing of a row, nothing secret."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from engine.errors import BorealisError, FaultsError

OURS = tuple(str(Path(__file__).parents[1] / package) for package in ("engine", "handlers"))


def leaves(error: BaseException) -> list[BaseException]:
    """The errors themselves, out of the groups that task groups wrap them in."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


def known(error: BaseException) -> list[BaseException]:
    """Of many, those that a user can act on; without any, all."""
    errors = leaves(error)
    return [each for each in errors if isinstance(each, BorealisError)] or errors


def in_lines(error: BaseException) -> list[str]:
    """What went wrong and what to do, for one error; nothing of an unexpected one's text, which may quote a row."""
    if isinstance(error, FaultsError):
        lines = (
            error.faults if len(error.faults) == 1 else [f"{error.what}, {len(error.faults)} faults:", *error.faults]
        )
    elif isinstance(error, BorealisError):
        lines = [f"{error.message}.", *([f"{error.remedy}."] if error.remedy else [])]
    elif isinstance(error, OSError):
        lines = [f"{error.strerror or type(error).__name__}{f': {error.filename}' if error.filename else ''}"]
    else:
        lines = [f"unexpected {type(error).__name__} at {_place(error)}", "BOREALIS_DEBUG=1 shows it; please report it"]
    return [*lines, *getattr(error, "__notes__", [])]


def _place(error: BaseException) -> str:
    """The last line of our own that the error passed."""
    lines = traceback.extract_tb(error.__traceback__)
    return next((f"{each.filename}:{each.lineno}" for each in reversed(lines) if each.filename.startswith(OURS)), "?")


def as_json(error: BaseException) -> dict[str, Any]:
    """`{"code", "message", "remedy", "retryable"}`, and `faults` where there are several."""
    told: dict[str, Any] = {
        "code": error.code if isinstance(error, BorealisError) else "unexpected",
        "message": error.message if isinstance(error, BorealisError) else " ".join(in_lines(error)),
        "remedy": getattr(error, "remedy", ""),
        "retryable": bool(getattr(error, "retryable", False)),
    }
    if isinstance(error, FaultsError):
        told["faults"] = error.faults
    return told
