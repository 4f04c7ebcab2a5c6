"""The values that one run is made of: tables, fields, chunks, plans, receipts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Mode = Literal["full", "incremental"]
Status = Literal["COMPLETE", "PARTIAL", "FAILED"]
OnLoss = Literal["error", "null", "text"]


FIRST_MADE = 16384
"""The least oid of what was made after initdb (PostgreSQL: FirstNormalObjectId)."""
Tid = tuple[int, int]
"""Page, and line within the page, of a row: a ctid."""


@dataclass(frozen=True, slots=True)
class TypeRef:
    """A PostgreSQL type as the catalogue tells it, with the modifier that applies to one column."""

    oid: int
    schema: str
    name: str
    """`pg_type.typname`: `int4`, `bpchar`, `_text`."""
    kind: str
    """`pg_type.typtype`: b base, c composite, d domain, e enum, r range, m multirange."""
    is_array: bool = False
    """A true array (`typoutput = array_out`), so not int2vector or oidvector."""
    typmod: int = -1
    """The modifier in force: the column's own, or the domain's; -1 for none."""
    base: TypeRef | None = None
    """Of a domain: the type under it, which may be a domain again."""
    element: TypeRef | None = None
    """Of an array: the element's type, with the array's modifier."""

    @property
    def is_made(self) -> bool:
        """Not one that PostgreSQL came with."""
        return self.oid >= FIRST_MADE or any(inner is not None and inner.is_made for inner in (self.base, self.element))


@dataclass(frozen=True, slots=True)
class Column:
    """A live column of the source (`attnum > 0`, not dropped)."""

    number: int
    name: str
    type: TypeRef
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """A relation that holds rows of a table: itself, a leaf partition, an inheritance child."""

    oid: int
    schema: str
    name: str
    kind: str
    """`pg_class.relkind`: r has ctid ranges; v, m (no parallel ranges asked) and f are read whole."""
    pages: int
    """Pages of the main fork now; 0 where there is none."""
    bytes_total: int
    """Main fork and TOAST, bytes."""
    filenode: int = 0
    """The file behind it: another one means that it was rewritten, and rows stand elsewhere."""
    readable: bool = True
    """The role may read it by itself, as chunks are read; a right on the parent does not do."""
    row_security: bool = False
    """As of a table, where it is read by itself."""
    unlogged: bool = False

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the source as one catalogue reading found it."""

    oid: int
    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns of the primary key, else of the first unique index over NOT NULL columns, else ()."""
    leaves: tuple[Leaf, ...]
    indexed: tuple[str, ...] = ()
    """Columns that lead a btree index."""
    row_security: bool = False
    """Row-level security would hide rows from the role that reads."""

    @property
    def label(self) -> str:
        """`schema.name` as users write it in the configuration and read it in messages."""
        return f"{self.schema}.{self.name}"

    @property
    def bytes_total(self) -> int:
        return sum(leaf.bytes_total for leaf in self.leaves)

    @property
    def made_of(self) -> str:
        """`OID:FILE`: another oid means that it was replaced, another file that it was emptied or rewritten. FILE is 0
        of a table with partitions or children.
        """
        return f"{self.oid}:{self.leaves[0].filenode if len(self.leaves) == 1 else 0}"

    @property
    def runs_code(self) -> bool:
        """Reading it may run functions of its owner: those of a view, or casts of a type that somebody has made."""
        return self.kind == "v" or any(column.type.is_made for column in self.columns)


@dataclass(frozen=True, slots=True)
class Loss:
    """A way in which a value of a column has no exact form in the target."""

    reason: str
    """One word: `infinity`, `year`, `midnight`, `nan`, `digits`, `range`, `nul`, `surrogate`, `duplicate`, `bounds`,
    `size`."""
    condition: str
    """SQL over the source row: true where the value is lost, never NULL-sensitive (NULL counts as false)."""


LOST_KEYS_MAX = 10
"""Rows whose keys are told of a loss: enough to look for the cause, and few enough for a line of the ledger."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows in which a column's value has no exact form, for one reason."""

    column: str
    reason: str
    rows: int
    keys: tuple[Mapping[str, str | None], ...] = ()
    """Of the first of them in the order of the table: the key as text by its columns; () for a table without one."""

    @staticmethod
    def added(several: Iterable[Lost]) -> list[Lost]:
        """One for each column and reason."""
        found: dict[tuple[str, str], Lost] = {}
        for lost in several:
            before = found.get((lost.column, lost.reason))
            if before is not None:
                keys = (*before.keys, *lost.keys)[:LOST_KEYS_MAX]
                lost = replace(lost, rows=before.rows + lost.rows, keys=keys)  # noqa: PLW2901
            found[lost.column, lost.reason] = lost
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the staged CSV and the target column that it fills."""

    source: str
    """Name of the source column."""
    target: str
    """Name of the target column as stored: upper case, unquoted."""
    target_type: str
    """`NUMBER(10,0)`, `VARCHAR(134217728)`, `VARIANT`, as Snowflake's own words (DESCRIBE would print the same)."""
    select: str
    """SQL expression over the source row; its text form is what is staged."""
    quoted: bool
    """Non-NULL values are always quoted in the CSV (FORCE_QUOTE), so that '' and NULL differ."""
    load: str = "{}"
    """COPY expression with `{}` for the field (`$3`): `{}` where the column's cast does, `PARSE_JSON({})`."""
    canonical_source: str | None = None
    """Text expression over the source row for checksums, NULL for NULL; None where excluded."""
    canonical_target: str | None = None
    """The same text computed by the target from its own column (quoted as \"NAME\"); None where excluded."""
    shape: bool = False
    """The canonical text tells only of NULL, of what stands at the top, and of how many elements there are."""
    on_loss: OnLoss = "error"
    losses: tuple[Loss, ...] = ()
    watched: str = ""
    """A cheaper `select`, for what is spooled with a watch for long numbers (engine.spool.Watch); "": there is none."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A range of one leaf: the unit of COPY INTO, of checkpoint, of resume."""

    id: int
    leaf: int
    """Index into `Table.leaves`."""
    first: Tid | None
    """Where the ctid range begins; None: the leaf is read whole."""
    end: Tid | None
    """Where the next range begins; None: open-ended (rows beyond the last page seen are in no other chunk)."""
    bytes_estimate: int


