"""A table like the lineitem of TPC-H, made by the server itself: 16 columns, the same every time."""

from __future__ import annotations

import asyncpg

ROWS_DEFAULT = 1_500_000
NAME = "lineitem"

# Values come from hashes of the row's number, so that they look random, need no seed and compress as real ones do.
CREATE = f"""
CREATE TABLE {NAME} (
    l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey integer NOT NULL, l_linenumber integer NOT NULL,
    l_quantity numeric(12,2) NOT NULL, l_extendedprice numeric(12,2) NOT NULL, l_discount numeric(12,2) NOT NULL,
    l_tax numeric(12,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
    l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
    l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL
)"""
FILL = f"""
INSERT INTO {NAME}
SELECT (n / 4) * 8 + 1, 1 + h1 % 200000, 1 + h2 % 10000, 1 + n % 4,
    1 + h1 % 50, (90000 + h2 % 9500000) / 100.0, (h3 % 11) / 100.0, (h1 % 9) / 100.0,
    (ARRAY['A', 'N', 'R'])[1 + h2 % 3], (ARRAY['F', 'O'])[1 + h3 % 2],
    date '1992-01-02' + h1 % 2526, date '1992-01-31' + h2 % 2466, date '1992-01-04' + h3 % 2552,
    (ARRAY['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'])[1 + h1 % 4],
    (ARRAY['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'])[1 + h2 % 7],
    left(concat_ws(' ', word[1 + h1 % 12], word[1 + h2 % 12], word[1 + h3 % 12], word[1 + (h1 + h2) % 12],
        word[1 + (h2 + h3) % 12]), 10 + h3 % 34)
FROM generate_series(0, $1::integer - 1) AS n,
    LATERAL (SELECT abs(hashint8extended(n, 1) % 1000000007)::integer AS h1,
        abs(hashint8extended(n, 2) % 1000000007)::integer AS h2,
        abs(hashint8extended(n, 3) % 1000000007)::integer AS h3) AS hashes,
    (SELECT ARRAY['carefully', 'ironic', 'deposits', 'sleep', 'furiously', 'quick', 'requests', 'haggle', 'blithely',
        'pending', 'accounts', 'foxes'] AS word) AS words"""


async def make(dsn: str, rows: int) -> int:
    """Fill an empty database, settled: no hint bits to set and nothing for autovacuum to do. Bytes of its heap."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        async with connection.transaction():
            await connection.execute(CREATE)
            await connection.execute(FILL, rows)
        await connection.execute(f"VACUUM (FREEZE, ANALYZE) {NAME}")
        await connection.execute("CHECKPOINT")
        return int(await connection.fetchval(f"SELECT pg_relation_size('{NAME}')"))
    finally:
        await connection.close()
