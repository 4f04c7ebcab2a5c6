"""The mapping as text: each type's target, select, load and canonical expressions, and every refusal."""

from dataclasses import replace

import pytest

from engine.errors import RefusedError
from engine.model import Column, Loss, Table, TypeRef
from engine.quoting import literal, quote, sf_literal
from engine.typemap import ColumnPolicy, Measured, map_table, measure_select

WIDE = "VARCHAR(134217728)"
PLAIN = "VARCHAR(16777216)"


def ref(name, typmod=-1, *, kind="b", schema="pg_catalog", **more):
    return TypeRef(0, schema, name, kind, typmod=typmod, **more)


def numeric(precision, scale):
    return ref("numeric", (precision << 16 | scale & 0x7FF) + 4)


def array(element):
    return TypeRef(0, "pg_catalog", "_" + element.name, "b", is_array=True, typmod=element.typmod, element=element)


def domain(base, name="dom"):
    return TypeRef(0, "shop", name, "d", typmod=base.typmod, base=base)


ENUM = ref("mood", kind="e", schema="shop")
COMPOSITE = ref("pair", kind="c", schema="shop")


def table(*columns):
    named = [column if isinstance(column, tuple) else ("c", column) for column in columns]
    return Table(1, "shop", "orders", "r", tuple(Column(n, name, t) for n, (name, t) in enumerate(named, 1)), (), ())


def fields(type_ref, on_loss="error", *, chosen=None, measured=None, version=0):
    found = {"c": measured} if measured else {}
    return map_table(table(type_ref), {"c": ColumnPolicy(on_loss, chosen)}, found, version=version).fields


def field(type_ref, *arguments, **more):
    return fields(type_ref, *arguments, **more)[0]


def faults(*columns, policies=None, measured=None):
    with pytest.raises(RefusedError) as caught:
        map_table(table(*columns), policies or {}, measured or {})
    return caught.value.faults


BARE = [
    (ref("int2"), "NUMBER(5,0)", False),
    (ref("int4"), "NUMBER(10,0)", False),
    (ref("int8"), "NUMBER(19,0)", False),
    (ref("oid"), "NUMBER(10,0)", False),
    (numeric(12, 2), "NUMBER(12,2)", False),
    (numeric(38, 0), "NUMBER(38,0)", False),
    (numeric(38, 37), "NUMBER(38,37)", False),
    (numeric(5, -2), "NUMBER(7,0)", False),
    (numeric(2, 5), "NUMBER(5,5)", False),
    (ref("float4"), "FLOAT", False),
    (ref("float8"), "FLOAT", False),
    (ref("bool"), "BOOLEAN", False),
    (ref("text"), WIDE, True),
    (ref("varchar"), WIDE, True),
    (ref("varchar", 14), PLAIN, True),
    (ref("bpchar", 14), PLAIN, True),
    (ref("bpchar"), WIDE, True),
    (ref("name"), PLAIN, True),
    (ref("char"), PLAIN, True),
    (ref("uuid"), "VARCHAR(36)", True),
    (ref("bit", 5), PLAIN, True),
    (ref("bit", 20_000_000), WIDE, True),
    (ref("varbit"), WIDE, True),
    (ENUM, PLAIN, True),
    (ref("timetz"), PLAIN, True),
    (ref("interval"), PLAIN, True),
    (ref("int4range", kind="r"), PLAIN, True),
    (ref("int4multirange", kind="m"), WIDE, True),
    (ref("textrange", kind="r", schema="shop"), WIDE, True),
    (ref("inet"), PLAIN, True),
    (ref("macaddr8"), PLAIN, True),
    (ref("xml"), WIDE, True),
    (ref("tsvector"), WIDE, True),
    (ref("pg_lsn"), PLAIN, True),
    (ref("regclass"), PLAIN, True),
    (ref("xid8"), PLAIN, True),
    (ref("int2vector"), WIDE, True),
    (ref("polygon"), WIDE, True),
    (ref("citext", schema="public"), WIDE, True),
    (ref("geometry", schema="public"), WIDE, True),
    (ref("date", schema="shop"), WIDE, True),  # somebody's own type of that name
    (ref("anything", schema="public"), WIDE, True),
]


