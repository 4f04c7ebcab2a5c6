"""The canonical text of a value: one text that both databases compute, each from its own column. Pure.

Checksums are made of them, so both sides use only what is exact: integers, fixed scales, MD5, and for floats comparison
and multiplication by powers of two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Canonical:
    """Expressions over `{}`: what is staged, its lossy values already NULL; the target's column. NULL for NULL."""

    source: str
    target: str


INTEGER = Canonical("({})::text", "TO_VARCHAR({}::NUMBER(38,0))")  # a column that has decimals would show them
BOOLEAN = Canonical(
    "CASE WHEN {} THEN '1' WHEN NOT {} THEN '0' END",
    "CASE WHEN {} THEN '1' WHEN NOT {} THEN '0' END",
)
DATE = Canonical("({} - '1970-01-01'::date)::text", "TO_VARCHAR(DATEDIFF('day', '1970-01-01'::DATE, {}))")
TIMESTAMP = Canonical(
    "(extract(epoch FROM {}) * 1000000)::int8::text",  # numeric, so exact, since PostgreSQL 14
    "TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, {}))",
)
TIME = Canonical("to_char({}, 'HH24:MI:SS.US')", "TO_VARCHAR({}, 'HH24:MI:SS.FF6')")
TEXT = Canonical("md5(convert_to(({})::text, 'UTF8'))", "MD5({})")
PRINTED = Canonical(
    # concat() prints what the type's output function prints (a cast would strip char(n)'s blanks), but '' for NULL
    "CASE WHEN {} IS DISTINCT FROM NULL THEN md5(convert_to(concat({}), 'UTF8')) END",
    "MD5({})",
)
HEX = Canonical("md5({})", "MD5(HEX_ENCODE({}, 0))")


PRESENT = Canonical(
    "CASE WHEN {} IS DISTINCT FROM NULL THEN '1' END",  # a row of NULLs is not NULL
    "CASE WHEN {} IS NOT NULL THEN '1' END",
)
ELEMENTS = Canonical(
    "CASE WHEN {} IS NOT NULL THEN coalesce(array_length({}, 1), 0)::text END",
    "TO_VARCHAR(ARRAY_SIZE({}))",
)


def outline(type_name: str) -> Canonical:
    """Of `json` or `jsonb`: what stands at its top, and of an array how many elements."""
    return Canonical(
        f"CASE {type_name}_typeof({{}}) WHEN 'array' THEN 'array ' || {type_name}_array_length({{}})"
        f" ELSE {type_name}_typeof({{}}) END",
        "CASE TYPEOF({}) WHEN 'ARRAY' THEN 'array ' || TO_VARCHAR(ARRAY_SIZE({})) WHEN 'OBJECT' THEN 'object'"
        " WHEN 'VARCHAR' THEN 'string' WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL_VALUE' THEN 'null'"
        " ELSE CASE WHEN {} IS NOT NULL THEN 'number' END END",
    )


def fixed(scale: int) -> Canonical:
    """A number with all decimals of its NUMBER, and one integer digit at least, whatever its precision."""
    return Canonical(f"round(({{}})::numeric, {scale})::text", f"TO_VARCHAR({{}}::NUMBER(38,{scale}))")


# --- floats ---------------------------------------------------------------------------------------------------------
#
# Decimal text is no common ground: Snowflake prints 10 to 15 digits. So |f| is scaled by a power of two into a band of
# 71 binades, [2^-8, 2^63), where its 53 bits are an integer part below 2^63 and a fraction of at most 60 bits: both are
# exact integers. 30 bands cover 2^-1074 to 2^1024; the first, scaled by 1, has nearly all values of real tables.

_LOW, _HIGH, _WIDTH = -8, 63, 71


def _bands() -> list[tuple[float, float]]:
    """(lower bound, scale) of the other bands, greatest first; the last one is open downwards."""
    above = [(2.0 ** (_HIGH + _WIDTH * k), 2.0 ** (-_WIDTH * (k + 1))) for k in range(13, -1, -1)]
    below = [(2.0 ** (_LOW - _WIDTH * k), 2.0 ** (_WIDTH * k)) for k in range(1, 15)]
    return [*above, *below, (0.0, 2.0**1020)]  # 2^1065 is no double; 2^1020 brings 2^-1074 to 2^-54


def _float_text(value: str, double: str, whole: str, infinity: str) -> str:
    """`whole` is the text of a double that is an integer below 2^63."""

    def number(power: float | str) -> str:
        return f"'{power}'::{double}"

    def parts(scaled: str) -> str:
        fraction = f"({scaled} - TRUNC({scaled})) * {number(2.0**60)}"
        return f"{whole.replace('{}', f'TRUNC({scaled})')} || '.' || {whole.replace('{}', fraction)}"

    size = f"ABS({value})"
    bands = " ".join(
        f"WHEN {size} >= {number(bound)} THEN '{band}:' || {parts(f'{size} * {number(scale)}')}"
        for band, (bound, scale) in enumerate(_bands(), 1)
    )
    return (
        f"CASE WHEN {value} < {number(0.0)} THEN '-' ELSE '' END ||"
        f" CASE WHEN {size} >= {number(2.0**_LOW)} AND {size} < {number(2.0**_HIGH)} THEN {parts(size)}"
        f" WHEN {value} = {number(0.0)} THEN '0' WHEN {value} = {number('NaN')} THEN 'nan'"
        f" WHEN {size} = {number(infinity)} THEN 'inf' {bands} END"
    )


_WHOLE = "({})::int8::text"
_TARGET = _float_text("{}", "FLOAT", "TO_VARCHAR(({})::NUMBER(38,0))", "inf")
DOUBLE = Canonical(_float_text("{}", "float8", _WHOLE, "Infinity"), _TARGET)
REAL = Canonical(
    # what is staged is the shortest text of the four bytes, and the target reads that text as a double
    _float_text("({})::text::float8", "float8", _WHOLE, "Infinity"),
    _TARGET,
)


_OF_TARGET = {
    "BOOLEAN": BOOLEAN, "DATE": DATE, "TIME": TIME, "FLOAT": DOUBLE, "VARCHAR": TEXT, "BINARY": HEX,
    "TIMESTAMP_NTZ": TIMESTAMP, "TIMESTAMP_TZ": TIMESTAMP, "TIMESTAMP_LTZ": TIMESTAMP,
}  # fmt: skip
_TYPE = re.compile(r"(\w+)(?:\(\d+(?:,(\d+))?\))?")
_SHAPES = {"present": PRESENT, "elements": ELEMENTS, "outline": outline("jsonb")}


def shape_of(column: str, text: str) -> str:
    """The name of what is compared of a quoted column whose text at the target is `text`; "" where it is the value."""
    return next((name for name, form in _SHAPES.items() if form.target.replace("{}", column) == text), "")


def target_text(column: str, target_type: str, shape: str = "") -> str:
    """The canonical text of a quoted column of the target, by its type and shape. Raises ValueError for others."""
    found = _TYPE.fullmatch(target_type)
    kind = found[1] if found else target_type
    if not shape and kind == "NUMBER":
        return fixed(int((found and found[2]) or 0)).target.replace("{}", column)
    form = _SHAPES.get(shape) if shape else _OF_TARGET.get(kind)
    if form is None:
        raise ValueError(f"values of type {target_type} have no canonical text")
    return form.target.replace("{}", column)
