"""docs/infrastructure.md says what a plan has, and the examples beside Terraform are what the functions take."""

import re

from engine.config import load
from tests.terraform.running import ROOT, TREE

DOC = ROOT / "docs" / "infrastructure.md"
OPTIONAL = ("BOREALIS_STAGE", "BOREALIS_AWS__SIGNING_KEY")
"""Variables that prod, as it stands here, does without."""
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
        assert found == {name for name in told if not name.startswith(OPTIONAL)}


def test_functions_take_the_configuration_of_each_environment_and_schedules_name_groups_of_it(rendered, tmp_path):
    environment = rendered.one('aws_lambda_function.this["scheduled"]')["environment"][0]["variables"]
    layer = tmp_path / "global-bundle.pem"
    layer.touch()
    file = TREE / "environments" / f"{rendered.environment}.toml"
    config = load(file, environment | {"BOREALIS_SOURCE__SSLROOTCERT": str(layer)})
    asked = {each["group"] for each in rendered.variables["schedules"].values() if each["group"]}
    assert asked <= {table.group for table in config.tables}
    (machine,) = rendered.all("aws_sfn_state_machine")
    assert f'"MaxConcurrency": {config.limits.workers},' in machine["definition"]
