"""The target in the words of a run: its catalogue, a landing table, staged files, a load, a watermark."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import stamina

from engine.deadline import Deadline
from engine.errors import LeaseError, StageError, TargetError
from engine.ledger import Loaded, WholeChunk, check_copy, check_noted
from engine.model import StagedFile, codec_of
from engine.plan import TablePlan
from engine.retrying import retrying
from engine.sql import marks
from engine.sql import target as sql
from engine.sql.target import Names
from engine.target.session import Result, Session, SessionPool

LEDGER_DAYS = 7
_MARK = re.compile(r" ?\[borealis run (\w+)\]")


@dataclass(frozen=True, slots=True)
class TargetTable:
    name: str
    is_table: bool
    transient: bool
    comment: str
    columns: Mapping[str, str]

    @property
    def run_id(self) -> str | None:
        """The run that made this table what it is by a swap."""
        found = _MARK.search(self.comment)
        return found[1] if found else None

    def comment_for(self, run_id: str) -> str:
        """The user's own comment, with our mark behind it."""
        return f"{_MARK.sub('', self.comment)} [borealis run {run_id}]".strip()


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to where a target table has its source's changes; a row of WATERMARKS."""

    run_id: str = ""
    version: int = 0
    cursor: str | None = None
    key: tuple[str, ...] = ()
    value: str | None = None
    pending_run_id: str | None = None
    pending_value: str | None = None

    def settled(self, published: TargetTable | None) -> Watermark:
        """A swap commits by itself, so its watermark is noted before it; whether it happened, the table tells."""
        if self.pending_run_id and published is not None and published.run_id == self.pending_run_id:
            return Watermark(self.pending_run_id, self.version, self.cursor, self.key, self.pending_value)
        return Watermark(self.run_id, self.version, self.cursor, self.key, self.value)


@dataclass(frozen=True, slots=True)
class TargetCatalogue:
    """The target as one reading found it, for all tables of a run."""

    tables: Mapping[str, TargetTable]
    """By name, in the user's schema."""
    ours: Mapping[str, TargetTable]
    """Landing tables and what they replaced, in the schema of our own."""
    watermarks: Mapping[str, Watermark]
    streamed: frozenset[str] = field(default_factory=frozenset)
    """Tables that a stream reads: a swap would make it stale."""


class Bucket(Protocol):
    """What lies behind an external stage. The target itself need only read it."""

    async def folders(self) -> set[str]: ...
    async def remove(self, folder: str) -> None: ...