@dataclass(frozen=True, slots=True)
class Decision:
    """A number that was chosen, or fixed, and why, as a receipt tells it."""

    setting: str
    """Of `[limits]`."""
    value: int | str
    why: str
    """In words that a user of the settings understands."""
    source: str
    """Where the number comes from: a setting, `cores`, `memory`, `disk`, `table`, `deadline`, or `history`."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How one table is copied by this process."""

    readers: int = 1
    loaders: int = 1
    chunk_bytes: int = 2**62
    """Bytes of table in one chunk."""
    file_bytes_max: int = 2**62
    """Bytes of CSV in one staged file."""
    codec: str = "gzip"
    level: int = 1
    decisions: tuple[Decision, ...] = ()
    """Why, one for each of the above."""


SUFFIXES = {"gzip": "csv.gz", "zstd": "csv.zst"}
"""Of a staged file's name, by codec."""


def codec_of(name: str) -> str:
    return next(codec for codec, suffix in SUFFIXES.items() if name.endswith(suffix))


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A whole compressed file of one chunk, not yet in a table."""

    chunk: int
    name: str
    path: Path | None
    """Where it is on disk; None where it is on the stage already."""
    rows_bytes: int
    """CSV bytes."""
    file_bytes: int
    """Compressed bytes."""
    sha256: str = ""
    """Of them, in hex."""


@dataclass(slots=True)
class Receipt:
    """What one table's run did. `seconds` by phase; bytes_read raw CSV, bytes_staged compressed."""

    table: str
    target_table: str
    mode: Mode
    status: Status = "FAILED"
    run_id: str = ""
    rows_read: int = 0
    rows_loaded: int = 0
    bytes_read: int = 0
    bytes_staged: int = 0
    bytes_copied: int = 0
    """Of bytes_read, what this function read: the bytes that `seconds` speak of."""
    workers: dict[str, Any] = field(default_factory=dict)
    """Of a fan-out: `{"functions", "bytes_copied", "seconds"}` of those that copied chunks beside this function, with
    their seconds of copying added up."""
    chunks: int = 0
    chunks_left: int = 0
    """Of a PARTIAL run, for the next function."""
    seconds: dict[str, float] = field(default_factory=dict)
    rows_per_second: float = 0.0
    publish: str = ""
    """How it was published: swap, overwrite, merge or append."""
    plan_hash: str = ""
    """SHA-256 of all that decided which rows were read and what became of them; the plan's id begins it."""
    watermark: str | None = None
    lag_seconds: float | None = None
    """Of an incremental run: how far what is known to be complete was behind the source's clock."""
    losses: list[dict[str, Any]] = field(default_factory=list)
    """`{"column", "reason", "policy", "rows", "keys"}` each; of a policy `error` those that the run was refused for."""
    verification: dict[str, Any] = field(default_factory=dict)
    """What the gates found before it was published: `{"level", "rows_source", "rows_target", "equal"}`; with checksums
    these of both sides and the columns, with their types, that they are made of."""
    files: dict[str, Any] = field(default_factory=dict)
    """What was staged and loaded: `{"count", "root", "chunks"}` (engine.ledger.files_of)."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of the engine, PostgreSQL and the connector."""
    finished_at: str = ""
    retries: int = 0
    """Steps that were tried again after a fault that passed."""
    snapshot: dict[str, Any] = field(default_factory=dict)
    """What was read: `{"id", "taken_at", "moved", "chunks_read_again", "budget_spent"}`, and of which server, where in
    its log: `{"node", "system", "database", "standby", "lsn", "server"}`. `moved`: how often a run that several
    functions shared lost its snapshot and went on in a newer one; the rows are those of the last. `budget_spent`: the
    part of what the source may be asked to keep old rows for; 1 is all."""
    functions: int = 1
    """Functions, or processes, that worked on it one after another."""
    notes: list[str] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    """How it was copied and why: `{"setting", "value", "why", "source"}` each (engine.tuning)."""
    backed_off: list[dict[str, Any]] = field(default_factory=list)
    """What the source was spared meanwhile: `{"at", "signal", "what", "from", "to"}` each (engine.source.governor)."""
    prediction: dict[str, Any] = field(default_factory=dict)
    """What was expected (engine.predict), and under `happened` the same of what was."""
    error: dict[str, Any] | None = None
    """`{"code", "message", "remedy", "retryable"}`."""
    seal: dict[str, str] = field(default_factory=dict)
    """Of all other fields: `{"digest"}`, and where a key is set `{"key", "algorithm", "signature"}` (engine.seal)."""