@pytest.mark.parametrize(("type_ref", "target_type", "quoted"), BARE, ids=lambda v: getattr(v, "name", str(v)))
def test_most_types_are_staged_bare_and_cast_by_the_target(type_ref, target_type, quoted):
    found = field(type_ref)
    assert (found.source, found.target, found.target_type, found.quoted) == ("c", "C", target_type, quoted)
    assert (found.select, found.load) == ('"c"', "{}")
    assert found.canonical_source is not None
    assert found.canonical_target is not None


@pytest.mark.parametrize(
    ("name", "target_type", "reasons"),
    [
        ("date", "DATE", ["infinity", "year"]),
        ("timestamp", "TIMESTAMP_NTZ(6)", ["infinity", "year"]),
        ("timestamptz", "TIMESTAMP_TZ(6)", ["infinity", "year"]),
        ("time", "TIME(6)", ["midnight"]),
    ],
)
def test_a_date_or_time_without_a_form_is_left_for_the_target_to_refuse_and_counted_then(name, target_type, reasons):
    found = field(ref(name))
    assert (found.target_type, found.quoted, found.load) == (target_type, False, "{}")
    assert found.select == '"c"'
    assert [loss.reason for loss in found.losses] == reasons


def test_under_null_and_text_a_lost_value_is_null_and_text_keeps_it_beside():
    inside = "(\"c\" >= '0001-01-01'::date AND \"c\" < '10000-01-01'::date)"
    nulled = field(ref("date"), "null")
    assert nulled.select == f'CASE WHEN {inside} THEN "c" END'
    kept, side = fields(ref("date"), "text")
    assert kept.select == nulled.select
    assert (side.source, side.target, side.target_type, side.quoted) == ("c", "C__PG_TEXT", WIDE, True)
    assert side.select == f'CASE WHEN {inside} THEN NULL WHEN "c" IS DISTINCT FROM NULL THEN concat("c") END'
    assert side.canonical_source == f"md5(convert_to(({side.select})::text, 'UTF8'))"
    assert [loss.reason for loss in kept.losses] == ["infinity", "year"]
    assert side.losses == ()  # counted once


def test_each_loss_has_a_condition_of_its_own():
    infinite, year = field(ref("date")).losses
    assert infinite.condition == 'NOT isfinite("c")'
    inside = "(\"c\" >= '0001-01-01'::date AND \"c\" < '10000-01-01'::date)"
    assert year.condition == f'(isfinite("c") AND NOT {inside})'
    assert [loss.condition for loss in field(ref("time")).losses] == ["\"c\" = '24:00:00'::time"]
    assert [loss.condition for loss in field(numeric(3, 1)).losses] == ["\"c\" = 'NaN'::numeric"]


def test_text_saves_nothing_of_a_value_that_is_too_long_anywhere():
    assert [f.target for f in fields(ref("text"), "text")] == ["C"]
    assert field(ref("text"), "text").on_loss == "error"
    assert field(ref("text"), "null").select == 'CASE WHEN octet_length("c") <= 134217728 THEN "c" END'
    assert [loss.condition for loss in field(ref("bytea")).losses] == ['octet_length("c") > 67108864']


def test_a_policy_on_a_column_that_cannot_lose_changes_nothing():
    for type_ref in (ref("int4"), ref("float8"), ref("uuid"), ENUM):
        assert fields(type_ref, "text") == fields(type_ref, "null") == fields(type_ref)


def test_bytes_are_staged_as_hex():
    found = field(ref("bytea"))
    assert (found.target_type, found.select, found.quoted) == ("BINARY(67108864)", "encode(\"c\", 'hex')", True)
    assert found.canonical_target == 'MD5(HEX_ENCODE("C", 0))'