class Target:
    """What a run does at the target. Statements that fail for a passing reason are tried again where that is safe."""

    def __init__(
        self,
        names: Names,
        sessions: SessionPool,
        *,
        transient: bool,
        attempts: int,
        deadline: Deadline,
        bucket: Bucket | None = None,
    ) -> None:
        """`bucket` where the names have an external stage."""
        self.names = names
        self.sessions = sessions
        self.transient = transient
        self._attempts = attempts
        self._bucket = bucket
        self._deadline = deadline

    def folder(self, run_id: str) -> str:
        """Where on the stage the files of a table's run are: in the folder of the invocation that began it."""
        return f"{folder_of(run_id)}/{run_id}"

    def retrying(self) -> AsyncIterator[stamina.Attempt]:
        """The retry loop around the steps at the target that are safe to repeat."""
        return retrying(self._attempts, self._deadline, wait_s=0.2)

    async def execute(self, statement: str, parameters: Sequence[Any] = (), *, doing: str) -> list[tuple[Any, ...]]:
        """One statement that may be repeated, on any session."""
        async for attempt in self.retrying():
            with attempt:
                async with self.sessions.session() as session:
                    return (await session.execute(statement, parameters, doing=doing)).rows
        raise AssertionError

    async def prepare_ground(self) -> None:
        """Makes the schemas, the stage and our two tables where they are missing."""
        rows = await self.execute(sql.show_schemas(self.names), doing="cannot read the target's schemas")
        schemas = {row[1] for row in rows}
        tables = await self.execute(sql.select_tables(self.names), doing="cannot read the target's tables")
        ours = {row[1]: row[4] for row in tables if row[0] == self.names.state_schema}
        there = {self.names.schema, self.names.state_schema} <= schemas and "WATERMARKS" in ours
        if not there or ours.get("LEDGER") != sql.LEDGER_FORM:
            for statement in sql.create_ground(self.names):
                await self.execute(statement, doing="cannot prepare the target")
        if self.names.external is not None:
            await self._prepare_stage(self.names.external.url)

    async def _prepare_stage(self, url: str) -> None:
        """The external stage may come into the settings later than our tables, and its address may change there."""
        rows = await self.execute(sql.show_stages(self.names), doing="cannot list the target's stages")
        found = {str(row[1]): str(row[4]) for row in rows}
        name = self.names.stage_name
        if name not in found:
            await self.execute(sql.create_external_stage(self.names), doing="cannot make the external stage")
        elif found[name].rstrip("/") != url.rstrip("/"):
            raise StageError(
                f"the stage {self.names.ours(name)} reads {found[name]}, stage.url is {url}",
                remedy="drop the stage once no run uses it, or correct stage.url",
            )

    async def catalogue(self) -> TargetCatalogue:
        columns: dict[str, dict[str, str]] = {}
        for row in await self.execute(sql.select_columns(self.names), doing="cannot read the target's columns"):
            columns.setdefault(row[0], {})[row[1]] = _type_of(*row[2:])
        tables: dict[str, dict[str, TargetTable]] = {self.names.schema: {}, self.names.state_schema: {}}
        for schema, name, kind, transient, comment in await self.execute(
            sql.select_tables(self.names), doing="cannot read the target's tables"
        ):
            known = columns.get(name, {}) if schema == self.names.schema else {}
            tables[schema][name] = TargetTable(name, kind == "BASE TABLE", transient == "YES", comment or "", known)
        found = await self.execute(marks.select_watermarks(self.names), doing="cannot read the watermarks")
        streams = await self.execute(sql.show_streams(self.names), doing="cannot list the target's streams")
        return TargetCatalogue(
            tables[self.names.schema], tables[self.names.state_schema], dict(map(_watermark, found)), _streamed(streams)
        )

    async def put(self, run_id: str, file: StagedFile) -> None:
        """Uploads a file into the run's folder. Repeating it overwrites the same bytes."""
        assert file.path is not None
        statement = sql.put(self.names, self.folder(run_id), str(file.path), codec_of(file.name))
        doing = f"cannot upload a staged file of chunk {file.chunk}"
        async for attempt in self.retrying():
            with attempt:
                async with self.sessions.session() as session:
                    done = await session.upload(statement, file.path, doing=doing)
        assert [str(row[6]).upper() for row in done.rows] == ["UPLOADED"]

    async def load(self, plan: TablePlan, table: str, run_id: str, chunks: Sequence[WholeChunk]) -> int:
        """Loads whole chunks and notes them in the ledger, in one transaction: once, however often it is tried.

        Where the chunk is the only one of its table, the table's rows are counted before it is noted. Returns the
        number of tries.
        """
        files = [name for chunk in chunks for name in chunk.files]
        first, tries = True, 0
        async for attempt in self.retrying():
            with attempt:
                tries = int(attempt.num)
                async with self.sessions.session(fresh=not first) as session:
                    if not first and await self._loaded(session, run_id, chunks):
                        return tries
                    statements: list[tuple[str, Sequence[Any]]] = []
                    for begin in range(0, len(files), sql.FILES_MAX):
                        copy = sql.copy_into(
                            self.names, table, plan.fields, self.folder(run_id), files[begin : begin + sql.FILES_MAX],
                            codec=codec_of(files[0]), force=not first,
                        )  # fmt: skip
                        statements.append((copy, ()))
                    first = False
                    entries = [value for chunk in chunks for value in _ledger_row(run_id, plan.table.label, chunk)]
                    if len(plan.chunks) == 1:
                        statements.append((sql.insert_ledger_counted(self.names, table), [*entries, chunks[0].rows]))
                    else:
                        statements.append((sql.insert_ledger(self.names, len(chunks)), entries))

                    def check(results: list[Result]) -> None:
                        check_copy([row for result in results[:-1] for row in result.rows], chunks)
                        check_noted(results[-1].rowcount, chunks)

                    await session.checked_transaction(statements, check, doing=f"cannot load {plan.table.label}")
        return tries

    async def loaded(self, run_id: str) -> Loaded:
        """What the ledger has of a run, read from a new session: it sees what any other has committed."""
        async for attempt in self.retrying():
            with attempt:
                async with self.sessions.session(fresh=True) as session:
                    found = await session.execute(
                        sql.select_ledger(self.names), [run_id], doing="cannot read the ledger"
                    )
                    return Loaded.of(found.rows)
        raise AssertionError

    async def _loaded(self, session: Session, run_id: str, chunks: Sequence[WholeChunk]) -> bool:
        """A lost reply to COMMIT leaves open whether it happened; the ledger knows."""
        found = await session.execute(sql.select_ledger(self.names), [run_id], doing="cannot read the ledger")
        done = {int(row[0]) for row in found.rows}
        return {chunk.id for chunk in chunks} <= done

    def watermark_statement(self, table: str, was: Watermark, now: Watermark) -> tuple[str, list[Any]]:
        """The statement that moves a watermark; it changes no row if another run moved it since `was` was read."""
        values = [
            now.run_id,
            now.cursor,
            orjson.dumps(now.key).decode(),
            now.value,
            now.pending_run_id,
            now.pending_value,
        ]
        if was.version == 0:
            return marks.insert_watermark(self.names), [table, *values, table]
        return marks.update_watermark(self.names), [*values, table, was.version]

    async def staged_folders(self) -> set[str]:
        """The folders on the stage, one an invocation."""
        if self._bucket is not None:
            return await self._bucket.folders()
        rows = await self.execute(sql.list_stage(self.names), doing="cannot list the stage")
        return {str(row[0]).split("/")[1] for row in rows if str(row[0]).count("/") > 1}

    async def sweep_stage(self, folder: str) -> None:
        """Removes an invocation's staged files."""
        if self._bucket is not None:
            await self._bucket.remove(folder)
            return
        await self.execute(sql.remove(self.names, folder), doing="cannot remove the staged files")

    async def sweep_ledger(self) -> None:
        await self.execute(sql.delete_ledger(self.names), [LEDGER_DAYS], doing="cannot tidy the ledger")


