"""A benchmark that is wrong is worse than none: who races, in which order, and what is believed."""

import sys
import textwrap

import pytest

from benchmarks import contest
from benchmarks.contest import Contender, DisqualifiedError, Left, Outcome, Run, in_turns

PROGRAM = """
import json, os, pathlib, sys, time
{first}
print("ready", flush=True)
sys.stdin.readline()
into = pathlib.Path(sys.argv[sys.argv.index("--into") + 1])
told = {{"rows": 3, "phases": {{"read": 0.25}}, "versions": {{"made": "1.0"}}}}
{job}
print(json.dumps(told), flush=True)
sys.stdin.read()
"""


def program(job: str = "", first: str = "") -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(first=textwrap.dedent(first), job=textwrap.dedent(job))]


def three_rows(directory, told):
    return Left(rows=3, raw_bytes=300, compressed_bytes=sum(file.stat().st_size for file in directory.iterdir()))


def run(seconds: float, rows: int = 100) -> Run:
    return Run(seconds, rows, 1000, 300, client_cpu_s=0.1, backend_cpu_s=0.2, rss_peak_bytes=5_000_000)


def test_contenders_take_turns_and_the_warm_up_does_not_count(tmp_path):
    order = tmp_path / "order"
    job = f"open({str(order)!r}, 'a').write(sys.argv[1]); (into / 'a').write_text('12345')"
    contenders = [Contender(name, [*program(job), name], three_rows) for name in "AB"]
    outcomes = in_turns(contenders, rounds=2, scratch=tmp_path, postmaster=None)
    assert order.read_text() == "ABABAB"
    assert [(outcome.name, len(outcome.runs), outcome.failed) for outcome in outcomes] == [("A", 2, ""), ("B", 2, "")]
    found = outcomes[0].runs[0]
    assert (found.rows, found.raw_bytes, found.compressed_bytes, found.phases) == (3, 300, 5, {"read": 0.25})
    assert outcomes[0].versions == {"made": "1.0"}


def test_time_is_taken_from_the_word_to_begin_to_the_word_of_the_end(tmp_path):
    """What a contender imports is not measured, nor how long it takes to leave."""
    slow_to_start = program("time.sleep(0.2)", first="time.sleep(0.7)")
    (outcome,) = in_turns([Contender("A", slow_to_start, three_rows)], rounds=1, scratch=tmp_path, postmaster=None)
    assert 0.2 <= outcome.runs[0].seconds < 0.7


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("raise SystemExit('the disk is full')", "the disk is full"),
        ("print('hello'); sys.exit(0)", "without a line of JSON"),
        ("print(json.dumps(told), flush=True); sys.exit(3)", "exit code 3"),
        ("told['rows'] = 2", "told of 2 rows and left 3"),
        ("time.sleep(60)", "said nothing for 2 s"),
    ],
)
def test_one_that_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch, job, said):
    monkeypatch.setattr(contest, "RUN_SECONDS_MAX", 2.0)
    contenders = [Contender("fails", program(job), three_rows), Contender("works", program(), three_rows)]
    fails, works = in_turns(contenders, rounds=1, scratch=tmp_path, postmaster=None)
    assert said in fails.failed
    assert fails.runs == []
    assert fails.to_json(works)["rows_per_second"] is None
    assert len(works.runs) == 1


def test_one_that_fails_late_has_no_rate_of_the_rounds_before(tmp_path):
    count = tmp_path / "count"
    job = f"count = {str(count)!r}; open(count, 'a').write('.'); told['rows'] = 3 if os.path.getsize(count) < 3 else 9"
    (outcome,) = in_turns([Contender("A", program(job), three_rows)], rounds=3, scratch=tmp_path, postmaster=None)
    assert "told of 9 rows" in outcome.failed
    assert outcome.rows_per_second is None
    assert count.read_text() == "..."


