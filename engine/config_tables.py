"""How one table is replicated, and what a table's own entry takes from the defaults. Pure."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from engine.config_types import Seconds, Section, StoredName, TableName, TargetType, Zone, stored_name
from engine.model import Mode, OnLoss
from engine.selection import NamePattern

Kind = Literal["table", "partitioned", "view", "materialized_view", "foreign"]


class ColumnOptions(Section):
    """What is set for one column of a table."""

    on_loss: OnLoss | None = Field(default=None, description="As `on_loss` of the table, for this column.")
    type: TargetType | None = Field(
        default=None,
        description="Type in the target, in place of the one that the mapping chooses.",
        examples=["NUMBER(38,9)"],
    )


class TableDefaults(Section):
    """How a table is replicated where its own entry says nothing."""

    mode: Mode = Field(
        default="full", description="`full` copies the table anew; `incremental` what its cursor shows as changed."
    )
    cursor: str | None = Field(
        default=None, min_length=1, description="Column that grows with each insert and update; `incremental` needs it."
    )
    key: tuple[str, ...] = Field(
        default=(), description="Columns that are unique together; without them the primary key."
    )
    publish: Literal["auto", "swap", "overwrite", "merge", "append"] = Field(
        default="auto",
        description="`full`: `swap`, `overwrite`, or `auto`, which overwrites only where a stream hangs on the table. "
        "`incremental`: `merge` (what `auto` means there) or `append`.",
    )
    deletes: Literal["none", "soft", "reconcile"] = Field(
        default="none",
        description="Deletes at the source, in `incremental` with `merge`: `soft` deletes what `soft_column` marks; "
        "`reconcile` compares the keys after each run and deletes at the target what is gone.",
    )
    soft_column: str | None = Field(
        default=None,
        min_length=1,
        description="With `soft`: column of the source that marks a deleted row by being neither NULL nor false. With "
        "`reconcile`: timestamp column of the target that records when a row was found gone; the row then stays.",
    )
    reader: Literal["copy", "cursor"] = Field(
        default="copy",
        description="`copy` streams COPY; `cursor` fetches from a server-side cursor, where COPY is not allowed.",
    )
    on_loss: OnLoss = Field(
        default="error",
        description="A value without exact form in the target: `error` refuses the table, `null` loads NULL and counts "
        "it, `text` does and keeps the exact text in a further column, `<COLUMN>__PG_TEXT`.",
    )
    schema_changes: Literal["evolve", "frozen"] = Field(
        default="evolve",
        description="Changed columns at the source: `evolve` changes the target alike, `frozen` refuses the table.",
    )
    null_cursor: Literal["load", "fail", "skip"] = Field(
        default="load",
        description="Rows whose cursor is NULL: `load` reads all of them each run, `fail` refuses the table, `skip` "
        "leaves them out; each is reported. With `append` the default is `fail`, since `load` would double them.",
    )
    cursor_lag_s: Seconds = Field(
        default=0,
        description="Seconds that a watermark stays behind the clock, for clocks that are not the source's own; set in "
        "all incremental tables it replaces the look at open transactions, where the role cannot see them.",
    )
    cursor_timezone: Zone = Field(default="UTC", description="Time zone of a cursor that is a timestamp without one.")
    exclude_columns: tuple[str, ...] = Field(default=(), description="Columns of the source that are not replicated.")
    allow_empty: bool = Field(
        default=False, description="Whether a source table that became empty may empty a target table that is not."
    )
    verify: Literal["count", "checksum"] = Field(
        default="count",
        description="Gate between landing table and target: `count` compares the rows with those read; `checksum` also "
        "the values, computed in each database by itself.",
    )
    keep_previous_h: float = Field(
        default=24,
        ge=0,
        allow_inf_nan=False,
        description="Hours that the table replaced by a swap is kept; 0 for none.",
    )
    kinds: tuple[Kind, ...] = Field(
        default=("table", "partitioned"),
        description="Kinds of relation that a pattern selects: `table`, `partitioned` (one table with its "
        "partitions), `view`, `materialized_view`, `foreign`. An exact name selects any kind.",
    )
    columns: dict[str, ColumnOptions] = Field(
        default_factory=dict, description="Settings of single columns by name, such as `columns.price.type`."
    )


class TableOptions(TableDefaults):
    """A table, or all that a pattern selects; what is not set here comes from `[defaults]`."""

    name: TableName = Field(
        description="`schema.table` or a pattern, `schema.*`; `*` and `?` are wild, case matters, odd names stand in "
        "double quotes. Exact names win over patterns, then the first entry that matches.",
        examples=["public.orders"],
    )
    group: str | None = Field(
        default=None,
        min_length=1,
        description="Group that a schedule or an event may name in place of tables.",
        examples=["nightly"],
    )
    exclude: tuple[TableName, ...] = Field(default=(), description="Names or patterns that a pattern leaves out.")
    target_name: StoredName | None = Field(
        default=None,
        description="Name in the target of an exactly named table; without it the source's name, upper-cased.",
    )

    @cached_property
    def pattern(self) -> NamePattern:
        return NamePattern.parse(self.name)

    @cached_property
    def exclusions(self) -> tuple[NamePattern, ...]:
        return tuple(NamePattern.parse(text) for text in self.exclude)

    def over(self, defaults: TableDefaults) -> TableOptions:
        """These options, each that is not set taken from the defaults, and what depends on others made definite."""
        inherited = {
            name: getattr(defaults, name)
            for name in defaults.model_fields_set - self.model_fields_set
            if name != "publish" or publishes(defaults.publish, self.mode_over(defaults))
        }
        merged = self.model_copy(update=inherited)
        chosen: dict[str, Any] = {}
        if merged.deletes == "reconcile" and merged.soft_column:
            chosen["soft_column"] = stored_name(merged.soft_column)
        if merged.mode == "incremental" and merged.publish == "auto":
            chosen["publish"] = "merge"
        if merged.publish == "append" and "null_cursor" not in merged.model_fields_set:
            chosen["null_cursor"] = "fail"
        return merged.model_copy(update=chosen)

    def mode_over(self, defaults: TableDefaults) -> Mode:
        return self.mode if "mode" in self.model_fields_set else defaults.mode


def publishes(publish: str, mode: str) -> bool:
    """Whether the way of publishing belongs to the mode."""
    return publish == "auto" or (publish in ("merge", "append")) == (mode == "incremental")
