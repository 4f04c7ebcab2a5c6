"""Types that users and extensions make, and columns by any name."""

import uuid

import pytest

from engine.typemap import ColumnPolicy
from tests.integration.typed_rows import column, filled, lost, mapped, reading, staged


@pytest.fixture
async def connection(postgres):
    async with reading(postgres.dsn()) as connection:
        yield connection


async def test_f18_a_domain_is_its_base(connection):
    """Over a domain, an array, a composite, with a modifier of its own; its CHECK is the source's business."""
    await connection.execute(
        "CREATE TYPE pg_temp.pair AS (a int, b text); CREATE DOMAIN pg_temp.price AS numeric(10,2) CHECK (VALUE >= 0);"
        "CREATE DOMAIN pg_temp.net AS pg_temp.price; CREATE DOMAIN pg_temp.day AS date NOT NULL;"
        "CREATE DOMAIN pg_temp.list AS int[]; CREATE DOMAIN pg_temp.two AS pg_temp.pair;"
        "CREATE DOMAIN pg_temp.free AS numeric;"
        "CREATE TEMP TABLE domains (p pg_temp.net, d pg_temp.day, l pg_temp.list, t pg_temp.two, f pg_temp.free,"
        " j pg_temp.net[]);"
        "INSERT INTO domains VALUES (1.5, '2024-01-01', '{1,2}', '(1,x)', 2.25, '{3}')"
    )
    plan = await mapped(connection, "pg_temp.domains")
    assert [field.target_type for field in plan.fields] == [
        "NUMBER(10,2)", "DATE", "ARRAY", "VARIANT", "NUMBER(38,2)", "ARRAY",
    ]  # fmt: skip
    assert await staged(connection, "pg_temp.domains", plan.fields) == [
        ["1.50", "2024-01-01", "[1,2]", '{"a":1,"b":"x"}', "2.25", "[3.00]"]
    ]
    nulled = await mapped(connection, "pg_temp.domains", {name: ColumnPolicy("null") for name in "pdltf"})
    await connection.execute("UPDATE domains SET p = 'NaN', d = 'infinity', l = '[0:0]={1}', f = 'NaN'")
    assert (await staged(connection, "pg_temp.domains", nulled.fields))[0][:3] == [None] * 3


async def test_f18_a_composite_is_an_object_with_the_losses_of_what_is_in_it(connection):
    await connection.execute("CREATE TYPE pg_temp.box_of AS (j json, n numeric, t text)")
    name = await filled(connection, "pg_temp.box_of", ['("{""a"": 1}",1.5,x)', "(,,)"])
    fields, rows = await column(connection, name)
    assert fields[0].target_type == "VARIANT"
    assert rows == ['{"j":{"a": 1},"n":1.5,"t":"x"}', '{"j":null,"n":null,"t":null}', None]
    await connection.execute(f"UPDATE {name} SET c.n = {'1' * 39} WHERE (c).n IS NOT NULL")
    assert await lost(connection, name, fields[0]) == {"digits": 1}
    assert (await column(connection, name, "null"))[1] == [rows[1], None, None]  # the updated row is now the last


async def test_f18_an_enum_is_its_label(connection):
    await connection.execute("CREATE TYPE pg_temp.mood AS ENUM ('', 'so so', 'ok,\"')")
    name = await filled(connection, "pg_temp.mood", ["", "so so", 'ok,"'])
    fields, rows = await column(connection, name)
    assert fields[0].target_type == "VARCHAR(16777216)"
    assert rows == ["", "so so", 'ok,"', None]


