"""Tidies what dead runs left at the target: landing tables, replaced tables, staged files, old ledger rows."""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.preflight import Choice
from engine.sql import target as sql
from engine.state.port import State
from engine.target.snowflake import Target, TargetCatalogue, TargetTable

ABANDONED_H = 24.0
"""A run that this state has not seen may still be alive elsewhere for this long."""
_INVOCATION = r"(\d{8}T\d{6})[0-9A-F]{6}"
_NAME = re.compile(rf"(.+)__({_INVOCATION}_\d+)(_K)?", re.DOTALL)
_FOLDER = re.compile(_INVOCATION)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A table in the schema of ours: of which target table, which run made its name, and how old that run is."""

    table: TargetTable
    of: str
    run_id: str
    age_h: float

    @property
    def is_previous(self) -> bool:
        """A swap leaves the replaced table under the landing name, with the mark of an earlier run, or none."""
        return self.table.run_id != self.run_id


def leftovers(catalogue: TargetCatalogue) -> list[Leftover]:
    matches = [(table, _NAME.fullmatch(table.name)) for table in catalogue.ours.values()]
    ages = [(table, found, _age_h(found[3])) for table, found in matches if found]
    return [Leftover(table, found[1], found[2], age_h) for table, found, age_h in ages if age_h is not None]


def _age_h(began: str) -> float | None:
    """None where no run can have begun then: somebody else has made up the name."""
    try:
        return (time.time() - timegm(time.strptime(began, "%Y%m%dT%H%M%S"))) / 3600
    except ValueError:
        return None


async def sweep(
    target: Target, state: State, catalogue: TargetCatalogue, choices: Sequence[Choice], kept: Collection[str]
) -> dict[str, str]:
    """Drops what no live run needs, nor one of `kept`, which may go on. The caller holds the leases of the tables.

    Returns the replaced table that is still kept, by target name: the next swap's replaces it.
    """
    keep_h = {choice.target_name[:200]: choice.options.keep_previous_h for choice in choices}
    newest: dict[str, float] = {}
    old = leftovers(catalogue)
    for each in old:
        if each.is_previous:
            newest[each.of] = min(newest.get(each.of, each.age_h), each.age_h)
    previous: dict[str, str] = {}
    for each in old:
        if each.of not in keep_h or (each.run_id in kept and not each.is_previous):
            continue
        if each.is_previous:
            dead = each.age_h >= keep_h[each.of] or each.age_h > newest[each.of]
        else:
            dead = each.age_h >= ABANDONED_H or await state.began(each.run_id)
        if dead:
            await target.execute(sql.drop(target.names.ours(each.table.name)), doing="cannot drop an abandoned table")
        elif each.is_previous:
            previous[each.of] = each.table.name
    await _sweep_stage(target, state)
    if old:
        await target.sweep_ledger()
    return previous


async def _sweep_stage(target: Target, state: State) -> None:
    """Removes the staged files of invocations that are over: none of their runs holds a lease any more."""
    live = {str(lease["run_id"]).partition("_")[0] for lease in await state.leases()}
    for folder in await target.staged_folders() - live:
        match = _FOLDER.fullmatch(folder)
        age_h = _age_h(match[1]) if match else None
        if age_h is not None and (age_h >= ABANDONED_H or await state.began(folder)):
            await target.sweep_stage(folder)
