"""ADBC's PostgreSQL driver to Parquet: a connection, a range of ctid and a file a thread.

The driver reads with binary COPY into Arrow batches; the library and pyarrow release the GIL. It has no partitioned
results (its page "PostgreSQL Driver"), so the ranges are ours, without a common snapshot. Batches of 64 MiB were a
little faster than of 16, the default, or 4; three threads were not (2026-11). A numeric arrives as text.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adbc_driver_postgresql import StatementOptions, dbapi
from pyarrow import parquet
from turn import pages_query, ranges, serve

BATCH = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(64 * 2**20)}


def extract(dsn: str, table: str, into: Path, readers: int) -> int:
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(pages_query(table))
        (pages,) = cursor.fetchone()
    files = [into / f"{part}.parquet" for part in range(readers)]
    with ThreadPoolExecutor(readers) as threads:
        return sum(threads.map(_part, [dsn] * readers, ranges(table, pages, readers), files))


def _part(dsn: str, query: str, path: Path) -> int:
    rows = 0
    with dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**BATCH)
        cursor.execute(query)
        stream = cursor.fetch_record_batch()
        with parquet.ParquetWriter(path, stream.schema, compression="zstd", compression_level=1) as file:
            for batch in stream:
                file.write_batch(batch)
                rows += batch.num_rows
    return rows


serve(extract, "adbc-driver-postgresql", "pyarrow")