def test_money_leaves_its_locale_and_may_have_two_decimals():
    found = field(ref("money"))
    assert found.target_type == "NUMBER(19,2)"
    assert found.select.startswith('CASE WHEN min_scale(("c")::numeric) <= 2 THEN ("c")::numeric WHEN')


CANONICAL = [
    (ref("int8"), '("c")::text', 'TO_VARCHAR("C"::NUMBER(38,0))'),
    (numeric(12, 2), "round((CASE WHEN \"c\" <> 'NaN'::numeric THEN \"c\" END)::numeric, 2)::text",
     'TO_VARCHAR("C"::NUMBER(38,2))'),
    (ref("bool"), "CASE WHEN \"c\" THEN '1' WHEN NOT \"c\" THEN '0' END",
     "CASE WHEN \"C\" THEN '1' WHEN NOT \"C\" THEN '0' END"),
    (ref("time"), "to_char(CASE WHEN \"c\" < '24:00:00'::time THEN \"c\" END, 'HH24:MI:SS.US')",
     "TO_VARCHAR(\"C\", 'HH24:MI:SS.FF6')"),
    (ref("uuid"), "CASE WHEN \"c\" IS DISTINCT FROM NULL THEN md5(convert_to(concat(\"c\"), 'UTF8')) END", 'MD5("C")'),
]  # fmt: skip


@pytest.mark.parametrize(("type_ref", "source", "target"), CANONICAL, ids=lambda v: getattr(v, "name", ""))
def test_canonical_text_is_one_text_on_both_sides(type_ref, source, target):
    found = field(type_ref)
    assert (found.canonical_source, found.canonical_target) == (source, target)


def test_dates_are_compared_as_days_and_microseconds():
    assert field(ref("date")).canonical_source.endswith("END - '1970-01-01'::date)::text")
    assert field(ref("date")).canonical_target == "TO_VARCHAR(DATEDIFF('day', '1970-01-01'::DATE, \"C\"))"
    assert field(ref("timestamptz")).canonical_source.startswith("(extract(epoch FROM CASE WHEN")
    assert field(ref("timestamptz")).canonical_target == 'TO_VARCHAR(DATE_PART(EPOCH_MICROSECOND, "C"))'


def test_floats_are_compared_without_decimal_text():
    """In bands of powers of two; a statement over a hundred of them must fit Snowflake's 1 MB."""
    found = field(ref("float8"))
    assert found.canonical_source.count("WHEN") == found.canonical_target.count("WHEN")
    assert "int8" in found.canonical_source
    assert "NUMBER(38,0)" in found.canonical_target
    assert len(found.canonical_target) < 10_000
    assert '("c")::text::float8' in field(ref("float4")).canonical_source


@pytest.mark.parametrize(
    ("type_ref", "target_type"),
    [
        (ref("json"), "VARIANT"),
        (ref("jsonb"), "VARIANT"),
        (COMPOSITE, "VARIANT"),
        (ref("hstore", schema="public"), "VARIANT"),
        (array(ref("int4")), "ARRAY"),
        (array(ref("jsonb")), "ARRAY"),
        (array(ENUM), "ARRAY"),
        (ref("vector", schema="public"), "ARRAY"),
        (domain(array(ref("text"))), "ARRAY"),
        (domain(COMPOSITE), "VARIANT"),
    ],
    ids=lambda v: getattr(v, "name", str(v)),
)
def test_what_is_nested_is_parsed_by_the_target_and_compared_by_its_shape_alone(type_ref, target_type):
    found = field(type_ref)
    assert (found.target_type, found.quoted, found.load, found.shape) == (target_type, True, "PARSE_JSON({})", True)
    assert None not in (found.canonical_source, found.canonical_target)


