"""The guards of a type: how SQL over the source row finds the values that the target cannot hold exactly. Pure.

In every expression `{}` stands for the quoted column; in a guard over text, `x` stands for that text. A guard costs as
little as the common row allows: `exact` tries first what almost all values pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.quoting import literal

TEXT_BYTES_MAX = 134217728
"""VARCHAR, VARIANT and ARRAY (Snowflake: preparing data files)."""
BINARY_BYTES_MAX = 67108864


@dataclass(frozen=True, slots=True)
class Guard:
    """When a value is lost, and what the select does about it under the policy `error`."""

    exact: str
    """True where the value arrives exactly; anything else, for a value that is not NULL, is a loss."""
    losses: tuple[tuple[str, str], ...]
    """(reason, condition), first match first; a reason is one word."""
    raises: str | None
    """The PostgreSQL type as which the select raises; None where the target itself refuses the value."""
    text: str | None = None
    """The text `x` that the expressions look at; None: only at the column."""
    refused: tuple[tuple[str, str], ...] = ()
    """Losses like the others, that the target refuses by itself: under `error` the select does not look for them."""
    kept_as_text: bool = True
    """The policy `text` can keep the value: it is not lost for its size."""
    watched: Guard | None = None
    """What is left to the select where the reader of the rows looks for long numbers; None: all of this guard."""

    @property
    def found(self) -> str:
        """`exact` for the policies that do not leave anything to the target."""
        tests = [self.exact, *(f"NOT {condition}" for _, condition in self.refused)]
        return " AND ".join(test for test in tests if test != "true") or "true"


def over(column: str, text: str | None, expression: str) -> str:
    """An expression over a column, or over the text `x` of it, which is then computed once a row."""
    expression = expression.replace("{}", "v" if text else column)
    if text is None:
        return expression
    # OFFSET 0 keeps the planner from putting the text's expression in place of each x
    return f"(SELECT {expression} FROM (SELECT {text.replace('{}', column)} AS x, {column} AS v OFFSET 0) AS s)"


def raising(guard: Guard, number: int) -> str:
    """An error that names column and reason and no value. concat() is stable, so it is not computed at plan time."""
    *others, (last, _) = guard.losses
    reasons = " ".join(f"WHEN {condition} THEN '{reason}'" for reason, condition in others)
    reason = f", CASE {reasons} ELSE '{last}' END" if others else f", '{last}'"
    return f"concat('borealis:loss:{number}:'{reason})::{guard.raises}"


# --- dates and times ------------------------------------------------------------------------------------------------


def _years(type_name: str, first: str, end: str) -> Guard:
    """The target refuses the text of the others: `infinity`, `0001-12-07 BC`, `20107-05-10` (errors 100035, 100040)."""
    inside = f"({{}} >= '{first}'::{type_name} AND {{}} < '{end}'::{type_name})"
    losses = (("infinity", "NOT isfinite({})"), ("year", f"(isfinite({{}}) AND NOT {inside})"))
    return Guard(inside, losses, raises=None)


# The target's years: 0001 to 9999; before 1582 both calendars are the proleptic Gregorian.
DATE = _years("date", "0001-01-01", "10000-01-01")
TIMESTAMP = _years("timestamp", "0001-01-01 00:00:00", "10000-01-01 00:00:00")
TIMESTAMPTZ = _years("timestamptz", "0001-01-01 00:00:00+00", "10000-01-01 00:00:00+00")
TIME = Guard("{} < '24:00:00'::time", (("midnight", "{} = '24:00:00'::time"),), raises=None)


# --- numbers --------------------------------------------------------------------------------------------------------

FINITE = "(({})::numeric < 'Infinity'::numeric AND ({})::numeric > '-Infinity'::numeric)"
"""Neither infinite nor NaN, which PostgreSQL sorts above Infinity."""
SPECIAL = ("nan", f"NOT {FINITE}")
DECLARED = Guard("{} <> 'NaN'::numeric", (("nan", "{} = 'NaN'::numeric"),), raises=None)
"""numeric(p,s) cannot hold Infinity, and the target refuses NaN."""


def scaled(precision: int, scale: int) -> Guard:
    """At most `scale` decimals: the target rounds the excess silently, so the select must raise."""
    digits = f"min_scale(({{}})::numeric) > {scale}"
    return replace(
        whole(precision - scale), exact=f"min_scale(({{}})::numeric) <= {scale}", losses=(SPECIAL, ("digits", digits)),
        raises="numeric",
    )  # fmt: skip


def whole(integer_digits: int) -> Guard:
    """At most so many digits before the point: the target refuses more."""
    over = f"({FINITE} AND abs(({{}})::numeric) >= 1e{integer_digits})"
    return Guard("true", (), raises=None, refused=(("range", over),))


# --- sizes ----------------------------------------------------------------------------------------------------------


def size(bytes_max: int) -> Guard:
    """octet_length() does not fetch a long value."""
    length = "octet_length({})"
    return Guard(f"{length} <= {bytes_max}", (("size", f"{length} > {bytes_max}"),), raises=None, kept_as_text=False)


def length(text: str, characters_max: int) -> Guard:
    """Of values by their text, in a VARCHAR that the target enforces; where that is the widest, its bytes decide."""
    widest = characters_max >= TEXT_BYTES_MAX
    over = f"{'octet_length' if widest else 'length'}({text}) > {characters_max}"
    return Guard("true", (), raises=None, refused=(("size", over),), kept_as_text=not widest)


# --- JSON -----------------------------------------------------------------------------------------------------------
#
# The target keeps a JSON number as NUMBER if it has at most 38 digits, 37 of them decimals, and no exponent; any other
# becomes a double, which is a loss unless that double prints the same number.

UNGUARDED = Guard("true", (), raises=None)
DIGITS_LONG = 39
"""A number that is lost, and has no exponent, has so many digits, its point counted, or more."""
_LONG = f"[0-9.]{{{DIGITS_LONG}}}"
_LONG_OR_EXPONENT = r"[0-9.]{16}(?:[0-9.]{23}|[eE])|[0-9][eE][-+]?[0-9]{3,}\s*(?:[],}]|$)"
"""Of exponents those that a double may not hold: of three digits, or after sixteen. Bytes in hex rarely look so."""
_ESCAPED = literal(r"\\")
_PLAIN = f"replace(x, {_ESCAPED}, '__')"
"""The text without escaped backslashes: in it a backslash begins an escape."""
_STRINGS = literal(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_TOKEN = literal(r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PAIR = literal(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = literal(r"\\u[dD][89a-fA-F]")
_ESCAPE_U = literal(r"%\\u%")
_NUL = literal(r"\u0000")

_NUMBER_LOST = (
    # 400 characters and exponents of four digits are far past a double, and casting them may fail
    f"CASE WHEN length(t) > 400 OR t ~ {literal('[eE][-+]?0*[0-9]{4}')} THEN true"
    " WHEN t ~ '[eE]' OR scale(t::numeric) > 37 OR length(ltrim(replace(t, '.', ''), '0')) > 38"
    " THEN CASE WHEN t::numeric = 0 THEN false"
    " WHEN t::numeric BETWEEN 5e-324 AND 1.7976931348623157e308 THEN t::numeric::float8::text::numeric <> t::numeric"
    " ELSE true END ELSE false END"
)
_DIGITS = (
    f"EXISTS (SELECT FROM regexp_matches(regexp_replace({_PLAIN}, {_STRINGS}, '', 'g'), {_TOKEN}, 'g') AS m(m),"
    f" LATERAL (SELECT m[1] AS t) AS n WHERE {_NUMBER_LOST})"
)
_FROM_ONE = literal(r"^(?:\[1:[0-9]+\])+$")
_BOUNDS_LOST = f"(array_lower({{}}, 1) <> 1 OR (array_ndims({{}}) > 1 AND array_dims({{}}) !~ {_FROM_ONE}))"
BOUNDS = Guard(f"{_BOUNDS_LOST} IS NOT TRUE", (("bounds", _BOUNDS_LOST),), "int4::text")
"""An array whose first element is not number 1, which JSON cannot say."""
_SHIFTED = literal(r"\[-?[0-9]+:-?[0-9]+\]=\x7b")
_NESTED_LOST = f"concat({{}}) ~ {_SHIFTED}"
NESTED_BOUNDS = Guard(f"NOT {_NESTED_LOST}", (("bounds", f"({_NESTED_LOST})"),), "int4::text")
"""The same somewhere inside a value, by its text: `(1,"[5:6]={1,2}")`. A text that reads so counts too."""
_ESCAPES_LOST = (
    ("nul", f"strpos({_PLAIN}, {_NUL}) > 0"),
    ("surrogate", f"regexp_replace({_PLAIN}, {_PAIR}, '', 'g') ~ {_SURROGATE}"),
)
_ESCAPES_KEPT = f"(x NOT LIKE {_ESCAPE_U} OR NOT ({' OR '.join(condition for _, condition in _ESCAPES_LOST)}))"
_DIGITS_LOST = f"(x ~ {literal(_LONG_OR_EXPONENT)} AND {_DIGITS})"


def _keys(text: str) -> str:
    """How many keys the objects of a JSON text have: colons outside its strings."""
    bare = f"regexp_replace(replace({text}, {_ESCAPED}, '__'), {_STRINGS}, '', 'g')"
    return f"(length({bare}) - length(replace({bare}, ':', '')))"


_DUPLICATE = f"({_ESCAPES_KEPT} AND x IS NOT JSON WITH UNIQUE KEYS)"
"""IS JSON is also false for lost escapes. PostgreSQL 16 and newer have it."""
_DUPLICATE_BEFORE_16 = (
    f"CASE WHEN octet_length(x) <= {TEXT_BYTES_MAX} AND {_ESCAPES_KEPT} AND NOT {_DIGITS_LOST}"
    f" THEN {_keys('x')} > {_keys('x::jsonb::text')} ELSE false END"
)
"""jsonb keeps one of equal keys; the conditions before it are what the cast would fail at."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the JSON text of a type may contain."""

    numbers: bool = False
    """Numbers of any length; never with an exponent."""
    verbatim: bool = False
    """Text that a user wrote: with numbers, and exponents, escapes, duplicate keys."""


