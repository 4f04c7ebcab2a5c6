"""What a run will take and cost, from bytes and earlier receipts alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import predict
from engine.model import Leaf, Receipt, Table
from engine.plan import PAGE_BYTES, Cursor, Evolution, TablePlan, Window, split
from engine.predict import Means
from engine.tuning import CHUNK_BYTES_MIN

MEANS = Means(readers=4, workers=8)
GB = 10**9


def plan_of(size: int, *, publish: str = "swap", low: str | None = None) -> TablePlan:
    leaf = Leaf(1, "public", "t", "r", max(1, size // PAGE_BYTES), size)
    table = Table(1, "public", "t", "r", (), (), (leaf,))
    chunks = split(table, max(CHUNK_BYTES_MIN, size // 32))
    window = Window(Cursor("at", "timestamptz"), low, None, bounded=False, nulls=False) if low else None
    mode = "incremental" if low else "full"
    return TablePlan(table, (), "T", mode, publish, (), chunks, Evolution(), target_exists=True, window=window)


def receipt(**fields) -> dict:
    """Of a run at 100 MB/s of CSV, a tenth of it staged, whose fixed steps take 4 s and its swap 1 s."""
    told = {
        "status": "COMPLETE", "mode": "full", "bytes_read": 1000 * 10**6,
        "bytes_copied": 1000 * 10**6, "bytes_staged": 100 * 10**6,
        "seconds": {"read": 20.0, "put": 5.0, "load": 8.0, "copy": 10.0, "publish": 1.0, "total": 14.0, "plan": 1.0},
        "prediction": {"bytes_table": 2000 * 10**6},
    }  # fmt: skip
    return {**told, **fields}


def foretold(size: int, *own: dict, others: tuple = (), means: Means = MEANS, **about):
    return predict.predict(plan_of(size, **about), own, predict.of_all(others), means)


def test_without_receipts_the_defaults_are_named():
    told = foretold(GB)
    assert told.based_on == "defaults"
    assert told.bytes_read == pytest.approx(GB * predict.CSV_SHARE, rel=0.01)
    assert told.seconds["copy"] == pytest.approx(told.bytes_read / predict.COPY_BYTES_S, abs=0.001)
    assert told.seconds["total"] == pytest.approx(told.seconds["copy"] + predict.FIXED_S + predict.PUBLISH_S, abs=0.002)


def test_the_tables_own_runs_win_over_those_of_others():
    told = foretold(GB, receipt(), receipt(), others=(receipt(bytes_copied=GB * 9),))
    assert told.based_on == "2 runs of this table"
    assert told.bytes_read == pytest.approx(GB / 2, rel=0.01)
    assert told.bytes_staged == pytest.approx(GB / 20, rel=0.01)
    assert told.seconds == pytest.approx(
        {"read": 10.0, "put": 2.5, "load": 4.0, "copy": 5.0, "publish": 1.0, "total": 10.0}, rel=0.01
    )


def test_of_other_tables_only_those_count_whose_rates_mean_something():
    small = receipt(bytes_copied=1000)
    assert foretold(GB, others=(small,)).based_on == "defaults"
    told = foretold(GB, others=(small, receipt()))
    assert told.based_on == "1 table"
    assert told.seconds["copy"] == pytest.approx(5.0, rel=0.01)


@pytest.mark.parametrize(
    "useless",
    [
        receipt(status="FAILED"), receipt(bytes_read=0, bytes_copied=0, bytes_staged=0),
        receipt(seconds={"total": 1.0}), receipt(mode="incremental"),
    ],
    ids=["failed", "nothing to read", "no copy", "other mode"],
)  # fmt: skip
def test_a_run_that_measured_nothing_is_passed_over(useless):
    assert foretold(GB, useless).based_on == "defaults"


@pytest.mark.parametrize("status", ["COMPLETE", "PARTIAL"])
def test_of_a_run_over_several_functions_the_last_one_is_measured_by_what_it_copied(status):
    """Its seconds are its own, the bytes of the receipt those of all."""
    last = receipt(status=status, bytes_copied=100 * 10**6, functions=3)
    assert foretold(GB, last).seconds["copy"] == pytest.approx(
        10 * foretold(GB, receipt()).seconds["copy"] * (1 if status == "COMPLETE" else 2 * predict.CSV_SHARE), rel=0.01
    )


def test_what_workers_copied_counts_as_if_the_table_had_been_copied_by_one_of_them():
    """Four workers at 50 MB/s each, and one function that only publishes: the rate of a function is theirs."""
    seconds = {"publish": 1.0, "total": 4.0, "plan": 1.0}
    theirs = {"copy": 20.0, "read": 40.0, "put": 5.0, "load": 8.0, "wait": 4.0}
    workers = {"functions": 4, "bytes_copied": 1000 * 10**6, "seconds": theirs}
    told = foretold(GB, receipt(bytes_copied=0, seconds=seconds, workers=workers))
    assert told.based_on == "1 run of this table"
    assert told.seconds["copy"] == pytest.approx(told.bytes_read / 50e6, rel=0.01)
    assert told.seconds["read"] == pytest.approx(told.bytes_read / 25e6, rel=0.01)
    assert told.seconds["total"] == pytest.approx(told.seconds["copy"] + 1.0 + 4.0, rel=0.01), "4 s are fixed"


def test_what_does_not_depend_on_bytes_is_measured_by_small_tables_too():
    small = receipt(bytes_copied=1000, bytes_read=1000)
    told = predict.of_all([small])
    assert (told.based_on, told.copy) == ("defaults", predict.COPY_BYTES_S)
    assert (told.fixed_s, told.publish_s) == (4.0, 1.0)
    merge = receipt(bytes_copied=1000, bytes_read=1000, mode="incremental")
    assert predict.of_all([merge]).publish_s == predict.PUBLISH_S, "a merge takes as long as its rows"
    assert predict.of_all([]) == predict.Rates()


def test_one_odd_run_among_many_changes_nothing():
    odd = receipt(seconds={**receipt()["seconds"], "copy": 500.0})
    assert foretold(GB, odd, receipt(), receipt()).seconds["copy"] == foretold(GB, receipt()).seconds["copy"]


def test_only_the_last_runs_count():
    old = receipt(seconds={**receipt()["seconds"], "copy": 500.0})
    told = foretold(GB, *[receipt()] * predict.HISTORY, *[old] * 50)
    assert told.seconds["copy"] == foretold(GB, receipt()).seconds["copy"]


def test_what_changed_is_as_much_as_it_was_before():
    """Not the whole table, once incremental runs have been seen; until then all of it is the upper bound."""
    before = [receipt(mode="incremental", bytes_read=size, bytes_staged=1000) for size in (1000, 5000, 9000)]
    before.append(receipt(mode="incremental", status="PARTIAL", bytes_read=1))
    assert foretold(GB, *before, publish="merge", low="2026-01-01").bytes_read == 5000
    assert foretold(GB, publish="merge", low="2026-01-01").bytes_read == pytest.approx(GB * predict.CSV_SHARE, rel=0.01)


@given(st.integers(1, 5 * 10**12), st.integers(1, 5 * 10**12), st.sampled_from(["swap", "merge"]))
def test_more_bytes_never_take_less(one, other, publish):
    less, more = (foretold(size, publish=publish) for size in sorted((one, other)))
    assert less.seconds["total"] <= more.seconds["total"]
    assert (less.chain.functions, less.chain.seconds) <= (more.chain.functions, more.chain.seconds)
    assert less.fan_out.functions * less.fan_out.rounds <= more.fan_out.functions * more.fan_out.rounds
    assert less.dollars["total"] <= more.dollars["total"] + 1e-6
    assert less.one_function >= more.one_function


@given(st.integers(1, 10**12), st.integers(1, 64), st.integers(1, 64))
def test_more_time_or_more_workers_never_hurt(size, workers, limit_min):
    base = Means(readers=4, workers=workers, limit_s=limit_min * 60)
    told = foretold(size, means=base)
    longer = foretold(size, means=replace(base, limit_s=base.limit_s * 2))
    assert longer.chain.functions <= told.chain.functions
    more = foretold(size, means=replace(base, workers=workers * 2))
    assert more.fan_out.rounds <= told.fan_out.rounds


def test_one_function_is_enough_exactly_where_a_chain_has_one():
    fits = foretold(10 * GB)
    assert (fits.one_function, fits.chain.functions, fits.fan_out.functions) == (True, 1, 1)
    too_long = foretold(100 * GB)
    assert (too_long.one_function, too_long.chain.functions) == (False, 3)


def test_the_fewest_workers_that_fit_into_the_limit_are_enough():
    told = foretold(200 * GB)
    usable_s = MEANS.limit_s - MEANS.reserve_s - predict.FIXED_S
    assert told.fan_out.rounds == 1
    assert told.seconds["copy"] / told.fan_out.functions <= usable_s
    assert told.seconds["copy"] / (told.fan_out.functions - 1) > usable_s


@pytest.mark.parametrize(
    ("limits", "workers"), [({"workers": 3}, 3), ({"connections_max": 9}, 2), ({"connections_max": 4}, 1)]
)
def test_workers_are_bounded_by_the_limits_and_by_the_sources_connections(limits, workers):
    """Nine connections are one for the snapshot and four for each of two workers."""
    told = foretold(400 * GB, means=replace(MEANS, **limits))
    assert told.fan_out.functions == workers
    assert told.fan_out.rounds > 1


def test_a_table_of_one_chunk_has_one_worker():
    view = replace(plan_of(400 * GB), chunks=plan_of(1).chunks[:1])
    big = replace(view.chunks[0], bytes_estimate=400 * GB)
    assert predict.predict(replace(view, chunks=(big,)), [], predict.Rates(), MEANS).fan_out.functions == 1


def test_costs_follow_from_the_prices():
    told = foretold(100 * GB)
    assert told.chain.lambda_gb_s == pytest.approx(told.chain.seconds * 3538 / 1024, rel=0.001)
    assert told.dollars["lambda"] == pytest.approx(told.chain.lambda_gb_s * 0.0000166667, rel=0.001)
    assert told.privatelink_gb == pytest.approx(told.bytes_staged / 2**30, rel=0.001)
    assert told.dollars["privatelink"] == pytest.approx(told.privatelink_gb * 0.01, rel=0.001)
    assert told.dollars["warehouse"] == pytest.approx(told.warehouse_s / 3600 * 4, rel=0.001)
    assert told.dollars["total"] == pytest.approx(sum(told.dollars.values()) / 2, rel=0.001)


def test_the_warehouse_keeps_pace_with_the_workers():
    """Eight workers bring 400 MB/s; an X-Small loads 138."""
    assert foretold(GB).warehouse_size == "X-Small"
    assert foretold(400 * GB).warehouse_size == "Medium"


def test_what_happened_is_counted_as_it_was_predicted():
    seconds = {"copy": 100.0, "publish": 2.0, "total": 110.0}
    run = Receipt("public.t", "T", "full", bytes_staged=2**30, seconds=seconds)
    told = predict.happened(run, 110.0, memory_mb=2048)
    assert told == {
        "seconds": 110.0,
        "functions": 1,
        "lambda_gb_s": 220.0,
        "privatelink_gb": 1.0,
        "warehouse_s": 102.0,
        "dollars": {"lambda": 0.003667, "privatelink": 0.01, "warehouse": 0.113333, "total": 0.127},
    }


def test_what_several_functions_did_counts_from_the_first_one_on():
    run = Receipt("public.t", "T", "full", functions=4, seconds={"copy": 100.0, "publish": 2.0, "total": 110.0})
    told = predict.happened(run, 3000.0, memory_mb=1024)
    assert (told["seconds"], told["functions"], told["lambda_gb_s"], told["warehouse_s"]) == (3000, 4, 3000, 3000)


def test_a_prediction_is_plain_json():
    told = foretold(GB).to_json()
    assert told["chain"] == {"functions": 1, "rounds": 1, "seconds": 32.4, "lambda_gb_s": pytest.approx(112, abs=1)}


def copied(press=("gzip", 1), tasks=(4, 2), staged=400 * 10**6, **seconds):
    """A receipt with decisions; seconds are added up over tasks, as there."""
    codec, level = press
    decided = {"codec": codec, "compression_level": level, "readers": tasks[0], "loaders": tasks[1]}
    decisions = [{"setting": name, "value": value} for name, value in decided.items()]
    return receipt(seconds={"copy": 10.0, "total": 14.0, **seconds}, decisions=decisions, bytes_staged=staged)


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        ({"read": 36.0, "wait": 20.0, "put": 16.0, "load": 4.0}, 50e6),
        ({"read": 12.0, "wait": 0.0, "put": 16.0, "load": 4.0}, 50e6),  # few chunks: nobody waits, and it is the limit
        ({"read": 36.0, "wait": 0.0, "put": 16.0, "load": 4.0}, 0),  # reading was
        ({"read": 36.0, "wait": 20.0, "put": 8.0, "load": 12.0}, 0),  # the warehouse was
        ({"read": 36.0, "wait": 20.0, "load": 4.0}, 40e6),  # to an external stage each reader sends its own
        ({"read": 36.0, "wait": 4.0, "load": 4.0}, 0),
    ],
)
def test_the_line_was_the_limit_where_uploading_took_longest(seconds, line):
    assert predict.rates_of([copied(**seconds)], "a run").line == line


def test_a_line_is_remembered_while_smaller_files_hide_it():
    """Otherwise every second run would be slow again."""
    slow = copied(read=36.0, wait=20.0, put=16.0, load=4.0)
    better = copied(("zstd", 6), staged=300 * 10**6, read=38.0, put=12.0, load=4.0)
    rates = predict.rates_of([better, better, better, better, slow], "5 runs")
    assert rates.line == 50e6
    assert (rates.codec, rates.level, rates.staged_share) == ("zstd", 6, 0.3)
    assert predict.rates_of([better] * 5, "5 runs").line == 0, "and looked for again then"
