"""Bad input gives one clear message (what, where, remedy), the right exit code, no traceback; the target stays."""

import asyncio
import os
import signal

import pytest

from tests.conftest import connected, through

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz DEFAULT now())"
ROWS = "INSERT INTO t SELECT n, 'secret value ' || n FROM generate_series(1, 100) AS n"
SECRET = "hunter2"


class Case:
    """`ran = case.run({"name": "public.t"})`; then `case.says(ran, code, words...)`."""

    def __init__(self, engine, borealis):
        self.engine = engine
        self.borealis = borealis

    def run(self, *tables, command="run", **sections):
        return self.borealis(self.engine.values(*tables, **sections), command)

    def says(self, ran, code, *words):
        told = ran.log + str(ran.output)
        assert ran.code == code, told
        for word in words:
            assert word in told, f"{word!r} is not in: {told}"
        assert "Traceback" not in told
        assert "secret value" not in told
        assert SECRET not in told

    def untouched(self, landing: int = 0):
        """The target has what the first run brought; of the failed one at most a landing table, to go on with."""
        assert self.engine.target('SELECT COUNT(*), MAX("ID") FROM {db}."SHOP"."T"') == [(100, 100)]
        assert len(self.engine.leftovers()) == landing


@pytest.fixture
async def case(engine, borealis):
    """A table that was replicated once."""
    await engine.source(TABLE, ROWS)
    await engine.run_one({"name": "public.t"})
    return Case(engine, borealis)


@pytest.mark.parametrize(
    ("dsn", "code", "words"),
    [
        ("postgresql://postgres@127.0.0.1:1/x", 1, ("127.0.0.1:1", "check the host and port of source.dsn")),
        ("postgresql://postgres@no-such-host.invalid/x", 1, ("no-such-host.invalid", "source.dsn")),
        ("not a url", 2, ("source.dsn",)),
    ],
)
def test_a_source_that_cannot_be_reached(case, dsn, code, words):
    case.says(case.run({"name": "public.t"}, source={"dsn": dsn, "connect_timeout_s": 3}), code, *words)
    case.untouched()


def test_a_source_that_does_not_answer(case, proxy):
    proxy.stalled = True
    source = {"dsn": through(case.engine.dsn, proxy), "connect_timeout_s": 2}
    case.says(case.run({"name": "public.t"}, source=source), 1, "no answer in time", "source.connect_timeout_s")
    case.untouched()


async def test_a_wrong_password(case):
    role = f"r_{case.engine.database.lower()}"
    await case.engine.source(f"CREATE ROLE {role} LOGIN PASSWORD 'right'")
    dsn = case.engine.dsn.replace("postgres@", f"{role}:{SECRET}@")
    case.says(case.run({"name": "public.t"}, source={"dsn": dsn}), 1, "password", "source.dsn and source.password")


def test_a_database_that_is_not_there(case):
    dsn = case.engine.dsn.rpartition("/")[0] + "/nothing_here"
    case.says(case.run({"name": "public.t"}, source={"dsn": dsn}), 1, "nothing_here", "database name")


def test_a_table_that_is_not_there_names_one_that_is(case):
    case.says(case.run({"name": "public.tt"}), 2, "public.tt is not at the source", "public.t")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"mode": "incremental", "cursor": "updated"}, ("'updated' does not exist", "id, v, at")),
        ({"mode": "incremental", "cursor": "v"}, ("'v' is of type text", 'mode = "full"')),
        ({"mode": "incremental", "cursor": "at", "key": ["nr"]}, ("key names the column 'nr'",)),
        ({"exclude_columns": ["nr"]}, ("exclude_columns names the column 'nr'",)),
        ({"columns": {"nr": {"type": "VARCHAR"}}}, ("nr",)),
    ],
)
def test_a_column_that_is_not_there_or_does_not_do(case, table, words):
    ran = case.run({"name": "public.t", **table})
    case.says(ran, 1, "public.t", *words)
    case.untouched()


async def test_no_key_for_a_merge(case):
    await case.engine.source("ALTER TABLE t DROP CONSTRAINT t_pkey")
    case.says(
        case.run({"name": "public.t", "mode": "incremental", "cursor": "at"}), 1, "public.t", "set key to columns"
    )
    case.untouched()