REASONS = [
    (ref("json"), ["size", "nul", "surrogate", "digits", "duplicate"]),
    (ref("jsonb"), ["size", "digits"]),
    (COMPOSITE, ["bounds", "size", "nul", "surrogate", "digits", "duplicate"]),
    (ref("hstore", schema="public"), ["size"]),
    (ref("vector", schema="public"), []),
    *((array(each), ["bounds", "size"]) for each in (ref("int4"), ref("text"), numeric(10, 2))),
    *((ref(name, schema="public"), ["size"]) for name in ("citext", "geometry")),
    (array(ref("numeric")), ["bounds", "size", "digits"]),
    (array(domain(ref("jsonb"))), ["bounds", "size", "digits"]),
    (array(COMPOSITE), ["bounds", "size", "nul", "surrogate", "digits", "duplicate"]),
]


@pytest.mark.parametrize(("type_ref", "reasons"), REASONS, ids=lambda v: getattr(v, "name", ""))
def test_only_what_a_type_can_lose_is_looked_for(type_ref, reasons):
    assert [loss.reason for loss in field(type_ref).losses] == reasons


def test_the_text_of_json_is_computed_once_a_row():
    select = field(ref("jsonb")).select
    whole = "octet_length(x) <= 134217728 AND (octet_length(x) < 39 OR x !~ '[0-9.]{39}' OR NOT EXISTS ("
    assert select.startswith(f"(SELECT CASE WHEN {whole}")
    assert select.endswith('END)::int4::text END FROM (SELECT ("c")::text AS x, "c" AS v OFFSET 0) AS s)')
    assert select.count('"c"') == 2


def test_an_array_without_long_numbers_is_only_asked_for_its_bounds():
    assert field(array(ref("int4"))).select == (
        'CASE WHEN (array_lower("c", 1) <> 1 OR (array_ndims("c") > 1 AND array_dims("c") !~'
        ' E\'^(?:\\\\[1:[0-9]+\\\\])+$\')) IS NOT TRUE THEN to_json("c")::text WHEN "c" IS NOT NULL'
        " THEN concat('borealis:loss:1:', 'bounds')::int4::text END"
    )


@pytest.mark.parametrize(
    ("type_ref", "watched"),
    [
        (ref("jsonb"), '("c")::text'),
        (array(ref("int4")), ""),
        (ref("json"), ""),  # exponents and escapes are not looked for
        (ref("text"), ""),
    ],
)
def test_what_is_watched_is_selected_without_looking_for_long_numbers(type_ref, watched):
    assert field(type_ref).watched == watched
    assert field(type_ref, "null").watched == ""


def test_watched_arrays_are_still_asked_for_their_bounds():
    bare = field(array(ref("int4"))).select
    assert field(array(ref("jsonb"))).watched == bare
    assert field(array(ref("jsonb"))).select != bare


def test_duplicate_keys_are_looked_for_as_the_server_can():
    for version, words in ((150013, "x::jsonb"), (160000, "IS NOT JSON")):
        assert words not in field(ref("json"), version=version).select  # the target refuses it by itself
        assert words in field(ref("json"), "null", version=version).select


# --- measured ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "type_ref",
    [ref("numeric"), numeric(39, 0), numeric(60, 40), numeric(38, 38), numeric(2, 38), numeric(36, -5),
     domain(domain(ref("numeric")))],
)  # fmt: skip
def test_a_numeric_that_no_number_is_sure_to_hold_is_measured(type_ref):
    assert measure_select(Column(1, "c", type_ref)) is not None


@pytest.mark.parametrize("type_ref", [ref("int8"), numeric(38, 37), domain(numeric(5, 2)), array(ref("numeric"))])
def test_other_types_need_no_measuring(type_ref):
    assert measure_select(Column(1, "c", type_ref)) is None


def test_measuring_is_three_aggregates():
    finite = "((\"c\")::numeric < 'Infinity'::numeric AND (\"c\")::numeric > '-Infinity'::numeric)"
    assert measure_select(Column(1, "c", ref("numeric"))) == (
        f'coalesce(length(trunc(max(abs(("c")::numeric)) FILTER (WHERE {finite}))::text), 0)',
        'coalesce(max(min_scale(("c")::numeric)), 0)',
        f"count(*) FILTER (WHERE NOT {finite})",
    )


