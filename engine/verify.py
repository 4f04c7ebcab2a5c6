"""Is the target equal to the source now? `borealis verify`, which changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from engine.comparison import Level, Sides, VerifyResult, compare
from engine.config import Config
from engine.errors import BorealisError, RefusedError
from engine.plan import TablePlan
from engine.sql.gone import unmarked
from engine.target.snowflake import Target
from engine.wiring import Opened, Refused, Wanted, looking


async def verify(
    config: Config, names: Sequence[str], *, level: Level = "checksum", sample: float | None = None
) -> list[VerifyResult]:
    """Compares the tables now, and changes nothing. `sample`: the part of the keys that `bisect` looks at."""
    async with looking(config, Wanted(names)) as (made, found):
        plans, refused = await found.plan_all(full=True)
        results = [unplanned(made.target, each, level) for each in [*found.refused, *refused]]
        for plan in plans.values():
            try:
                result, _ = await compare(sides_of(made.target, found, plan), level, sample)
            except BorealisError as error:
                result = failed(made.target, plan.table.label, plan.target_name, level, error)
            results.append(result)
        return results


def unplanned(target: Target, refused: Refused, level: Level) -> VerifyResult:
    return failed(target, refused.label, refused.target_name, level, RefusedError(refused.faults))


def failed(target: Target, table: str, target_name: str, level: Level, error: BorealisError) -> VerifyResult:
    said = "\n".join(error.faults) if isinstance(error, RefusedError) else str(error)
    return VerifyResult(table, target.names.table(target_name), level, error=said)


def sides_of(target: Target, found: Opened, plan: TablePlan) -> Sides:
    """Raises RefusedError where the target is not there, or has other columns."""
    label = plan.table.label
    if not plan.target_exists:
        raise RefusedError([f"{label}: {plan.target_name} is not at the target yet; run it first"])
    if plan.evolution.needed:
        changes = "; ".join(plan.evolution.notes())
        raise RefusedError([f"{label}: the columns differ: {changes}; run it first"])
    choice = found.choice_of(plan)
    mark = found.mark_of(plan)
    table = unmarked(target.names.table(plan.target_name), mark)
    watermark = choice.watermark.settled(choice.existing).value
    return Sides(found.snapshot, target, plan, table, found.flag_of(plan), watermark, mark)
