"""How hard a table is copied, from facts alone: each number with the reason that a receipt tells."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import parse
from engine.predict import Rates
from engine.tuning import CHUNK_BYTES_MIN, STAGED_FILE_BYTES_MAX, Machine, bounds, tune

MIB, GB = 2**20, 10**9
TWO_CORES = Machine(2.0)
HELD = Rates("3 runs of this table", held=0.5, loaders_busy=2, line=10e6, staged_share=0.3443)
"""Readers waited half of their time while two loaders sent 10 MB/s."""


def config(limits=None, stage=None, **source):
    return parse(
        {
            **({"stage": stage} if stage else {}),
            "source": {"dsn": "postgresql://h/d", **source},
            "target": {"local": ".", "database": "D", "schema": "S"},
            "tables": [{"name": "public.*"}],
            "limits": limits or {},
        }
    )


def tuned(size=10 * GB, *, limits=None, machine=TWO_CORES, rates=None, limit_s=inf, **source):
    asked = config(limits, **source)
    return tune(asked, machine, bounds(asked, machine), rates or Rates(), size, limit_s)


def told(tuning, setting):
    return next(each for each in tuning.decisions if each.setting == setting)


def test_a_setting_fixes_its_number_and_the_receipt_says_so():
    limits = {
        "readers": 7, "loaders": 5, "file_bytes_max": "1MiB", "chunk_bytes": "9MiB", "codec": "zstd",
        "compression_level": 4,
    }  # fmt: skip
    tuning = tuned(limits=limits, rates=HELD)
    assert (tuning.readers, tuning.loaders, tuning.chunk_bytes) == (7, 5, 9 * MIB)
    assert (tuning.file_bytes_max, tuning.codec, tuning.level) == (MIB, "zstd", 4)
    assert {each.source for each in tuning.decisions} == {
        f"limits.{name}" for name in limits if name != "codec"
    }  # codec and level are one choice


@pytest.mark.parametrize(
    ("machine", "source", "readers", "where_from"),
    [
        (Machine(2.0), {}, 4, "cores"),
        (Machine(0.5), {}, 2, "cores"),
        (Machine(64.0), {}, 8, "cores"),
        (Machine(4.0), {"connections_max": 4}, 3, "source.connections_max"),
        (Machine(4.0, memory_bytes=256 * MIB), {}, 1, "memory"),
        (Machine(4.0, memory_bytes=10 * GB), {}, 8, "cores"),
    ],
)
def test_readers_are_as_many_as_cores_connections_and_memory_allow(machine, source, readers, where_from):
    tuning = tuned(machine=machine, **source)
    assert (tuning.readers, told(tuning, "readers").source) == (readers, where_from)


def test_loaders_are_more_where_readers_waited_for_them():
    assert tuned().loaders == 4
    busy = replace(HELD, loaders_busy=3.5)
    assert tuned(rates=busy).loaders == 7
    assert told(tuned(rates=busy), "loaders").source == "history"
    assert tuned(rates=replace(busy, held=0.1)).loaders == 4


def test_loaders_stay_where_each_reader_sends_its_own_file():
    stage = {"url": "s3://bucket/stage", "storage_integration": "I"}
    assert tuned(rates=replace(HELD, loaders_busy=3.5), stage=stage).loaders == 4


@pytest.mark.parametrize(
    ("size", "files"), [(100 * MIB, 6.25), (GB, 24), (10 * GB, 72), (100 * GB, 224), (1000 * GB, 1800)]
)
def test_files_are_few_for_a_large_table_and_small_for_a_small_one(size, files):
    """A file of 1 GB in two halves would load on two threads of a warehouse that has eight."""
    assert size / tuned(size).chunk_bytes == pytest.approx(files, rel=0.2)


@pytest.mark.parametrize(
    ("facts", "where_from"),
    [
        ({"limit_s": 1.0}, "deadline"),
        ({"statement_timeout_s": 0.5}, "source.statement_timeout_s"),
        ({"machine": Machine(2.0, disk_bytes=512 * MIB)}, "disk"),
        ({"limits": {"spool_bytes_max": "256MiB"}}, "limits.spool_bytes_max"),
        ({}, "table"),
    ],
)
def test_a_chunk_is_no_more_than_time_and_disk_allow(facts, where_from):
    tuning, free = tuned(100 * GB, **facts), tuned(100 * GB)
    assert told(tuning, "chunk_bytes").source == where_from
    assert (tuning.chunk_bytes < free.chunk_bytes) is (where_from != "table")


def test_rows_that_compressed_well_before_may_fill_the_disk_with_larger_files():
    small = Machine(2.0, disk_bytes=512 * MIB)
    measured = Rates("3 runs of this table", staged_share=0.1)
    assert tuned(machine=small, rates=measured).file_bytes_max > 4 * tuned(machine=small).file_bytes_max


def test_the_codec_changes_only_where_the_line_was_the_limit():
    assert (tuned().codec, tuned().level) == ("gzip", 1)
    loading = replace(HELD, line=0.0)  # loaders waited for the warehouse, not for the line
    assert (tuned(rates=loading).codec, tuned(rates=loading).level) == ("gzip", 1)
    for rates in (HELD, replace(HELD, held=0.0)):  # with few chunks no reader waits
        slow = tuned(rates=rates)
        assert (slow.codec, told(slow, "codec").source) == ("zstd", "history")


@pytest.mark.parametrize(("line", "level"), [(3e6, 9), (30e6, 6), (60e6, 3), (200e6, 1)])
def test_the_faster_the_line_the_less_is_compressed(line, level):
    tuning = tuned(rates=replace(HELD, line=line), limits={"codec": "zstd"})
    assert (tuning.codec, tuning.level) == ("zstd", level)


def test_a_level_stays_when_it_has_made_the_line_fast_enough():
    """What was measured with zstd at level 6 is taken for that, not for gzip."""
    after = replace(HELD, codec="zstd", level=6, staged_share=0.2722, line=30e6)
    assert (tuned(rates=after).codec, tuned(rates=after).level) == ("zstd", 6)


@given(
    size=st.integers(0, 10**14), cores=st.floats(0.1, 128), memory=st.none() | st.integers(10**8, 10**11),
    disk=st.none() | st.integers(0, 10**13), limit_s=st.floats(1, 1e5) | st.just(inf), held=st.floats(0, 1),
    line=st.floats(0, 1e9), busy=st.floats(0, 16),
)  # fmt: skip
def test_what_is_decided_is_always_possible(size, cores, memory, disk, limit_s, held, line, busy):
    rates = replace(HELD, held=held, line=line, loaders_busy=busy)
    tuning = tuned(size, machine=Machine(cores, memory, disk), rates=rates, limit_s=limit_s)
    assert 1 <= tuning.readers <= 8
    assert 1 <= tuning.loaders <= 8
    assert tuning.chunk_bytes >= MIB
    assert MIB <= tuning.file_bytes_max <= STAGED_FILE_BYTES_MAX / 0.2
    assert [each.setting for each in tuning.decisions] == [
        "readers", "loaders", "chunk_bytes", "file_bytes_max", "codec", "compression_level"
    ]  # fmt: skip


def test_a_small_table_is_one_chunk():
    assert tuned(CHUNK_BYTES_MIN // 2).chunk_bytes == CHUNK_BYTES_MIN
