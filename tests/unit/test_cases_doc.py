"""docs/cases.md and the suite name the same tests: each case has a row, each row its tests, each test its row."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| \*\*(F\d\d)\*\* ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
"""Case and what happens, what others did, what Borealis does, its tests."""
PAGE = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
ROWS = {row[0]: row[1:] for row in ROW.findall(PAGE)}
CASES = [f"F{number:02}" for number in range(1, 26)]


@cache
def functions(begins: str = r"test_f\d\d_") -> Counter[str]:
    """Each test of the suite whose name begins so: that is named after a case."""
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in (ROOT / "tests").rglob("test_*.py"))
    names = (node.name for tree in trees for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))  # fmt: skip
    return Counter(name for name in names if re.match(begins, name))


def test_every_case_has_its_row_in_order():
    assert list(ROWS) == CASES


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_told_and_its_tests_are_exactly_those_that_bear_its_name(case):
    happens, others, does, tests = ROWS[case]
    assert min(len(text.strip()) for text in (happens, others, does)) > 2
    named = re.findall(r"`(test_\w+)`", tests)
    assert "<br>".join(f"`{name}`" for name in named) == tests.strip(), "names, divided by <br>, and nothing else"
    suite = functions()
    assert sorted(named) == sorted(name for name in suite if name.startswith(f"test_{case.lower()}_"))
    assert named
    assert [name for name in named if suite[name] != 1] == [], "a name of two tests"


def test_what_is_just_below_the_line_is_told_with_its_tests():
    told = re.findall(r"`(test_\w+)`", PAGE.partition("## Just below the line")[2])
    suite = functions(r"test_\w+")
    assert [name for name in told if suite[name] != 1] == []
    assert {name for name in suite if name.startswith("test_below_")} <= set(told)
