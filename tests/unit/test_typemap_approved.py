"""How each kind of type arrives, whole: tests/unit/approved/types.sql."""

import math
import re
from collections import defaultdict

import pytest

from engine.model import Column, Table, TypeRef
from engine.typemap import ColumnPolicy, Measured, map_table, rules
from engine.typemap.canonical import DOUBLE, target_text
from tests.approved import agree


def ref(name: str, typmod: int = -1, *, kind: str = "b", schema: str = "pg_catalog") -> TypeRef:
    return TypeRef(0, schema, name, kind, typmod=typmod)


def array(element: TypeRef) -> TypeRef:
    return TypeRef(0, "pg_catalog", "_" + element.name, "b", is_array=True, element=element)


def numeric(precision: int, scale: int) -> TypeRef:
    return ref("numeric", (precision << 16 | scale) + 4)


TYPES = {
    "int8": ref("int8"),
    "numeric(12,2)": numeric(12, 2),
    "numeric, measured": ref("numeric"),
    "money": ref("money"),
    "bool": ref("bool"),
    "float8": ref("float8"),
    "float4": ref("float4"),
    "text": ref("text"),
    "uuid": ref("uuid"),
    "bytea": ref("bytea"),
    "date": ref("date"),
    "timestamp": ref("timestamp"),
    "timestamptz": ref("timestamptz"),
    "time": ref("time"),
    "json": ref("json"),
    "jsonb": ref("jsonb"),
    "hstore": ref("hstore", schema="public"),
    "vector": ref("vector", schema="public"),
    "halfvec": ref("halfvec", schema="public"),
    "a composite": ref("address", kind="c", schema="shop"),
    "int4[]": array(ref("int4")),
    "numeric[]": array(ref("numeric")),
    "an array of composites": array(ref("address", kind="c", schema="shop")),
}

CHOSEN = [
    ("int8", "NUMBER(5,0)"), ("money", "NUMBER(10,1)"), ("numeric(12,2)", "FLOAT"), ("text", "VARCHAR(100)"),
    ("timestamp", "TIMESTAMP_TZ(9)"), ("int4[]", "VARIANT"), ("json", "VARCHAR"),
]  # fmt: skip


def one(type_ref: TypeRef) -> Table:
    return Table(1, "shop", "orders", "r", (Column(3, "c", type_ref),), (), ())


def said_of(type_ref: TypeRef, version: int = 160000, chosen: str | None = None) -> list[str]:
    """Under each policy; EXACT stands for the condition that values pass which are not lost."""
    (kept,), (nulled,), (_, *saved) = (
        map_table(one(type_ref), {"c": ColumnPolicy(policy, chosen)}, {"c": Measured(12, 4, 0)}, version=version).fields
        for policy in ("error", "null", "text")
    )
    exact = nulled.select.partition("CASE WHEN ")[2].rpartition(" THEN ")[0]
    said = {
        "EXACT": exact,
        "select, null": nulled.select.replace(exact or nulled.select, "EXACT"),
        "select, error": kept.select,
        "select, watched": kept.watched,
        **{f"{side.target} {side.target_type}, text": side.select.replace(exact, "EXACT") for side in saved},
        **{f"lost, {loss.reason}": loss.condition for loss in kept.losses},
        "compared, source": without_bands(kept.canonical_source or "").replace(exact or "EXACT", "EXACT"),
        "compared, target": without_bands(kept.canonical_target or ""),
    }
    first = f"{kept.target} {kept.target_type}, loaded by {kept.load}, {'quoted' if kept.quoted else 'bare'}"
    return [first, *(f"{name}: {text}" for name, text in said.items() if text not in ("", "EXACT"))]


BAND = re.compile(r"ABS\(.*\) >= '(?P<bound>[^']+)'::\w+ THEN '(?P<band>\d+):' .* \* '(?P<scale>[^']+)'::\w+\)\)")


def bands_of(text: str) -> list[re.Match[str]]:
    return [band for part in text.split(" WHEN ") if (band := BAND.match(part))]


def without_bands(text: str) -> str:
    """The bands of a float say the same, with other numbers: the last one stands for them."""
    bands = {band.string for band in bands_of(text)[:-1]}
    return " WHEN ".join(part for part in text.split(" WHEN ") if part not in bands)


def test_how_each_type_arrives():
    said = {name: said_of(type_ref) for name, type_ref in TYPES.items()}
    said["json, before PostgreSQL 16"] = said_of(ref("json"), 150013)
    for name, chosen in CHOSEN:
        said[f"{name} as {chosen}"] = said_of(TYPES[name], chosen=chosen)
    agree("types.sql", said)


