"""The mapping of types: for each PostgreSQL type the target's type, what is staged, lost and compared. Pure.

`{}` stands for the quoted column. docs/types.md is this table for users.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.model import TypeRef
from engine.typemap import canonical, losses
from engine.typemap.canonical import Canonical
from engine.typemap.losses import Guard, Written

PRECISION_MAX = 38
SCALE_MAX = 37
WIDE = f"VARCHAR({losses.TEXT_BYTES_MAX})"
PLAIN = "VARCHAR(16777216)"
"""What Snowflake makes of VARCHAR without a length: for types whose text is bounded by their definition."""
BYTES = f"BINARY({losses.BINARY_BYTES_MAX})"


@dataclass(frozen=True, slots=True)
class Rule:
    target: str
    canonical: Canonical | None = None
    guard: Guard | None = None
    value: str = "{}"
    quoted: bool = False
    load: str = "{}"
    note: str = ""
    shape: Canonical | None = None
    """Where what is in a value has no canonical text: over the bare column, what can be said of it."""


def printed(target: str) -> Rule:
    """A type as the text that its output function prints, for which there is always room."""
    return Rule(target, canonical.PRINTED, quoted=True)


def unbounded(target: str) -> Rule:
    """The same of a type whose text may be longer than a VARCHAR(n)."""
    characters = int(target[len("VARCHAR(") : -1])
    return replace(printed(target), guard=losses.length("concat({})", characters))


def number(precision: int, scale: int, guard: Guard | None = None) -> Rule:
    return Rule(f"NUMBER({precision},{scale})", canonical.fixed(scale), guard)


def integer(precision: int) -> Rule:
    return Rule(f"NUMBER({precision},0)", canonical.INTEGER)


def parsed(target: str, guard: Guard | None, value: str, shape: Canonical) -> Rule:
    return Rule(target, None, guard, value, quoted=True, load="PARSE_JSON({})", shape=shape)


_RULES: dict[str, Rule] = {
    "int2": integer(5),
    "int4": integer(10),
    "int8": integer(19),
    "oid": integer(10),
    "float4": Rule("FLOAT", canonical.REAL),
    "float8": Rule("FLOAT", canonical.DOUBLE),
    "money": replace(number(19, 2, losses.scaled(19, 2)), value="({})::numeric"),
    "bool": Rule("BOOLEAN", canonical.BOOLEAN),
    "bytea": Rule(BYTES, canonical.HEX, losses.size(losses.BINARY_BYTES_MAX), "encode({}, 'hex')", quoted=True),
    "date": Rule("DATE", canonical.DATE, losses.DATE),
    "timestamp": Rule("TIMESTAMP_NTZ(6)", canonical.TIMESTAMP, losses.TIMESTAMP),
    "timestamptz": Rule("TIMESTAMP_TZ(6)", canonical.TIMESTAMP, losses.TIMESTAMPTZ),
    "time": Rule("TIME(6)", canonical.TIME, losses.TIME),
    **dict.fromkeys(["text", "varchar"], Rule(WIDE, canonical.TEXT, losses.size(losses.TEXT_BYTES_MAX), quoted=True)),
    "varbit": printed(WIDE),  # 83,886,080 digits at most
    "uuid": Rule("VARCHAR(36)", canonical.PRINTED, quoted=True),
    **dict.fromkeys(
        # bounded by definition: 63 bytes, one word, a few numbers
        "name char timetz interval inet cidr macaddr macaddr8 pg_lsn xid xid8 cid tid point line lseg box circle"
        " regproc regprocedure regoper regoperator regclass regtype regrole regnamespace regconfig regdictionary"
        " regcollation int4range int8range numrange tsrange tstzrange daterange".split(),
        printed(PLAIN),
    ),
}
"""Types of pg_catalog whose modifier says nothing about the target. What is not here is text as wide as can be."""

_ANY_JSON = Written(numbers=True, verbatim=True)
_WRITTEN: dict[str, Written] = {
    "json": _ANY_JSON,
    "jsonb": Written(numbers=True),  # numbers in full; neither \u0000 nor half a surrogate pair gets in
    "numeric": Written(numbers=True),
}
_VECTORS = {"vector", "halfvec"}
"""pgvector: their text is a JSON array of floats."""


def bottom(ref: TypeRef) -> TypeRef:
    """The type under all domains; a domain's modifier stands with its base."""
    while ref.base is not None:
        ref = ref.base
    return ref


