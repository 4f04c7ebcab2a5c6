"""What a person or a log reads of a run: progress as bars or JSON lines, results as tables, failures in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table
from rich.text import Text

from engine.model import Receipt
from engine.predict import OWN
from engine.quoting import shown

EVENT_SECONDS_MIN = 5.0
"""Between two lines of progress of one table: a log of an hour stays under a thousand lines."""
STATUS_STYLES = {"COMPLETE": "green", "PARTIAL": "yellow", "FAILED": "red"}
PIPED_COLUMNS = 200
"""Where the output is no terminal nobody's window limits it, and a cut cell would lose what it says."""


class Events:
    """Progress as JSON lines."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.done: dict[str, tuple[int, int]] = {}
        self.told_at: dict[str, float] = {}

    def table_started(self, label: str, chunks: int, bytes_estimate: int) -> None:
        self.told_at[label] = monotonic()
        self._tell("table_started", table=label, chunks=chunks, bytes_estimate=bytes_estimate)

    def progress(self, label: str, rows: int, bytes_read: int) -> None:
        rows_before, bytes_before = self.done.get(label, (0, 0))
        self.done[label] = rows_all, bytes_all = rows_before + rows, bytes_before + bytes_read
        if monotonic() - self.told_at.get(label, 0.0) >= EVENT_SECONDS_MIN:
            self.told_at[label] = monotonic()
            self._tell("progress", table=label, rows=rows_all, bytes=bytes_all)

    def table_finished(self, receipt: Receipt) -> None:
        told = {"table": receipt.table, "status": receipt.status, "run_id": receipt.run_id, "rows": receipt.rows_loaded}
        self._tell("table_finished", **told, **({"error": receipt.error} if receipt.error else {}))

    def _tell(self, event: str, **fields: object) -> None:
        print(json.dumps({"event": event, **fields}, default=str), file=self.stream, flush=True)


class Rate(ProgressColumn):
    """Rows, rows/s and MB of one table so far; with a name and a small bar it fits in 80 columns."""

    def render(self, task: Task) -> Text:
        rows, seconds = task.fields["rows"], task.elapsed or 0.0
        rate = f"{rows / seconds:,.0f}/s" if seconds > 0 else ""
        return Text(f"{rows:>11,} rows {rate:>11} {task.completed / 1e6:>8,.1f} MB")


class Bars:
    """Progress as one bar a table."""

    def __init__(self, progress: Progress) -> None:
        self.shown = progress
        self.tasks: dict[str, TaskID] = {}
        self.rows: dict[str, int] = {}

    def table_started(self, label: str, chunks: int, bytes_estimate: int) -> None:
        del chunks
        # A heap is about as long as its CSV; the bar is full when the receipt is there, not when the guess is reached.
        self.tasks[label] = self.shown.add_task(shown(label), total=max(bytes_estimate, 1), rows=0)
        self.rows[label] = 0

    def progress(self, label: str, rows: int, bytes_read: int) -> None:
        self.rows[label] += rows
        self.shown.update(self.tasks[label], advance=bytes_read, rows=self.rows[label])

    def table_finished(self, receipt: Receipt) -> None:
        task = self.tasks.get(receipt.table)
        if task is not None:
            done = max(receipt.bytes_read, 1)
            self.shown.update(task, completed=done, total=done, rows=receipt.rows_loaded)
            self.shown.stop_task(task)


@contextmanager
def observing(stream: TextIO | None = None) -> Iterator[Events | Bars]:
    """Bars where the stream (standard error) is a terminal, JSON lines elsewhere."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Events(stream)
        return
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=10),
        Rate(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=stream), refresh_per_second=5) as progress:
        yield Bars(progress)


def console(stream: TextIO | None = None) -> Console:
    stream = stream or sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PIPED_COLUMNS, markup=False, highlight=False)


def line(text: object, to: Console, style: str = "") -> None:
    """One line beside a table, indented."""
    to.print(Text(f"  {shown(text)}", style=style))


def _table(heads: Iterable[str], rows: Iterable[Sequence[Text | str]]) -> Table:
    """A plain table; heads that begin with `>` stand over numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for head in heads:
        number = head.startswith(">")
        table.add_column(head.removeprefix(">"), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row))
    return table


def status_text(status: str) -> Text:
    return Text(status, style=STATUS_STYLES.get(status, ""))


def show_receipts(receipts: Sequence[Receipt], to: Console) -> None:
    """One row a table, then what is to be known beside the numbers."""
    heads = ["table", "mode", "status", ">rows", ">MB", ">staged MB", ">s", ">rows/s"]
    rows = [list(_receipt_row(receipt)) for receipt in receipts]
    if any(map(_expected, receipts)):
        heads.append(">s expected")
        for row, receipt in zip(rows, receipts, strict=True):
            row.append(_expected(receipt))
    to.print(_table(heads, rows))
    for receipt in receipts:
        for remark in _remarks(receipt):
            line(f"{receipt.table}: {remark}", to, "red" if remark.startswith("FAILED") else "")


def _expected(receipt: Receipt) -> str:
    """From the table's own runs; what others or defaults would say is of interest before a run, not after it."""
    told = receipt.prediction
    return f"{told['seconds']['total']:,.1f}" if told and told["based_on"].endswith(OWN) else ""