def test_one_that_has_used_up_its_time_begins_no_further_round(tmp_path):
    slow = Contender("slow", program("time.sleep(0.3)"), three_rows)
    fast = Contender("fast", program(), three_rows)
    outcomes = in_turns([slow, fast], rounds=3, scratch=tmp_path, postmaster=None, budget_s=0.0)
    assert [len(outcome.runs) for outcome in outcomes] == [1, 1], "one counts, however long it takes"
    outcomes = in_turns([slow, fast], rounds=3, scratch=tmp_path, postmaster=None, budget_s=60.0)
    assert [len(outcome.runs) for outcome in outcomes] == [3, 3]
    assert outcomes[0].wall_s.keys() == set(contest.STAGES)
    assert outcomes[0].wall_s["run"] > 4 * 0.3


def test_what_is_left_is_checked_in_every_round_that_counts(tmp_path):
    seen = []

    def refuses(directory, told):
        seen.append(directory)
        if len(seen) == 2:
            raise DisqualifiedError("left 2 rows of 3")
        return three_rows(directory, told)

    (outcome,) = in_turns([Contender("A", program(), refuses)], rounds=2, scratch=tmp_path, postmaster=None)
    assert outcome.failed == "left 2 rows of 3"
    assert (len(seen), outcome.runs) == (2, [])


def test_where_nothing_counts_what_the_only_turn_left_is_checked(tmp_path):
    def refuses(directory, told):
        raise DisqualifiedError("left 2 rows of 3")

    (outcome,) = in_turns([Contender("A", program(), refuses)], rounds=0, scratch=tmp_path, postmaster=None)
    assert outcome.failed == "left 2 rows of 3"


def test_a_slow_one_races_in_the_first_rounds_and_warms_up_on_less(tmp_path):
    asked = tmp_path / "asked"
    told = f"open({str(asked)!r}, 'a').write(sys.argv[1] + ' ')"
    slow = Contender("slow", [*program(told), "whole"], three_rows, rounds_max=1, warm_up=[*program(told), "little"])
    outcomes = in_turns([slow, Contender("fast", program(), three_rows)], rounds=3, scratch=tmp_path, postmaster=None)
    assert asked.read_text() == "little whole "
    assert [len(outcome.runs) for outcome in outcomes] == [1, 3]


def test_one_needs_no_warm_up_where_those_before_it_had_one(tmp_path):
    asked = tmp_path / "asked"
    told = f"open({str(asked)!r}, 'a').write(sys.argv[1])"
    contenders = [
        Contender("A", [*program(told), "A"], three_rows),
        Contender("B", [*program(told), "B"], three_rows, warm_up=()),
    ]
    in_turns(contenders, rounds=1, scratch=tmp_path, postmaster=None)
    assert asked.read_text() == "AAB"


def test_each_run_begins_in_an_empty_folder_and_after_what_was_asked_before(tmp_path):
    calls = []
    job = "assert not list(into.iterdir()); (into / 'left').touch()"
    contender = Contender("A", program(job), three_rows, before=lambda: calls.append(1))
    (outcome,) = in_turns([contender], rounds=2, scratch=tmp_path, postmaster=None)
    assert not outcome.failed
    assert len(calls) == 3


def test_rates_are_compared_round_by_round():
    """A machine that is slow in one round is slow for all of them in it."""
    base, ours = Outcome("base", [run(2), run(20), run(4)]), Outcome("ours", [run(1), run(10), run(2)])
    assert ours.ratio_to(base) == 2.0
    assert base.ratio_to(base) == 1.0
    assert base.spread == pytest.approx((20 - 2) / 4)


def test_figures_are_medians_per_million_rows():
    told = Outcome("ours", [run(1), run(2), run(4)]).to_json(Outcome("base", [run(2), run(2), run(2)]))
    assert told["rows_per_second"] == 50
    assert told["ratio_to_base"] == 1.0
    assert told["client_cpu_s_per_million_rows"] == 1000.0
    assert told["backend_cpu_s_per_million_rows"] == 2000.0
    assert told["rss_peak_mb"] == 5.0
