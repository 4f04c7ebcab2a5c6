"""The values that one run is made of: tables, fields, chunks, plans, receipts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Mode = Literal["full", "incremental"]
Status = Literal["COMPLETE", "PARTIAL", "FAILED"]
OnLoss = Literal["error", "null", "text"]


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
    unlogged: bool = False

    @property
    def label(self) -> str:
        """`schema.name` as users write it in the configuration and read it in messages."""
        return f"{self.schema}.{self.name}"

    @property
    def bytes_total(self) -> int:
        return sum(leaf.bytes_total for leaf in self.leaves)


@dataclass(frozen=True, slots=True)
class Loss:
    """A way in which a value of a column has no exact form in the target."""

    reason: str
    """One word: `infinity`, `year`, `nan`, `midnight`, `digits`, `nul`, `surrogate`, `bounds`, `size`."""
    condition: str
    """SQL over the source row: true where the value is lost, never NULL-sensitive (NULL counts as false)."""


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
    watermark: str | None = None
    lag_seconds: float | None = None
    """Of an incremental run: how far what is known to be complete was behind the source's clock."""
    losses: list[dict[str, Any]] = field(default_factory=list)
    """`{"column", "reason", "policy", "rows"}` each."""
    verification: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    """Steps that were tried again after a fault that passed."""
    snapshot: dict[str, Any] = field(default_factory=dict)
    """What was read: `{"id", "taken_at", "moved", "chunks_read_again"}`. `moved`: how often a run that several
    functions shared lost its snapshot and went on in a newer one; the rows are those of the last."""
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
