"""Decides how each column of a table arrives: a `Table` and policies become the `Field`s of the staged CSV. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.errors import RefusedError
from engine.model import Column, Field, Loss, OnLoss, Table
from engine.quoting import quote
from engine.typemap import canonical, losses, rules
from engine.typemap.losses import Guard
from engine.typemap.rules import Rule

NAME_CHARACTERS_MAX = 255
"""Of an identifier (Snowflake: identifier requirements)."""
SIDE = "__PG_TEXT"
"""Ends the name of the column that keeps the exact text of values that the policy `text` saves."""
NAMES_RESERVED = frozenset("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER LOCALTIME LOCALTIMESTAMP".split())
"""ANSI's functions without parentheses cannot name a column (Snowflake: CREATE TABLE)."""


@dataclass(frozen=True, slots=True)
class ColumnPolicy:
    on_loss: OnLoss = "error"
    type: str | None = None
    """The target's type, instead of what the mapping says: `VARCHAR`, `NUMBER(38,10)`, `GEOGRAPHY`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rows to be read hold in a numeric column whose declaration does not tell; zeros for no rows.

    It must be measured in the snapshot that the rows are read from: a value with more decimals raises there.
    """

    integer_digits: int
    scale: int
    special: int
    """NaN and infinities; the digits are those of the other values."""


@dataclass(frozen=True, slots=True)
class TypePlan:
    fields: tuple[Field, ...]
    notes: tuple[str, ...]
    """For the receipt, one line a decision that depends on data or on the server."""


def measure_select(column: Column) -> tuple[str, str, str] | None:
    """Aggregates over the rows, in the order of `Measured`; None for a column whose type needs no measuring."""
    if not rules.needs_measuring(column.type):
        return None
    value = f"({quote(column.name)})::numeric"
    finite = losses.FINITE.replace("{}", quote(column.name))
    return (
        f"coalesce(length(trunc(max(abs({value})) FILTER (WHERE {finite}))::text), 0)",
        f"coalesce(max(min_scale({value})), 0)",
        f"count(*) FILTER (WHERE NOT {finite})",
    )


def map_table(
    table: Table,
    policies: Mapping[str, ColumnPolicy],
    measured: Mapping[str, Measured],
    *,
    version: int = 0,
) -> TypePlan:
    """`version` is the server's `server_version_num`, if known: some losses only newer servers can count.

    Raises RefusedError with one line a fault, all columns together.
    """
    faults = [
        f"{table.label}: a policy names the column {name!r}, which the table does not have; correct the name"
        for name in sorted(policies.keys() - {column.name for column in table.columns})
    ]
    if not table.columns:
        faults.append(f"{table.label}: the table has no columns; leave it out of the configuration")
    fields: list[Field] = []
    notes: list[str] = []
    for column in table.columns:
        chosen = _choose(column, policies.get(column.name, ColumnPolicy()), measured.get(column.name), version)
        faults += [f"{table.label}: column {column.name!r}: {fault}" for fault in chosen.faults]
        notes += [f"column {column.name}: {note}" for note in chosen.notes]
        fields += chosen.fields
    faults += [f"{table.label}: {fault}" for fault in _name_faults(fields)]
    if faults:
        raise RefusedError(faults)
    return TypePlan(tuple(fields), tuple(notes))


@dataclass(frozen=True, slots=True)
class _Choice:
    fields: tuple[Field, ...] = ()
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def _choose(column: Column, policy: ColumnPolicy, measured: Measured | None, version: int) -> _Choice:
    must_measure = rules.needs_measuring(column.type)
    if policy.type is not None:
        if (target := rules.spelled(policy.type)) is None:
            return _Choice(faults=(f"{policy.type!r} is no type; write one as Snowflake does, such as VARCHAR",))
        natural = None if must_measure else rules.rule(column.type, version)
        return _of(column, rules.overridden(natural, target), policy)
    if not must_measure:
        return _of(column, rules.rule(column.type, version), policy)
    assert measured is not None, f"{column.name} must be measured"
    rule = rules.measured(measured.integer_digits, measured.scale)
    found = f"{measured.integer_digits} integer digits and {measured.scale} decimals at most"
    if rule.target.startswith("NUMBER") and measured.special and policy.on_loss == "error":
        fault = (
            f"{measured.special} values are NaN or infinite, which no NUMBER holds (nan); set on_loss of the column "
            'to "null" or "text", or its type to "VARCHAR" or "FLOAT"'
        )
        return _Choice(faults=(fault,))
    return _of(column, replace(rule, note=f"numeric measured ({found}) -> {rule.target}"), policy)