def needs_measuring(ref: TypeRef) -> bool:
    ref = bottom(ref)
    return _is(ref, "numeric") and _declared(ref) is None


def rule(ref: TypeRef, version: int) -> Rule:
    """The rule of any type but a numeric that must be measured."""
    ref = bottom(ref)
    if ref.is_array or ref.kind == "c":
        return _json(ref, version)
    if ref.kind == "e":
        return printed(PLAIN)
    if ref.schema != "pg_catalog":
        return _extension(ref, version)
    return _sized(ref) or (
        _json(ref, version, "({})::text") if ref.name in {"json", "jsonb"} else _RULES.get(ref.name) or unbounded(WIDE)
    )


def exact(precision: int, scale: int) -> Rule:
    """A numeric(precision, scale): the target refuses its only special value."""
    return number(precision, scale, losses.DECLARED)


def measured(integer_digits: int, scale: int) -> Rule:
    if scale > SCALE_MAX or integer_digits + scale > PRECISION_MAX:
        return printed(WIDE)
    return number(PRECISION_MAX, scale, losses.scaled(PRECISION_MAX, scale))


def _is(ref: TypeRef, *names: str) -> bool:
    return ref.schema == "pg_catalog" and not ref.is_array and ref.name in names


def _declared(ref: TypeRef) -> tuple[int, int] | None:
    """NUMBER's precision and scale of a numeric that says them; None if it must be measured."""
    if ref.typmod < 4:
        return None
    modifier = ref.typmod - 4
    precision, scale = modifier >> 16 & 0xFFFF, (modifier & 0x7FF ^ 1024) - 1024
    precision, scale = max(precision, scale, precision - scale), max(scale, 0)
    return (precision, scale) if precision <= PRECISION_MAX and scale <= SCALE_MAX else None


def _sized(ref: TypeRef) -> Rule | None:
    """Types whose modifier tells the most that their text can be."""
    if _is(ref, "numeric"):
        declared = _declared(ref)
        assert declared, "a numeric without a fitting declaration must be measured"
        return exact(*declared)
    if _is(ref, "varchar", "bpchar", "bit") and ref.typmod != -1:
        return printed(WIDE if ref.name == "bit" and ref.typmod > 16777216 else PLAIN)
    return None


def _extension(ref: TypeRef, version: int) -> Rule:
    if ref.kind == "b" and ref.name in _VECTORS:
        return parsed("ARRAY", None, "{}", canonical.PRESENT)
    if ref.kind == "b" and ref.name == "hstore":
        return _json(ref, version)  # by hstore's own cast to json; all values are strings
    return unbounded(WIDE)


def _written(ref: TypeRef) -> Written:
    """What to_json() of a value may contain. A composite's attributes are not known here, so anything."""
    ref = bottom(ref)
    if ref.is_array:
        assert ref.element
        return _written(ref.element)
    if ref.kind == "c":
        return _ANY_JSON
    if _is(ref, "numeric") and _declared(ref):
        return Written()
    return _WRITTEN.get(ref.name, Written()) if ref.schema == "pg_catalog" else Written()


def _json(ref: TypeRef, version: int, value: str = "to_json({})::text") -> Rule:
    written = _written(ref)
    guard = losses.json(value, written, is_json=version >= 160000)
    nested = _holds_arrays(ref)
    if ref.is_array or nested:
        guard = losses.bounds(guard, nested=nested)
    if ref.is_array:
        return parsed("ARRAY", guard, value, canonical.ELEMENTS)
    shape = canonical.outline(ref.name) if _is(ref, "json", "jsonb") else canonical.PRESENT
    return parsed("VARIANT", guard, value, shape)