def json(text: str, written: Written, *, is_json: bool) -> Guard:
    """Of JSON text. `is_json`: the server has the predicate IS JSON."""
    if not written.numbers:
        return replace(length(text, TEXT_BYTES_MAX), kept_as_text=True)
    tests, losses = [f"octet_length(x) <= {TEXT_BYTES_MAX}"], [("size", f"octet_length(x) > {TEXT_BYTES_MAX}")]
    if written.verbatim:
        tests.append(_ESCAPES_KEPT)
        losses += _ESCAPES_LOST
    seen = literal(_LONG_OR_EXPONENT if written.verbatim else _LONG)
    short = "" if written.verbatim else f"octet_length(x) < {DIGITS_LONG} OR "  # no room for what would be lost
    tests.append(f"({short}x !~ {seen} OR NOT {_DIGITS})")
    losses.append(("digits", f"(x ~ {seen} AND {_DIGITS})"))
    watched = None if written.verbatim else UNGUARDED
    refused = (("duplicate", _DUPLICATE if is_json else _DUPLICATE_BEFORE_16),) if written.verbatim else ()
    return Guard(" AND ".join(tests), tuple(losses), "int4::text", text, refused, watched=watched)


def bounds(inner: Guard, *, nested: bool) -> Guard:
    """Of an array as JSON, or of a value that may hold arrays, whose text `inner` guards."""
    outer = NESTED_BOUNDS if nested else BOUNDS
    watched = inner.watched and outer
    exact = outer.exact if inner.exact == "true" else f"{outer.exact} AND {inner.exact}"
    return replace(inner, exact=exact, losses=(*outer.losses, *inner.losses), raises=outer.raises, watched=watched)