def _of(column: Column, rule: Rule, policy: ColumnPolicy) -> _Choice:
    notes = (rule.note,) if rule.note else ()
    guard = rule.guard
    field = _field(column, rule, guard, policy.on_loss)
    saved = (_side(column, field, guard),) if guard and field.on_loss == "text" else ()
    return _Choice((field, *saved), notes)


def _field(column: Column, rule: Rule, guard: Guard | None, on_loss: OnLoss) -> Field:
    name = quote(column.name)
    if guard is None or (on_loss == "text" and not guard.kept_as_text):
        on_loss = "error"
    exact = rule.value.replace("{}", name) if guard is None else _nulled(name, rule, guard)
    form, written = rule.canonical, rule.canonical or rule.shape
    target = column.name.upper()
    return Field(
        source=column.name,
        target=target,
        target_type=rule.target,
        select=_select(column, rule, guard, on_loss),
        watched=_select(column, rule, guard.watched, on_loss) if guard and on_loss == "error" and guard.watched else "",
        quoted=rule.quoted,
        load=rule.load,
        canonical_source=form.source.replace("{}", exact) if form else _shape(name, rule, guard, on_loss),
        canonical_target=written.target.replace("{}", quote(target)) if written else None,
        shape=form is None and written is not None,
        on_loss=on_loss,
        losses=_losses(name, guard),
    )


def _shape(name: str, rule: Rule, guard: Guard | None, on_loss: OnLoss) -> str | None:
    """Under `error` no lost value is at the target, so none is looked for."""
    if rule.shape is None:
        return None
    if guard is None or on_loss == "error":
        return rule.shape.source.replace("{}", name)
    return losses.over(name, guard.text, f"CASE WHEN {guard.found} THEN {rule.shape.source} END")


def _select(column: Column, rule: Rule, guard: Guard | None, on_loss: OnLoss) -> str:
    name = quote(column.name)
    if guard is None or (on_loss == "error" and guard.raises is None):
        return rule.value.replace("{}", name)
    if on_loss != "error":
        return _nulled(name, rule, guard)
    value = "x" if guard.text else rule.value
    missed = f"WHEN {'x' if guard.text else '{}'} IS NOT NULL THEN {losses.raising(guard, column.number)}"
    return losses.over(name, guard.text, f"CASE WHEN {guard.exact} THEN {value} {missed} END")


def _nulled(name: str, rule: Rule, guard: Guard) -> str:
    value = "x" if guard.text else rule.value
    return losses.over(name, guard.text, f"CASE WHEN {guard.found} THEN {value} END")


def _losses(name: str, guard: Guard | None) -> tuple[Loss, ...]:
    if guard is None:
        return ()
    return tuple(
        Loss(reason, losses.over(name, guard.text, condition)) for reason, condition in (*guard.losses, *guard.refused)
    )


def _side(column: Column, field: Field, guard: Guard) -> Field:
    """What the type's output function prints of the values that are lost; NULL for the others."""
    kept = f"CASE WHEN {guard.found} THEN NULL WHEN {{}} IS DISTINCT FROM NULL THEN concat({{}}) END"
    select = losses.over(quote(column.name), guard.text, kept)
    target = field.target + SIDE
    return Field(
        source=column.name,
        target=target,
        target_type=rules.WIDE,
        select=select,
        quoted=True,
        canonical_source=canonical.TEXT.source.replace("{}", select),
        canonical_target=canonical.TEXT.target.replace("{}", quote(target)),
        on_loss="text",
    )


def _name_faults(fields: list[Field]) -> list[str]:
    rename = "at the source, or leave it out with exclude_columns"
    faults = []
    owners: dict[str, list[str]] = defaultdict(list)
    for field in fields:
        owners[field.target].append(field.source)
        if len(field.target) > NAME_CHARACTERS_MAX:
            faults.append(
                f"column {field.source!r} becomes a name of {len(field.target)} characters, and {NAME_CHARACTERS_MAX} "
                f"are allowed; rename it {rename}"
            )
        if field.target in NAMES_RESERVED:
            faults.append(
                f"column {field.source!r}: no column can be named {field.target} at the target; rename it {rename}"
            )
    for target, names in owners.items():
        if len(names) > 1:
            faults.append(
                f"columns {' and '.join(map(repr, names))} both become {target}, since names arrive in upper case; "
                f"rename one {rename}"
            )
    return faults
