"""Modules that fakesnow imports from the connector's old Python core and that its Rust core no longer has.

Only what the server never calls is missing; this runs in the server's own process.
"""

from __future__ import annotations

import importlib.util
import sys
import types


def install() -> None:
    sys.modules["pandas"] = None  # type: ignore[assignment]  # optional in the connector, and a second of every start
    for name, members in (
        ("snowflake.connector.converter", ("SnowflakeConverter",)),
        ("snowflake.connector.file_util", ("SnowflakeFileUtil",)),
    ):
        if importlib.util.find_spec(name) is None:
            module = types.ModuleType(name)
            for member in members:
                setattr(module, member, type(member, (), {}))
            sys.modules[name] = module
