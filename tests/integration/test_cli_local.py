"""The commands that need nothing but the package: the demonstration, and the warehouse for other clients."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO_SECONDS_MAX = 300
"""It takes 15 s on two cores of its own; tests may share them."""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A directory, and an environment in which `borealis` and `python` are this checkout's."""
    home = tmp_path_factory.mktemp("shell")
    command = home / "bin" / "borealis"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom engine.cli import main\nmain()\n")
    command.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith("BOREALIS_")}
    paths = {"PATH": f"{command.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return home, {**own, **paths, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def shown(shell) -> str:
    """What the demonstration prints."""
    home, environment = shell
    ran = subprocess.run(
        ["borealis", "demo"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS_MAX,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(json.loads(line)["event"] for line in ran.stderr.splitlines())
    return ran.stdout


def test_the_demonstration_replicates_merges_and_verifies(shown):
    assert re.search(r"public\.flights +full +COMPLETE +336,776 ", shown)
    assert re.search(r"public\.flights +incremental +COMPLETE +6,000 ", shown)
    assert "250 rows deleted: gone at the source" in shown
    assert len(re.findall(r"^public\.\w+ +yes +[\d,]+ +[\d,]+ +\d+ *$", shown, re.MULTILINE)) == 5
    assert re.search(r"Verified: the target equals the source\. \d+ s in all\.", shown)


def test_the_commands_that_it_ends_with_work(shell, shown):
    home, environment = shell
    serve, ask = re.findall(r"^    (\S*borealis warehouse .*|\S*python .*)$", shown, re.MULTILINE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    serving = subprocess.Popen(
        ["sh", "-c", "exec " + serve.replace("8765", port).removesuffix(" &")],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout.readline() == "Serving demo/warehouse until Ctrl-C. Any user and password will do:\n"
        command = ["sh", "-c", ask.replace("8765", port)]
        asked = subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (asked.returncode, asked.stderr) == (0, "")
        assert re.fullmatch(r"\[\('UA', 58\d\d\d\), \('B6', 54\d\d\d\), \('EV', 54\d\d\d\)\]\n", asked.stdout)
        serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == 0
    finally:
        serving.kill()
        serving.communicate()


def test_the_minimal_configuration_that_it_shows_is_the_documents(shown):
    document = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    minimal = re.search(r"```toml\n(.*?)```", document, re.DOTALL)[1]
    assert minimal in re.sub(r"^    ", "", shown, flags=re.MULTILINE)


def test_it_works_again_in_its_own_directory_and_not_in_anothers(shell, shown):
    home, environment = shell
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("dear")
    refused = subprocess.run(
        ["borealis", "demo", "--dir", "mine"],
        cwd=home, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (refused.returncode, refused.stderr) == (
        2,
        "borealis: mine: is not empty; name another directory with --dir\n",
    )
    assert (home / "mine" / "thesis.txt").read_text() == "dear"
    again = subprocess.run(
        ["borealis", "demo", "--json"],
        cwd=home, env=environment, capture_output=True, text=True, timeout=DEMO_SECONDS_MAX, check=False,
    )  # fmt: skip
    output = json.loads(again.stdout)
    assert (again.returncode, output["status"], len(output["tables"])) == (0, "COMPLETE", 6)
    assert not (home / "demo" / "postgres").exists()


def test_a_warehouse_that_cannot_be_served_is_told(shell):
    home, environment = shell
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = subprocess.run(
            ["borealis", "warehouse", "--dir", "taken", "--port", port],
            cwd=home, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ran.returncode == 2
    assert "did not start" in ran.stderr
    assert "Traceback" not in ran.stderr
