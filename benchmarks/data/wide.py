"""Thirty columns of the types that applications use: jsonb, arrays, uuid, bytea, text, times, with NULLs among them."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from benchmarks.data.port import columns, generated

NAME = "wide"
ABOUT = "30 columns: jsonb, arrays, uuid, bytea, text, times, NULLs"
COLUMNS = columns("""
    id bigint NOT NULL
    tenant uuid NOT NULL
    parent uuid
    kind smallint NOT NULL
    state varchar(12) NOT NULL
    is_active boolean NOT NULL
    is_paid boolean
    created_at timestamptz NOT NULL
    updated_at timestamptz NOT NULL
    seen_at timestamp
    born date
    quantity integer
    price numeric(12,2) NOT NULL
    rate numeric(18,9)
    latitude double precision
    longitude double precision
    score real
    name text NOT NULL
    email text
    street text
    city varchar(40)
    country char(2) NOT NULL
    note text
    digest bytea NOT NULL
    thumbnail bytea
    numbers integer[] NOT NULL
    tags text[]
    profile jsonb NOT NULL
    events jsonb
    revision integer NOT NULL
""")
BYTES_A_ROW = 1400
SELECT = """
SELECT n, md5(n % 500 || 't')::uuid, CASE WHEN n % 3 = 0 THEN md5(n || 'p')::uuid END, (a % 7)::smallint,
    (ARRAY['new', 'open', 'waiting', 'closed'])[1 + a % 4], a % 2 = 0, CASE WHEN b % 4 > 0 THEN b % 3 = 0 END,
    timestamptz '2021-03-01Z' + n * interval '7.531246 s', timestamptz '2024-01-01Z' + a * interval '1 ms',
    CASE WHEN a % 5 > 0 THEN timestamp '2025-01-01' + b * interval '3 ms' END,
    CASE WHEN b % 6 > 0 THEN date '1940-01-01' + b % 27000 END,
    CASE WHEN a % 9 > 0 THEN a % 1000 END, (b % 99999999) / 100.0, CASE WHEN a % 3 > 0 THEN b / 1000000.0 END,
    CASE WHEN a % 8 > 0 THEN a % 180000000 / 1e6 - 90 END, CASE WHEN a % 8 > 0 THEN b % 360000000 / 1e6 - 180 END,
    (a % 10000) / 64.0, initcap(word[1 + a % 12] || ' ' || word[1 + b % 12]),
    CASE WHEN b % 7 > 0 THEN word[1 + a % 12] || '.' || a || '@example.org' END,
    CASE WHEN b % 5 > 0 THEN a % 900 || ' ' || word[1 + b % 12] || ' street, "' || word[1 + a % 12] || '"' END,
    CASE WHEN b % 5 > 0 THEN initcap(word[1 + (a + b) % 12]) || 'ürth' END,
    (ARRAY['DE', 'FR', 'US', 'JP', 'BR'])[1 + b % 5],
    CASE WHEN a % 4 > 0 THEN repeat(concat_ws(' ', word[1 + a % 12], word[1 + b % 12], a) || E',\\n', 1 + b % 6) END,
    decode(md5(n::text) || md5(a::text), 'hex'), CASE WHEN a % 3 = 0 THEN decode(repeat(md5(b::text), 8), 'hex') END,
    ARRAY[a % 100, b % 100, a % 7, b % 11], CASE WHEN b % 3 > 0 THEN ARRAY[word[1 + a % 12], word[1 + b % 12]] END,
    jsonb_build_object('kind', word[1 + a % 12], 'seats', a % 50, 'uploads', jsonb_build_array(b % 10, a % 10, NULL),
        'owner', jsonb_build_object('id', a, 'mail', word[1 + b % 12] || '@example.org', 'staff', a % 2 = 0)),
    CASE WHEN a % 4 = 0 THEN jsonb_build_array(jsonb_build_object('at', n, 'what', word[1 + b % 12]), 'end') END,
    (n % 9)::integer
FROM generate_series(1::bigint, $1::bigint) AS n,
    LATERAL (SELECT (abs(hashint8extended(n, 1) % 1000000007))::integer AS a,
        (abs(hashint8extended(n, 2) % 1000000007))::integer AS b) AS hashes,
    (SELECT ARRAY['carefully', 'ironic', 'deposits', 'sleep', 'furiously', 'quick', 'requests', 'haggle', 'blithely',
        'pending', 'accounts', 'foxes'] AS word) AS words"""


def rows(scale: float) -> int:
    return round(1_000_000 * scale)


async def make(connection: asyncpg.Connection, scale: float, folder: Path) -> None:
    del folder
    await generated(connection, NAME, COLUMNS, SELECT, rows(scale))
