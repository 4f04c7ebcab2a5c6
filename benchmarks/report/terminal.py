"""Findings as tables in the terminal: rates, what they cost, and which targets they meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLUMNS = {
    "ratio_to_base": ("x base", "{:.2f}"),
    "rows_per_second": ("rows/s", "{:,.0f}"),
    "spread": ("spread", "{:.0%}"),
    "raw_mb_per_second": ("raw\nMB/s", "{:.0f}"),
    "compressed_mb_per_second": ("file\nMB/s", "{:.1f}"),
    "client_cpu_s_per_million_rows": ("client\ncpu", "{:.2f}"),
    "backend_cpu_s_per_million_rows": ("server\ncpu", "{:.2f}"),
    "rss_peak_mb": ("RSS\nMB", "{:.0f}"),
}


def show(finding: dict[str, Any], console: Console) -> None:
    """One, as it is kept."""
    if any(contender["runs"] for contender in finding["contenders"]):
        console.print(_contest(finding))
    if finding["figures"]:
        console.print(_figures(finding))
    said = [line for contender in finding["contenders"] for line in _said(contender)]
    for note in [*said, *finding["notes"]]:
        console.print(f"  {note}", highlight=False)
    console.print()


def _contest(finding: dict[str, Any]) -> Table:
    table = _table(f"{finding['scenario']}: {finding['dataset']}, {finding['rows']:,} rows")
    table.caption = f"medians; x base: {finding['base']}; cpu in seconds per million rows"
    table.add_column(no_wrap=True)
    columns = dict(COLUMNS)
    if any(contender.get("lossy") for contender in finding["contenders"]):
        columns["lossy"] = ("changed/\nrefused", "{}")
        table.caption += "; changed/refused: kinds of values in the scenario losses"
    for head, _ in columns.values():
        table.add_column(head, justify="right", no_wrap=True)
    for contender in finding["contenders"]:
        cells = [_cell(contender.get(key), form) for key, (_, form) in columns.items()]
        mark = "*" * bool(contender["lost"])
        table.add_row(contender["name"] + mark, *cells)
    return table


def _said(contender: dict[str, Any]) -> Iterator[str]:
    name = escape(contender["name"])
    if contender["failed"]:
        yield f"[red]{name} failed: {escape(contender['failed'])}"
    if contender["lost"]:
        yield f"[yellow]* {name} lost: {escape(contender['lost'])}"
    if contender["phases"]:
        yield f"{name}, s: " + ", ".join(f"{phase} {_cell(s, '{:.2f}')}" for phase, s in contender["phases"].items())


def _figures(finding: dict[str, Any]) -> Table:
    table = _table(f"{finding['scenario']}: {finding['dataset']}, {finding['rows']:,} rows")
    table.add_column()
    table.add_column(justify="right")
    for name, value in finding["figures"].items():
        table.add_row(name, f"{value:,.3g}" if isinstance(value, float) else f"{value:,}")
    return table


def show_targets(findings: Sequence[dict[str, Any]], console: Console) -> None:
    table = _table("Targets")
    for head, justify in (("", "left"), ("wanted", "right"), ("measured", "right"), ("", "left")):
        table.add_column(head, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for finding in findings:
        for target in finding["targets"]:
            met = "[green]met" if target["met"] else "[red]not met"
            measured = _cell(target["measured"], "{:.2f}")
            name = f"{finding['scenario']} {finding['dataset']}: {target['name']}"
            table.add_row(name, f"{target['sense']} {target['wanted']:g}", measured, met)
    if table.row_count:
        console.print(table)


LONGEST = 3


def show_time(spent: Sequence[dict[str, Any]], findings: Sequence[dict[str, Any]], console: Console) -> None:
    """Of this suite itself: a row a scenario, and the contenders that took longest, warm-up and check included."""
    table = _table("Time of the suite, seconds")
    for head in ("", "spent", "budget", "tables", "longest"):
        table.add_column(head, justify="left" if head in ("", "longest") else "right", overflow="fold")
    for each in spent:
        took = [
            (sum(contender["wall_s"].values()), contender["name"])
            for finding in findings
            if finding["scenario"].partition(",")[0] == each["scenario"]
            for contender in finding["contenders"]
        ]
        longest = ", ".join(f"{name} {seconds:.0f}" for seconds, name in sorted(took, reverse=True)[:LONGEST])
        over = each["seconds"] > each["budget"] > 0
        seconds = f"[yellow]{each['seconds']:.0f}" if over else f"{each['seconds']:.0f}"
        table.add_row(each["scenario"], seconds, f"{each['budget']}", f"{each['making']:.0f}", escape(longest))
    whole, budget, making = (sum(each[key] for each in spent) for key in ("seconds", "budget", "making"))
    table.add_row("all", f"{whole:.0f}", f"{budget}", f"{making:.0f}", "")
    console.print(table)


def _table(title: str) -> Table:
    return Table(
        title=title, box=box.SIMPLE, padding=(0, 0, 0, 1), pad_edge=False, title_justify="left", caption_justify="left"
    )


def _cell(value: float | str | None, form: str) -> str:
    return "-" if value is None else form.format(value)
