"""The parts of telemetry by themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import predict
from engine.model import Receipt
from engine.telemetry import metrics

ROOT = Path(__file__).parents[2]
SHOW = "import sys; print(sorted({name.partition('.')[0] for name in sys.modules} & {'opentelemetry', %r}))"


def imported(program: str, **environment: str) -> str:
    """What the program prints, with nothing of OpenTelemetry asked for but in `environment`."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**plain, **environment}, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    return ran.stdout.strip()


FLOW = f"import engine.runs, engine.cli, engine.telemetry as t; t.tracing(); {SHOW % 'aws_lambda_powertools'}"
FUNCTION = f"import handlers.entry; {SHOW % 'aws_lambda_powertools'}"
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("program", "environment", "expected"),
    [
        (FLOW, {}, []),
        (FLOW, COLLECTOR, ["opentelemetry"]),
        (FLOW, {**COLLECTOR, "OTEL_SDK_DISABLED": "true"}, []),
        (FUNCTION, {}, ["aws_lambda_powertools"]),
        (FUNCTION, COLLECTOR, ["aws_lambda_powertools", "opentelemetry"]),
    ],
    ids=["a run", "a traced run", "switched off", "a function", "a traced function"],
)
def test_who_asks_for_nothing_pays_for_nothing(program, environment, expected):
    assert imported(program, **environment) == str(expected)


def test_the_documentation_names_each_metric():
    text = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    assert [name for name in metrics.UNITS if f"`{name}`" not in text] == []


def test_the_documentation_has_the_prices_and_defaults_that_are_counted_with():
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    shown = [
        f"{predict.LAMBDA_GB_S:.10f}", f"{predict.PRIVATELINK_GB}", f"{predict.CREDIT:.2f}",
        f"{predict.COPY_BYTES_S / 1e6:.0f} MB/s", f"{predict.PUT_BYTES_S / 1e6:.0f} MB/s",
        f"{predict.LOAD_BYTES_S / 1e6:.0f} MB/s", f"{predict.STAGED_SHARE}", f"{predict.CSV_SHARE}",
        f"{predict.FIXED_S:.0f} s, {predict.PUBLISH_S:.0f} s", f"{predict.MEMORY_MB:,} MB", f"{predict.LIMIT_S:.0f} s",
    ]  # fmt: skip
    assert [each for each in shown if f" {each}" not in text] == []


def receipt(**fields) -> Receipt:
    seconds = {"read": 2.0, "publish": 0.5, "total": 3.0}
    return Receipt(
        **{"table": "public.t", "target_table": "T", "mode": "full", "status": "COMPLETE", "run_id": "r_1",
           "rows_loaded": 7, "bytes_read": 70, "bytes_staged": 20, "seconds": seconds, **fields}
    )  # fmt: skip


def emitted(capsys, *arguments, **options) -> list[dict]:
    metrics.of_table(*arguments, **options)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_tables_run_is_one_line_of_metrics_that_the_log_can_be_searched_for(capsys):
    prediction = {"happened": {"dollars": {"lambda": 9.0, "privatelink": 0.25, "warehouse": 0.5, "total": 9.75}}}
    losses = [
        {"column": "v", "reason": "nan", "policy": policy, "rows": n} for policy, n in (("null", 3), ("error", 4))
    ]
    (line,) = emitted(
        capsys,
        receipt(losses=losses, retries=2, lag_seconds=9.5, chunks_left=5, prediction=prediction),
        "worker",
        alone=False,
    )
    assert {name: line[name] for name in ("table", "status", "run_id", "service", "function")} == {
        "table": "public.t", "status": "COMPLETE", "run_id": "r_1", "service": "borealis", "function": "worker"
    }  # fmt: skip
    (definition,) = line["_aws"]["CloudWatchMetrics"]
    assert definition["Dimensions"] == [["service", "function"]]
    assert {each["Name"]: (each["Unit"], *line[each["Name"]]) for each in definition["Metrics"]} == {
        "Rows": ("Count", 7), "BytesRead": ("Bytes", 70), "BytesStaged": ("Bytes", 20), "Retries": ("Count", 2),
        "BackedOff": ("Count", 0),
        "LossyRows": ("Count", 3), "Failures": ("Count", 0), "Partial": ("Count", 0), "ChunksLeft": ("Count", 5),
        "CostEstimate": ("None", 0.75), "LagSeconds": ("Seconds", 9.5),
        "ReadSeconds": ("Seconds", 2), "PublishSeconds": ("Seconds", 0.5), "TotalSeconds": ("Seconds", 3),
    }  # fmt: skip


def test_a_table_that_is_named_has_few_metrics_of_its_own(capsys):
    """Each costs money each month: what an alarm needs, and no more."""
    _, line = emitted(capsys, receipt(status="FAILED", lag_seconds=1.0), "worker", alone=True)
    (definition,) = line["_aws"]["CloudWatchMetrics"]
    assert definition["Dimensions"] == [["service", "table"]]
    assert [each["Name"] for each in definition["Metrics"]] == ["Rows", "Failures", "TotalSeconds", "LagSeconds"]
    assert line["Failures"] == [1.0]
