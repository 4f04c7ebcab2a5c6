"""What is told as a change between two results is one."""

import io
import json

import pytest
from rich.console import Console

from benchmarks.report.compare import compared, show, targets
from benchmarks.report.results import alike, latest, previous, read, this_machine
from tests.benchmarks.made import finding, result

BASE = [2.0, 2.0, 2.0]


def change(before, after, *, key="ratio_to_base"):
    """Of our contender, from rounds of these seconds to rounds of those."""
    (found,) = compared(
        result(finding({"psql": BASE, "borealis": before})), result(finding({"psql": BASE, "borealis": after}))
    )
    return found.changes["borealis"][key]


def test_a_change_within_the_spread_of_both_is_noise():
    told = change([1.00, 1.05, 1.10], [1.10, 1.15, 1.20])
    assert not told.is_real
    assert not told.is_worse


def test_a_change_beyond_the_spread_of_both_is_told_with_its_direction():
    assert change([1.00, 1.01, 1.02], [1.20, 1.21, 1.22]).is_worse
    assert change([1.20, 1.21, 1.22], [1.00, 1.01, 1.02]).is_better
    assert change([1.00, 1.01, 1.02], [1.20, 1.21, 1.22], key="rows_per_second").is_worse
    assert not change([1.00, 1.01, 1.02], [1.20, 1.21, 1.22], key="client_cpu_s_per_million_rows").is_real


def test_one_round_has_no_spread_so_nothing_is_told_of_it():
    assert not change([1.0], [5.0]).is_real


def test_rounds_are_compared_with_the_bases_own_round():
    """A machine that was slow in one round was so for both: the ratio has no spread, where the rate has."""
    (found,) = compared(
        result(finding({"psql": [2.0, 4.0, 2.0], "borealis": [1.0, 2.0, 1.0]})),
        result(finding({"psql": [2.0, 4.0, 2.0], "borealis": [0.8, 1.6, 0.8]})),
    )
    assert found.changes["borealis"]["ratio_to_base"].is_better
    assert not found.changes["borealis"]["rows_per_second"].is_real


def test_rates_of_two_machines_are_not_compared_but_ratios_and_cpu_are():
    here, there = finding({"psql": BASE, "borealis": [1.0, 1.0, 1.0]}), finding({"psql": BASE, "borealis": [0.5] * 3})
    (found,) = compared(result(here), result(there, cores=8))
    assert found.changes["borealis"].keys() == {
        "ratio_to_base", "client_cpu_s_per_million_rows", "backend_cpu_s_per_million_rows", "rss_peak_mb",
    }  # fmt: skip


def test_scenarios_that_one_result_lacks_and_contenders_that_came_or_went_are_not_compared():
    old = result(finding({"psql": BASE, "gone": [1.0]}), finding({"psql": BASE}, scenario="merge"))
    (found,) = compared(old, result(finding({"psql": BASE, "came": [1.0]})))
    assert (found.only_old, found.only_new, list(found.changes)) == (["gone"], ["came"], ["psql"])


def test_a_target_that_was_met_and_is_missed_is_told():
    old, new = result(finding({"psql": BASE})), result(finding({"psql": BASE}, measured=1.2))
    ((scenario, was, now),) = targets(old, new)
    assert (scenario, was["met"], now["met"]) == ("extract", True, False)
    assert not list(targets(old, old))
    written = io.StringIO()
    show(old, new, Console(file=written, width=120))
    assert "rate beside psql, at least 1.35: 1.4 -> 1.2, now missed" in written.getvalue()


def test_the_last_result_of_this_machine_is_shown_beside_the_one_before_it_of_the_same_profile_and_scale(tmp_path):
    here = this_machine()
    for day, told in enumerate(
        ({}, {"profile": "full"}, {"scale": 1.0}, {}, {"machine": here | {"cores": 99}}), start=1
    ):
        made = result(at=f"2026-11-0{day}T12:00:00+00:00") | {"machine": here} | told
        (tmp_path / f"{day}.json").write_text(json.dumps(made), encoding="utf-8")
    (tmp_path / "9-cold-start.json").write_text("{}", encoding="utf-8")
    assert latest(tmp_path)["at"] == "2026-11-04T12:00:00+00:00"
    assert previous(latest(tmp_path), tmp_path)["at"] == "2026-11-01T12:00:00+00:00"
    with pytest.raises(SystemExit, match="no result of the same machine, profile and scale before"):
        previous(alike(latest(tmp_path), tmp_path)[0], tmp_path)
    with pytest.raises(SystemExit, match="no scenarios"):
        read(tmp_path / "9-cold-start.json")
