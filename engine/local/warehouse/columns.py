"""Snowflake's column types: read from words, held by DuckDB, shown by DESCRIBE and INFORMATION_SCHEMA."""

from __future__ import annotations

from dataclasses import dataclass

from engine.local.warehouse.faults import syntax, unsupported
from engine.local.warehouse.words import Words

TEXT_DEFAULT, TEXT_MAX = 16_777_216, 134_217_728  # characters; snowflake.com: String & binary data types
BINARY_DEFAULT, BINARY_MAX = 8_388_608, 67_108_864  # bytes

_NUMBERS = {"NUMBER", "DECIMAL", "NUMERIC", "DEC"}
_INTEGERS = {"INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT"}
_FLOATS = {"FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "REAL"}
_TEXTS = {"VARCHAR", "STRING", "TEXT", "NVARCHAR", "NVARCHAR2", "CHAR", "CHARACTER", "NCHAR"}
_TIMES = {
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "DATETIME": "TIMESTAMP_NTZ",
    "TIMESTAMPNTZ": "TIMESTAMP_NTZ",
    "TIMESTAMPLTZ": "TIMESTAMP_LTZ",
    "TIMESTAMPTZ": "TIMESTAMP_TZ",
} | {name: name for name in ("TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ", "TIME")}
_PLAIN = {"BOOLEAN", "DATE", "VARIANT", "ARRAY", "OBJECT"}
_DUCK = {
    "FLOAT": "DOUBLE", "TEXT": "VARCHAR", "BINARY": "BLOB", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIME": "TIME",
    "TIMESTAMP_NTZ": "TIMESTAMP", "TIMESTAMP_LTZ": "TIMESTAMPTZ", "TIMESTAMP_TZ": "TIMESTAMPTZ",
    "VARIANT": "JSON", "ARRAY": "JSON", "OBJECT": "JSON",
}  # fmt: skip


@dataclass(frozen=True)
class Type:
    """`name` as INFORMATION_SCHEMA.COLUMNS.DATA_TYPE has it; `size` = length or precision."""

    name: str
    size: int | None = None
    scale: int | None = None

    @property
    def duck(self) -> str:
        return f"DECIMAL({self.size},{self.scale})" if self.name == "NUMBER" else _DUCK[self.name]

    @property
    def shown(self) -> str:
        if self.name == "NUMBER":
            return f"NUMBER({self.size},{self.scale})"
        if self.size is None:
            return self.name
        return f"{'VARCHAR' if self.name == 'TEXT' else self.name}({self.size})"

    @property
    def json(self) -> bool:
        return self.name in ("VARIANT", "ARRAY", "OBJECT")

    def facts(self) -> tuple[int | None, int | None, int | None, int | None, int | None]:
        """Character length, octet length, numeric precision, scale, datetime precision."""
        if self.name == "NUMBER":
            return None, None, self.size, self.scale, None
        if self.name == "TEXT":
            return self.size, min(4 * (self.size or 0), TEXT_MAX), None, None, None
        if self.name == "BINARY":
            return self.size, self.size, None, None, None
        return None, None, None, None, self.size if self.name.startswith("TIME") else None

    def widens_to(self, new: Type) -> bool:
        """What ALTER COLUMN SET DATA TYPE allows: a longer text, more digits of the same scale, or no change."""
        if self == new:
            return True
        if self.name != new.name or self.size is None or new.size is None:
            return False
        return (self.name == "TEXT" and new.size >= self.size) or (
            self.name == "NUMBER" and self.scale == new.scale and new.size >= self.size
        )


def read_type(words: Words) -> Type:
    name = words.identifier()
    if name == "DOUBLE":
        words.accept("PRECISION")
    if name == "CHAR":
        words.accept("VARYING")
    sizes: list[int] = []
    if words.accept("("):
        sizes.append(words.integer())
        if words.accept(","):
            sizes.append(words.integer())
        words.expect(")")
    return _resolve(name, sizes)


def _resolve(name: str, sizes: list[int]) -> Type:
    if name in _NUMBERS:
        precision, scale = [*sizes, 0][:2] if sizes else (38, 0)
        if not 1 <= precision <= 38 or not 0 <= scale <= min(37, precision):
            raise syntax(f"Invalid precision or scale: NUMBER({precision},{scale})")
        return Type("NUMBER", precision, scale)
    if name in _INTEGERS:
        return Type("NUMBER", 38, 0)
    if name in _FLOATS:
        return Type("FLOAT")
    if name in _TEXTS:
        length = sizes[0] if sizes else (1 if name in ("CHAR", "CHARACTER", "NCHAR") else TEXT_DEFAULT)
        return _sized("TEXT", length, TEXT_MAX)
    if name in ("BINARY", "VARBINARY"):
        return _sized("BINARY", sizes[0] if sizes else BINARY_DEFAULT, BINARY_MAX)
    if name in _TIMES:
        digits = sizes[0] if sizes else 9
        if not 0 <= digits <= 9:
            raise syntax(f"Invalid precision {digits} of {name}")
        return Type(_TIMES[name], digits)
    if name in _PLAIN:
        return Type(name)
    raise unsupported(f"data type {name}")


def _sized(name: str, size: int, limit: int) -> Type:
    if not 1 <= size <= limit:
        raise syntax(f"invalid length {size} of {name}: at most {limit}")
    return Type(name, size)
