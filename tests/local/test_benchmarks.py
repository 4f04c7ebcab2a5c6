"""A benchmark that is wrong is worse than none."""

import json
import subprocess
import sys

import pytest
import zstandard
from isal import igzip

from benchmarks.measure import Contender, Outcome, Run, in_turns
from tests.conftest import ROOT


def run(seconds):
    return Run(seconds, rows=100, raw_bytes=1000, compressed_bytes=300, client_cpu_s=0.1, backend_cpu_s=0.1)


def test_contenders_are_compared_round_by_round():
    """A machine that is slow in one round is slow for all of them in it."""
    base, ours = Outcome("base", [run(2), run(20), run(4)]), Outcome("ours", [run(1), run(10), run(2)])
    assert ours.ratio_to(base) == 2.0
    assert base.ratio_to(base) == 1.0
    assert base.spread == pytest.approx((20 - 2) / 4)


def test_rows_are_counted_in_every_file_and_the_warm_up_is_told_apart(postgres, tmp_path):
    def extract(directory):
        with igzip.open(directory / "a.csv.gz", "wb") as file:
            file.write(b"1\n2\n")
        with zstandard.open(directory / "b.csv.zst", "wb") as file:
            file.write(b"3\n")

    turns = list(in_turns([Contender("both", extract)], postgres, tmp_path / "files", rows=3, rounds=2))
    assert [(turn, measured.rows, measured.raw_bytes) for turn, _, measured in turns] == [(n, 3, 6) for n in range(3)]


def test_no_rate_is_told_of_an_extraction_that_lost_a_row(postgres, tmp_path):
    def extract(directory):
        with igzip.open(directory / "a.csv.gz", "wb") as file:
            file.write(b"1\n")

    with pytest.raises(SystemExit, match="extracted 1 rows of 2"):
        list(in_turns([Contender("short", extract)], postgres, tmp_path / "files", rows=2, rounds=1))


def test_the_benchmark_runs_and_keeps_its_result(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--rows", "3000", "--rounds", "1", "--keep", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (file,) = tmp_path.iterdir()
    result = json.loads(file.read_text())
    assert result["rows"] == 3000
    assert [contender["runs"][0]["rows"] for contender in result["contenders"]] == [3000] * 4
