"""Whatever the catalogue says of a column's type becomes a plan or a refusal, and never statements of its making."""

import dataclasses

from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import RefusedError
from engine.model import Column, Leaf, Table, TypeRef
from engine.typemap import ColumnPolicy, Measured, map_table, measure_select
from engine.typemap.rules import _RULES, _WRITTEN
from tests.security.odd import NAMES, fuzzed

KNOWN = sorted({*_RULES, *_WRITTEN, "numeric", "varchar", "bpchar", "bit", "vector", "hstore", "_int4", "unheard_of"})
FLAT = st.builds(
    TypeRef,
    oid=st.integers(0, 2**32 - 1),
    schema=st.sampled_from(["pg_catalog", "public"]) | NAMES,
    name=st.sampled_from(KNOWN) | NAMES,
    kind=st.sampled_from("bcderm?"),
    typmod=st.sampled_from([-1, 0, 3, 4, 2**31 - 1, -(2**31), 4 + (38 << 16), 4 + (1000 << 16) + 2047]) | st.integers(),
)


def _nested(inner: st.SearchStrategy[TypeRef]) -> st.SearchStrategy[TypeRef]:
    """Arrays and domains of types."""
    arrays = st.builds(lambda ref, of: dataclasses.replace(ref, kind="b", is_array=True, element=of), FLAT, inner)
    domains = st.builds(lambda ref, of: dataclasses.replace(ref, kind="d", base=of, is_array=False), FLAT, inner)
    return arrays | domains


TYPES = st.recursive(FLAT, _nested, max_leaves=6)
POLICIES = st.builds(
    ColumnPolicy,
    on_loss=st.sampled_from(["error", "null", "text"]),
    type=st.none()
    | st.sampled_from(["VARCHAR", "NUMBER(38,9)", "NUMBER(99,99)", "FLOAT", "VARIANT", "GEOGRAPHY"])
    | NAMES,
)
MEASURED = st.builds(Measured, st.integers(0, 200_000), st.integers(0, 20_000), st.integers(0, 9))


def deep(levels: int) -> TypeRef:
    ref = TypeRef(23, "pg_catalog", "int4", "b")
    for number in range(levels):
        ref = TypeRef(20_000 + number, "public", f"d{number}", "d", base=ref)
    return ref


def test_any_type_is_planned_or_refused_in_words(proof):
    @fuzzed(proof, 200)
    @given(
        st.lists(st.tuples(NAMES, TYPES, POLICIES), min_size=1, max_size=3),
        MEASURED,
        st.sampled_from([0, 140000, 170000]),
    )
    @example([("a", deep(200), ColumnPolicy())], Measured(0, 0, 0), 0)
    def tried(columns, measured, version):
        made = tuple(Column(n, name, ref) for n, (name, ref, _) in enumerate(columns, start=1))
        table = Table(1, "public", "t", "r", made, (), (Leaf(1, "public", "t", "r", 1, 8192),))
        policies = {name: policy for name, _, policy in columns}
        wanted = {c.name: measured for c in made if measure_select(c) is not None}
        try:
            plan = map_table(table, policies, wanted, version=version)
        except RefusedError as refused:
            assert all(refused.faults)  # noqa: PT017 - either is allowed
            return
        assert table.runs_code is any(c.type.is_made for c in made)
        for field in plan.fields:
            assert field.load.format("$1").startswith(("$1", "PARSE_JSON($1)", "TO_", "TRY_", "ST_")), field.load
            for text in (field.select, field.canonical_source or "", *(loss.condition for loss in field.losses)):
                assert text.count('"') % 2 == 0, "a name of the source is quoted whole"

    tried()
