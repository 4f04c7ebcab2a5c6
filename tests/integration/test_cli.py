"""The command line as a user meets it: exit codes, one clear message, no traceback, nothing secret."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRET = "hunter2"
COMMANDS = ("check", "plan", "run", "verify", "status")

GOOD = f"""\
[source]
dsn = "postgresql://reader:{SECRET}@127.0.0.1:1/shop"
connect_timeout_s = 5
[target]
local = "./warehouse"
database = "ANALYTICS"
schema = "SHOP"
[[tables]]
name = "public.orders"
"""


def borealis(directory, *arguments, **environment):
    main = "import sys; from engine.cli import main; sys.exit(main())"
    own = {name: value for name, value in os.environ.items() if not name.startswith("BOREALIS_")}
    return subprocess.run(
        [sys.executable, "-c", main, *arguments],
        cwd=directory,
        env={**own, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_version_is_printed(tmp_path):
    ran = borealis(tmp_path, "--version")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("borealis 0.")


def test_the_help_names_every_command(tmp_path):
    ran = borealis(tmp_path, "--help")
    assert ran.returncode == 0
    assert all(f"\n  {command} " in ran.stdout for command in (*COMMANDS, "demo", "warehouse"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Usage: borealis"),
        (["replicate"], "No such command 'replicate'"),
        (["run", "--fulll"], "--fulll"),
        (["verify", "--level", "deep"], "'count', 'checksum'"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path, arguments, message):
    ran = borealis(tmp_path, *arguments)
    assert ran.returncode == 2
    assert message in ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_file_each_command_shows_what_to_write(tmp_path, command):
    ran = borealis(tmp_path, command)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("borealis: borealis.toml: there is no such file; write one, such as:\n")
    assert 'name = "public.*"' in ran.stderr


def test_all_faults_of_a_file_are_printed_and_no_secret(tmp_path):
    (tmp_path / "other.toml").write_text(
        GOOD.replace("postgresql://", "mysql://").replace(
            'name = "public.orders"', 'name = "orders"\nmode = "incremental"'
        )
    )
    ran = borealis(tmp_path, "run", "--config", "other.toml")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == [
        "borealis: the configuration is refused, 3 faults:",
        "  source.dsn: is not a PostgreSQL URL; write postgresql://user@host:5432/database, with %-escapes in names",
        "  tables[0].name: is not a table name; write schema.table, such as public.orders or public.*",
        (
            "  tables[0].cursor: is required in incremental mode; "
            'set cursor = "updated_at", a column that grows with each change, or mode = "full"'
        ),
    ]


def test_with_json_the_failure_is_an_object_too(tmp_path):
    (tmp_path / "borealis.toml").write_text(GOOD.replace('schema = "SHOP"', 'shema = "SHOP"'))
    ran = borealis(tmp_path, "run", "--json")
    assert ran.returncode == 2
    output = json.loads(ran.stdout)
    assert output["status"] == "FAILED"
    assert output["error"]["code"] == "config"
    assert output["error"]["faults"] == [
        'target.schema: is required; set schema = "SHOP"',
        "target.shema: unknown setting; did you mean schema?",
    ]
    assert SECRET not in ran.stdout + ran.stderr


def test_the_environment_can_be_the_whole_configuration(tmp_path):
    environment = {
        "BOREALIS_SOURCE__DSN": "postgresql://reader@127.0.0.1:1/shop",
        "BOREALIS_TARGET__LOCAL": "warehouse",
        "BOREALIS_TARGET__DATABASE": "ANALYTICS",
        "BOREALIS_TABLES": '[{"name": "public.orders"}]',
    }
    ran = borealis(tmp_path, "run", **environment)
    assert ran.returncode == 2
    assert ran.stderr == 'borealis: target.schema: is required; set schema = "SHOP"\n'


def test_a_fault_of_the_environment_names_its_variable(tmp_path):
    (tmp_path / "borealis.toml").write_text(GOOD)
    ran = borealis(tmp_path, "run", BOREALIS_LIMITS__READERS="all")
    assert ran.returncode == 2
    assert "limits.readers (from BOREALIS_LIMITS__READERS): must be a whole number" in ran.stderr


def test_a_traceback_is_shown_only_on_demand(tmp_path):
    (tmp_path / "borealis.toml").write_text(GOOD.replace("postgresql://", "mysql://"))
    assert "Traceback" not in borealis(tmp_path, "check").stderr
    shown = borealis(tmp_path, "check", BOREALIS_DEBUG="1").stderr
    assert "Traceback" in shown
    assert SECRET not in shown


def test_the_command_line_starts_without_the_drivers(tmp_path):
    code = (
        "import sys, engine.cli; "
        "print([name for name in ('asyncpg', 'snowflake', 'fakesnow', 'duckdb') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "[]\n"
