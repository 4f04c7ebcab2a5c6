"""What a function loads, how long that takes, and what a call costs: from the package and from this checkout.

Cold is from the start of the process until the runtime client asks for the first event; then the first answer, which
connects; then the answers of the same, warm process. Medians of rounds in which the places take turns. This machine is
not Lambda's: fetching and unpacking the zip, and the share of a core that a memory size buys, are not in these numbers.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.bench import Bench, Finding, Profile
from benchmarks.places import CHECKOUT, OWN_PYTHON, Place, packaged, without_byte_code
from benchmarks.warehouse import served
from engine.local.cloud.functions import Functions
from package.build import REPOSITORY, Runtime
from package.contents import functions as functions_of

NAME = "cold-start"
ABOUT = "what functions load, from the package and from the checkout, and what their calls cost"
DATASETS: Mapping[Profile, Sequence[str]] = {"full": []}
"""Minutes: the package is built, and each function is started in each place, four times."""

ROUNDS_MAX = 3
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
Figures = dict[str, float]


def run(bench: Bench) -> list[Finding]:
    """What is imported, of the first place; then a finding a place."""
    folder = bench.scratch / NAME
    folder.mkdir()
    rounds = min(bench.rounds, ROUNDS_MAX)
    functions = functions_of(REPOSITORY)
    places = places_in(folder)
    first = places[0]
    loads = dict(_loads(first, ["", *_held(first), *functions], rounds)) | _shares(first, rounds)
    with served(folder) as warehouse:
        config = warehouse.settings("cold", bench.database("cold_start"), {"name": "public.*"})
        starts = _starts(places, functions, {"BOREALIS_CONFIG": str(config)}, folder, rounds)
    notes = [f"{CALLED} is asked for the depths, which connects and logs in on both sides; others refuse their event"]
    return [
        Finding(NAME, f"imports, {first.name}", 0, figures={**_sizes(first), **loads}),
        *(Finding(NAME, place, 0, notes=notes, figures=figures) for place, figures in starts.items()),
    ]


def places_in(folder: Path) -> list[Place]:
    """The package first: for Lambda's Python where this machine has it, else for ours."""
    package = packaged(folder / "package", Runtime("x86_64").python) or packaged(folder / "package", OWN_PYTHON)
    assert package is not None
    return [package, without_byte_code(package, folder / "bare"), CHECKOUT]


def _sizes(place: Place) -> Figures:
    return {name: value for name, value in place.manifest.items() if name in ("zipped_bytes", "unzipped_bytes")}


def _held(place: Place) -> list[str]:
    """Of PACKAGES, those that functions need so far."""
    return [name for name in PACKAGES if (place.code / name.replace(".", "/")).exists()]


def _loads(place: Place, modules: Sequence[str], rounds: int) -> Iterator[tuple[str, float]]:
    """Of a fresh process that imports one module; seconds of CPU, since it waits for nothing but a warm disk."""
    for module in modules:
        runs = [_python(place, "-c", ALONE, *module.split()).stdout.split() for _ in range(rounds)]
        seconds, kibibytes, count = (statistics.median(map(float, column)) for column in zip(*runs, strict=True))
        name = module or "nothing"
        yield f"{name} alone, cpu_ms", round(seconds * 1000)
        yield f"{name} alone, mib", round(kibibytes / 1024)
        yield f"{name} alone, modules", count


def _shares(place: Place, rounds: int) -> Figures:
    """Milliseconds that the modules of each package take themselves, at their fastest; the greatest ten packages."""
    fastest_us: dict[str, int] = {}
    for _ in range(rounds):
        told = _python(place, "-X", "importtime", "-c", f"import {IMPORTED}").stderr
        for own_us, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)$", told, re.MULTILINE):
            fastest_us[name] = min(int(own_us), fastest_us.get(name, sys.maxsize))
    spent: Counter[str] = Counter()
    for name, own in fastest_us.items():
        first = name.partition(".")[0]
        spent["standard library" if first in sys.stdlib_module_names else first] += own
    return {f"{package} in {IMPORTED}, ms": round(own / 1000) for package, own in spent.most_common(10)}


def _python(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    bare = {"PYTHONPATH": place.path}
    return subprocess.run(
        [*place.python, *arguments], check=True, env=bare, cwd=place.code, capture_output=True, text=True
    )


def _starts(
    places: Sequence[Place], functions: Sequence[str], variables: Mapping[str, str], folder: Path, rounds: int
) -> dict[str, Figures]:
    """By place; medians over rounds of each function's figures."""
    runs: dict[tuple[str, str], list[Figures]] = {}
    for turn in range(rounds + 1):  # the first warms the caches of the disk and is dropped
        for name in functions:
            for place in places:
                run = _start(place, name, variables, folder / f"{turn}-{name}-{place.code.name}")
                runs.setdefault((place.name, name), []).extend([run] * bool(turn))
    found: dict[str, Figures] = {place.name: {} for place in places}
    for (place_name, name), kept in runs.items():
        medians = {f"{name}, {key}": round(statistics.median(run[key] for run in kept), 1) for key in kept[0]}
        found[place_name] |= medians
    return found


def _start(place: Place, name: str, variables: Mapping[str, str], folder: Path) -> Figures:
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
