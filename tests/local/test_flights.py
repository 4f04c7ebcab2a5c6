from engine.local import flights


async def test_every_row_of_the_files_is_loaded_with_its_nulls(flights_database, query):
    rows = [(await query(flights_database, f"SELECT count(*) FROM {table}"))[0][0] for table in flights.ROWS]
    assert rows == [16, 1_458, 3_322, 26_115, 336_776]
    assert await query(
        flights_database,
        "SELECT count(*) FILTER (WHERE dep_time IS NULL), count(DISTINCT id), count(DISTINCT time_hour) FROM flights",
    ) == [(8_255, 336_776, 6_936)]


async def test_a_change_touches_as_many_rows_as_it_says(flights_database, query):
    began = (await query(flights_database, "SELECT now()"))[0][0]
    changed = await flights.change(flights_database)
    assert changed == {"updated": 5_000, "inserted": 1_000, "deleted": 250}
    assert await query(flights_database, "SELECT count(*) FROM flights WHERE updated_at > $1", began) == [(6_000,)]
    assert await query(flights_database, "SELECT count(*) FROM flights") == [(336_776 + 1_000 - 250,)]


async def test_a_second_change_picks_other_rows(flights_database, query):
    few = flights.Change(updated=10, inserted=1, deleted=0)
    await flights.change(flights_database, few)
    await flights.change(flights_database, few)
    assert await query(flights_database, "SELECT count(*) FROM flights WHERE arr_delay IS NULL") == [(9_430 + 22,)]
