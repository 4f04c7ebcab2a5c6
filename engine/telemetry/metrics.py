"""Metrics of functions in CloudWatch's embedded format: a line of JSON on standard output, one for each thing told of.

CloudWatch bills each metric with each set of its dimensions, 0.30 dollars a month (us-east-1). So all have the
dimensions `service` and `function`, seven of the latter, and only what an alarm on one table needs has `table`, for
the tables that the configuration names in full: somebody wrote them down, and a pattern can match thousands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import orjson
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from engine.model import Receipt

NAMESPACE = "Borealis"
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "borealis"
"""Tells environments in one account apart."""

UNITS = {
    "Rows": "Count",
    "BytesRead": "Bytes",
    "BytesStaged": "Bytes",
    "Retries": "Count",
    "LossyRows": "Count",
    "BackedOff": "Count",
    "Failures": "Count",
    "Partial": "Count",
    "InvocationFailures": "Count",
    "ChunksLeft": "Count",
    "DeadLetters": "Count",
    "Unhealthy": "Count",
    "ExtractionRowsRate": "Count/Second",
    "EndToEndRowsRate": "Count/Second",
    "CostEstimate": "None",
}
"""The names of all others end in `Seconds`. CostEstimate is in US dollars, for which CloudWatch has no unit."""


def of_table(receipt: Receipt, function: str, *, alone: bool) -> None:
    """What a table's run came to; `alone`: with metrics of this table by itself too."""
    told: dict[str, Any] = {"table": receipt.table, "status": receipt.status, "run_id": receipt.run_id}
    failures, lag = int(receipt.status == "FAILED"), receipt.lag_seconds
    lagging = {} if lag is None else {"LagSeconds": lag}
    cost = receipt.prediction.get("happened", {}).get("dollars", {})
    emit(
        {
            "Rows": receipt.rows_loaded,
            "BytesRead": receipt.bytes_read,
            "BytesStaged": receipt.bytes_staged,
            "Retries": receipt.retries,
            "LossyRows": sum(loss["rows"] for loss in receipt.losses if loss["policy"] != "error"),
            "BackedOff": len(receipt.backed_off),
            "Failures": failures,
            "Partial": int(receipt.status == "PARTIAL"),
            "ChunksLeft": receipt.chunks_left,
            "CostEstimate": cost.get("privatelink", 0.0) + cost.get("warehouse", 0.0),
            **lagging,
            **by_phase(receipt.seconds),
        },
        {"function": function},
        told,
    )
    if alone:
        seconds = receipt.seconds.get("total", 0.0)
        values = {"Rows": receipt.rows_loaded, "Failures": failures, "TotalSeconds": seconds, **lagging}
        emit(values, {"table": receipt.table}, {**told, "function": function})


def by_phase(seconds: Mapping[str, float]) -> dict[str, float]:
    return {f"{phase.title()}Seconds": value for phase, value in seconds.items()}


def emit(values: Mapping[str, float], dimensions: Mapping[str, str], fields: Mapping[str, Any]) -> None:
    """One line; `fields` are searched for in the log, and cost nothing."""
    provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service=SERVICE)
    provider.add_dimension("service", provider.service)
    for name, value in dimensions.items():
        provider.add_dimension(name, value)
    for name, number in values.items():
        provider.add_metric(name, "Seconds" if name.endswith("Seconds") else UNITS[name], number)
    line = orjson.dumps({**fields, **provider.serialize_metric_set()}, default=str)
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()
