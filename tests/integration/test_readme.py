"""README.md is true: its blocks are followed from top to bottom as a reader would, and print what it shows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit
import typer.main

from engine import config as settings
from engine.cli import app
from engine.config_values import environment_values
from tests.conftest import execute

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [(match[1], match[2]) for match in re.finditer(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)]
COMMAND_SECONDS_MAX = 300
"""The longest takes 15 s on two cores of its own; tests may share them."""
SHOP = (
    """CREATE TABLE customers (customer_id int PRIMARY KEY, name text NOT NULL, email text, born date, tags text[])""",
    """INSERT INTO customers SELECT n, 'Customer ' || n, NULL, date '1960-01-01' + n, ARRAY['a', NULL]
       FROM generate_series(1, 200) AS n""",
    """CREATE TABLE orders (order_id bigint PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, status text,
       total numeric(12,2), details jsonb, updated_at timestamptz NOT NULL DEFAULT now())""",
    """INSERT INTO orders SELECT n, n % 200 + 1, 'paid', n / 7.0, jsonb_build_object('item', n % 500),
       timestamptz '2026-01-01' + n * interval '10 s' FROM generate_series(1, 5000) AS n""",
)
"""The source that the shown output is of, with fewer rows."""


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and the output shown under it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.strip("\n")


def shape(output: str) -> str:
    """What stays the same from run to run and from machine to machine."""
    output = re.sub(r"PostgreSQL [\d.]+( \([^)]*\))?", "PostgreSQL", output)
    output = re.sub(r"\b\d{8}T\w+", "RUN", output)
    output = re.sub(r"\d[\d,.]*", "#", output)
    return "\n".join(re.sub(" +", " ", line).rstrip() for line in output.splitlines()).strip()


def shown_as(output: str) -> str:
    """A pattern for the shape of a shown output, in which a line of dots stands for any lines."""
    return "\n".join(".*" if line == "..." else re.escape(line) for line in shape(output).splitlines())


def test_the_shape_of_an_output_is_its_words_not_its_numbers():
    shown = "table  rows/s\npublic.t  1,234.5\n..."
    assert re.fullmatch(shown_as(shown), shape("table rows/s\npublic.t 7\n\nmore\n"), re.DOTALL)
    assert not re.fullmatch(shown_as(shown), shape("table rows/s\npublic.u 7\n\nmore\n"), re.DOTALL)


def test_the_readme_is_built_of_blocks_that_are_tried():
    assert {kind for kind, _ in BLOCKS} == {"console", "toml", "sql"}
    assert README.count("```") == 2 * len(BLOCKS)
    tried = {command.split()[0] for kind, block in BLOCKS if kind == "console" for command, _ in commands(block)}
    assert tried == {"make", "borealis", "export"}


def test_every_file_that_it_links_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_target_of_make_that_it_names_is_one():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE)) - {"help"}
    named = set(re.findall(r"(?:`|\$ )make ([a-z0-9-]+)", README))
    assert named == targets


def test_the_first_block_is_what_make_demo_prints(shell, tmp_path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo: setup .*\n\t\$\(BIN\)/borealis demo$", makefile, re.MULTILINE)
    ((command, shown),) = commands(BLOCKS[0][1])
    assert command == "make demo"
    printed = shell("borealis demo")
    assert re.fullmatch(shown_as(shown), shape(printed), re.DOTALL), printed


def test_the_table_of_commands_has_each_command():
    listed = re.findall(r"^\| `borealis (\w+)` \|", README, re.MULTILINE)
    assert listed == list(typer.main.get_command(app).commands)


def test_every_setting_is_one_of_the_configuration():
    """In blocks, whole or added to what the first one says, and in the text."""
    tables = [block for kind, block in BLOCKS if kind == "toml"]
    first = tomlkit.parse(tables[0]).unwrap()
    parsed = [settings.parse({**first, **tomlkit.parse(block).unwrap()}, base=ROOT) for block in tables]
    assert parsed[1].target.host == "myorg-analytics.privatelink.snowflakecomputing.com"
    for text in re.findall(r"`(\w+ = [^`]+)`", README):
        setting = tomlkit.parse(text).unwrap()
        merged = {"mode": "incremental", "cursor": "at"} if "publish" in setting else {}
        settings.parse({**first, "tables": [{"name": "public.t", **merged, **setting}]}, base=ROOT)


def test_every_variable_is_one_of_the_configuration():
    variables = set(re.findall(r"\bBOREALIS_[A-Z]+__[A-Z_]+", README))
    values, _, faults = environment_values(dict.fromkeys(variables, "secret"), settings.Config)
    assert (faults, set(values)) == ([], {"source", "target"})


@pytest.fixture
def shell(tmp_path):
    """`shell("borealis plan")`: what the command prints, in a directory and environment that last for the test."""
    program = tmp_path / "bin" / "borealis"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom engine.cli import main\nmain()\n", encoding="utf-8")
    program.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOREALIS_")}
    environment |= {"PATH": f"{program.parent}{os.pathsep}{environment['PATH']}", "PYTHONPATH": str(ROOT)}

    def run(command: str) -> str:
        if exported := re.fullmatch(r"export (\w+)='([^']*)'", command):
            environment[exported[1]] = exported[2]
            return ""
        ran = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
            timeout=COMMAND_SECONDS_MAX,
        )  # fmt: skip
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        return ran.stdout

    return run


@pytest.fixture
async def shop(postgres, database):
    """The source of the README, and its role as long as the test lasts."""
    await execute(database, *SHOP, "VACUUM ANALYZE")
    yield database
    await execute(database, "DROP ROLE IF EXISTS reader")


async def test_a_reader_who_follows_it_sees_what_it_shows(shop, shell, tmp_path):
    """Settings are written and added to, statements run at the source, commands compared with what is under them."""
    place = shop.partition("@")[2]
    written, tried = "", []
    for kind, block in BLOCKS:
        if kind == "toml" and "account =" not in block:
            written += block.replace("127.0.0.1:5432/shop", place) + "\n"
            (tmp_path / "borealis.toml").write_text(written, encoding="utf-8")
        elif kind == "sql":
            await execute(shop, block)
        elif kind == "console":
            for command, shown in commands(block):
                if not command.startswith("make "):
                    printed = shell(command).replace(place, "127.0.0.1:5432/shop")
                    assert re.fullmatch(shown_as(shown), shape(printed), re.DOTALL), f"{command}\n{printed}"
                    tried.append(command)
    assert len(tried) == len(set(tried)) + 1 == 8
