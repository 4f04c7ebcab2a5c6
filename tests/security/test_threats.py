"""Beside each threat of docs/security.md stand tests, and they are there."""

import ast

import pytest

from tests.conftest import ROOT


def threats() -> list[tuple[str, list[str]]]:
    """Each threat, and the tests beside it."""
    section = (ROOT / "docs/security.md").read_text().partition("\n## Threats\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [(line[0], [name.strip("` ,") for name in line[-1].split(", ")]) for line in lines[2:]]


def named(file: str) -> set[str]:
    """The tests of a file."""
    tree = ast.parse((ROOT / file).read_text())
    functions = (each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name for each in functions if each.name.startswith("test_")}


@pytest.mark.parametrize(("threat", "tests"), threats(), ids=lambda value: str(value)[:50])
def test_a_threat_has_tests_that_exist(threat, tests):
    assert tests, threat
    for each in tests:
        file, _, test = each.partition("::")
        assert file.startswith("tests/"), f"{threat}: {each} is no test"
        assert test in named(file) if test else named(file), f"{threat}: {each} is not there"


def test_the_page_has_the_threats():
    assert len(threats()) > 20