def folder_of(run_id: str) -> str:
    """The folder on the stage of the invocation that a table's run began in."""
    return run_id.partition("_")[0]


def _ledger_row(run_id: str, table: str, chunk: WholeChunk) -> tuple[Any, ...]:
    losses = orjson.dumps(chunk.losses).decode() if chunk.losses else None
    return (
        run_id, table, chunk.id, chunk.rows, len(chunk.files), chunk.bytes, chunk.bytes_read, losses, chunk.snapshot,
        chunk.manifest or None,
    )  # fmt: skip


def check_moved(rowcount: int, table: str) -> None:
    """Raises LeaseError where the fence held: the watermark is not the one that this run began from."""
    if rowcount != 1:
        raise LeaseError(
            f"another run has published {table} since this one began", remedy="nothing was changed; run again"
        )


def _type_of(name: str, length: int | None, precision: int | None, scale: int | None, fraction: int | None) -> str:
    """A column's type as DESCRIBE prints it, from INFORMATION_SCHEMA's parts."""
    if name in ("NUMBER", "FIXED", "DECIMAL"):
        return f"NUMBER({precision},{scale or 0})"
    if name in ("TEXT", "VARCHAR"):
        return f"VARCHAR({length})" if length else "VARCHAR"
    if name == "BINARY":
        return f"BINARY({length})" if length else "BINARY"
    if name in ("TIME", "TIMESTAMP_NTZ", "TIMESTAMP_TZ", "TIMESTAMP_LTZ"):
        return f"{name}({9 if fraction is None else fraction})"
    return name


def _watermark(row: tuple[Any, ...]) -> tuple[str, Watermark]:
    table, run_id, version, cursor, key, value, pending_run_id, pending_value = row
    try:
        names = tuple(map(str, orjson.loads(key or "[]")))
        return str(table), Watermark(run_id or "", int(version), cursor, names, value, pending_run_id, pending_value)
    except (ValueError, TypeError, OverflowError):
        raise TargetError(
            f"the row of {table} in WATERMARKS was not written by Borealis",
            remedy="see who else may write there, and delete the row: the next run loads the table anew",
        ) from None


def _streamed(rows: Sequence[tuple[Any, ...]]) -> frozenset[str]:
    """SHOW STREAMS prints the table as a full name in some column; any mention of a table counts."""
    return frozenset(str(value).replace('"', "") for row in rows for value in row if value and "." in str(value))
