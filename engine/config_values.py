"""The plain values of a configuration: a TOML file, and the environment over it.

`BOREALIS_SOURCE__DSN` is `source.dsn`; lists and whole sections are JSON there, an empty variable is no setting.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel

from engine.config_faults import dotted, section_of, settings, unknown
from engine.errors import ConfigError

PREFIX = "BOREALIS_"

MINIMAL = """\
[source]
dsn = "postgresql://reader@127.0.0.1:5432/shop"

[target]
local = "./warehouse"      # embedded; or account, user, private_key_file, role, warehouse
database = "ANALYTICS"
schema = "SHOP"

[[tables]]
name = "public.*"
"""


def file_values(path: Path) -> dict[str, Any]:
    try:
        return text_values(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        fault = f"{path}: there is no such file; write one, such as:\n\n{MINIMAL}"
    except OSError as refused:
        fault = f"{path}: cannot be read, {refused.strerror}; correct the path or its permissions"
    except UnicodeDecodeError as garbled:
        fault = f"{path}: is not UTF-8 at byte {garbled.start}; save it as UTF-8"
    raise ConfigError([fault])


def text_values(text: str, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as invalid:
        fault = f"{place}: is not TOML, {invalid}; text stands in double quotes, lists in square brackets"
    except (ValueError, RecursionError):
        fault = f"{place}: holds a number of thousands of digits, or thousands of brackets in each other; remove them"
    raise ConfigError([fault])


def environment_values(
    env: Mapping[str, str], model: type[BaseModel]
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Settings of the environment as plain values, which variable each came from, and the faults; empty means unset."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    faults: list[str] = []
    sections = settings(model)
    for variable, text in sorted(env.items()):
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if not variable.startswith(PREFIX) or not text:
            continue
        if path[0] not in sections:
            faults += _misnamed(variable, path, model)
            continue
        section = section_of(sections[path[0]]) or model
        field = sections[path[0]] if len(path) == 1 else settings(section).get(path[1])
        if field is None or len(path) > 2:
            faults.append(f"{variable}: {unknown(path[-1], model, section)}")
            continue
        value: Any = text
        if len(path) == 1 or get_origin(field.annotation) in (tuple, dict):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                faults.append(f'{variable}: is not JSON, which lists and sections are in the environment, as ["id"]')
                continue
        values = laid_over(values, {path[0]: value} if len(path) == 1 else {path[0]: {path[1]: value}})
        origins[dotted(path)] = variable
    return values, origins, faults


def _misnamed(variable: str, path: tuple[str, ...], model: type[BaseModel]) -> list[str]:
    """A variable of no section is ours only if it looks like a setting: others begin with the same word."""
    for section in settings(model):
        if path[0].startswith(f"{section}_"):
            meant = variable.replace(f"{section.upper()}_", f"{section.upper()}__", 1)
            return [f"{variable}: two underscores stand between section and setting; did you mean {meant}?"]
    return [f"{variable}: {unknown(path[0], model, model)}"] if len(path) > 1 else []


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        merged[name] = laid_over(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged
