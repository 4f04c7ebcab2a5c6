"""Which relations of a source a configuration selects, and how a name that selects nothing is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import Config, parse
from engine.errors import ConfigError
from engine.selection import NamePattern, written


def config_of(*tables: dict) -> Config:
    target = {"local": "warehouse", "database": "ANALYTICS", "schema": "SHOP"}
    return parse({"source": {"dsn": "postgresql://127.0.0.1/shop"}, "target": target, "tables": list(tables)})


def relations(*labels, kind="r", partition=False):
    return [(*label.split("."), kind, partition) for label in labels]


def labels(resolved):
    return [each.label for each in resolved]


def resolution_faults(config, relations, names=(), group=None):
    with pytest.raises(ConfigError) as refused:
        config.resolve(relations, names, group)
    return refused.value.faults


def test_exact_names_win_over_patterns_and_the_first_pattern_over_the_next():
    config = config_of(
        {"name": "public.o*", "reader": "cursor"},
        {"name": "public.*", "exclude": ["public.tmp_?"]},
        {"name": "public.orders"},
    )
    found = config.resolve(relations("public.items", "public.oddities", "public.orders", "public.tmp_1", "crm.x"))
    assert [(each.label, each.options.name) for each in found] == [
        ("public.oddities", "public.o*"),
        ("public.items", "public.*"),
        ("public.orders", "public.orders"),
    ]


def test_patterns_pass_over_partitions_and_other_kinds_and_exact_names_do_not():
    found = [
        *relations("public.sales", kind="p"),
        *relations("public.sales_2024", partition=True),
        *relations("public.report", kind="v"),
    ]
    assert labels(config_of({"name": "public.*"}).resolve(found)) == ["public.sales"]
    assert labels(config_of({"name": "public.*", "kinds": ["view"]}).resolve(found)) == ["public.report"]
    exact = config_of({"name": "public.sales_2024"}, {"name": "public.report"})
    assert labels(exact.resolve(found)) == ["public.sales_2024", "public.report"]


def test_matching_is_case_sensitive_and_only_stars_and_question_marks_are_wild():
    config = config_of({"name": "public.[ab]*"})
    assert labels(config.resolve(relations("public.a", "public.[ab]c"))) == ["public.[ab]c"]
    assert "names are case-sensitive, did you mean public.Orders?" in str(
        resolution_faults(config_of({"name": "public.orders"}), relations("public.Orders"))
    )


def test_quoted_names_hold_dots_quotes_and_stars():
    odd = [
        ("my schema", "odd.table", "r", False),
        ("s", "*", "r", False),
        ("s", 'q"q', "r", False),
        ("s", "x", "r", False),
    ]
    config = config_of({"name": '"my schema"."odd.table"'}, {"name": 's."*"'}, {"name": 's."q""q"'})
    assert labels(config.resolve(odd)) == ["my schema.odd.table", "s.*", 's.q"q']


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_name_can_be_written(schema, name):
    assert NamePattern.parse(written(schema, name)).exact == (schema, name)


@pytest.mark.parametrize("text", ["", ".", "a", "a.", ".a", "a.b.c", '"a.b', 'a"b.c', '"a"b.c', '"".a'])
def test_what_is_no_name_is_refused_with_a_remedy(text):
    with pytest.raises(ValueError, match="is not a table name; "):
        NamePattern.parse(text)


def test_tables_that_are_not_there_are_named_together_with_close_matches():
    config = config_of({"name": "public.oders"}, {"name": "publc.*"}, {"name": "public.report*"}, {"name": "public.*"})
    found = resolution_faults(config, [*relations("public.orders"), *relations("public.report_1", kind="v")])
    assert found == [
        "tables[0].name: public.oders is not at the source; did you mean public.orders?",
        "tables[1].name: publc.* matches no relation of the source; its schemas are public",
        (
            "tables[2].kinds: public.report* matches only relations of kind view; "
            'add the kinds wanted, such as kinds = ["view"]'
        ),
    ]


def test_only_the_tables_asked_for_are_resolved_and_can_be_at_fault():
    config = config_of({"name": "public.gone"}, {"name": "public.*"})
    found = relations("public.a", "public.ab", "crm.x")
    assert labels(config.resolve(found, ["public.a"])) == ["public.a"]
    assert labels(config.resolve(found, ["public.a*", "public.a"])) == ["public.a", "public.ab"]
    assert resolution_faults(config, found, ["public.b", "crm.x", "x", "public.gone"]) == [
        "public.b: no configured table has this name; did you mean public.ab, public.a?",
        "crm.x: is at the source, but no entry of tables selects it; add [[tables]] name = 'crm.x'",
        "x is not a table name; write schema.table, such as public.orders or public.*",
        "tables[0].name: public.gone is not at the source; did you mean public.a, public.ab?",
    ]


def test_names_that_collide_in_the_target_are_refused_with_the_remedy():
    config = config_of({"name": "*.*"})
    found = relations("crm.orders", "public.Orders", "public.items")
    assert resolution_faults(config, found) == [
        (
            'crm.orders, public.Orders would all be "ORDERS" in the target; '
            "set target_name for one of them in its own [[tables]] entry, or exclude it"
        )
    ]
    assert resolution_faults(config, found, ["crm.orders"])
    assert labels(config.resolve(found, ["public.items"])) == ["public.items"]
    renamed = config_of({"name": "*.*"}, {"name": "crm.orders", "target_name": "crm_orders"})
    assert [each.target_name for each in renamed.resolve(found)] == ["ORDERS", "ITEMS", "CRM_ORDERS"]


def test_a_group_is_the_tables_whose_entries_are_in_it():
    config = config_of(
        {"name": "public.orders", "group": "hourly"},
        {"name": "public.*", "group": "nightly"},
        {"name": "crm.*"},
    )
    found = relations("public.orders", "public.items", "crm.people")
    assert labels(config.resolve(found, group="nightly")) == ["public.items"]
    assert labels(config.resolve(found, group="hourly")) == ["public.orders"]
    assert resolution_faults(config, found, group="weekly") == [
        "group weekly: no entry of tables is in it; there are hourly, nightly"
    ]


def test_a_group_is_refused_where_an_entry_of_it_selects_nothing_and_for_no_fault_of_another():
    config = config_of(
        {"name": "public.orders", "group": "hourly"},
        {"name": "public.gone", "group": "nightly"},
        {"name": "sales.*", "group": "nightly"},
    )
    found = relations("public.orders")
    assert labels(config.resolve(found, group="hourly")) == ["public.orders"]
    assert [fault.partition(":")[0] for fault in resolution_faults(config, found, group="nightly")] == [
        "tables[1].name",
        "tables[2].name",
    ]


def test_where_no_entry_has_a_group_the_fault_says_how_to_make_one():
    assert resolution_faults(config_of({"name": "public.*"}), relations("public.a"), group="nightly") == [
        'group nightly: no entry of tables is in it; set group = "nightly" in entries of tables'
    ]


def test_a_choice_of_nothing_is_refused():
    assert (
        "no relation of the source is selected"
        in resolution_faults(config_of({"name": "public.*", "exclude": ["public.*"]}), relations("public.a"))[0]
    )


def test_five_thousand_tables_resolve_at_once():
    config = config_of({"name": "public.t1*"}, {"name": "public.*", "exclude": ["public.tmp*"]})
    assert len(config.resolve(relations(*(f"public.t{n}" for n in range(5_000))))) == 5_000
