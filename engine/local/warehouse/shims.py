"""Modules that fakesnow imports from the connector's old Python core and that its Rust core no longer has.

Only what the server never calls is missing; this runs in the server's own process.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager


def install() -> None:
    for name, members in (
        ("snowflake.connector.converter", ("SnowflakeConverter",)),
        ("snowflake.connector.file_util", ("SnowflakeFileUtil",)),
    ):
        with _without("pandas"):
            found = importlib.util.find_spec(name)
        if found is None:
            module = types.ModuleType(name)
            for member in members:
                setattr(module, member, type(member, (), {}))
            sys.modules[name] = module


@contextmanager
def _without(name: str) -> Iterator[None]:
    """While the connector is imported, what it would import if it were there: pandas costs a second of every start."""
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