def _receipt_row(receipt: Receipt) -> tuple[Text | str, ...]:
    return (
        receipt.table,
        receipt.mode,
        status_text(receipt.status),
        f"{receipt.rows_loaded:,}",
        f"{receipt.bytes_read / 1e6:,.1f}",
        f"{receipt.bytes_staged / 1e6:,.1f}",
        f"{receipt.seconds.get('total', 0.0):,.1f}",
        f"{receipt.rows_per_second:,.0f}",
    )


def _remarks(receipt: Receipt) -> Iterator[str]:
    if receipt.error:
        remedy = receipt.error.get("remedy")
        yield f"FAILED: {receipt.error['message']}{f'. {remedy}' if remedy else ''}"
    for loss in receipt.losses:
        yield f"{loss['rows']:,} rows with {loss['reason']} in {loss['column']}: policy {loss['policy']}"
    yield from receipt.notes


def show_rows(rows: Sequence[Mapping[str, Any]], to: Console, columns: Sequence[str] = ()) -> None:
    """Plain objects as a table; of columns that are not named, all in order of appearance."""
    heads = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
    numbers = {head for head in heads if any(type(row.get(head)) in (int, float) for row in rows)}
    cells = [[_cell(row.get(head)) for head in heads] for row in rows]
    to.print(_table([f">{head}" if head in numbers else head for head in heads], cells))


def show_plans(plans: Sequence[Mapping[str, Any]], to: Console) -> None:
    """One row a table: what a run would do, and what it is expected to take."""
    shown = ("table", "target_table", "mode", "publish", "reader", "columns", "chunks", "bytes_estimate")
    rows = []
    for each in plans:
        row = {**each, "columns": len(each.get("columns", []))}
        if told := each.get("prediction"):
            functions = {"s": told["seconds"]["total"], "functions": told["chain"]["functions"]}
            row |= {**functions, "workers": told["fan_out"]["functions"], "cents": 100 * told["dollars"]["total"]}
        rows.append(row)
    show_rows(rows, to, (*shown, "s", "functions", "workers", "cents"))
    alike: dict[tuple[object, ...], list[str]] = {}
    for each in plans:
        for decision in each.get("decisions", ()):
            alike.setdefault(tuple(decision.values()), []).append(each["table"])
    for (setting, value, why, _), tables in alike.items():
        of = tables[0] if len(tables) == 1 else f"{len(tables)} tables"
        line(f"{of}: {setting} {_cell(value)}: {why}", to)


def show_status(rows: Sequence[Mapping[str, Any]], to: Console) -> None:
    """One row a table; then one for each unfinished run, and one for each worker's share of it."""
    heads = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "unfinished"]
    show_rows(rows, to, heads)
    half = [_unfinished(row["table"], row["unfinished"]) for row in rows if row["unfinished"]]
    if half:
        to.print(Text("Unfinished: what is loaded stays, and the next run goes on"))
        show_rows(half, to)
    groups = [
        {"table": row["table"], **group, "held_by": _holder(group["held_by"])}
        for row in rows
        for group in (row["unfinished"] or {}).get("groups", ())
    ]
    if groups:
        show_rows(groups, to)


def _unfinished(table: str, run: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in run:
        return {"table": table, "run_id": run["run_id"], "began": run["began"], "left": run["error"]}
    return {
        "table": table,
        "run_id": run["run_id"],
        "began": run["began"],
        "chunks": f"{run['chunks_loaded']:,} of {run['chunks']:,}",
        "left": run["chunks_left"],
        "rows": run["rows"],
        "MB": run["bytes_read"] / 1e6,
        "MB left": run["bytes_left"] / 1e6,
        "held_by": _holder(run["held_by"]),
    }


def _holder(held: Mapping[str, Any] | None) -> str | None:
    return f"{held['owner']}, {held['seconds_left']:.0f} s" if held else None


def show_audited(receipts: Sequence[Mapping[str, Any]], to: Console) -> None:
    """One row a check; what to do about those that found something."""
    rows = [{"table": each["table"], **check} for each in receipts for check in each["checks"]]
    show_rows(rows, to, ("table", "what", "verdict", "why"))
    for row in rows:
        if row["verdict"] == "differs":
            line(f"{row['table']}: {row['what']}: {row['remedy']}", to, "red")


def show_verification(results: Sequence[Mapping[str, Any]], to: Console) -> None:
    """One row a table; of checksums that are equal one is enough."""
    rows = []
    for each in results:
        sums = [str(each[side]) for side in ("checksum_source", "checksum_target") if each[side] is not None]
        rows.append({**each, "equal": each["ok"], "checksum": " <> ".join(dict.fromkeys(sums)) or None})
    show_rows(rows, to, ("table", "equal", "rows_source", "rows_target", "checksum"))
    for each in results:
        if each["error"]:
            line(each["error"], to, "red")
        if each["excluded_columns"]:
            line(f"{each['table']}: the checksum leaves out {', '.join(each['excluded_columns'])}", to)
        for what, counted in (("repaired", each["repaired"]), ("differ", each["differing"])):
            if counted:
                kinds = ", ".join(f"{count:,} {kind}" for kind, count in counted.items())
                line(f"{each['table']}: keys {what}: {kinds}", to)
        _show_differences(each["differences"], to)


def _show_differences(differences: Sequence[Mapping[str, Any]], to: Console) -> None:
    rows = [
        {"": each["kind"], **(each["key"] or {}), "columns": ", ".join(each["columns"]) or None} for each in differences
    ]
    if rows:
        show_rows(rows, to)


def _cell(value: object) -> Text | str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, list | dict):
        return json.dumps(value, default=str) if value else "-"
    return status_text(str(value)) if value in STATUS_STYLES else str(value)