async def test_f13_row_level_security_that_would_hide_rows_is_refused(case):
    """Silently fewer rows is the worst answer."""
    role = f"r_{case.engine.database.lower()}"
    await case.engine.source(
        f"CREATE ROLE {role} LOGIN PASSWORD 'right'", f"GRANT SELECT ON t TO {role}",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY", "CREATE POLICY few ON t USING (id < 10)",
    )  # fmt: skip
    source = {"dsn": case.engine.dsn.replace("postgres@", f"{role}:right@")}
    case.says(case.run({"name": "public.t"}, source=source), 1, "public.t", "row-level security", "BYPASSRLS")
    case.untouched()


async def test_f13_row_level_security_under_a_view_is_refused(case):
    role = f"r_{case.engine.database.lower()}"
    await case.engine.source(
        f"CREATE ROLE {role} LOGIN PASSWORD 'right'", "CREATE VIEW over AS SELECT * FROM t",
        f"ALTER VIEW over OWNER TO {role}",
        f"GRANT SELECT ON t TO {role}", "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON t USING (id < 10)",
    )  # fmt: skip
    source = {"dsn": case.engine.dsn.replace("postgres@", f"{role}:right@")}
    ran = case.run({"name": "public.over"}, source=source)
    case.says(ran, 1, "public.over", "row-level security")


async def test_a_table_that_the_role_may_not_read_fails_alone(case):
    role = f"r_{case.engine.database.lower()}"
    await case.engine.source("CREATE TABLE mine (a int)", f"CREATE ROLE {role} LOGIN PASSWORD 'right'",
                             f"GRANT SELECT ON mine TO {role}")  # fmt: skip
    source = {"dsn": case.engine.dsn.replace("postgres@", f"{role}:right@")}
    ran = case.run({"name": "public.*"}, source=source)
    case.says(ran, 1, "public.t: the role may not read it", "GRANT USAGE")
    assert {t["table"]: t["status"] for t in ran.output["tables"]} == {"public.t": "FAILED", "public.mine": "COMPLETE"}
    case.untouched()


async def test_names_that_collide_at_the_target(case):
    await case.engine.source('CREATE TABLE "T" (a int)')
    case.says(case.run({"name": "public.*"}), 2, "public.t", "public.T", "set target_name")
    case.untouched()


def test_settings_that_do_not_exist_are_all_named_with_what_was_meant(case):
    ran = case.run({"name": "public.t", "curser": "at"}, limits={"reeders": 2}, source={"dns": "x"})
    case.says(ran, 2, "source.dns", "limits.reeders", "readers", "curser", "cursor")


def test_no_disk_for_staged_files(case, tmp_path):
    spool = tmp_path / "file"
    spool.write_text("")
    ran = case.run({"name": "public.t"}, limits={"spool_dir": str(spool)})
    case.says(ran, 1, "limits.spool_dir")
    case.untouched()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_f21_a_source_that_dies_in_mid_copy(case, proxy, postgres, reset):
    """The connection breaks after some rows, and the server is gone for good."""
    await case.engine.source(
        "INSERT INTO t SELECT n, repeat('secret value ', 100) FROM generate_series(101, 20000) AS n"
    )
    proxy.cut_after(3 * 2**20, reset=reset)
    proxy_dead = case.borealis.start(
        case.engine.values({"name": "public.t"}, source={"dsn": through(case.engine.dsn, proxy)}), "run"
    )
    while proxy.cuts == 0 and proxy_dead.poll() is None:
        await asyncio.sleep(0.01)
    proxy.refuse()
    proxy.cut_now(reset=reset)
    output, log = proxy_dead.communicate(timeout=60)
    told = output + log
    assert proxy_dead.returncode == 1, told
    for word in ("public.t", "source.dsn"):
        assert word in told
    assert "Traceback" not in told
    assert "secret value" not in told
    case.untouched(landing=1)


