"""connectorx to Parquet: as many partitions as cores, a stream of Arrow batches, written by pyarrow as they come.

connectorx's FAQ: `partition_num` of the number of cores, and queries of one's own where a key is not even: ranges of
ctid. Its binary protocol, the default, is binary COPY. `arrow_stream` (0.4.4) was faster than a whole Arrow table
written afterwards, in half of the memory; three or four partitions on two cores and the csv and cursor protocols were
slower (2026-11). Partitions do not share a snapshot.
"""

from __future__ import annotations

from pathlib import Path

import connectorx
from pyarrow import parquet
from turn import pages_query, ranges, serve

BATCH_ROWS = 200_000  # of 65,536, 200,000 and the whole, the fastest


def extract(dsn: str, table: str, into: Path, readers: int) -> int:
    pages = connectorx.read_sql(dsn, pages_query(table), return_type="arrow")["pages"][0].as_py()
    parts = ranges(table, pages, readers)
    stream = connectorx.read_sql(dsn, parts, return_type="arrow_stream", batch_size=BATCH_ROWS)
    rows = 0
    with parquet.ParquetWriter(into / "0.parquet", stream.schema, compression="zstd", compression_level=1) as file:
        for batch in stream:
            file.write_batch(batch)
            rows += batch.num_rows
    return rows


serve(extract, "connectorx", "pyarrow")
