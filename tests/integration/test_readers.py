"""Both readers of a chunk bring the same bytes, whatever pages it has and whatever stands on them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from engine.model import Chunk
from engine.source.readers import READERS
from engine.sql import source as sql
from tests.integration.typed_rows import mapped, reading, table_of

FILL = """
CREATE TABLE public.p (borealis int, p int, page text, doc jsonb);
INSERT INTO public.p SELECT n, n % 7, CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'a "quote"' ELSE E'x\\ny' END,
  CASE WHEN n % 3 = 0 THEN to_jsonb(n) END FROM generate_series(1, 5000) AS n;
DELETE FROM public.p WHERE borealis BETWEEN 1000 AND 3000
"""


class Kept:
    def __init__(self):
        self.bytes = b""

    async def write(self, rows):
        self.bytes += rows


async def read(connection, reader, plan, chunk):
    kept = Kept()
    async with connection.transaction():
        return await READERS[reader](connection, plan, chunk, kept), kept.bytes


async def planned(connection, name):
    table = await table_of(connection, name)
    fields = (await mapped(connection, name)).fields
    return SimpleNamespace(table=table, fields=fields, window=None, only="")


@pytest.mark.parametrize(
    ("first", "end"),
    [(None, None), (None, (3, 0)), ((2, 0), (9, 0)), ((5, 0), None), ((5, 20), (7, 10)), ((900, 0), None)],
)
@pytest.mark.parametrize("fat", [False, True], ids=["pages", "rows"])
async def test_both_readers_bring_the_same_bytes(database, first, end, fat):
    """Read by pages, or by rows where values are kept outside them; pages without rows among them."""
    async with reading(database) as connection:
        await connection.execute(FILL)
        plan = await planned(connection, "public.p")
        if fat:
            plan.table = replace(plan.table, leaves=(replace(plan.table.leaves[0], bytes_total=10**9),))
        chunk = Chunk(1, 0, first, end, 0)
        by_page = "string_agg" in sql.lines_select(plan, chunk)
        assert by_page == (not fat and first != (5, 20))
        copied = await read(connection, "copy", plan, chunk)
        assert await read(connection, "cursor", plan, chunk) == copied
        assert copied[0] or first == (900, 0)


async def test_pages_that_came_after_the_catalogue_was_read_are_read(database):
    async with reading(database) as connection:
        await connection.execute("CREATE TABLE public.p (n int)")
        plan = await planned(connection, "public.p")
        await connection.execute("INSERT INTO public.p SELECT generate_series(1, 5000)")
        assert (await read(connection, "cursor", plan, Chunk(1, 0, None, None, 0)))[0] == 5000
