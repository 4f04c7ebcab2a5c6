"""One HTML file of a result: every number as a table, the telling ones as plots. It needs no network and no server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import jinja2

from benchmarks.report import history, scenario
from benchmarks.report.sheet import Cell, Column, Found, Part, Row, Table, is_ours, missing, number, text

LOOKS = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(result: Found, kept: Sequence[Found], beyond: Iterable[Part] = ()) -> str:
    """The page of `result`; `kept` are the results of its machine and profile, oldest first, for the history.

    `beyond` stands behind what was measured.
    """
    findings = result["scenarios"]
    parts = [
        *_targets(findings),
        *map(scenario.part_of, filter(_is_measured, findings)),
        *_losses(findings),
        *beyond,
        *history.parts_of(kept),
        _machine(result),
    ]
    template = LOOKS.get_template("page.html")
    return template.render(
        title="Borealis, measured", lead=_lead(result), heads=list(_heads(findings)), parts=parts, at=result["at"]
    )


def _lead(result: Found) -> str:
    machine = result["machine"]
    return (
        f"PostgreSQL tables to load-ready files and into the warehouse, beside other tools that do the same. "
        f"Measured on {result['at'][:10]} at commit {result['commit']}, profile {result['profile']}, scale "
        f"{result['scale']:g}, on {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB. "
        f"Contenders took turns on this one machine, so ratios and CPU seconds tell more than rates do."
    )


def _heads(findings: Sequence[Found]) -> Iterator[tuple[str, str]]:
    """(figure, what it is): what one would quote."""
    verdicts = [target["met"] for finding in findings for target in finding["targets"]]
    if verdicts:
        yield f"{sum(verdicts)} of {len(verdicts)}", "targets met"
    raced = [
        (finding, contender)
        for finding in findings
        for contender in finding["contenders"]
        if finding["scenario"] == "extract" and is_ours(contender) and contender["ratio_to_base"]
    ]
    if raced:
        finding, best = max(raced, key=lambda each: each[1]["ratio_to_base"])
        yield scenario.rate_text(best["rows_per_second"]), f"rows/s of {finding['dataset']}: {best['name']}"
        yield f"{best['ratio_to_base']:.2f} ×", f"the rate of {finding['base']}"
        for key, form, what in (
            ("client_cpu_s_per_million_rows", "{:.2f} s", "CPU of the client for a million rows"),
            ("rss_peak_mb", "{:.0f} MB", "memory of the client at most"),
        ):
            if best[key] is not None:
                yield form.format(best[key]), what


def _targets(findings: Sequence[Found]) -> Iterator[Part]:
    rows = [_target(finding, target) for finding in findings for target in finding["targets"]]
    if rows:
        columns = [*map(Column, ("Target", "Verdict", "Measured", "Wanted")), Column("Scenario", "text")]
        yield Part("Targets", tables=[Table("What was wanted and what was measured", columns, rows)])


def _target(finding: Found, target: Found) -> Row:
    wanted = Cell(f"{target['sense']} {target['wanted']:g}", target["wanted"])
    verdict = Cell("met", 1, "good") if target["met"] else Cell("missed", 0, "bad")
    where = text(f"{finding['scenario']}, {finding['dataset']}")
    return Row([text(target["name"]), verdict, number(target["measured"], ",.4g"), wanted, where])


def _losses(findings: Sequence[Found]) -> Iterator[Part]:
    rows = [
        Row([text(contender["name"]), text(finding["dataset"]), text(finding["scenario"]), missing(contender)])
        for finding in findings
        for contender in finding["contenders"]
        if contender["lost"] or contender["failed"]
    ]
    if rows:
        columns = [Column("Contender"), *(Column(title, "text") for title in ("Data", "Scenario", "Lost or refused"))]
        about = "A rate is worth little where rows or values are missing. What each left was compared with the table."
        notes = [note for finding in findings if not _is_measured(finding) for note in finding["notes"]]
        tables = [Table("What contenders lost or refused", columns, rows)]
        yield Part("What was lost", about, tables=tables, notes=notes)


def _is_measured(finding: Found) -> bool:
    """Some only try what contenders lose."""
    return bool(finding["figures"]) or any(contender["runs"] for contender in finding["contenders"])


def _machine(result: Found) -> Part:
    asked = {name: result[name] for name in ("commit", "profile", "scale", "rounds")}
    theirs = {
        contender["name"]: ", ".join(f"{name} {version}" for name, version in contender["versions"].items())
        for finding in result["scenarios"]
        for contender in finding["contenders"]
    }
    rows = [Row([text(name), text(versions)]) for name, versions in theirs.items() if versions]
    tables = [Table("What each contender ran", [Column("Contender"), Column("Versions", "text")], rows)] if rows else []
    facts = {**result["machine"], **asked, **result["versions"]}
    return Part("Machine and versions", facts=facts, tables=tables)