async def test_f18_a_type_that_nobody_knows_is_text(connection):
    await connection.execute(
        "CREATE TYPE pg_temp.odd;"
        "CREATE FUNCTION pg_temp.odd_in(cstring) RETURNS pg_temp.odd LANGUAGE internal IMMUTABLE STRICT AS 'textin';"
        "CREATE FUNCTION pg_temp.odd_out(pg_temp.odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';"
        "CREATE TYPE pg_temp.odd (INPUT = pg_temp.odd_in, OUTPUT = pg_temp.odd_out);"
        "CREATE TEMP TABLE odds (c pg_temp.odd, a pg_temp.odd[]); INSERT INTO odds VALUES ('é', '{x,NULL}')"
    )
    plan = await mapped(connection, "pg_temp.odds")
    assert [field.target_type for field in plan.fields] == ["VARCHAR(134217728)", "ARRAY"]
    assert await staged(connection, "pg_temp.odds", plan.fields) == [["é", '["x",null]']]


async def test_f18_a_vector_is_an_array_of_its_text(connection):
    """The type of pgvector by name, so that the test needs no extension."""
    await connection.execute(
        "CREATE TYPE pg_temp.vector;"
        "CREATE FUNCTION pg_temp.v_in(cstring) RETURNS pg_temp.vector LANGUAGE internal IMMUTABLE STRICT AS 'textin';"
        "CREATE FUNCTION pg_temp.v_out(pg_temp.vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';"
        "CREATE TYPE pg_temp.vector (INPUT = pg_temp.v_in, OUTPUT = pg_temp.v_out)"
    )
    name = await filled(connection, "pg_temp.vector", ["[1,2.5,-1e-05]"])
    fields, rows = await column(connection, name)
    assert (fields[0].target_type, fields[0].load) == ("ARRAY", "PARSE_JSON({})")
    assert rows == ["[1,2.5,-1e-05]", None]


@pytest.mark.parametrize(("extension", "value", "target", "form"), [
    ("hstore", 'a=>1, b=>NULL, "c d"=>""', "VARIANT", '{"a": "1", "b": null, "c d": ""}'),
    ("citext", "MiXed", "VARCHAR(134217728)", "MiXed"),
    ("ltree", "a.b.c", "VARCHAR(134217728)", "a.b.c"),
])  # fmt: skip
async def test_f18_a_type_of_an_extension(database, extension, value, target, form):
    async with reading(database) as connection:
        if not await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = $1", extension):
            pytest.skip(f"this server has no {extension}")
        await connection.execute(f"CREATE EXTENSION {extension} SCHEMA public")
        name = await filled(connection, f"public.{extension}", [value])
        fields, rows = await column(connection, name)
        assert (fields[0].target_type, rows) == (target, [form, None])
        if fields[0].canonical_source:
            assert await connection.fetchval(f"SELECT {fields[0].canonical_source} FROM {name} LIMIT 1")


async def test_any_name_of_a_column_reads(connection):
    names = [
        "MixedCase",
        "order",
        'a"b',
        "with.dot",
        "with space",
        "😀",
        "x",
        "v",
        "s",
        "m",
        "t",
        "n",
        "{}",
        "a{}b",
        "%s",
    ]
    for type_name, value in {"json": "[1]", "int[]": "{1}", "date": "2024-01-01", "numeric": "1"}.items():
        table = f"names_{uuid.uuid4().hex[:8]}"
        quoted = ['"' + name.replace('"', '""') + '"' for name in names]
        await connection.execute(f"CREATE TEMP TABLE {table} ({', '.join(f'{name} {type_name}' for name in quoted)})")
        await connection.execute(f"INSERT INTO {table} ({quoted[0]}) VALUES ('{value}')")
        for on_loss in ("error", "text"):
            policies = {name: ColumnPolicy(on_loss) for name in names}
            plan = await mapped(connection, f"pg_temp.{table}", policies)
            row = (await staged(connection, f"pg_temp.{table}", plan.fields))[0]
            assert row.count(None) == len(plan.fields) - 1
            for field in plan.fields:
                if field.canonical_source:
                    await connection.fetchval(f"SELECT {field.canonical_source} FROM {table}")
                assert await lost(connection, table, field) == {}
