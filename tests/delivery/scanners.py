"""Programs that look at files of other kinds than ours: in the environment that SCANNERS names, else on PATH."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = os.pathsep.join([str(ROOT / os.environ.get("SCANNERS", ".scanners") / "bin"), os.environ["PATH"]])


def scan(name: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What it says. The test is skipped where there is no such program, but never in CI."""
    program = shutil.which(name, path=PLACES)
    if program is None:
        assert "CI" not in os.environ, f"{name} is missing: make check-workflows"
        pytest.skip(f"there is no {name} here: make check-workflows")
    environment = os.environ | {"PATH": PLACES, "NO_COLOR": "1"}
    command = [program, *arguments]
    return subprocess.run(command, check=False, cwd=cwd, env=environment, capture_output=True, text=True)
