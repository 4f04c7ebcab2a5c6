"""A result as the connectors of both majors read it: JSON rows for what we make up, Arrow for what DuckDB answers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from engine.local.warehouse.catalog import decode

SELECT, INSERT, UPDATE, DELETE, MERGE, COPY = 0x1000, 0x3100, 0x3200, 0x3300, 0x3400, 0x3600
SHOW, TCL, DDL, UNKNOWN = 0x4400, 0x5000, 0x6000, 0x0000

_MILLION = pa.scalar(1_000_000)
Rows = Sequence[Sequence[Any]]


@dataclass
class Result:
    """Names with types (as in `rowtype`), and either rows of text or an Arrow table."""

    kind: int
    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: Rows = ()
    table: pa.Table | None = None
    raw: dict[str, Any] | None = None  # the whole answer of a PUT

    def answer(self) -> dict[str, Any]:
        """The `data` of the response."""
        if self.raw is not None:
            return self.raw
        data: dict[str, Any] = {"rowtype": self.columns, "statementTypeId": self.kind}
        if self.table is None:
            data |= {"queryResultFormat": "json", "total": len(self.rows)}
            data["rowset"] = [[None if v is None else _text(v) for v in row] for row in self.rows]
        else:
            data |= {"queryResultFormat": "arrow", "total": self.table.num_rows}
            data["rowsetBase64"] = base64.b64encode(_stream(self.table)).decode() if self.table.num_rows else ""
        return data | {"returned": data["total"]}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def column(name: str, kind: str = "text", precision: int | None = None, scale: int | None = None) -> dict[str, Any]:
    length = {"text": 16_777_216, "binary": 8_388_608}.get(kind)
    if kind == "fixed":
        precision, scale = precision or 38, scale or 0
    return {
        "name": name, "type": kind, "precision": precision, "scale": scale, "length": length, "byteLength": length,
        "nullable": True, "database": "", "schema": "", "table": "", "collation": None,
    }  # fmt: skip


def message(text: str, kind: int = DDL) -> Result:
    return Result(kind, [column("status")], [[text]])


def counts(kind: int, **numbers: int) -> Result:
    """`rows_inserted=3` as the column "number of rows inserted"."""
    names = [f"number of {n.replace('_', ' ').replace('multi joined', 'multi-joined')}" for n in numbers]
    return Result(kind, [column(n, "fixed") for n in names], [list(numbers.values())])


def rows(kind: int, names: Sequence[str], values: Rows, *, numbers: Sequence[str] = ()) -> Result:
    return Result(kind, [column(n, "fixed" if n in numbers else "text") for n in names], values)


def fetched(cursor: duckdb.DuckDBPyConnection) -> Result:
    """What DuckDB has just answered."""
    kinds = [str(d[1]) for d in cursor.description or ()]
    table = cursor.to_arrow_table()
    assert table is not None
    columns, arrays, fields = [], [], []
    for name, kind, values in zip(table.column_names, kinds, table.columns, strict=True):
        info, array = _column(decode(name), kind, values)
        columns.append(info)
        arrays.append(array)
        fields.append(
            pa.field(
                info["name"], array.type, nullable=True,
                metadata={"logicalType": info["type"].upper(), "precision": str(info["precision"] or 38),
                          "scale": str(info["scale"] or 0), "charLength": str(info["length"] or 0)},
            )
        )  # fmt: skip
    return Result(SELECT, columns, table=pa.Table.from_arrays(arrays, schema=pa.schema(fields)))


def _column(  # noqa: C901 - one branch a type
    name: str, kind: str, values: pa.ChunkedArray
) -> tuple[dict[str, Any], pa.ChunkedArray]:
    of = values.type
    if pa.types.is_decimal(of):
        return column(name, "fixed", of.precision, of.scale), values
    if pa.types.is_uint64(of):
        return column(name, "fixed"), values.cast(pa.decimal128(38, 0))
    if pa.types.is_integer(of):
        return column(name, "fixed"), values.cast(pa.int64())
    if pa.types.is_floating(of):
        return column(name, "real"), values.cast(pa.float64())
    if pa.types.is_boolean(of):
        return column(name, "boolean"), values
    if pa.types.is_date(of):
        return column(name, "date"), values
    if pa.types.is_time(of):
        return column(name, "time", 0, 9), pc.multiply(values.cast(pa.time64("us")).cast(pa.int64()), pa.scalar(1000))
    if pa.types.is_timestamp(of):
        zoned = of.tz is not None
        return column(name, "timestamp_tz" if zoned else "timestamp_ntz", 0, 9), _timestamps(values, zoned)
    if pa.types.is_binary(of) or pa.types.is_large_binary(of):
        return column(name, "binary"), values
    if pa.types.is_string(of) or pa.types.is_large_string(of):
        return column(name, "variant" if kind == "JSON" else "text"), values.cast(pa.string())
    if pa.types.is_null(of):
        return column(name), values.cast(pa.string())
    texts = [None if v is None else str(v) for v in values.to_pylist()]  # a type that Snowflake has not: as text
    return column(name), pa.chunked_array([pa.array(texts, pa.string())])


def _timestamps(values: pa.ChunkedArray, zoned: bool) -> pa.ChunkedArray:
    """Snowflake's struct of whole seconds, nanoseconds and offset + 1440 minutes; NULL in the struct and its fields."""
    micros = values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64()).combine_chunks()
    if isinstance(micros, pa.ChunkedArray):  # no rows
        micros = pa.array([], pa.int64())
    none = pc.is_null(micros)
    micros = pc.fill_null(micros, pa.scalar(0))
    seconds = _floor_div(micros, _MILLION)
    nanos = pc.multiply(pc.subtract(micros, pc.multiply(seconds, _MILLION)), pa.scalar(1000)).cast(pa.int32())
    fields = [pa.field("epoch", pa.int64(), nullable=False), pa.field("fraction", pa.int32(), nullable=False)]
    arrays = [seconds, nanos]
    if zoned:
        fields.append(pa.field("timezone", pa.int32(), nullable=False))
        arrays.append(pa.array([1440] * len(micros), pa.int32()))
    return pa.chunked_array([pa.StructArray.from_arrays(arrays, fields=fields, mask=none)])


def _floor_div(values: pa.Array, by: pa.Scalar) -> pa.Array:
    quotient = pc.divide(values, by)  # towards zero
    return pc.subtract(quotient, pc.greater(pc.multiply(quotient, by), values).cast(pa.int64()))


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