def test_which_types_of_postgresql_have_a_rule_of_their_own():
    """What is in none of these lines is text as wide as can be."""
    arrives = defaultdict(list)
    for name in rules._RULES:
        (field,) = map_table(one(ref(name)), {}, {}).fields
        arrives[f"{field.target_type}, {'quoted' if field.quoted else 'bare'}"].append(name)
    agree("types_by_target.txt", {target: " ".join(names) for target, names in arrives.items()})


@pytest.mark.parametrize(
    ("spellings", "target"),
    [
        ("VARCHAR|STRING|TEXT|CHARACTER VARYING| text ", "VARCHAR(134217728)"),
        ("BINARY|VARBINARY", "BINARY(67108864)"),
        ("NUMBER|DECIMAL|NUMERIC|INT|INTEGER|BIGINT|NUMBER(38)|number( 38 , 0 )", "NUMBER(38,0)"),
        ("NUMERIC(12, 2)|DECIMAL(12,2)", "NUMBER(12,2)"),
        ("FLOAT|DOUBLE|DOUBLE PRECISION|REAL|FLOAT8", "FLOAT"),
        ("TIMESTAMP_NTZ|DATETIME|TIMESTAMPNTZ", "TIMESTAMP_NTZ(6)"),
        ("TIMESTAMP_LTZ|TIMESTAMPLTZ", "TIMESTAMP_LTZ(6)"),
        ("TIMESTAMP_TZ|TIMESTAMPTZ|timestamp_tz (6)", "TIMESTAMP_TZ(6)"),
        ("TIME", "TIME(6)"),
        ("GEOGRAPHY", "GEOGRAPHY"),
        ("VECTOR(FLOAT, 3)", "VECTOR(FLOAT,3)"),
    ],
)
def test_a_type_by_choice_is_spelled_as_the_target_describes_it(spellings, target):
    assert {rules.spelled(spelling) for spelling in spellings.split("|")} == {target}


@pytest.mark.parametrize(
    "spelling", ["", "NUMBER(x)", "NUMBER(1,2,3)", "1INT", "A B C", "DATE; DROP TABLE t", "INT(5)X"]
)
def test_what_is_no_type_is_not_spelled(spelling):
    assert rules.spelled(spelling) is None


@pytest.mark.parametrize(
    ("name", "target_type"),
    [
        ("bool", "BOOLEAN"), ("date", "DATE"), ("time", "TIME(6)"), ("float8", "FLOAT"), ("text", "VARCHAR(9)"),
        ("bytea", "BINARY(9)"), ("timestamp", "TIMESTAMP_NTZ(6)"), ("timestamptz", "TIMESTAMP_TZ(6)"),
        ("timestamptz", "TIMESTAMP_LTZ(6)"), ("int8", "NUMBER(19,0)"), ("int8", "NUMBER(19)"),
    ],
)  # fmt: skip
def test_a_column_of_the_target_is_compared_by_its_type_as_it_was_by_the_source_s(name, target_type):
    (field,) = map_table(one(ref(name)), {}, {}).fields
    assert target_text('"C"', target_type) == field.canonical_target


def test_a_number_of_the_target_is_compared_with_all_its_decimals_and_no_semi_structured_value_is():
    assert target_text('"C"', "NUMBER(12,2)") == 'TO_VARCHAR("C"::NUMBER(38,2))'
    for other in ("VARIANT", "NUMBER(x)"):
        with pytest.raises(ValueError, match=rf"^values of type {re.escape(other)} have no canonical text$"):
            target_text('"C"', other)


@pytest.mark.parametrize("text", [DOUBLE.source, DOUBLE.target], ids=["source", "target"])
def test_each_float_is_scaled_to_where_its_53_bits_are_two_exact_integers(text):
    """By a power of two, into [2^-8, 2^63): the least bit of what is there weighs 2^-60, and 2^63 is int8's end."""
    bands = [(float(band["bound"]), float(band["scale"])) for band in bands_of(text)]
    assert [int(band["band"]) for band in bands_of(text)] == list(range(1, 30))
    assert all(math.frexp(scale)[0] == 0.5 for _, scale in bands)
    for least in [2.0**power for power in range(-1074, 1024) if not -8 <= power < 63]:
        greatest = math.nextafter(2 * least, 0)
        (scale,) = {next(scale for bound, scale in bands if size >= bound) for size in (least, greatest)}
        assert greatest * scale < 2.0**63
        assert math.ulp(least) * scale >= 2.0**-60
