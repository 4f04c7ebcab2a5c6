"""When readers stop, which chunk is begun, and what is kept of the time for loading and for the next function."""

import math
from time import monotonic

import pytest

from engine import deadline
from engine.deadline import Deadline


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The clock: `now[0]` seconds."""
    clock = [1000.0]
    monkeypatch.setattr(deadline, "monotonic", lambda: clock[0])
    return clock


def test_without_a_limit_nothing_ever_stops():
    never = Deadline.within(None)
    assert not never.is_set
    assert (never.reading_until, never.timeout_s) == (math.inf, None)
    assert not never.is_over()
    assert never.has_time_for(10**15)
    assert never.statement_s(3600) == 3600


@pytest.mark.parametrize(("limit_s", "reserve_s"), [(900, 20), (100, 10), (5, 1)])
def test_a_tenth_of_the_limit_is_kept_within_bounds(now, limit_s, reserve_s):
    assert Deadline.within(limit_s).reading_until == now[0] + limit_s - reserve_s


def test_the_slowest_load_so_far_is_kept_twice_over(now):
    limit = Deadline.within(100)
    limit.was_loaded(3)
    limit.was_loaded(1)
    assert limit.reading_until == now[0] + 100 - 10 - 6


def test_a_chunk_is_begun_if_the_rate_so_far_lets_it_end_in_time(now):
    limit = Deadline.within(100)
    assert limit.has_time_for(10**15), "of which nothing is known"
    limit.was_read(1000, seconds=10)
    assert limit.has_time_for(8_999)
    assert not limit.has_time_for(9_001)
    now[0] += 50
    assert not limit.has_time_for(8_999)


def test_time_is_over_where_reading_ends(now):
    limit = Deadline.within(100)
    now[0] += 89.9
    assert not limit.is_over()
    now[0] += 0.1
    assert limit.is_over()
    assert limit.timeout_s == pytest.approx(10)
    now[0] += 100
    assert limit.timeout_s == 0.001, "a retry loop refuses none and less"


def test_a_function_that_another_follows_keeps_time_for_it_to_join(now):
    assert Deadline.within(None, 900, hands_over=True).reading_until == now[0] + 900 - 20 - 30
    assert Deadline.within(None, 40, hands_over=True).reading_until == now[0] + 40 - 4 - 10
    known = Deadline.within(None, 900, hands_over=True)
    known.handover_s = 3.0
    assert known.reading_until == now[0] + 900 - 20 - 6


def test_a_function_that_shall_stop_early_holds_its_snapshot_until_it_is_killed(now):
    limit = Deadline.within(10, 900, hands_over=True)
    assert limit.reading_until == now[0] + 10 - 1
    assert (limit.remaining_s(), limit.alive_s()) == (10, 900)


def test_a_limit_of_the_settings_that_is_longer_than_the_function_lives_does_not_count(now):
    assert Deadline.within(3600, 900).remaining_s() == 900


def test_a_statement_lives_no_longer_than_the_function(now):
    limit = Deadline.within(None, 60)
    assert limit.statement_s(3600) == 60
    assert limit.statement_s(20) == 20
    now[0] += 59.8
    assert limit.statement_s(3600) == 1


def test_a_run_that_nobody_limits_hands_nothing_over():
    """What a command line begins with; it knows no function, so its snapshot needs no successor."""
    never = Deadline()
    assert (never.is_set, never.hands_over, never.limit_s) == (False, False, math.inf)
    assert never.alive_s() == math.inf
    assert not Deadline.within(900).hands_over


def test_the_last_loads_are_kept_of_the_time_until_the_next_function_joins(now):
    limit = Deadline.within(None, 900, hands_over=True)
    limit.was_loaded(7)
    assert limit.reading_until == now[0] + 900 - 20 - 30 - 14


def test_the_rate_is_of_all_that_was_read_and_a_chunk_must_end_before_the_end(now):
    limit = Deadline.within(100)
    limit.was_read(1000, seconds=40)
    limit.was_read(3000, seconds=40)
    assert limit.has_time_for(4499)
    assert not limit.has_time_for(4500)


def test_of_what_nothing_is_known_is_begun_until_reading_ends(now):
    limit = Deadline.within(100)
    now[0] += 89.5
    assert limit.has_time_for(10**15)
    now[0] += 0.5
    assert not limit.has_time_for(0)


def test_a_statement_may_take_the_reserve_too_and_a_second_more_where_nothing_is_left(now):
    limit = Deadline.within(10, 900)
    assert limit.statement_s(3600) == 30
    now[0] += 10
    assert limit.statement_s(3600) == 21


def test_the_clock_is_the_one_of_the_event_loop():
    assert Deadline.within(5).at == pytest.approx(monotonic() + 5, abs=0.5)
