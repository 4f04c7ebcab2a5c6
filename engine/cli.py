"""The command line: `borealis demo, check, plan, run, verify, audit, status, rollback, replay, warehouse`.

Results go to standard output, as tables or with --json as one object; progress and failures go to standard error.
Exit codes: 0 all that was asked for is COMPLETE, 3 PARTIAL, 1 failure, 2 bad configuration or usage, 130 interrupted.
"""

# What a command needs is imported inside it (`runs` brings the drivers): a mistake in a file is told in 0.3 s.
# ruff: noqa: PLC0415

from __future__ import annotations

import functools
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, ParamSpec, TypeVar

import anyio
import orjson
import typer

from engine import __version__, failures, render, telemetry
from engine.config import Config, load
from engine.errors import BorealisError, ConfigError
from engine.model import Receipt
from engine.quoting import shown

if TYPE_CHECKING:
    from engine.local.warehouse.process import Endpoint
    from engine.rollback import RolledBack

COMPLETE, FAILED, BAD_CONFIGURATION, PARTIAL = 0, 1, 2, 3
INTERRUPTED, TERMINATED = 130, 143

P = ParamSpec("P")
T = TypeVar("T")
Done = TypeVar("Done", "Receipt", "RolledBack")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

DEFAULT_CONFIG = Path("borealis.toml")
Names = Annotated[
    list[str] | None, typer.Argument(metavar="TABLE", help="schema.table or a pattern; without any, all configured.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Default: borealis.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def main() -> NoReturn:
    """The entry point: never returns, the exit code says how it went."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts `borealis &` with it ignored
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app(prog_name="borealis")
    except KeyboardInterrupt:  # before a command had begun or after it had ended
        sys.exit(INTERRUPTED)
    raise AssertionError


_signals: list[int] = []


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: cancelled, cleaned up."""
    del frame
    _signals.append(number)
    signal.raise_signal(signal.SIGINT)


def command(body: Callable[P, int]) -> Callable[P, None]:
    """Makes a command of a function that returns an exit code: what it raises is told in words."""

    @functools.wraps(body)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = body(*args, **kwargs)
        except KeyboardInterrupt:
            typer.echo("borealis: interrupted", err=True)
            code = TERMINATED if _signals else INTERRUPTED
        except BrokenPipeError:  # the reader of our output went away, as `borealis status | head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = FAILED
        except Exception as error:  # noqa: BLE001 the outermost place: everything ends as a message and an exit code
            code = _failed(error, as_json=kwargs.get("as_json") is True)
        raise typer.Exit(code)

    app.command(body.__name__)(wrapped)
    return wrapped


def _failed(error: Exception, *, as_json: bool) -> int:
    known = failures.known(error)
    for each in known:
        told = [shown(line) for text in failures.in_lines(each) for line in text.split("\n")]
        typer.echo("borealis: " + "\n  ".join(told), err=True)
    if as_json:
        _print_json({"status": "FAILED", "run_id": None, "tables": [], "error": failures.as_json(known[0])})
    if os.environ.get("BOREALIS_DEBUG"):
        traceback.print_exception(error)
    return BAD_CONFIGURATION if any(isinstance(each, ConfigError) for each in known) else FAILED


def _print_json(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, default=str, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def _configured(file: Path | None) -> Config:
    """Without --config the environment alone will do, once it says which tables."""
    if file is None and ("BOREALIS_TABLES" not in os.environ or DEFAULT_CONFIG.exists()):
        file = DEFAULT_CONFIG
    return load(file)


def _await(function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
    return anyio.run(functools.partial(function, *args, **kwargs))


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"borealis {__version__}")
        raise typer.Exit


@app.callback()
def borealis(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Copy PostgreSQL tables to Snowflake: exactly, fast, without servers."""
    del version


@command
def demo(
    *,
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where it works.")] = Path("demo"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep PostgreSQL running until Ctrl-C, to try other commands on it.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Embedded PostgreSQL and warehouse, real data: full, then incremental, verified."""
    from engine.local.demo import demonstrate

    outcome = demonstrate(directory, render.console(sys.stderr if as_json else sys.stdout), keep=keep)
    if as_json:
        _print_json(outcome.to_json())
    return COMPLETE if outcome.proven else FAILED


@command
def check(
    *,
    config: ConfigFile = None,
    cloud: Annotated[
        bool, typer.Option("--cloud", help="Look at what people get wrong in AWS and on the way.")
    ] = False,
    inside: Annotated[
        str | None,
        typer.Option("--inside", metavar="FUNCTION", help="With --cloud: health function that looks for us."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Try access, versions, settings, types and timeouts; nothing moves."""
    configured = _configured(config)
    if cloud:
        return _check_cloud(configured, inside, as_json=as_json)
    from engine import inspection

    report = _await(inspection.check, configured)
    items = [{"name": i.name, "ok": i.ok, "detail": i.detail, "remedy": i.remedy} for i in report.items]
    if as_json:
        _print_json({"status": "COMPLETE" if report.ok else "FAILED", "ok": report.ok, "items": items})
    else:
        to = render.console()
        render.show_rows(items, to, ("name", "ok", "detail"))
        for item in items:
            if item["remedy"] and not item["ok"]:
                render.line(f"{item['name']}: {item['remedy']}", to, "red")
    return COMPLETE if report.ok else FAILED


def _check_cloud(config: Config, inside: str | None, *, as_json: bool) -> int:
    from engine.checking import cloud, finding

    found = _await(cloud.everything, config, inside)
    bad = finding.faults(found)
    if as_json:
        _print_json({"status": "FAILED" if bad else "COMPLETE", "ok": not bad, "findings": found})
    else:
        to = render.console()
        render.show_rows([asdict(each) for each in found], to, ("level", "name", "what"))
        for each in found:
            if each.level != "ok":
                style = "red" if each.level == "fault" else "yellow"
                render.line(f"{each.name}: {each.what}", to, style)
                render.line(f"  why: {each.why}", to, style)
                render.line(f"  do: {each.remedy}", to, style)
    return FAILED if bad else COMPLETE


@command
def plan(
    names: Names = None,
    *,
    config: ConfigFile = None,
    full: Annotated[bool, typer.Option("--full", help="Plan a reload of incremental tables too.")] = False,
    as_json: AsJson = False,
) -> int:
    """Say what a run would do: chunks, bytes, types; nothing moves."""
    return _plan(_configured(config), names or [], full=full, as_json=as_json)


def _plan(config: Config, names: list[str], *, full: bool, as_json: bool) -> int:
    from engine import runs
    from engine.wiring import Wanted

    plans: list[dict[str, Any]] = [each.to_json() for each in _await(runs.plans_of, config, Wanted(names, full=full))]
    refused = [fault for each in plans for fault in each.get("faults", [])]
    if as_json:
        _print_json({"status": "FAILED" if refused else "COMPLETE", "tables": plans})
    else:
        to = render.console()
        render.show_plans(plans, to)
        for each in plans:
            for line in [*each.get("changes", []), *each.get("notes", [])]:
                render.line(f"{each['table']}: {line}", to)
        for fault in refused:
            render.line(fault, to, "red")
    return FAILED if refused else COMPLETE


@command
def run(
    names: Names = None,
    *,
    config: ConfigFile = None,
    full: Annotated[bool, typer.Option("--full", help="Reload incremental tables from the beginning.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="As plan: say what it would do.")] = False,
    as_json: AsJson = False,
) -> int:
    """Replicate the tables, or go on where the last run stopped."""
    configured = _configured(config)
    if dry_run:
        return _plan(configured, names or [], full=full, as_json=as_json)
    from engine import runs
    from engine.wiring import Wanted

    with telemetry.traced("run"), render.observing() as observer:
        body = functools.partial(runs.run, configured, Wanted(names or [], full=full), observer=observer)
        receipts = _await(_audited, configured, "run", {"tables": names or [], "full": full}, body)
    status = overall(receipts)
    if as_json:
        _print_json({"status": status, "run_id": receipts[0].run_id if receipts else None, "tables": receipts})
    else:
        render.show_receipts(receipts, render.console())
    return {"COMPLETE": COMPLETE, "PARTIAL": PARTIAL}.get(status, FAILED)


async def _audited(
    config: Config, command: str, asked: Mapping[str, Any], body: Callable[[], Awaitable[list[Done]]]
) -> list[Done]:
    """Where an audit log is set, what a command does stands there too."""
    if config.aws.audit_log_group is None:
        return await body()
    from engine import audit

    async with audit.audited_command(config, command, asked) as entry:
        done = await body()
        entry.answer = {"status": overall(done), "run_id": done[0].run_id if done else None}
        entry.tables = [asdict(each) for each in done]
    if entry.untold is not None:
        typer.echo(f"borealis: {entry.untold}", err=True)
    return done


def overall(receipts: Sequence[Receipt | RolledBack]) -> str:
    """One status for many receipts."""
    statuses = {receipt.status for receipt in receipts}
    return "FAILED" if "FAILED" in statuses else "PARTIAL" if "PARTIAL" in statuses else "COMPLETE"


@command
def verify(
    names: Names = None,
    *,
    config: ConfigFile = None,
    level: Annotated[
        Literal["count", "checksum", "bisect"],
        typer.Option("--level", help="How thoroughly; bisect finds the rows that differ."),
    ] = "checksum",
    sample: Annotated[
        float | None, typer.Option("--sample", min=0.0003, max=1, metavar="PART", help="Of the keys, with bisect.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make the rows that differ equal; implies bisect.")] = False,
    as_json: AsJson = False,
) -> int:
    """Compare the target with the source; find the rows that differ, and repair just those."""
    configured = _configured(config)
    if repair:
        from engine.repair import repair as repairing

        level, compared = "bisect", _await(repairing, configured, names or [], sample=sample)
    elif sample is not None and level != "bisect":
        raise ConfigError(["--sample: is for --level bisect, whose keys are the same part on both sides"])
    else:
        from engine.verify import verify as verifying

        compared = _await(verifying, configured, names or [], level=level, sample=sample)
    results: list[Mapping[str, Any]] = [each.to_json() for each in compared]
    equal = all(each["ok"] for each in results)
    if as_json:
        _print_json({"status": "COMPLETE" if equal else "FAILED", "level": level, "tables": results})
    else:
        render.show_verification(results, render.console())
    return COMPLETE if equal else FAILED


@command
def audit(
    receipts: Annotated[
        Path | None,
        typer.Argument(metavar="RECEIPT", help="What `run --json` printed, - for standard input; default: the newest."),
    ] = None,
    *,
    config: ConfigFile = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Of KMS, that must have signed; default: aws.signing_key")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Check receipts later: unchanged, signed, and the target still what they say."""
    from engine import receipts as auditing

    given = auditing.receipts_in(auditing.content_of(receipts)) if receipts else []
    audited = _await(auditing.audit, _configured(config), given, key)
    ok = all(each.ok for each in audited)
    if as_json:
        _print_json({"status": "COMPLETE" if ok else "FAILED", "ok": ok, "receipts": audited})
    else:
        render.show_audited([asdict(each) for each in audited], render.console())
    return COMPLETE if ok else FAILED


@command
def status(names: Names = None, *, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """Show watermarks, last receipts, leases and lag, and how far an unfinished run is."""
    configured = _configured(config)
    from engine import inspection

    rows = _await(inspection.status, configured, names or [])
    if as_json:
        _print_json({"status": "COMPLETE", "tables": rows})
    else:
        render.show_status(rows, render.console())
    return COMPLETE


@command
def rollback(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="schema.table.")],
    *,
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back; nothing changes.")] = False,
    as_json: AsJson = False,
) -> int:
    """Put back what the last swap of a table replaced, with its watermark."""
    configured = _configured(config)
    from engine import rollback as rolling

    async def body() -> list[RolledBack]:
        return [await rolling.roll_back(configured, name, dry_run=dry_run)]

    asked = {"tables": [name], "dry_run": dry_run}
    (done,) = [each.to_json() for each in _await(_audited, configured, "rollback", asked, body)]
    if as_json:
        _print_json({"status": "COMPLETE", "dry_run": dry_run, "tables": [done]})
    else:
        render.show_rows([done], render.console(), ("target_table", "undone_run_id", "age_h", "watermark", "note"))
    return COMPLETE


@command
def replay(
    *,
    queue: Annotated[
        str | None, typer.Option("--queue", metavar="URL", help="Dead-letter queue; default: aws.dead_letter_queue.")
    ] = None,
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is there; nothing is sent.")] = False,
    most: Annotated[int, typer.Option("--max", min=1, metavar="N", help="Messages to take.")] = 100,
    as_json: AsJson = False,
) -> int:
    """Send what failed in the functions once more, from the dead-letter queue."""
    region = None
    if queue is None:
        settings = _configured(config).aws
        queue, region = settings.dead_letter_queue, settings.region
    if queue is None:
        raise ConfigError(["aws.dead_letter_queue: is required without --queue; set it to the URL of the SQS queue"])
    from handlers import replay as replaying

    replayed = _await(replaying.replay, queue, region, most=most, dry_run=dry_run)
    rows: list[Mapping[str, Any]] = [asdict(each) for each in replayed]
    code = FAILED if any(each.error for each in replayed) else COMPLETE
    if as_json:
        _print_json({"status": "FAILED" if code else "COMPLETE", "dry_run": dry_run, "messages": rows})
    else:
        render.show_rows(rows, render.console(), ("goes_to", "failed_at", "failure", "event", "sent", "error"))
    return code


@command
def warehouse(
    *,
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where it keeps its data.")],
    port: Annotated[int, typer.Option("--port", metavar="N", help="Of 127.0.0.1; 0 for a free one.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Serve the embedded warehouse until Ctrl-C, for other clients."""
    from engine.local.warehouse.process import serve

    with serve(directory, port) as endpoint:
        if as_json:
            _print_json({"status": "SERVING", "host": endpoint.host, "port": endpoint.port, "pid": endpoint.pid})
        else:
            typer.echo(f"Serving {directory} until Ctrl-C. Any user and password will do:\n")
            typer.echo(f"    import snowflake.connector\n    snowflake.connector.connect({_arguments(endpoint)})")
        try:
            os.waitid(os.P_PID, endpoint.pid, os.WEXITED | os.WNOWAIT)
        except KeyboardInterrupt:
            return COMPLETE
    raise BorealisError(f"the warehouse in {directory} ended by itself", remedy=f"see {directory / 'server.log'}")


def _arguments(endpoint: Endpoint) -> str:
    """Of the connector's `connect`."""
    login = {"user": "you", "password": "any", **endpoint.connection()}
    return ", ".join(f"{name}={value!r}" for name, value in login.items())
