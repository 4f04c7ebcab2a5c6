"""`python -m benchmarks.cold_start [--rounds N]`: what a function loads, how long that takes, and what a call costs.

Cold is from the start of the process until the runtime client asks for the first event; then the first answer, which
connects; then the answers of the same, warm process. Medians of rounds in which the places take turns. This machine is
not Lambda's: fetching and unpacking the zip, and the share of a core that a memory size buys, are not in these numbers.
"""

from __future__ import annotations

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.places import CHECKOUT, OWN_PYTHON, Place, packaged, without_byte_code
from benchmarks.report.results import RESULTS, keep
from engine.local.cloud.functions import Functions
from engine.local.postgres import PostgresServer
from engine.local.warehouse.process import Endpoint, serve
from package.build import REPOSITORY, Runtime
from package.contents import functions as functions_of

IMPORTED = "handlers.scheduled"
CALLED = "health"
"""Asked for answers too, deep: it logs in on both sides and moves no rows."""
WARM_CALLS = 20
MEMORY_MB = 1769  # what buys one core
PACKAGES = (
    "snowflake.connector aioboto3 asyncpg pydantic hvac aws_lambda_powertools.logging opentelemetry.sdk.trace "
    "opentelemetry.exporter.otlp.proto.http.trace_exporter"
).split()

ALONE = """
import importlib, sys, time
began = time.process_time()
for name in sys.argv[1:]: importlib.import_module(name)
spent = time.process_time() - began
print(spent, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")), len(sys.modules))
"""
Told = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, default=RESULTS, help="folder of the result as JSON")
    asked = parser.parse_args()
    console = Console()
    functions = functions_of(REPOSITORY)
    with tempfile.TemporaryDirectory(prefix="borealis-cold-") as scratch:
        folder = Path(scratch)
        places = _places(folder)
        loads = [_load(places[0], name, asked.rounds) for name in ["", *_held(places[0]), *functions]]
        shares = _shares(places[0], IMPORTED, asked.rounds)
        with PostgresServer(folder / "postgres") as source, serve(folder / "warehouse") as target:
            variables = _configured(folder, source.dsn(), target)
            starts = _starts(places, functions, variables, folder, asked.rounds)
    for title, rows in (("Imported alone", loads), (f"{IMPORTED} by package", shares), ("Started and called", starts)):
        _show(console, title, rows)
    package = places[0].manifest
    found = {
        "scenario": "cold-start",
        "rounds": asked.rounds,
        "package": {key: package[key] for key in ("python", "byte_code_by", "zipped_bytes", "unzipped_bytes")},
        "imports": loads,
        "import_ms_of_scheduled": shares,
        "functions": starts,
    }
    console.print(f"Kept in {keep(found, 'cold-start', asked.keep)}")


def _places(folder: Path) -> list[Place]:
    """The package first: for Lambda's Python where this machine has it, else for ours."""
    package = packaged(folder / "package", Runtime("x86_64").python) or packaged(folder / "package", OWN_PYTHON)
    assert package is not None
    return [package, without_byte_code(package, folder / "bare"), CHECKOUT]


def _held(place: Place) -> list[str]:
    """Of PACKAGES, those that functions need so far."""
    return [name for name in PACKAGES if (place.code / name.replace(".", "/")).exists()]


def _load(place: Place, module: str, rounds: int) -> Told:
    """Of a fresh process that imports one module; seconds of CPU, since it waits for nothing but a warm disk."""
    runs = [_python(place, "-c", ALONE, *module.split()).stdout.split() for _ in range(rounds)]
    seconds, kibibytes, modules = (statistics.median(map(float, column)) for column in zip(*runs, strict=True))
    return {
        "import": module or "(nothing)",
        "cpu_ms": round(seconds * 1000),
        "mib": round(kibibytes / 1024),
        "modules": int(modules),
    }


def _shares(place: Place, module: str, rounds: int) -> list[Told]:
    """Milliseconds that the modules of each package take themselves, at their fastest; the greatest ten packages."""
    fastest_us: dict[str, int] = {}
    for _ in range(rounds):
        told = _python(place, "-X", "importtime", "-c", f"import {module}").stderr
        for own_us, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)$", told, re.MULTILINE):
            fastest_us[name] = min(int(own_us), fastest_us.get(name, sys.maxsize))
    spent: Counter[str] = Counter()
    for name, own in fastest_us.items():
        first = name.partition(".")[0]
        spent["standard library" if first in sys.stdlib_module_names else first] += own
    return [{"package": package, "ms": round(own / 1000)} for package, own in spent.most_common(10)]


def _python(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    bare = {"PYTHONPATH": place.path}
    return subprocess.run(
        [*place.python, *arguments], check=True, env=bare, cwd=place.code, capture_output=True, text=True
    )


def _configured(folder: Path, dsn: str, target: Endpoint) -> dict[str, str]:
    file = folder / "borealis.toml"
    file.write_text(
        f"""
        source.dsn = "{dsn}"
        state.path = "{folder / "state.db"}"
        tables = [{{ name = "public.*" }}]
        [target]
        host = "{target.host}"
        port = {target.port}
        protocol = "http"
        account = "local"
        user = "u"
        password = "p"
        database = "COLD"
        schema = "PUBLIC"
        """,
        encoding="utf-8",
    )
    return {"BOREALIS_CONFIG": str(file)}


def _starts(
    places: Sequence[Place], functions: Sequence[str], variables: Mapping[str, str], folder: Path, rounds: int
) -> list[Told]:
    runs: dict[tuple[str, str], list[Told]] = {}
    for turn in range(rounds + 1):  # the first warms the caches of the disk and is dropped
        for name in functions:
            for place in places:
                run = _start(place, name, variables, folder / f"{turn}-{name}-{place.code.name}")
                runs.setdefault((name, place.name), []).extend([run] * bool(turn))
    return [
        {"function": name, "place": place}
        | {key: round(statistics.median(run[key] for run in kept), 1) for key in kept[0]}
        for (name, place), kept in runs.items()
    ]


def _start(place: Place, name: str, variables: Mapping[str, str], folder: Path) -> Told:
    """Of one execution environment. A function that is not called is still given an event, which it refuses."""
    spec = place.spec(f"{name}.handler", variables, memory_mb=MEMORY_MB)
    called = name.endswith(CALLED)
    before_s = _children_s()
    with Functions(folder, {name: spec}) as service:
        answers = [service.invoke(name, {"deep": True} if called else {"unknown": 1}) for _ in range(1 + WARM_CALLS)]
    if any(answer.outcome != ("ok" if called else "error") for answer in answers) or (
        called and not answers[0].payload["ok"]
    ):
        raise SystemExit(f"{name} in {place.name}: {answers[0].payload}")
    return {
        "cpu_ms": (_children_s() - before_s) * 1000,
        "cold_ms": answers[0].init_s * 1000,
        "first_ms": answers[0].seconds * 1000,
        "warm_ms": statistics.median(answer.seconds for answer in answers[1:]) * 1000,
        "mib": answers[-1].memory_mb,
    }


def _children_s() -> float:
    """CPU of processes that have ended: an environment's, with its calls. Other load makes it wait, not work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show(console: Console, title: str, rows: Sequence[Told]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, title=title, box=box.SIMPLE, pad_edge=False, title_justify="left")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    console.print(table)


if __name__ == "__main__":
    main()
