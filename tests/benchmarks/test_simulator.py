"""The laws of the simulated fan-out: never faster than a bound, more is never slower, one seed is one run."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulator.copying import level
from benchmarks.simulator.run import NeverEndsError, chunks_of, grouped, simulate
from benchmarks.simulator.telling import degrees
from benchmarks.simulator.world import GBIT, INSTANCES, Costs, Instance, World, costs_of, scaled
from engine import predict
from engine.tuning import STAGED_FILE_BYTES_MAX

COSTS = Costs("a test", client_cpu_s=0.5, backend_cpu_s=1.0, row_bytes=157, staged_share=0.29)
ENDLESS = Instance("endless", 1e6, 1e6 * GBIT)
STEADY = World(
    COSTS, network=(0.4 * GBIT, 0.4 * GBIT), source=ENDLESS, warehouse_times=512, load_bytes_s=1e12, start_s=(1.0, 1.0)
)
"""Every function the same, and only its network ends."""
TB, GB = 10**12, 10**9
FUNCTIONS = (1, 2, 4, 8, 16, 32, 64)

worlds = st.builds(
    World,
    costs=st.builds(scaled, st.just(COSTS), st.floats(0.2, 3)),
    functions=st.integers(1, 16),
    memory_mb=st.sampled_from([1769, 3538, 10240]),
    network=st.sampled_from([(50e6, 50e6), (30e6, 90e6)]),
    readers=st.integers(1, 8),
    loaders=st.integers(1, 4),
    file_bytes=st.sampled_from([64 * 2**20, 512 * 2**20]),
    limit_s=st.sampled_from([300.0, 900.0]),
    source=st.sampled_from(list(INSTANCES.values())),
    source_share=st.sampled_from([0.5, 1.0]),
    warehouse_times=st.sampled_from([0, 1, 8]),
    killed=st.integers(0, 3),
    seed=st.integers(0, 10),
)


@settings(max_examples=30, deadline=None)
@given(worlds, st.sampled_from([GB // 2, 20 * GB]))
def test_no_run_is_faster_than_any_of_its_bounds(world, table_bytes):
    told = simulate(world, table_bytes)
    rate = told.bytes_csv / told.copy_s
    bounds = [
        world.source_bytes_s, world.load_bytes_s * world.warehouse, world.functions * world.network[1],
        world.functions * world.vcpus / world.cpu_of_client, world.functions * world.readers / world.cpu_of_backend,
    ]  # fmt: skip
    assert rate <= min(bounds) * 1.0001
    assert all(share <= 1.0001 for share in told.used.values()), told.used
    assert told.wall_s >= world.plan_s + told.copy_s + world.publish_s
    assert told.bytes_csv == pytest.approx(table_bytes * world.costs.csv_share, rel=1e-3)


def test_one_function_without_a_limit_takes_what_the_formula_says():
    world = replace(STEADY, limit_s=10**9)
    told = simulate(world, TB // 10)
    copy_s = told.bytes_csv / (0.4 * GBIT)
    assert told.rounds == 1
    assert told.copy_s == pytest.approx(copy_s, rel=0.01)
    assert told.wall_s == pytest.approx(copy_s + predict.FIXED_S + predict.PUBLISH_S, rel=0.01)


@pytest.mark.parametrize("functions", [1, 8, 32])
def test_a_run_takes_what_engine_predict_says_while_only_the_functions_bound_it(functions):
    """Both know the rate of a function, its time, and what is fixed; only the simulator knows tails and losses."""
    rates, means = predict.Rates(copy=0.4 * GBIT), predict.Means(readers=4, workers=functions, reserve_s=20)
    copy_s, usable_s = TB * COSTS.csv_share / rates.copy, means.limit_s - means.reserve_s
    if functions == 1:
        shape = predict.chain(copy_s + rates.publish_s, usable_s - means.handover_s, 2.0, means)
    else:
        shape = predict.fan_out(copy_s, rates.publish_s, usable_s, 2.0, 10**6, means)
    told = simulate(replace(STEADY, functions=shape.functions if functions > 1 else 1), TB)
    assert told.wall_s == pytest.approx(shape.seconds, rel=0.1)
    assert told.rounds == pytest.approx(shape.functions if functions == 1 else shape.rounds, rel=0.2)
    assert told.lambda_gb_s == pytest.approx(shape.lambda_gb_s, rel=0.1)


def test_twice_the_functions_halve_the_time_until_something_else_ends():
    told = [simulate(replace(STEADY, functions=count), TB) for count in FUNCTIONS]
    for one, two in pairwise(told):
        assert two.wall_s < one.wall_s
        assert two.mb_s <= 2.2 * one.mb_s
    source = Instance("small", 1e6, 4 * 0.4 * GBIT)
    bounded = [simulate(replace(STEADY, functions=count, source=source), TB) for count in FUNCTIONS]
    assert [each.saturated for each in bounded[:2] + bounded[3:]] == ["function network"] * 2 + ["source network"] * 4
    assert bounded[-1].mb_s <= source.bytes_s / 1e6


@pytest.mark.parametrize(
    ("changes", "saturated"),
    [
        ({}, "function network"),
        ({"costs": scaled(COSTS, 30)}, "function CPU"),
        ({"source": Instance("few cores", 0.5, 1e12)}, "source CPU"),
        ({"source": Instance("thin", 1e6, 1e7)}, "source network"),
        ({"load_bytes_s": 20e6, "warehouse_times": 1, "loaders": 8}, "warehouse"),
        ({"load_bytes_s": 20e6, "warehouse_times": 512}, "one COPY"),
        ({"line_bytes_s": 1e6}, "one connection"),
    ],
)
def test_what_ends_first_is_named(changes, saturated):
    assert simulate(replace(STEADY, functions=8, limit_s=10**9, **changes), TB // 20).saturated == saturated


def test_too_many_readers_of_a_small_source_never_end_and_are_left_out():
    """256 readers of 94 MB/s need 23 minutes for a chunk, and have 15."""
    world = World(COSTS, source=INSTANCES["db.r6g.large"])
    with pytest.raises(NeverEndsError):
        simulate(replace(world, functions=64), TB)
    assert [each.functions for each in degrees(world, TB, (2, 64))] == [2]


def test_the_same_seed_simulates_the_same_run_and_another_one_another():
    world = World(COSTS, functions=8, killed=2)
    assert simulate(world, TB // 10) == simulate(world, TB // 10)
    assert simulate(world, TB // 10) != simulate(replace(world, seed=2), TB // 10)


def test_a_killed_function_costs_time_and_loses_nothing():
    world = World(COSTS, functions=8, limit_s=10**9)
    whole, killed = (simulate(replace(world, killed=count), TB // 10) for count in (0, 3))
    assert (whole.restarts, killed.restarts) == (0, 3)
    assert killed.bytes_csv == whole.bytes_csv
    assert killed.wall_s > whole.wall_s


def test_functions_of_unlike_networks_leave_a_tail():
    world = World(COSTS, functions=16, source=ENDLESS, file_bytes=64 * 2**20)
    like, unlike = (simulate(replace(world, network=pair), TB // 10) for pair in ((60e6, 60e6), (30e6, 90e6)))
    assert unlike.tail_s > 4 * like.tail_s


def test_a_round_ends_before_the_function_is_killed():
    told = simulate(World(COSTS, functions=4), TB)
    assert told.copy_s / told.rounds < 900


def test_chunks_are_those_of_the_engine_and_groups_hold_about_as_many_bytes():
    sizes = chunks_of(STEADY, TB)
    assert max(sizes) <= STAGED_FILE_BYTES_MAX / STEADY.costs.staged_share
    groups = [sum(group) for group in grouped(sizes, 64)]
    assert max(groups) - min(groups) <= max(sizes)
    assert sum(groups) == pytest.approx(TB * COSTS.csv_share, rel=1e-3)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(1, 8)), min_size=1), st.floats(0.1, 1000))
def test_a_shared_capacity_is_used_up_and_not_more(wanted, capacity):
    most = level(wanted, capacity)
    given_ = sum(min(own, most) * many for own, many in wanted)
    assert given_ <= capacity * 1.0001
    assert most == float("inf") or given_ == pytest.approx(capacity, rel=1e-3)


def test_rates_come_from_our_fastest_contender_of_a_result():
    ours = {
        "rows_per_second": 1e6, "client_cpu_s_per_million_rows": 0.5, "backend_cpu_s_per_million_rows": 1.0,
        "runs": [{"rows": 1000, "raw_bytes": 140_000, "compressed_bytes": 45_530, "extra": {"csv_bytes": 157_000}}],
    }  # fmt: skip
    slow = {**ours, "name": "borealis cursor", "rows_per_second": 1e5}
    figures = {"csv_share_of_table": 0.9}
    found = {
        "scenario": "extract",
        "figures": figures,
        "contenders": [{**ours, "name": "psql"}, slow, {**ours, "name": "borealis copy"}],
    }
    told = costs_of({"scenarios": [{"scenario": "merge"}, found]}, "r.json")
    assert told == Costs("r.json: borealis copy", 0.5, 1.0, pytest.approx(157), pytest.approx(0.29), 0.9)
    with pytest.raises(LookupError, match="run the benchmark"):
        costs_of({"scenarios": []}, "r.json")
