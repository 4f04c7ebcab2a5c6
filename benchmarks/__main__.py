"""`python -m benchmarks`: runs the suite, or a part of it, prints what it found and keeps it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console

from benchmarks.bench import Bench, Profile, Scenario, bytes_needed
from benchmarks.peers import prepare
from benchmarks.report import compare, page, terminal
from benchmarks.report import scale as scale_up
from benchmarks.report.results import RESULTS, alike, keep, latest, previous, read, this_machine
from benchmarks.scenarios import budget_s, extract, losses, scenarios
from benchmarks.simulator.command import simulate
from engine.local.postgres import PostgresServer

# The server writes nothing while it is measured, so durability and replication only slow the making of tables.
SETTINGS = {"wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off", "shared_buffers": "512MB"}
MEMORY_BYTES_MIN = 2 * 10**9
"""The server's buffers, DuckDB's gigabyte to check what was left, and a contender."""
DISK_BYTES_MIN = 10**9
"""A server, environments of peers, and what is left over by what failed."""
SCALES: dict[Profile, float] = {"quick": 0.25, "full": 1.0}
ROUNDS = 3

COLUMNS = 120
"""Of text where the output is no terminal."""

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command()
def run(
    *,
    full: Annotated[bool, typer.Option("--full", help="every dataset, at scale 1: 40 minutes")] = False,
    only: Annotated[list[str] | None, typer.Option(help="this scenario; may be repeated")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="that count; one more warms up")] = None,
    scale: Annotated[float | None, typer.Option(min=0.001, help="of the data; 1 is 6 M rows of lineitem")] = None,
    peers: Annotated[bool, typer.Option(help="race other tools beside ours and psql")] = True,
    warm_up: Annotated[
        bool, typer.Option(help="a dropped round first; without it see what works, not how fast")
    ] = True,
    keep_in: Annotated[Path, typer.Option("--keep", help="folder of the result as JSON")] = RESULTS,
) -> None:
    """Measure, print, keep."""
    profile: Profile = "full" if full else "quick"
    scale = SCALES[profile] if scale is None else scale
    chosen = _chosen(only or [], profile)
    console = Console(width=None if sys.stdout.isatty() else COLUMNS)
    with tempfile.TemporaryDirectory(prefix="borealis-bench-") as folder:
        scratch = Path(folder)
        _refuse_small_machine(scratch, chosen, profile, scale)
        machine = this_machine()
        with PostgresServer(scratch / "postgres", settings=SETTINGS) as server:
            bench = Bench(server, scratch, profile, scale, rounds or ROUNDS, console, peers, warm_up)
            if peers and not {losses.NAME, extract.NAME}.isdisjoint(scenario.NAME for scenario in chosen):
                bench.say("making the environments of other tools, which is done once and not counted")
                prepare()
            bench.say(f"PostgreSQL {server.version}, {profile}: scale {scale:g}, {bench.rounds} rounds")
            findings, spent, failed = [], [], []
            for scenario in chosen:
                bench.say(f"{scenario.NAME}: {scenario.ABOUT}")
                began, making_s = time.monotonic(), bench.making_s
                try:
                    found = [finding.to_json() for finding in scenario.run(bench)]
                except Exception:  # noqa: BLE001 -- what the others found is not thrown away
                    console.print_exception()
                    failed.append(scenario.NAME)
                    continue
                for finding in found:
                    terminal.show(finding, console)
                findings += found
                spent.append(_spent(scenario, bench, time.monotonic() - began, bench.making_s - making_s))
                bench.say(f"{scenario.NAME} took {spent[-1]['seconds']} s of {spent[-1]['budget']}\n")
    terminal.show_targets(findings, console)
    terminal.show_time(spent, findings, console)
    result = {
        "machine": machine,
        "versions": {"postgresql": server.version},
        "profile": profile,
        "scale": scale,
        "rounds": bench.rounds,
        "spent": spent,
        "scenarios": findings,
    }
    bench.say(f"Kept in {keep(result, profile, keep_in)}")
    if failed:
        raise SystemExit(f"These could not be measured, and are missing: {', '.join(failed)}")


@app.command(name="list")
def list_() -> None:
    """The scenarios."""
    for scenario in scenarios():
        typer.echo(f"{scenario.NAME:<12} {scenario.ABOUT}")


@app.command(name="compare")
def compare_(
    old: Annotated[Path | None, typer.Argument(help="a result; without it the one before `new` of its kind")] = None,
    new: Annotated[Path | None, typer.Argument(help="a result; without it the last of this machine")] = None,
) -> None:
    """What changed between two results, and what of that is more than noise."""
    after = read(new) if new else latest()
    before = read(old) if old else previous(after)
    compare.show(before, after, Console(width=None if sys.stdout.isatty() else COLUMNS))


@app.command(name="page")
def page_(
    result: Annotated[Path | None, typer.Argument(help="without it the last of this machine")] = None,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("page.html"),
) -> None:
    """One HTML file of a result, with plots and the history of its machine."""
    shown = read(result) if result else latest()
    output.write_text(page.render(shown, alike(shown), scale_up.parts_of(shown)), encoding="utf-8")
    typer.echo(f"Written to {output}")


app.command()(simulate)


def _chosen(names: Sequence[str], profile: Profile) -> list[Scenario]:
    known = scenarios()
    if unknown := sorted(set(names) - {scenario.NAME for scenario in known}):
        raise typer.BadParameter(f"no scenario {', '.join(unknown)}; there are {', '.join(s.NAME for s in known)}")
    return [each for each in known if (each.NAME in names if names else profile in each.DATASETS)]


def _spent(scenario: Scenario, bench: Bench, seconds: float, making_s: float) -> dict[str, Any]:
    """Seconds that it took, of which making tables did, and what it was to take on two quiet cores."""
    told = {"scenario": scenario.NAME, "seconds": round(seconds, 1), "making": round(making_s, 1)}
    return {**told, "budget": budget_s(scenario, bench.profile)}


def _refuse_small_machine(scratch: Path, chosen: Sequence[Scenario], profile: Profile, scale: float) -> None:
    datasets = dict.fromkeys(name for scenario in chosen for name in scenario.DATASETS.get(profile, ()))
    disk = bytes_needed(list(datasets), scale) + DISK_BYTES_MIN
    for what, needed, free, remedy in (
        ("disk", disk, shutil.disk_usage(scratch).free, "set TMPDIR to a larger one, or lower --scale"),
        ("memory", MEMORY_BYTES_MIN, psutil.virtual_memory().available, "end what else runs"),
    ):
        if free < needed:
            short = f"{free / 1e9:.1f} GB of {what} are free for {scratch}, {needed / 1e9:.1f} GB are needed"
            raise SystemExit(f"{short}: {remedy}")


if __name__ == "__main__":
    app()
