"""What is wrong with a configuration, in words: each fault names its setting by path and says the remedy. Pure.

No value is repeated but one that nearly is a word of a closed list: a secret in the wrong place is not shown either.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from engine.config_types import is_here
from engine.quoting import shown

Path = tuple[str | int, ...]

INCREMENTAL_ONLY = ("cursor", "deletes", "soft_column", "null_cursor", "cursor_lag_s", "cursor_timezone")

REQUIREMENTS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "tuple_type": 'must be a list, such as ["id"]',
    "dict_type": "must be a section of settings",
    "model_type": "must be a section of settings",
    "model_attributes_type": "must be a section of settings",
    "byte_size": 'must be a number of bytes, such as 134217728 or "128MiB"',
    "byte_size_unit": 'must be a number of bytes, such as 134217728 or "128MiB"',
}


def dotted(path: Path) -> str:
    """`tables[2].cursor`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return text.removeprefix(".")


def settings(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The settings of a section by the names that a file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a setting is, or holds many of."""
    pending: list[Any] = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        pending.extend(get_args(annotation))
    return None


def _around(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The section that holds the setting at the path."""
    for part in path[:-1]:
        field = settings(model).get(part) if isinstance(part, str) else None
        model = (section_of(field) if field else None) or model
    return model


def of_validation(
    invalid: ValidationError, model: type[BaseModel], values: Mapping[str, Any], origins: Mapping[str, str]
) -> list[str]:
    """One line a fault, in the order of the sections."""
    lines: list[str] = []
    for error in invalid.errors(include_url=False, include_input=False):
        path: Path = error["loc"]
        section = _around(model, path)
        field = settings(section).get(next((part for part in reversed(path) if isinstance(part, str)), ""))
        if error["type"] == "extra_forbidden":
            words = unknown(str(path[-1]), model, section)
        elif error["type"] == "literal_error":
            words = _not_listed(_at(values, path), _choices(field))
        else:
            words = _in_words(error, field)
        origin = origins.get(dotted(path))
        lines.append(f"{dotted(path)}{f' (from {origin})' if origin else ''}: {words}")
    return lines


def _not_listed(given: object, choices: Sequence[str]) -> str:
    meant = _meant(given, choices) if isinstance(given, str) else ""
    return f"{f'{json.dumps(given)} ' if meant else ''}is not one of {', '.join(choices)}{meant}"


def _in_words(error: ErrorDetails, field: FieldInfo | None) -> str:
    kind, path = error["type"], error["loc"]
    if kind == "missing":
        return f"is required; {_remedy(path, field)}"
    if kind == "value_error":
        return str(error.get("ctx", {})["error"])
    words = REQUIREMENTS.get(kind, re.sub(r"^\w+ should", "must", error["msg"]))
    return f"{words}; {_remedy(path, field)}" if field else words


def _remedy(path: Path, field: FieldInfo | None) -> str:
    """What the setting is, with an example where the model has one."""
    name = path[-1]
    if field is None:
        return f"set {name}"
    if section_of(field) is not None:
        head = f"[[{name}]]" if name == "tables" else f"[{name}]"
        return f"add a section {head}"
    if field.examples:
        return f"set {name} = {json.dumps(field.examples[0])}"
    return f"it is: {(field.description or '').rstrip('.')}"


def _choices(field: FieldInfo | None) -> list[str]:
    found: list[str] = []
    pending: list[Any] = [field.annotation] if field else []
    while pending:
        annotation = pending.pop(0)
        found += [annotation] if isinstance(annotation, str) else []
        pending = [*get_args(annotation), *pending]
    return found


def _at(values: Any, path: Path) -> Any:
    for part in path:
        values = values[part]
    return values


def _meant(word: str, words: Sequence[str]) -> str:
    close = difflib.get_close_matches(word.lower(), words, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def unknown(name: str, model: type[BaseModel], section: type[BaseModel]) -> str:
    """A setting that does not exist: the one meant, else where it belongs, else what there is."""
    known = settings(section)
    meant = _meant(name, list(known))
    if meant:
        return f"unknown setting{meant}"
    homes = [home for home, field in settings(model).items() if name in settings(section_of(field) or section)]
    if homes and section is not model:
        return f"unknown setting; it belongs in {' or '.join(f'[{home}]' for home in homes)}"
    return f"unknown setting; there are {', '.join(known)}"


def between_settings(values: Mapping[str, Any]) -> list[str]:
    """Faults of settings that are valid each by itself; read off the plain values, so that all are found at once."""
    target = _section(values, "target")
    defaults = _section(values, "defaults")
    entries = values.get("tables")
    tables = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list | tuple) else []
    faults = list(_of_target(target)) if "target" in values else []
    faults += _of_source(_section(values, "source"))
    if not _section(values, "vault"):
        faults += [
            f'{name}.vault: needs to know where Vault is; add [vault] with address = "https://vault.example.com:8200"'
            for name in ("source", "target")
            if _section(values, name).get("vault")
        ]
    for index, table in enumerate(tables):
        faults += [f"tables[{index}].{fault}" for fault in _of_table(table, defaults)]
    faults += _twice([table.get("name") for table in tables])
    return faults


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = values.get(name)
    return section if isinstance(section, Mapping) else {}


def _of_source(source: Mapping[str, Any]) -> Iterator[str]:
    if source.get("auth") != "rds-iam":
        return
    for name in ("vault", "password"):
        if source.get(name):
            yield f"source.{name}, source.auth: exclude each other; rds-iam makes its own password, remove {name}"
    for name in ("dsn", "primary_dsn"):
        if not isinstance(source.get(name), str):
            continue
        with suppress(ValueError):
            url = urlsplit(source[name])
            mode = source.get("sslmode") or dict(parse_qsl(url.query)).get("sslmode")
            if mode not in ("require", "verify-ca", "verify-full"):
                yield f'source.sslmode: rds-iam sends its token over TLS only; set sslmode = "verify-full" for {name}'
            if not url.username:
                yield f"source.{name}: rds-iam needs the user in the URL, as postgresql://reader@host/database"


def _of_target(target: Mapping[str, Any]) -> Iterator[str]:
    if target.get("local") and target.get("account"):
        yield "target.local, target.account: exclude each other; keep local (embedded warehouse) or account (Snowflake)"
    elif not target.get("local") and not target.get("account"):
        yield (
            'target.local, target.account: one of them is required; set local = "./warehouse" for the embedded '
            'warehouse, or account = "ORG-ACCOUNT" with user and private_key_file for Snowflake'
        )
    elif target.get("account"):
        logins = ("vault", "private_key_file", "private_key", "password", "authenticator")
        if not target.get("user") and not target.get("vault"):
            yield 'target.user: is required with account; set user = "BOREALIS_LOADER"'
        if not any(target.get(login) for login in logins):
            yield (
                "target.private_key_file: an account needs a login; set private_key_file, private_key or password, "
                "or vault"
            )
    if target.get("protocol") == "http" and isinstance(host := target.get("host"), str) and not is_here(host):
        yield "target.protocol: http would send login and rows in the clear; remove it, it is for a server on 127.0.0.1"
    if target.get("local") and target.get("vault"):
        yield "target.local, target.vault: exclude each other; the embedded warehouse asks for no login, remove vault"
    if target.get("private_key_file") and target.get("private_key"):
        yield "target.private_key, target.private_key_file: exclude each other; keep one"
    state, schema = target.get("state_schema", "BOREALIS"), target.get("schema")
    if isinstance(state, str) and isinstance(schema, str) and state.strip('"').upper() == schema.strip('"').upper():
        yield "target.state_schema: is the schema of the tables too; give Borealis a schema of its own"


def _of_table(table: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    mode = table.get("mode", defaults.get("mode", "full"))
    publish = table.get("publish", "auto")
    wild = isinstance(table.get("name"), str) and any(char in _unquoted(table["name"]) for char in "*?")
    if mode == "incremental":
        yield from _of_incremental(table, defaults)
    if mode == "full":
        for name in INCREMENTAL_ONLY:
            if name in table:
                yield f'{name}: has no effect in full mode; set mode = "incremental", or remove it'
                break
        if publish in ("merge", "append"):
            yield f'publish: {publish} is for incremental mode; set mode = "incremental", or publish = "auto"'
    if wild and table.get("target_name"):
        yield "target_name: is for one table, but name is a pattern; give that table an entry of its own"
    if not wild and table.get("exclude"):
        yield "exclude: is for a pattern, but name is exact; remove exclude, or make name a pattern"


def _of_incremental(table: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    def effective(name: str, otherwise: str) -> Any:
        return table.get(name, defaults.get(name, otherwise))

    if not effective("cursor", ""):
        yield (
            'cursor: is required in incremental mode; set cursor = "updated_at", a column that grows with each change, '
            'or mode = "full"'
        )
    if table.get("publish") in ("swap", "overwrite"):
        yield f'publish: {table["publish"]} is for full mode; set publish = "merge" or "append", or mode = "full"'
    if effective("publish", "auto") == "append":
        if table.get("null_cursor") == "load":
            yield 'null_cursor: load would append such rows again each run; set null_cursor = "skip" or "fail"'
        if effective("deletes", "none") != "none":
            yield 'deletes: rows that were appended are never deleted; set publish = "merge", or deletes = "none"'
    if effective("deletes", "none") == "soft" and not effective("soft_column", ""):
        yield 'soft_column: is required with deletes = "soft"; name the column of the source that marks a deleted row'


def _unquoted(name: str) -> str:
    return "".join(name.split('"')[::2])


def _twice(names: Sequence[object]) -> Iterator[str]:
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            yield f"tables[{index}].name: {name} has an entry already, tables[{names.index(name)}]; keep one"
