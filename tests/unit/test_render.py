"""What is shown: progress, receipts, failures. Names and texts are shown as they are and cannot break the screen."""

import io
import json

import pytest

from engine import failures, render
from engine.comparison import Difference, VerifyResult
from engine.errors import ConfigError, RefusedError, TargetError
from engine.model import Receipt


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(show, *arguments) -> str:
    stream = io.StringIO()
    show(*arguments, render.console(stream))
    return stream.getvalue()


def receipt(**fields) -> Receipt:
    return Receipt(
        **{"table": "public.orders", "target_table": "ORDERS", "mode": "full", "status": "COMPLETE", **fields}
    )


def test_away_from_a_terminal_progress_is_json_lines():
    stream = io.StringIO()
    with render.observing(stream) as observer:
        observer.table_started("public.orders", 3, 1000)
        observer.progress("public.orders", 10, 100)
        observer.table_finished(receipt(rows_loaded=10, run_id="r1"))
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "table_started", "table": "public.orders", "chunks": 3, "bytes_estimate": 1000},
        {"event": "table_finished", "table": "public.orders", "status": "COMPLETE", "run_id": "r1", "rows": 10},
    ]


def test_lines_of_progress_add_up_and_are_few(monkeypatch):
    now = iter([0.0, 1.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr(render, "monotonic", lambda: next(now))
    stream = io.StringIO()
    with render.observing(stream) as observer:
        observer.table_started("t", 1, 1)
        for _ in range(3):
            observer.progress("t", 10, 100)
    assert json.loads(stream.getvalue().splitlines()[-1]) == {
        "event": "progress",
        "table": "t",
        "rows": 20,
        "bytes": 200,
    }


def test_on_a_terminal_progress_is_a_bar_a_table():
    stream = Terminal()
    with render.observing(stream) as observer:
        observer.table_started("public.[red]\n\x1b[2J", 3, 1000)
        observer.progress("public.[red]\n\x1b[2J", 1234, 100)
        observer.table_finished(receipt(table="public.[red]\n\x1b[2J", rows_loaded=1234))
        observer.table_finished(receipt(table="public.never_started", status="FAILED"))
    assert "public.[red]\\n\\x1b[2J" in stream.getvalue()
    assert "1,234 rows" in stream.getvalue()


def test_receipts_are_a_row_a_table_and_what_there_is_to_know():
    text = shown(
        render.show_receipts,
        [
            receipt(rows_loaded=1234567, bytes_read=2_500_000, seconds={"total": 2.0}, rows_per_second=617283.5),
            receipt(
                table="public.[b]x[/b]\n",
                status="FAILED",
                notes=["column C added as VARCHAR"],
                losses=[{"column": "p", "reason": "nan", "policy": "null", "rows": 3}],
                error={"code": "gate", "message": "12 rows sent, 11 loaded", "remedy": "Run again", "retryable": True},
            ),
        ],
    ).splitlines()
    assert text[0].split() == "table mode status rows MB staged MB s rows/s".split()
    assert text[1].split() == "public.orders full COMPLETE 1,234,567 2.5 0.0 2.0 617,284".split()
    assert text[2].split() == "public.[b]x[/b]\\n full FAILED 0 0.0 0.0 0.0 0".split()
    assert [line.strip() for line in text[3:]] == [
        "public.[b]x[/b]\\n: FAILED: 12 rows sent, 11 loaded. Run again",
        "public.[b]x[/b]\\n: 3 rows with nan in p: policy null",
        "public.[b]x[/b]\\n: column C added as VARCHAR",
    ]


def test_rows_show_every_kind_of_value():
    rows = [
        {"name": "a", "ok": True, "n": 12345, "s": 1.25, "none": None, "list": [1], "status": "PARTIAL"},
        {"name": "b"},
    ]
    lines = shown(render.show_rows, rows).splitlines()
    assert lines[1].split() == ["a", "yes", "12,345", "1.2", "-", "[1]", "PARTIAL"]
    assert lines[2].split() == ["b", "-", "-", "-", "-", "-", "-"]


def test_a_verification_shows_equal_checksums_once_its_errors_and_the_rows_that_differ():
    equal = VerifyResult("a", "A", "checksum", 1, 1, "7", "7", excluded_columns=["f"])
    other = VerifyResult("b", "B", "checksum", 1, 1, "7", "8", error="b: it differs")
    found = VerifyResult("c", "C", "bisect", 1, 2, "7", "8")
    found.differing, found.repaired = {"changed": 1, "newer": 2}, {"extra": 3}
    found.differences = [Difference("changed", {"id": "5"}, ("name", "at"))]
    lines = shown(render.show_verification, [each.to_json() for each in (equal, other, found)]).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["a", "yes", "1", "1", "7"],
        ["b", "no", "1", "1", "7", "<>", "8"],
        ["c", "no", "1", "2", "7", "<>", "8"],
        "a: the checksum leaves out f".split(),
        "b: it differs".split(),
        "c: keys repaired: 3 extra".split(),
        "c: keys differ: 1 changed, 2 newer".split(),
        ["id", "columns"],
        "changed 5 name, at".split(),
    ]


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (ConfigError(["a: b"]), ["a: b"]),
        (RefusedError(["a: b", "c: d"]), ["refused, 2 faults:", "a: b", "c: d"]),
        (TargetError("cannot log in", remedy="Set target.role"), ["cannot log in.", "Set target.role."]),
        (FileNotFoundError(2, "No such file or directory", "x"), ["No such file or directory: x"]),
    ],
)
def test_a_failure_is_what_went_wrong_and_what_to_do(error, lines):
    assert failures.in_lines(error) == lines


def test_the_text_of_an_unexpected_error_is_not_shown():
    try:
        {}["a value of a row"]
    except KeyError as error:
        lines = failures.in_lines(error)
    assert lines[0].startswith("unexpected KeyError at ")
    assert "a value of a row" not in str(lines)


def test_errors_are_taken_out_of_their_groups():
    one, two = TargetError("one"), ValueError("two")
    assert failures.leaves(ExceptionGroup("", [one, ExceptionGroup("", [two])])) == [one, two]


def test_what_was_expected_from_earlier_runs_stands_beside_what_was():
    measured = {"based_on": "2 runs of this table", "seconds": {"total": 12.34}}
    assumed = {"based_on": "3 tables", "seconds": {"total": 13.0}}
    assert "expected" not in shown(render.show_receipts, [receipt(prediction=assumed), receipt()])
    first, second, third = shown(
        render.show_receipts, [receipt(prediction=measured), receipt(prediction=assumed)]
    ).splitlines()
    assert first.endswith("rows/s s expected")
    assert second.split()[-1] == "12.3"
    assert "13.0" not in third


def test_a_plan_tells_what_it_is_expected_to_take():
    told = {
        "seconds": {"total": 2000.0}, "chain": {"functions": 3}, "fan_out": {"functions": 8},
        "dollars": {"total": 0.1234},
    }  # fmt: skip
    plan = {"table": "public.t", "target_table": "T", "columns": [1, 2], "chunks": 9, "prediction": told}
    heads, row, refused = shown(render.show_plans, [plan, {"table": "public.u", "faults": ["no"]}]).splitlines()
    assert heads.split()[-4:] == ["s", "functions", "workers", "cents"]
    assert row.split()[-4:] == ["2,000.0", "3", "8", "12.3"]
    assert refused.split()[-4:] == ["-"] * 4
