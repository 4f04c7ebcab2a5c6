"""Decides and predicts for the tables of a run, from what earlier runs took and what this process may use."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine import predict, tuning
from engine.config import Config
from engine.deadline import HANDOVER_S_MAX, HANDOVER_SHARE, RESERVE_S_MAX, RESERVE_S_MIN, RESERVE_SHARE
from engine.machine import function_memory_mb, machine
from engine.model import Mode, Receipt, Tuning
from engine.plan import TablePlan
from engine.state.port import State


@dataclass(frozen=True, slots=True)
class Foresight:
    """What is known before a row moves. `own`: receipts by target table, newest first; `otherwise`: of all tables."""

    config: Config
    machine: tuning.Machine
    own: Mapping[str, Sequence[Mapping[str, Any]]]
    otherwise: predict.Rates
    limit_s: float
    """Of this process; inf for none."""

    def tuning(self, target_name: str, size: int, mode: Mode) -> Tuning:
        """How a table of `size` bytes is copied by this process."""
        rates, _ = predict.known(self._own(target_name), self.otherwise, mode)
        within = tuning.bounds(self.config, self.machine)
        return tuning.tune(self.config, self.machine, within, rates, size, self.limit_s)

    def foreseen(self, plan: TablePlan) -> TablePlan:
        """The plan with what it will take."""
        told = predict.predict(plan, self._own(plan.target_name), self.otherwise, self._means(plan.tuning.readers))
        return replace(plan, prediction=told.to_json())

    def seen(self, target_name: str) -> int:
        """The first transaction that the table's last whole run did not see; 0 where none is known."""
        last = self._snapshot(target_name)
        return first_unseen(last["id"]) if last else 0

    def made_of(self, target_name: str) -> str:
        """`Table.made_of` of the source's table then; "" where it is not known."""
        return str(self._snapshot(target_name).get("made_of", ""))

    def _snapshot(self, target_name: str) -> Mapping[str, Any]:
        """That of the table's last whole run."""
        whole = (each for each in self._own(target_name) if each["status"] == "COMPLETE" and each.get("snapshot"))
        last = next(whole, None)
        return last["snapshot"] if last else {}

    def _own(self, target_name: str) -> Sequence[Mapping[str, Any]]:
        return self.own.get(f"{self.config.target.schema_name}.{target_name}", ())

    def _means(self, readers: int) -> predict.Means:
        limit_s = predict.LIMIT_S if self.limit_s == math.inf else self.limit_s
        return predict.Means(
            readers=readers,
            workers=self.config.limits.workers,
            connections_max=self.config.source.connections_max,
            limit_s=limit_s,
            reserve_s=min(RESERVE_S_MAX, max(RESERVE_S_MIN, RESERVE_SHARE * limit_s)),
            handover_s=min(HANDOVER_S_MAX, HANDOVER_SHARE * limit_s),
            memory_mb=function_memory_mb() or predict.MEMORY_MB,
        )


def first_unseen(snapshot: str) -> int:
    """Of `xmin:xmax:xip,...`, which only grows on one history of a server."""
    return int(snapshot.split(":")[1])


async def foresight(config: Config, state: State, targets: Collection[str], limit_s: float) -> Foresight:
    """Asks the state for what the runs of these target tables, `SCHEMA.TABLE`, took."""
    latest = await state.last_receipts()
    own = {each: await state.receipts(each, predict.HISTORY * 2) for each in targets if each in latest}
    if limit_s == math.inf:
        limit_s = config.limits.deadline_s or math.inf
    return Foresight(config, machine(config), own, predict.of_all(latest.values()), limit_s)


def compared(receipt: Receipt, elapsed_s: float) -> None:
    """Sets beside the prediction what happened, over all functions that worked on it."""
    if receipt.prediction and receipt.status == "COMPLETE":
        told = predict.happened(receipt, elapsed_s, function_memory_mb() or predict.MEMORY_MB)
        receipt.prediction = {**receipt.prediction, "happened": told}
