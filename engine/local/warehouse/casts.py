"""A field of CSV as a value of its column: what Snowflake accepts, and its refusal of the rest.

Each rule has three texts over the field `e`: `guard`, what DuckDB would accept though Snowflake does not; `cast`;
and `valid`, true if neither refuses, used only to find the row to blame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.local.warehouse.catalog import Column
from engine.local.warehouse.words import literal

_TRUE = "'true', 't', 'yes', 'y', 'on', '1'"
_FALSE = "'false', 'f', 'no', 'n', 'off', '0'"
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Rule:
    guard: str
    cast: str
    valid: str

    def sql(self, field: str) -> str:
        """The field's value; a value that the guard refuses raises with the text `refused`."""
        if self.guard == "TRUE":
            return self.cast
        return f"CASE WHEN {field} IS NULL THEN NULL WHEN {self.guard} THEN {self.cast} ELSE error('refused') END"


def rule(column: Column, e: str, binary_format: str = "HEX") -> Rule:
    of = column.type
    simple = _SIMPLE.get(of.name)
    if of.name == "NUMBER":
        return Rule("TRUE", f"CAST({e} AS {of.duck})", f"TRY_CAST({e} AS {of.duck}) IS NOT NULL")
    if of.name == "TEXT":
        # bytes are never fewer than characters, and cost nothing to count
        fits = f"(strlen({e}) <= {of.size} OR length({e}) <= {of.size})"
        return Rule(fits, e, fits)
    if of.name == "BINARY":
        return _binary(e, of.size or 0, binary_format)
    if of.json:
        wanted = {"ARRAY": " AND json_type({e}) = 'ARRAY'", "OBJECT": " AND json_type({e}) = 'OBJECT'"}.get(of.name, "")
        valid = f"(trim({e}) = '' OR (json_valid({e}) AND sf_sound({e}){wanted.format(e=e)}))"
        return Rule("TRUE", f"sf_json({e})", valid)
    assert simple is not None, of
    guard, duck = simple
    guard = guard.format(e=e)
    return Rule(guard, f"CAST({e} AS {duck})" if duck != "BOOLEAN" else f"lower({e}) IN ({_TRUE})",
                f"({guard} AND TRY_CAST({e} AS {duck}) IS NOT NULL)" if duck != "BOOLEAN" else guard)  # fmt: skip


_STAMP = (
    "({e} LIKE '____-__-__%' AND substr({e}, 12, 2) <> '24' "
    "AND (right({e}, 1) BETWEEN '0' AND '9' OR right({e}, 1) = 'Z')"
    " AND {e} NOT LIKE '%+__:__:__' AND {e} NOT LIKE '%-__:__:__')"
)
_CLOCK = (
    "({e} LIKE '__:__:__' OR {e} LIKE '__:__:__.%') AND {e} NOT LIKE '24%' "
    "AND {e} NOT LIKE '%+%' AND {e} NOT LIKE '%-%'"
)
_SIMPLE = {
    "FLOAT": ("(NOT isinf(TRY_CAST({e} AS DOUBLE)) OR lower({e}) LIKE '%inf%')", "DOUBLE"),
    "BOOLEAN": (f"lower({{e}}) IN ({_TRUE}, {_FALSE})", "BOOLEAN"),
    "DATE": ("{e} LIKE '____-__-__'", "DATE"),
    "TIME": (_CLOCK, "TIME"),
    "TIMESTAMP_NTZ": (_STAMP, "TIMESTAMP"),
    "TIMESTAMP_LTZ": (_STAMP, "TIMESTAMPTZ"),
    "TIMESTAMP_TZ": (_STAMP, "TIMESTAMPTZ"),
}  # fmt: skip


def _binary(e: str, size: int, binary_format: str) -> Rule:
    if binary_format == "UTF8":
        fits = f"strlen({e}) <= {size}"
        return Rule(fits, f"encode({e})", fits)
    if binary_format == "BASE64":
        return Rule("TRUE", f"from_base64({e})", f"TRY(from_base64({e})) IS NOT NULL")
    whole = f"(strlen({e}) % 2 = 0 AND strlen({e}) <= {2 * size})"
    return Rule(whole, f"unhex({e})", f"({whole} AND regexp_full_match({e}, '[0-9A-Fa-f]*'))")


def refusal(column: Column, value: str | None) -> tuple[int, str, str]:
    """Number, SQLSTATE and text for a value that its column refuses."""
    if value is None:
        return 100088, "22000", f"NULL result in a non-nullable column {column.name}"
    shown = value if len(value) <= 100 else value[:100] + "..."
    of = column.type
    if of.name in ("NUMBER", "FLOAT"):
        if _NUMBER.fullmatch(value):
            return 100039, "22003", f"Numeric value '{shown}' is out of range"
        return 100038, "22018", f"Numeric value '{shown}' is not recognized"
    if of.name == "TEXT" or (of.name == "BINARY" and len(value) > 2 * (of.size or 0)):
        unit = "User character" if of.name == "TEXT" else "Binary"
        return 100074, "54000", f"{unit} length limit ({of.size}) exceeded by string '{shown}'"
    errno, state, text = _REFUSALS["JSON" if of.json else of.name]
    return errno, state, text.format(shown)


_REFUSALS = {
    "BINARY": (100115, "22000", "The following string is not a legal hex-encoded value: '{}'"),
    "BOOLEAN": (100037, "22018", "Boolean value '{}' is not recognized"),
    "DATE": (100040, "22007", "Date '{}' is not recognized"),
    "TIME": (100108, "22007", "Time '{}' is not recognized"),
    "JSON": (100069, "22P02", "Error parsing JSON: {}"),
} | {f"TIMESTAMP_{zone}": (100035, "22007", "Timestamp '{}' is not recognized") for zone in ("NTZ", "LTZ", "TZ")}


def text_list(values: list[str]) -> str:
    return "[" + ", ".join(literal(v) for v in values) + "]"
