"""Terraform's own commands, on every root."""

import pytest

from tests.terraform.conftest import initialised
from tests.terraform.running import ENVIRONMENTS, TREE, Tree, run

ROOTS = {"root": TREE} | {each.name: each for each in TREE.iterdir() if any(each.glob("*.tf"))}


@pytest.fixture(params=ROOTS)
def whole(request, root, tmp_path):
    """Each root, ready."""
    return root if request.param == "root" else initialised(Tree(tmp_path / request.param, ROOTS[request.param]))


def test_every_file_is_formatted(root):
    run("fmt", "-check", "-recursive", "-diff", cwd=TREE)


def test_every_root_is_valid(whole):
    whole.validate()


def test_every_root_passes_its_own_tests(whole):
    assert list(whole.directory.glob("tests/*.tftest.hcl"))
    whole.test()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_has_a_plan_that_only_creates(every, environment):
    actions = {tuple(each["change"]["actions"]) for each in every[environment].plan["resource_changes"]}
    assert actions <= {("create",), ("read",)}