def _holds_arrays(ref: TypeRef) -> bool:
    """Arrays may stand inside its values: in a composite, whose attributes are not known here, or as elements."""
    inner = bottom(ref.element) if ref.is_array and ref.element else ref
    return inner.kind == "c" or (inner is not ref and inner.is_array)


# --- types that a user asks for -------------------------------------------------------------------------------------

_SAME = {
    "STRING": "VARCHAR", "TEXT": "VARCHAR", "CHARACTER VARYING": "VARCHAR",
    "DECIMAL": "NUMBER", "NUMERIC": "NUMBER",
    "DOUBLE": "FLOAT", "DOUBLE PRECISION": "FLOAT", "REAL": "FLOAT", "FLOAT8": "FLOAT",
    "VARBINARY": "BINARY", "DATETIME": "TIMESTAMP_NTZ",
    "TIMESTAMPNTZ": "TIMESTAMP_NTZ", "TIMESTAMPLTZ": "TIMESTAMP_LTZ", "TIMESTAMPTZ": "TIMESTAMP_TZ",
}  # fmt: skip
_DEFAULT = {
    "VARCHAR": f"({losses.TEXT_BYTES_MAX})", "BINARY": f"({losses.BINARY_BYTES_MAX})",
    "NUMBER": "(38,0)", "INTEGER": "(38,0)", "INT": "(38,0)", "BIGINT": "(38,0)",
    "TIMESTAMP_NTZ": "(6)", "TIMESTAMP_LTZ": "(6)", "TIMESTAMP_TZ": "(6)", "TIME": "(6)",
}  # fmt: skip
_TYPE = re.compile(r"([A-Z][A-Z0-9_]*(?: [A-Z]+)?) ?(\([A-Z0-9_, ()]+\))?")
_NUMBER_SIZE = re.compile(r"\([0-9]+,[0-9]+\)")
_TIMES = {"TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ"}
_PARSED = {"VARIANT", "ARRAY", "OBJECT"}


def spelled(target: str) -> str | None:
    """A type as Snowflake describes it, with what a column of ours needs where no size is said; None: no type."""
    if (found := _TYPE.fullmatch(target.strip().upper())) is None:
        return None
    name, size = _SAME.get(found[1], found[1]), (found[2] or "").replace(" ", "")
    if name == "NUMBER" and size and "," not in size:
        size = size.replace(")", ",0)")
    size = size or _DEFAULT.get(name, "")
    name = "NUMBER" if name in {"INT", "INTEGER", "BIGINT"} else name
    return None if name == "NUMBER" and not _NUMBER_SIZE.fullmatch(size) else name + size


def overridden(natural: Rule | None, target: str) -> Rule:
    """The rule of a column whose target type the user chose; `natural` is None where that had to be measured.

    A type of the same family keeps what is known of losses; text is the exact text; anything else is the text, cast
    by the target as it loads, and nothing is known of it.
    """
    family = target.partition("(")[0]
    was = natural.target.partition("(")[0] if natural else "NUMBER"
    if family == "VARCHAR":
        return unbounded(target)
    if family == was == "NUMBER":
        precision, scale = (int(part) for part in target[len("NUMBER(") : -1].split(","))
        whole = natural is not None and natural.guard is None  # an integer has no decimals to lose
        guard = losses.whole(precision - scale) if whole else losses.scaled(precision, scale)
        chosen = number(precision, scale, guard)
        return replace(chosen, value=natural.value) if natural else chosen
    if natural and target == natural.target:
        return natural
    if natural and family in _PARSED and was in _PARSED:
        return replace(natural, target=target, shape=natural.shape if family == "VARIANT" else canonical.PRESENT)
    if natural and family in _TIMES and was in _TIMES and target.endswith(("(6)", "(7)", "(8)", "(9)")):
        return replace(natural, target=target)
    return Rule(target, quoted=True, note=f"{target} was asked for: its values are neither checked nor compared")