async def test_a_source_that_loses_one_connection_is_read_again(case, proxy):
    await case.engine.source("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(101, 20000) AS n")
    proxy.cut_after(3 * 2**20)
    ran = case.run({"name": "public.t"}, source={"dsn": through(case.engine.dsn, proxy)},
                   limits={"attempts": 4, "chunk_bytes": "2MiB"})  # fmt: skip
    assert proxy.cuts == 1
    assert ran.code == 0, ran.log
    assert ran.output["tables"][0]["retries"] == 1
    assert "stamina" not in ran.log
    assert case.engine.target('SELECT COUNT(*), COUNT(DISTINCT "ID") FROM {db}."SHOP"."T"') == [(20000, 20000)]


async def test_a_value_that_the_target_refuses(case):
    """One file cannot be loaded: the column and the reason are named, the value is not."""
    await case.engine.source("ALTER TABLE t ADD price numeric(10,2)", "UPDATE t SET price = 'NaN' WHERE id = 7")
    ran = case.run({"name": "public.t"})
    case.says(ran, 1, "public.t", "price", "1 values have no exact form", "on_loss")
    case.untouched()


async def test_a_value_without_an_exact_form(case):
    await case.engine.source("ALTER TABLE t ADD day date", "UPDATE t SET day = 'infinity' WHERE id < 4",
                             "ALTER TABLE t ADD clock time", "UPDATE t SET clock = '24:00' WHERE id = 1")  # fmt: skip
    ran = case.run({"name": "public.t"})
    case.says(ran, 1, "column day: 3 values", "column clock: 1 values", "columns")
    case.untouched()


def test_a_target_that_cannot_be_reached(case):
    config = case.engine.values({"name": "public.t"}, limits={"attempts": 1})
    config["target"] = {
        "account": "nowhere", "user": "u", "password": SECRET, "database": "D", "schema": "S",
        "host": "127.0.0.1", "port": 1, "protocol": "http", "login_timeout_s": 3, "network_timeout_s": 3,
    }  # fmt: skip
    case.says(case.borealis(config, "run"), 1, "cannot connect to Snowflake (127.0.0.1)")


def test_a_state_file_that_cannot_be_written(case):
    config = case.engine.values({"name": "public.t"})
    config["state"]["path"] = "/proc/nothing/state.db"
    case.says(case.borealis(config, "run"), 2, "state.path")
    case.untouched()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
async def test_an_interrupt_ends_a_run_cleanly(case):
    await case.engine.source("INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(101, 60000) AS n")
    process = case.borealis.start(case.engine.values({"name": "public.t"}, limits={"chunk_bytes": "1MiB"}), "run")
    for line in process.stderr:
        if "table_started" in line:
            break
    process.send_signal(signal.SIGINT)
    output, log = process.communicate(timeout=60)
    assert process.returncode == 130, log
    assert "Traceback" not in output + log
    assert case.engine.target('SELECT COUNT(*) FROM {db}."SHOP"."T"') == [(100,)]
    ran = case.run({"name": "public.t"})
    assert ran.code == 0, ran.log


async def test_a_table_that_another_session_has_locked_fails_alone(case):
    await case.engine.source("CREATE TABLE free (a int)")
    async with connected(case.engine.dsn) as other, other.transaction():
        await other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        ran = await asyncio.to_thread(case.run, {"name": "public.*"}, source={"lock_timeout_s": 1})
    case.says(ran, 1, "public.t: another session holds a lock", "source.lock_timeout_s")
    assert {t["table"]: t["status"] for t in ran.output["tables"]} == {"public.t": "FAILED", "public.free": "COMPLETE"}
    case.untouched()


async def test_f13_an_unlogged_table_on_a_standby_is_refused_by_name(case, postgres, standby, replayed):
    """A standby has no rows of it."""
    await case.engine.source("CREATE UNLOGGED TABLE quick (a int)")
    await replayed()
    dsn = case.engine.dsn.replace(f":{postgres.port}", f":{standby.port}")
    ran = await asyncio.to_thread(case.run, {"name": "public.*"}, source={"dsn": dsn})
    case.says(ran, 1, "public.quick: it is unlogged", "read it from the primary")
    assert {t["table"]: t["status"] for t in ran.output["tables"]} == {"public.t": "COMPLETE", "public.quick": "FAILED"}