@pytest.mark.parametrize(
    ("integer_digits", "scale", "target_type"),
    [(12, 4, "NUMBER(38,4)"), (1, 37, "NUMBER(38,37)"), (38, 0, "NUMBER(38,0)"), (0, 0, "NUMBER(38,0)"),
     (2, 37, WIDE), (1, 38, WIDE), (39, 0, WIDE)],
)  # fmt: skip
def test_a_measured_numeric_is_a_number_if_it_fits(integer_digits, scale, target_type):
    plan = map_table(table(ref("numeric")), {}, {"c": Measured(integer_digits, scale, 0)})
    assert plan.fields[0].target_type == target_type
    assert plan.notes == (
        f"column c: numeric measured ({integer_digits} integer digits and {scale} decimals at most) -> {target_type}",
    )
    raises = "borealis:loss:1:" in plan.fields[0].select
    assert raises == target_type.startswith("NUMBER")  # the target would round what came later


NAN = 'which no NUMBER holds (nan); set on_loss of the column to "null" or "text", or its type to "VARCHAR" or "FLOAT"'


def test_special_values_are_a_fault_before_anything_moves():
    assert faults(ref("numeric"), measured={"c": Measured(1, 1, 3)}) == [
        f"shop.orders: column 'c': 3 values are NaN or infinite, {NAN}"
    ]
    assert field(ref("numeric"), "null", measured=Measured(1, 1, 3)).target_type == "NUMBER(38,1)"
    assert field(ref("numeric"), measured=Measured(99, 1, 3)).target_type == WIDE  # text holds NaN


# --- types by choice --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "target_type"),
    [("VARCHAR", WIDE), ("text", WIDE), (" string ", WIDE), ("varchar(100)", "VARCHAR(100)"), (WIDE, WIDE)],
)
@pytest.mark.parametrize("type_ref", [ref("date"), ref("json"), array(ref("int4")), ref("numeric"), ref("bytea")])
def test_any_type_can_be_its_exact_text(type_ref, chosen, target_type):
    found = field(type_ref, chosen=chosen)
    assert (found.target_type, found.select, found.load) == (target_type, '"c"', "{}")
    length, beside = ("length", ["C__PG_TEXT"]) if target_type == "VARCHAR(100)" else ("octet_length", [])
    size = Loss("size", f'{length}(concat("c")) > {target_type[8:-1]}')
    assert (found.quoted, found.losses, found.canonical_target) == (True, (size,), 'MD5("C")')
    assert [each.target for each in fields(type_ref, "text", chosen=chosen)] == ["C", *beside]


def test_a_number_by_choice_may_not_round():
    found = field(ref("numeric"), chosen="number(20, 4)")
    assert found.target_type == "NUMBER(20,4)"
    assert found.select.startswith('CASE WHEN min_scale(("c")::numeric) <= 4 THEN "c" WHEN')
    assert found.canonical_target == 'TO_VARCHAR("C"::NUMBER(38,4))'
    assert [loss.reason for loss in found.losses] == ["nan", "digits", "range"]
    assert field(ref("int4"), chosen="NUMBER(38)").select == '"c"'
    assert [loss.reason for loss in field(ref("int4"), chosen="NUMBER(5)").losses] == ["range"]
    assert field(ref("int4"), chosen="BIGINT").target_type == "NUMBER(38,0)"


def test_a_type_of_the_same_family_keeps_what_is_known():
    natural = field(ref("timestamptz"))
    assert field(ref("timestamptz"), chosen="TIMESTAMP_LTZ") == replace(natural, target_type="TIMESTAMP_LTZ(6)")
    assert field(array(ref("int4")), chosen="VARIANT") == replace(field(array(ref("int4"))), target_type="VARIANT")
    assert field(ref("float8"), chosen="double precision") == field(ref("float8"))


