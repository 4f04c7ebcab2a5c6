"""The zip for Lambda, unpacked where nothing else is: what is in it is enough, and no more than that."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest
import tomlkit
from anyio import to_thread

from benchmarks.places import OWN_PYTHON, Place, packaged
from engine.aws import client
from engine.local.cloud.functions import Functions
from engine.local.dynamodb import create_table
from package.build import LOCK, REPOSITORY, Runtime, build, interpreter_of, refuse_what_lambda_would
from package.contents import AWS_SERVICES, functions, name_of, reached
from tests.conftest import execute

PYTHONS = sorted({OWN_PYTHON, Runtime("arm64").python})
MODULES = reached(REPOSITORY)

DATABASE = "PACKAGED"

UNUSED = "rich typer pygments duckdb fakesnow numpy pandas pyarrow moto engine.local engine.cli ".split()
"""What no function loads: the command line, the embedded parts, what the connector takes along where it is there."""
UNLESS_CONFIGURED = "hvac opentelemetry.exporter google.rpc".split()
"""What is loaded by the first invocation that needs it: Vault's client, the exporter of traces."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package says; the function's environment says where the servers are."""
    file = tmp_path_factory.mktemp("config") / "production.toml"
    target = {"account": "a", "protocol": "http", "user": "u", "password": "p", "database": DATABASE, "schema": "S"}
    file.write_text(tomlkit.dumps({"target": target, "tables": [{"name": "public.*"}]}), encoding="utf-8")
    return file


@pytest.fixture(scope="module", params=PYTHONS)
def package(request: pytest.FixtureRequest, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = packaged(tmp_path_factory.mktemp("package"), request.param, config)
    if found is None:
        pytest.skip(f"there is no Python {request.param} on this machine")
    return found


@pytest.fixture
def loaded(package: Place) -> Callable[..., set[str]]:
    """`loaded("handlers.health")`: all modules that are loaded then, in a process that sees the package alone."""

    def loaded(*modules: str) -> set[str]:
        script = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; print(*sys.modules)"
        ended = subprocess.run(
            [*package.python, "-W", "error", "-c", script, *modules],
            check=False,
            env={"PYTHONPATH": str(package.code)},
            cwd=package.code,
            capture_output=True,
            text=True,
        )
        assert not ended.returncode, ended.stderr
        return set(ended.stdout.split())

    return loaded


def test_every_module_in_it_imports_without_anything_beside_it(loaded):
    assert set(MODULES) <= loaded(*MODULES)


@pytest.mark.parametrize("function", functions(REPOSITORY))
def test_a_function_loads_nothing_that_it_does_not_use(loaded, function):
    """The budget of a cold start is what is loaded, which a test can see, and not the time, which it cannot."""
    unwanted = (*UNUSED, *UNLESS_CONFIGURED)
    assert not [
        name for name in loaded(function) if name.startswith(tuple(f"{word}." for word in unwanted)) or name in unwanted
    ]


async def test_a_run_works_from_it_under_the_runtime_client(package, database, warehouse, aws, tmp_path):
    """From an event to rows at the target: every driver is used, and what botocore needs to speak to DynamoDB."""
    await execute(database, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 1000)")
    warehouse.query(f'CREATE DATABASE IF NOT EXISTS "{DATABASE}"')
    table = f"state-{tmp_path.name}"
    async with client("dynamodb") as dynamodb:
        await create_table(dynamodb, table)
    variables = {
        "BOREALIS_SOURCE__DSN": database,
        "BOREALIS_TARGET__HOST": warehouse.endpoint.host,
        "BOREALIS_TARGET__PORT": str(warehouse.endpoint.port),
        "BOREALIS_STATE__TABLE": table,
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
    }
    spec = package.spec("handlers.scheduled.handler", variables, memory_mb=512, timeout_s=60)
    with Functions(tmp_path / "functions", {"scheduled": spec}) as functions:
        answers = [await to_thread.run_sync(functions.invoke, "scheduled", {"full": True}) for _ in range(2)]
    for answer in answers:
        copied = [(told["status"], told["rows_loaded"]) for told in answer.payload.get("tables", [])]
        assert copied == [("COMPLETE", 1000)], (answer.payload, answer.logs)
    assert warehouse.query(f'SELECT COUNT(*) FROM "{DATABASE}"."S"."T"') == [(1000,)]


def test_neither_embedded_parts_nor_command_line_are_in_it(package):
    names = {path.relative_to(package.code).as_posix() for path in package.code.rglob("*")}
    absent = "engine/local engine/cli.py engine/render.py engine/inspection.py handlers/replay.py rich typer duckdb"
    assert not names & set(absent.split())
    assert {f"handlers/{name}.py" for name in "health parallel scheduled snapshot worker".split()} <= names


def test_its_packages_are_those_of_the_lock(package):
    locked = dict(re.findall(r"^([\w.-]+)==([\w.+!-]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    told = {name: part["version"] for name, part in package.manifest["packages"].items() if name != "borealis"}
    inside = {name_of(found): found.version for found in distributions(path=[str(package.code)])}
    assert inside.items() <= told.items() <= locked.items()
    assert {"snowflake-connector-python", "asyncpg", "aioboto3", "certifi"} <= inside.keys()


def test_descriptions_of_the_aws_services_that_are_named_are_in_it(package):
    named = {
        service
        for path in MODULES.values()
        for service in re.findall(r'\bclient\(\s*"([a-z0-9-]+)"', path.read_text(encoding="utf-8"))
    }
    assert named <= AWS_SERVICES
    described = {path.name for path in package.code.glob("botocore/data/*") if path.is_dir()}
    assert described == AWS_SERVICES


def test_the_manifest_tells_of_the_zip_beside_it(package):
    told = package.manifest
    archive = package.code.parent / told["name"]
    assert told == json.loads(archive.with_suffix(".json").read_text())
    assert told["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert told["unzipped_bytes"] == sum(path.stat().st_size for path in package.code.rglob("*") if path.is_file())
    assert told["unzipped_bytes"] == sum(part["unzipped_bytes"] for part in told["packages"].values())
    assert told["zipped_bytes"] < 50e6
    assert told["unzipped_bytes"] < 250e6


def test_the_sbom_names_each_package_once_and_who_asks_for_it(package):
    archive = package.code.parent / package.manifest["name"]
    told = json.loads(archive.with_suffix(".cdx.json").read_text())
    ours = told["metadata"]["component"]
    assert ours["hashes"] == [{"alg": "SHA-256", "content": package.manifest["sha256"]}]
    packages = {name: each["version"] for name, each in package.manifest["packages"].items() if name != "borealis"}
    assert [(each["name"], each["version"]) for each in told["components"]] == sorted(packages.items())
    asks = {each["ref"]: set(each["dependsOn"]) for each in told["dependencies"]}
    refs = {each["name"]: each["bom-ref"] for each in told["components"]}
    assert asks.keys() == {ours["bom-ref"], *refs.values()}
    assert set().union(*asks.values()) == set(refs.values())
    assert refs["asyncpg"] in asks[ours["bom-ref"]]
    assert refs["cryptography"] in asks[refs["snowflake-connector-python"]]
    assert refs["cffi"] in asks[refs["cryptography"]]
    licences = {each["name"]: each.get("licenses") for each in told["components"]}
    assert licences["asyncpg"] == [{"expression": "Apache-2.0"}]


@pytest.mark.parametrize("package", [OWN_PYTHON], indirect=True)
def test_built_again_it_is_the_same_byte_for_byte(package, config, tmp_path):
    assert build(Runtime(package.manifest["architecture"], OWN_PYTHON), tmp_path, config) == package.manifest


@pytest.mark.parametrize("kind", ["zipped_bytes", "unzipped_bytes"])
def test_a_zip_that_lambda_would_refuse_is_refused_here(package, kind):
    with pytest.raises(SystemExit, match=rf"{kind} are 250,000,000, Lambda takes fewer than"):
        refuse_what_lambda_would({**package.manifest, kind: 250_000_000})


def test_an_older_connector_is_never_taken_silently(tmp_path, monkeypatch):
    """For manylinux2014 alone a resolver falls back to connector 4; with hashes there is nothing to fall back to."""
    monkeypatch.setattr(Runtime, "platform", "x86_64-manylinux2014")
    with pytest.raises(subprocess.CalledProcessError):
        build(Runtime("x86_64"), tmp_path)


def test_without_a_python_of_that_version_nothing_is_compiled():
    assert interpreter_of("3.99") is None
