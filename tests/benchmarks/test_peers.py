"""Peers: their locks, their protocol, their environments, and what says of each value whether it was lost."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.bench import Bench
from benchmarks.contenders import losses as ours
from benchmarks.contest import Contender
from benchmarks.data import losses
from benchmarks.peers import ENVIRONMENT, PEERS, Peer, environments, peers
from benchmarks.peers.comparing import verdicts
from benchmarks.scenarios.extract import BESIDE
from engine.local.postgres import PostgresServer
from tests.conftest import connected

CURSOR = next(peer for peer in PEERS if peer.lock is None)
LOCKED = [peer for peer in PEERS if peer.lock]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("peers")
    with PostgresServer(folder / "postgres") as server:
        yield Bench(server, folder, "quick", 0.001, rounds=1, console=Console(quiet=True), peers=False)


@pytest.mark.parametrize("peer", LOCKED, ids=lambda peer: peer.name)
def test_a_lock_has_a_hash_for_every_package_and_names_no_host(peer):
    lock = environments.lock_of(peer.lock).read_text(encoding="utf-8")
    packages = re.findall(r"^[a-z0-9_.-]+==.*", lock, re.MULTILINE)
    assert packages
    assert all(package.endswith("\\") for package in packages), "each goes on with its hashes"
    assert lock.count("--hash=sha256:") >= len(packages)
    assert "//" not in lock
    assert "index" not in re.sub(r"^[a-z0-9_.-]+==", "", lock, flags=re.MULTILINE)


@pytest.mark.parametrize("peer", LOCKED, ids=lambda peer: peer.name)
def test_a_lock_holds_what_was_asked_for(peer):
    asked = environments.lock_of(peer.lock).with_suffix(".in").read_text(encoding="utf-8").split()
    locked = environments.lock_of(peer.lock).read_text(encoding="utf-8")
    assert all(f"\n{name.partition('[')[0]}==" in f"\n{locked}" for name in asked)


def test_duckdb_and_its_extension_are_of_one_version():
    lock = environments.lock_of("duckdb").read_text(encoding="utf-8")
    assert len(set(re.findall(r"^duckdb[a-z-]*==(\S+)", lock, re.MULTILINE))) == 1


def test_every_peer_has_a_program_and_a_target():
    for peer in PEERS:
        assert Path(peer.argv("dsn", "t")[1]).is_file()
        assert [name for name in BESIDE if peer.name.startswith(name)]


def test_a_peer_races_on_a_real_table(bench):
    contender = next(each for each in peers(bench.table("narrow")) if each.name == CURSOR.name)
    (outcome,) = bench.race([contender])
    assert (outcome.failed, outcome.lost) == ("", "")
    assert [run.rows for run in outcome.runs] == [bench.table("narrow").rows]
    assert outcome.versions.keys() == {"asyncpg"}


def test_slow_peers_race_fewer_rounds_and_all_warm_up_on_a_sample(bench):
    table = bench.table("narrow")
    racing = {each.name: each for each in peers(table)}
    rounds = [racing[name].rounds_max for name in ("duckdb parquet", "adbc parquet", "sling csv zstd")]
    assert rounds == [None, 2, 1]
    assert all("narrow_sample" in each.warm_up and "narrow" in each.argv for each in racing.values())
    assert [each.name for each in peers(table, ["adbc parquet"])] == ["adbc parquet"]


def test_a_peer_that_cannot_be_installed_is_absent_and_the_others_race(bench, tmp_path, monkeypatch):
    table = bench.table("narrow")
    present = next(each for each in peers(table) if each.name == CURSOR.name)
    monkeypatch.setattr(environments, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(environments, "HERE", tmp_path)
    (tmp_path / "requirements-no.txt").write_text("no-version\n")
    missing = Contender("no", ["no"], table.check, before=Peer("no", "from_no", "no").make)
    absent, raced = bench.race([missing, present])
    assert absent.failed.startswith("absent: uv pip: ")
    assert (raced.failed, len(raced.runs)) == ("", 1)


# --- values -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def cases(database):
    async with connected(database) as connection:
        await losses.make(connection)
        yield connection


async def found_of(connection, folder, refused=(), columns=None):
    return await verdicts(connection, folder, dict(refused), columns or {})


async def left(connection, folder):
    """Every case as PostgreSQL's own COPY writes it."""
    for case in losses.CASES:
        (folder / case.table).mkdir(parents=True)
        await connection.copy_from_table(case.table, output=folder / case.table / "0.csv", format="csv")


async def test_postgresqls_own_text_of_every_value_is_exact(cases, tmp_path):
    await left(cases, tmp_path)
    found = await found_of(cases, tmp_path)
    assert {about: verdict.how for about, verdict in found.items() if verdict.kind != "exact"} == {}


CHANGES = [
    ("numeric NaN", "NaN", "0.00"),
    ("numeric unbounded", "1234567890123456789012345.0123456789012345678901", "1.234567890123457e+24"),
    ("date infinity", "-infinity", "0001-01-01"),
    ("interval of months", "1 year 2 mons 3 days 04:05:06", "428 days 04:05:06"),
    ("empty text beside NULL", '""', ""),
    ("array of text", "NULL", '""null""'),
    ("bytea", r"\x41", "b'A'"),
    ("jsonb long numbers", "9007199254740993", "9007199254740992"),
]


@pytest.mark.parametrize(("about", "was", "became"), CHANGES)
async def test_a_changed_value_is_found_and_told(cases, tmp_path, about, was, became):
    await left(cases, tmp_path)
    (case,) = (case for case in losses.CASES if case.about == about)
    file = tmp_path / case.table / "0.csv"
    text = file.read_text(encoding="utf-8")
    assert was in text
    file.write_text(text.replace(was, became, 1), encoding="utf-8")
    found = await found_of(cases, tmp_path)
    assert [name for name, verdict in found.items() if verdict.kind == "changed"] == [about]
    assert " became " in found[about].how


async def test_a_missing_row_is_a_change(cases, tmp_path):
    await left(cases, tmp_path)
    file = tmp_path / losses.CASES[0].table / "0.csv"
    file.write_text(file.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")
    verdict = (await found_of(cases, tmp_path))[losses.CASES[0].about]
    assert (verdict.kind, verdict.how) == ("changed", "2 rows of 3")


async def told_by(argv, into, env):
    process = await asyncio.create_subprocess_exec(
        *argv, "--into", str(into), env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(b"go\n")
    assert process.returncode == 0
    return json.loads(said.splitlines()[1])


async def test_ours_is_exact_or_refuses_by_name_and_never_changes(cases, database, tmp_path):
    tables = [case.table for case in losses.CASES]
    kinds = {}
    for policy in ("error", "text"):
        into = tmp_path / policy
        into.mkdir()
        told = await told_by(ours.argv(database, tables, policy), into, None)
        found = await found_of(cases, into, told["extra"]["refused"], told["extra"]["columns"])
        kinds[policy] = {about: verdict.kind for about, verdict in found.items()}
    assert set(kinds["text"].values()) == {"exact"}
    assert set(kinds["error"].values()) == {"exact", "refused"}
    assert kinds["error"]["numeric NaN"] == "refused"


async def test_a_peer_goes_on_past_a_table_that_it_cannot_read(cases, database, tmp_path):
    tables = [case.table for case in losses.CASES]
    told = await told_by(CURSOR.argv(database, *tables), tmp_path, ENVIRONMENT)
    found = await found_of(cases, tmp_path, told["extra"]["refused"])
    assert found["date BC"].kind == "refused"
    assert found["date infinity"].how == "'infinity' became '9999-12-31'"
    assert found["uuid"].kind == "exact"
