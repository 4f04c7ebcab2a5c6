"""Puts a prediction into plans: asks the state what earlier runs took, and the surroundings what a function has."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace

from engine import predict
from engine.config import Config
from engine.deadline import HANDOVER_S_MAX, HANDOVER_SHARE, RESERVE_S_MAX, RESERVE_S_MIN, RESERVE_SHARE
from engine.model import Receipt
from engine.plan import TablePlan
from engine.state.port import State


async def foreseen(
    config: Config, state: State, plans: Mapping[str, TablePlan], *, limit_s: float = math.inf
) -> dict[str, TablePlan]:
    """The plans by label, each with what it will take; `limit_s` is that of this function, where there is one."""
    latest = await state.last_receipts()
    means, otherwise = _means(config, limit_s), predict.of_all(latest.values())
    told = {}
    for label, plan in plans.items():
        target = f"{config.target.schema_name}.{plan.target_name}"
        own = await state.receipts(target, predict.HISTORY * 2) if target in latest else []
        told[label] = replace(plan, prediction=predict.predict(plan, own, otherwise, means).to_json())
    return told


def compared(receipt: Receipt, elapsed_s: float) -> None:
    """Sets beside the prediction what happened, over all functions that worked on it."""
    if receipt.prediction and receipt.status == "COMPLETE":
        told = predict.happened(receipt, elapsed_s, _memory_mb())
        receipt.prediction = {**receipt.prediction, "happened": told}


def _means(config: Config, limit_s: float) -> predict.Means:
    if limit_s == math.inf:
        limit_s = config.limits.deadline_s or predict.LIMIT_S
    return predict.Means(
        readers=config.limits.readers,
        workers=config.limits.workers,
        connections_max=config.source.connections_max,
        limit_s=limit_s,
        reserve_s=min(RESERVE_S_MAX, max(RESERVE_S_MIN, RESERVE_SHARE * limit_s)),
        handover_s=min(HANDOVER_S_MAX, HANDOVER_SHARE * limit_s),
        memory_mb=_memory_mb(),
    )


def _memory_mb() -> int:
    return int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or predict.MEMORY_MB)
