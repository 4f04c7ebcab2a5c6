"""Decides which files of the repository and of the lock go into a function, and under which name. Reads, never writes.

What is reached by imports from the functions goes in: modules of ours one by one, packages with all that they require.
The functions have no command line, so nothing of `rich` or `typer` is reached; the embedded parts never are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, distributions
from pathlib import Path

OURS = "borealis"
FOLDERS = ("engine", "handlers")
NEVER = ("engine.local",)
"""Imported inside a function of `engine.connect`, for a setting that a Lambda function cannot have: `target.local`."""

AWS_SERVICES = frozenset("dynamodb kms lambda logs s3 sns sqs ssm stepfunctions sts".split())
"""Whose descriptions botocore needs here; all 400 are 25 MB and most of its files."""

TRIMMED = (
    *("*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h", "*/py.typed"),  # for compilers and type checkers
    *("*.dist-info/RECORD", "*.dist-info/WHEEL", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED"),
    *("*.dist-info/top_level.txt", "*.dist-info/uv_cache.json"),  # METADATA, entry points and licences stay
    *("*/tests/*", "bin/*", "../*"),
    "boto3/data/*",  # resources: only clients are used
    *("cffi/*", "pycparser/*", "cffi-*", "pycparser-*"),  # build extensions; cryptography needs _cffi_backend alone
    *("zstandard/_cffi*", "zstandard/backend_cffi.py"),  # the backend for PyPy, 12 MB
    *("aws_lambda_powertools/event_handler/*", "aws_lambda_powertools/utilities/parser/*"),  # web servers, Swagger
)


@dataclass(frozen=True, slots=True)
class File:
    name: str
    """In the zip: a path below /var/task."""
    source: Path
    package: str


@dataclass(frozen=True, slots=True)
class Contents:
    files: list[File]
    versions: dict[str, str]
    """Of the packages that are in."""


def contents(repository: Path, installed: Path, python: str) -> Contents:
    """`installed` is a folder that all of the lock was installed into, for `python` such as 3.13."""
    modules = reached(repository)
    packages = _required(
        _imported(modules.values()), {name_of(found): found for found in distributions(path=[str(installed)])}
    )
    ours = [File(path.relative_to(repository).as_posix(), path, OURS) for path in modules.values()]
    theirs = [
        File(str(file), installed / file, name)
        for name, found in packages.items()
        for file in found.files or ()
        if is_kept(str(file), python)
    ]
    present = {file.package for file in theirs}
    return Contents(ours + theirs, {name: found.version for name, found in packages.items() if name in present})


def name_of(found: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()


def is_kept(file: str, python: str) -> bool:
    """`file` is a path as wheels record it."""
    parts = file.split("/")
    if parts[:2] == ["botocore", "data"] and len(parts) > 3:
        return parts[2] in AWS_SERVICES
    built_for = re.search(r"\.cpython-(\d+)[a-z]*-", parts[-1])
    if built_for and built_for[1] != python.replace(".", ""):
        return False  # the connector's wheel carries an extension for each Python
    return not any(fnmatchcase(file, pattern) for pattern in TRIMMED)


def functions(repository: Path) -> list[str]:
    """Modules that have a `handler`."""
    return sorted(
        _module(path, repository)
        for path in repository.glob("handlers/*.py")
        for node in _tree(path).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "handler"
    )


def reached(repository: Path) -> dict[str, Path]:
    """Modules of ours by name: the functions, and all that they import, also inside of functions."""
    known = {_module(path, repository): path for folder in FOLDERS for path in (repository / folder).rglob("*.py")}
    found: dict[str, Path] = {}
    ahead = [part for name in functions(repository) for part in _with_parents(name)]
    while ahead:
        name = ahead.pop()
        if name not in known or name in found or _is_within(name, NEVER):
            continue
        found[name] = known[name]
        ahead += [part for imported in _imports(known[name]) for part in _with_parents(imported)]
    return found


def _module(path: Path, repository: Path) -> str:
    return ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")


def _is_within(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[str]:
    """Full names: of `from engine.sql import source` it is `engine.sql.source`."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imported(modules: Iterable[Path]) -> set[str]:
    """First words of what is imported."""
    return {name.partition(".")[0] for path in modules for name in _imports(path)}


def _required(imported: set[str], installed: dict[str, Distribution]) -> dict[str, Distribution]:
    """Packages that hold what is imported, with all that they require and the lock resolved (extras included)."""
    ahead = [
        name
        for name, found in installed.items()
        if imported & {str(file).partition("/")[0].removesuffix(".py") for file in found.files or ()}
    ]
    needed: dict[str, Distribution] = {}
    while ahead:
        name = ahead.pop()
        if name in installed and name not in needed:
            needed[name] = installed[name]
            ahead += [
                re.split(r"[^\w.-]", line)[0].replace("_", "-").lower() for line in installed[name].requires or ()
            ]
    return needed
