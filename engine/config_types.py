"""The kinds of value that settings are made of: what each accepts, and the remedy where it does not. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from engine.selection import NamePattern

TARGET_TYPES = frozenset(
    {"NUMBER", "FLOAT", "DECFLOAT", "VARCHAR", "BINARY", "BOOLEAN", "DATE", "TIME", "UUID"}
    | {"TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "VARIANT", "ARRAY", "OBJECT", "GEOGRAPHY", "GEOMETRY"}
)


def _absolute(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ValueError("begins with the home directory of nobody; write it in full") from None
    if "\0" in str(path):
        raise ValueError("is not a path: it holds a NUL")
    return Path(base, path) if base else path


def stored_name(text: str) -> str:
    """A name of the target as stored: upper case unless it stands in double quotes, as in Snowflake's own SQL."""
    if len(text) > 2 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    if not text or '"' in text:
        raise ValueError("is not a name; write ORDERS, or '\"orders\"' where lower case is meant")
    return text.upper()


def is_here(host: str) -> bool:
    """Whether what is sent to the host stays on this machine, so that it needs no TLS."""
    return host in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _vault_path(text: str) -> str:
    """As in a URL, which it becomes a part of: nothing that would lead out of it, or end it."""
    path = text.strip("/")
    if re.search(r"[?#%\\\x00-\x1f\x7f]", path) or {"", ".", ".."}.intersection(path.split("/")):
        raise ValueError("is not a path in Vault; write kv/aurora or database/creds/ROLE")
    return path


def _source_url(dsn: SecretStr) -> SecretStr:
    try:
        url = urlsplit(dsn.get_secret_value())
        # an @ behind the host is that of a password with a / ? or # in it, which would be told as the database's name
        valid = url.scheme in ("postgresql", "postgres") and (url.port or 1) > 0 and "@" not in url.path
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("is not a PostgreSQL URL; write postgresql://user@host:5432/database, with %-escapes in names")
    return dsn


def _zone(name: str) -> str:
    """Unknown names are refused only where this machine has a time zone database to ask."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        if available_timezones():
            raise ValueError('is not a time zone; write a name such as "UTC" or "Europe/Berlin"') from None
    return name


def _target_type(text: str) -> str:
    shape = re.fullmatch(r"\s*(\w+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*", text)
    if shape is None or shape[1].upper() not in TARGET_TYPES:
        raise ValueError(
            f"is not a type of the target; write one of {', '.join(sorted(TARGET_TYPES))}, as in NUMBER(38,9)"
        )
    sizes = [size for size in shape.groups()[1:] if size is not None]
    return shape[1].upper() + (f"({','.join(sizes)})" if sizes else "")


def _table_name(text: str) -> str:
    NamePattern.parse(text)
    return text


FilePath = Annotated[Path, AfterValidator(_absolute)]
StoredName = Annotated[str, Field(max_length=240), AfterValidator(stored_name)]
"""255 is Snowflake's limit; the rest is room for the prefix of a landing table."""
TableName = Annotated[str, AfterValidator(_table_name)]
TargetType = Annotated[str, AfterValidator(_target_type)]
Zone = Annotated[str, AfterValidator(_zone)]
VaultPath = Annotated[str, AfterValidator(_vault_path)]
SourceUrl = Annotated[SecretStr, AfterValidator(_source_url)]
Seconds = Annotated[float, Field(ge=0, le=2_147_483, allow_inf_nan=False)]
"""At most what PostgreSQL holds in milliseconds: 24 days."""


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


class Section(BaseModel):
    """A group of settings. Each field's description is its documentation, unit included."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """A number would take `true` for 1."""
        if isinstance(value, bool) and info.field_name:
            kinds = [kind for kind in _kinds(cls.model_fields[info.field_name].annotation) if isinstance(kind, type)]
            if bool not in kinds and any(issubclass(kind, int | float) for kind in kinds):
                raise PydanticKnownError("float_type")
        return value
