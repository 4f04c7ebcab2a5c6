"""docs/infrastructure.md maps every box and arrow of the architecture to what a plan of prod has."""

import re

from tests.terraform.running import ROOT

DOC = ROOT / "docs" / "infrastructure.md"
ADDRESS = re.compile(r"`(aws_\w+\.\w+)`")


def test_every_resource_that_the_tables_name_is_in_prod(prod):
    named = set(ADDRESS.findall(DOC.read_text(encoding="utf-8")))
    assert len(named) > 50
    assert named <= {f"{each.type}.{each.name}" for each in prod.resources}


def test_every_variable_that_the_table_names_is_in_each_environment(prod):
    _, _, rest = DOC.read_text(encoding="utf-8").partition("## What functions find in their environment")
    table, _, _ = rest.partition("## Boxes")
    row, told = "", set()
    for name in re.findall(r"`(BOREALIS_\w+__\w+|BOREALIS_CONFIG|\.\.\._\w+)`", table):
        row = name if name.startswith("BOREALIS") else row
        told.add(row if name == row else row.rpartition("__")[0] + "__" + name.removeprefix("..._"))
    for function in prod.all("aws_lambda_function"):
        (environment,) = function["environment"]
        found = {name for name in environment["variables"] if name.startswith("BOREALIS_")}
        assert found == {name for name in told if not name.startswith("BOREALIS_STAGE")}
