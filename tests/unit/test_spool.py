"""Compressed files whose bytes depend on the rows alone, cut only between rows, on a disk that may be full."""

import csv
import gzip
import io
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import anyio
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import BorealisError
from engine.model import StagedFile
from engine.spool import BLOCK_BYTES, LossPossibleError, SpoolSettings, spool
from engine.stage.disk import DiskSinks, spool_directory
from engine.tasks import Unwrapped

VALUES = st.one_of(st.none(), st.text(alphabet='a"\n\r,\\', max_size=12))


def row_of(values: list[str | None]) -> bytes:
    fields = ("" if value is None else '"' + value.replace('"', '""') + '"' for value in values)
    return (",".join([*fields, "."]) + "\n").encode()


async def spooled(directory: Path, pieces: list[bytes], **changes: object) -> list[bytes]:
    settings_ = SpoolSettings(**({"sinks": DiskSinks(directory), "file_bytes_max": 100} | changes))
    files: list[StagedFile] = []
    tokens = anyio.Semaphore(1)

    async def ready(file: StagedFile) -> None:
        files.append(file)
        tokens.release()

    async with spool(settings_, tokens, 1, "c1", ready) as writer:
        for piece in pieces:
            await writer.write(piece)
    contents = [file.path.read_bytes() for file in files]
    assert [len(content) for content in contents] == [file.file_bytes for file in files]
    assert [sha256(content).hexdigest() for content in contents] == [file.sha256 for file in files]
    for file in files:
        file.path.unlink()
    return contents


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=1, max_size=3), max_size=60), st.data())
def test_however_the_rows_arrive_the_files_are_the_same_and_end_with_whole_rows(tmp_path, table, data):
    rows = [row_of(values) for values in table]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=6)))
    pieces = [b"".join(rows[a:b]) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    one = anyio.run(spooled, tmp_path, [b"".join(rows)])
    many = anyio.run(spooled, tmp_path, pieces)
    assert one == many
    texts = [gzip.decompress(content) for content in one]
    assert b"".join(texts) == b"".join(rows)
    for text in texts:
        for record in csv.reader(io.StringIO(text.decode(), newline=""), strict=True):
            assert record[-1] == "."
    assert all(len(text) >= 100 for text in texts[:-1])


async def test_a_row_larger_than_a_file_is_one_file(tmp_path):
    """Files are never split in the middle of a row."""
    big = row_of(["x" * (3 * BLOCK_BYTES)])
    contents = await spooled(tmp_path, [row_of(["a"]), big, row_of(["b"])], file_bytes_max=1000)
    assert [len(gzip.decompress(content)) for content in contents] == [len(big) + 6, 6]


async def test_blocks_are_cut_the_same_way_for_large_and_small_pieces(tmp_path):
    rows = [row_of([f"{n}" * 50]) for n in range(60_000)]
    whole = await spooled(tmp_path, [b"".join(rows)], file_bytes_max=10 * BLOCK_BYTES)
    single = await spooled(tmp_path, rows, file_bytes_max=10 * BLOCK_BYTES)
    assert whole == single


async def test_zstd_writes_one_frame_with_its_checksum(tmp_path):
    rows = b"".join(row_of([f"{n}"]) for n in range(1000))
    (content,) = await spooled(tmp_path, [rows], file_bytes_max=2**30, codec="zstd")
    parameters = zstandard.get_frame_parameters(content)
    assert parameters.has_checksum
    assert zstandard.ZstdDecompressor().decompressobj().decompress(content) == rows


async def test_a_failed_chunk_leaves_no_file_and_gives_its_place_back(tmp_path):
    tokens = anyio.Semaphore(1)

    async def ready(file: StagedFile) -> None:
        raise AssertionError(file)

    async def die() -> None:
        with Unwrapped():
            async with spool(SpoolSettings(DiskSinks(tmp_path), 2**30), tokens, 1, "c1", ready) as writer:
                await writer.write(b"x" * 2 * BLOCK_BYTES)
                await anyio.sleep(0.05)
                assert tokens.value == 0
                raise ValueError("the source died")

    with pytest.raises(ValueError, match="the source died"):
        await die()
    assert tokens.value == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is a thing of Linux")
async def test_f24_a_full_disk_names_the_directory_and_the_setting(tmp_path):
    (tmp_path / "c1_1.csv.gz").symlink_to("/dev/full")

    async def ready(file: StagedFile) -> None:
        raise AssertionError(file)

    with pytest.raises(BorealisError, match=r"no space left in .*limits\.spool_dir") as caught, Unwrapped():
        async with spool(SpoolSettings(DiskSinks(tmp_path), 2**30), anyio.Semaphore(1), 1, "c1", ready) as writer:
            await writer.write(b"x\n" * BLOCK_BYTES)
    assert caught.value.code == "disk"


KILLED = """
import os, pathlib, signal, sys
from engine.stage.disk import spool_directory
with spool_directory(pathlib.Path(sys.argv[1])) as directory:
    (directory / "c1_1.csv.gz").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_run_and_what_a_live_one_has_stays(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    with spool_directory(tmp_path) as first, spool_directory(tmp_path) as second:
        assert not left.exists()
        assert sorted(tmp_path.iterdir()) == sorted([first, second])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [BLOCK_BYTES - 39, BLOCK_BYTES - 20, BLOCK_BYTES - 1, BLOCK_BYTES, 100])
async def test_a_long_number_is_seen_wherever_a_block_ends(tmp_path, before):
    watched = {"watched": True, "file_bytes_max": 4 * BLOCK_BYTES}
    text = b"x" * (before - 1) + b"-"
    for digits in (38, 39):
        spooling = spooled(tmp_path, [text + b"1" * digits + b"x" * BLOCK_BYTES + b"\n"], **watched)
        if digits < 39:
            assert len(await spooling) == 1
        else:
            with pytest.raises(LossPossibleError), Unwrapped():
                await spooling


async def test_rows_longer_than_a_text_may_be_are_told_when_watched(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.spool.TEXT_BYTES_MAX", 1000)
    await spooled(tmp_path, [row_of(["x" * 2000])])
    with pytest.raises(LossPossibleError), Unwrapped():
        await spooled(tmp_path, [row_of(["x" * 2000])], watched=True)