@pytest.mark.parametrize(
    ("type_ref", "chosen"),
    [
        (ref("geometry", schema="public"), "GEOGRAPHY"),
        (ref("numeric"), "FLOAT"),
        (ref("timestamp"), "TIMESTAMP_NTZ(3)"),
    ],
)
def test_any_other_type_is_the_text_cast_by_the_target(type_ref, chosen):
    plan = map_table(table(type_ref), {"c": ColumnPolicy(type=chosen)}, {})
    found = plan.fields[0]
    assert (found.target_type, found.select, found.load) == (chosen, '"c"', "{}")
    assert (found.canonical_source, found.canonical_target, found.losses) == (None, None, ())
    assert plan.notes == (f"column c: {chosen} was asked for: its values are neither checked nor compared",)


@pytest.mark.parametrize("chosen", ["VARCHAR; DROP TABLE t", "", "NUMBER(x)", 'A"B', "NUMBER(38,2", "DATE -- x"])
def test_a_type_is_a_type(chosen):
    assert faults(ref("int4"), policies={"c": ColumnPolicy(type=chosen)}) == [
        f"shop.orders: column 'c': {chosen!r} is no type; write one as Snowflake does, such as VARCHAR"
    ]


# --- names ------------------------------------------------------------------------------------------------------


def test_fields_stand_in_the_order_of_columns_with_side_columns_behind_theirs():
    plan = map_table(
        table(("b", ref("date")), ("MixedCase", ref("int4")), ('a"b', ref("time"))),
        {name: ColumnPolicy("text") for name in ("b", "MixedCase", 'a"b')},
        {},
    )
    assert [f.target for f in plan.fields] == ["B", "B__PG_TEXT", "MIXEDCASE", 'A"B', 'A"B__PG_TEXT']
    assert plan.fields[1].canonical_target == 'MD5("B__PG_TEXT")'
    assert '"a""b" <' in plan.fields[3].select
    assert plan.fields[3].canonical_target == 'TO_VARCHAR("A""B", \'HH24:MI:SS.FF6\')'


def test_all_faults_of_a_table_are_told_together():
    long = "x" * 256
    found = faults(
        ("Id", ref("int4")), ("ID", ref("int8")), ("current_date", ref("date")), (long, ref("int4")),
        ("n", ref("numeric")), ("d", ref("date")), ("d__pg_text", ref("text")),
        policies={"gone": ColumnPolicy(), "d": ColumnPolicy("text")}, measured={"n": Measured(1, 0, 2)},
    )  # fmt: skip
    rename = "at the source, or leave it out with exclude_columns"
    both = f"since names arrive in upper case; rename one {rename}"
    assert [fault.removeprefix("shop.orders: ") for fault in found] == [
        "a policy names the column 'gone', which the table does not have; correct the name",
        f"column 'n': 2 values are NaN or infinite, {NAN}",
        f"column 'current_date': no column can be named CURRENT_DATE at the target; rename it {rename}",
        f"column {long!r} becomes a name of 256 characters, and 255 are allowed; rename it {rename}",
        f"columns 'Id' and 'ID' both become ID, {both}",
        f"columns 'd' and 'd__pg_text' both become D__PG_TEXT, {both}",
    ]


def test_a_table_without_columns_is_refused():
    assert faults() == ["shop.orders: the table has no columns; leave it out of the configuration"]


def test_braces_in_a_name_are_only_characters():
    nulled = {"a{}b": ColumnPolicy("null")}
    plan = map_table(table(("{}", ref("json")), ("a{}b", ref("date"))), nulled, {})
    assert 'SELECT ("{}")::text AS x, "{}" AS v' in plan.fields[0].select
    assert plan.fields[1].select.count('"a{}b"') == 3


def test_quoting():
    assert quote('a"b') == '"a""b"'
    assert [literal(text) for text in ("it's", "a\\b'")] == ["'it''s'", "E'a\\\\b'''"]
    assert [sf_literal(text) for text in ("it's", "a\\b")] == ["'it''s'", "'a\\\\b'"]
