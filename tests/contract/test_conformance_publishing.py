"""Making a landing table visible: MERGE, deletes, swap, rename, and what hangs on a table then."""

from __future__ import annotations

from .conftest import House, local_only


def test_merge_counts_what_it_did(house: House) -> None:
    """The result has rows inserted and updated, in the order of the documentation."""
    target, source = (
        house.table('"ID" NUMBER(10,0), "T" VARCHAR, "V" NUMBER(5,0)'),
        house.table('"ID" NUMBER(10,0), "T" VARCHAR', "SRC"),
    )
    house.run(f"INSERT INTO {target} VALUES (1, 'a', 1), (2, 'b', 2)")
    house.run(f"INSERT INTO {source} VALUES (2, 'B'), (2, 'C'), (3, 'c'), (NULL, 'n')")
    house.run("BEGIN")
    result = house.run(
        f'MERGE INTO {target} t USING (SELECT "ID", "T" FROM {source} '
        f'QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "T" DESC NULLS LAST) = 1) s '
        f'ON t."ID" = s."ID" AND t."ID" >= 1 AND t."ID" <= 9 '
        f'WHEN MATCHED THEN UPDATE SET "T" = s."T" WHEN NOT MATCHED THEN INSERT ("ID", "T") VALUES (s."ID", s."T")'
    )
    house.run("COMMIT")
    assert [int(n) for n in result[0]] == [2, 1]
    assert house.run(f'SELECT "ID", "T", "V" FROM {target} ORDER BY 1 NULLS LAST') == [
        (1, "a", 1), (2, "C", 2), (3, "c", None), (None, "n", None),
    ]  # fmt: skip


def test_merge_with_delete(house: House) -> None:
    """A matched row is deleted by the clause whose condition holds, the others are updated."""
    target, source = (
        house.table('"ID" NUMBER(10,0), "T" VARCHAR'),
        house.table('"ID" NUMBER(10,0), "T" VARCHAR, "GONE" BOOLEAN', "SRC"),
    )
    house.run(f"INSERT INTO {target} VALUES (1, 'a'), (2, 'b')")
    house.run(f"INSERT INTO {source} VALUES (1, 'x', TRUE), (2, 'y', FALSE), (3, 'z', FALSE)")
    result = house.run(
        f'MERGE INTO {target} t USING {source} s ON t."ID" = s."ID" WHEN MATCHED AND s."GONE" THEN DELETE '
        f'WHEN MATCHED THEN UPDATE SET "T" = s."T" WHEN NOT MATCHED THEN INSERT ("ID", "T") VALUES (s."ID", s."T")'
    )
    assert sorted(int(n) for n in result[0]) == [1, 1, 1]
    assert house.run(f"SELECT * FROM {target} ORDER BY 1") == [(2, "y"), (3, "z")]


def test_merge_refuses_two_rows_for_one(house: House) -> None:
    """Two source rows that update one target row fail with 100090; equal new keys are all inserted."""
    target, source = house.table('"ID" NUMBER(10,0), "T" VARCHAR'), house.table('"ID" NUMBER(10,0), "T" VARCHAR', "SRC")
    merge = (f'MERGE INTO {target} t USING {source} s ON t."ID" = s."ID" WHEN MATCHED THEN UPDATE SET "T" = s."T" '
             f'WHEN NOT MATCHED THEN INSERT ("ID", "T") VALUES (s."ID", s."T")')  # fmt: skip
    house.run(f"INSERT INTO {source} VALUES (1, 'x'), (1, 'y')")
    house.run(merge)
    assert house.one(f"SELECT COUNT(*) FROM {target}") == 2
    assert house.refused(merge) == 100090


def test_deletes_by_reconciling(house: House) -> None:
    """Rows whose key is not in the other table are marked or deleted by NOT EXISTS."""
    target, keys = (
        house.table('"ID" NUMBER(10,0), "DELETED_AT" TIMESTAMP_TZ(6)'),
        house.table('"ID" NUMBER(10,0)', "KEYS"),
    )
    house.run(f"INSERT INTO {target} VALUES (1, NULL), (2, NULL)")
    house.run(f"INSERT INTO {keys} VALUES (1)")
    absent = f'NOT EXISTS (SELECT 1 FROM {keys} k WHERE k."ID" = t."ID")'
    house.run(f'UPDATE {target} t SET "DELETED_AT" = CURRENT_TIMESTAMP() WHERE {absent}')
    assert house.rowcount == 1
    assert house.run(f'SELECT "ID" FROM {target} WHERE "DELETED_AT" IS NOT NULL') == [(2,)]
    house.run(f"DELETE FROM {target} t WHERE {absent}")
    assert house.rowcount == 1


def test_a_swap_exchanges_tables_over_schemas(house: House) -> None:
    """SWAP WITH exchanges names; rows, comment, kind, grants and load metadata stay with their table."""
    other = house.schema + "B"
    house.run(f'CREATE SCHEMA "{house.database}"."{other}"')
    try:
        table, landing = house.table('"A" NUMBER(10,0), "B" VARCHAR'), house.name("LANDING", other)
        house.run(f"""CREATE TRANSIENT TABLE {landing} ("A" NUMBER(10,0), "B" VARCHAR) COMMENT = 'it''s new'""")
        house.put("1,x\n")
        house.copy(landing)
        house.run(f"ALTER TABLE {table} SWAP WITH {landing}")
        assert house.run(f"SELECT * FROM {table}") == [(1, "x")]
        assert house.one(f"SELECT COUNT(*) FROM {landing}") == 0
        assert house.copy(table) == [("Copy executed with 0 files processed.",)]
        assert house.run(
            f'SELECT TABLE_SCHEMA, TABLE_NAME, IS_TRANSIENT, COMMENT FROM "{house.database}".INFORMATION_SCHEMA.TABLES '
            f"WHERE TABLE_SCHEMA IN (%s, %s) ORDER BY 1", (house.schema, other),
        ) == [(house.schema, "T", "YES", "it's new"), (other, "LANDING", "NO", None)]  # fmt: skip
    finally:
        house.run(f'DROP SCHEMA "{house.database}"."{other}"')


def test_a_rename_may_change_the_schema(house: House) -> None:
    """RENAME TO moves a table with its rows to another schema, unless its name is taken there."""
    other = house.schema + "B"
    house.run(f'CREATE SCHEMA "{house.database}"."{other}"')
    try:
        table = house.table('"A" NUMBER(10,0)')
        house.run(f"INSERT INTO {table} VALUES (1)")
        house.run(f"ALTER TABLE {table} RENAME TO {house.name('Néw table', other)}")
        assert house.one(f"SELECT COUNT(*) FROM {house.name('Néw table', other)}") == 1
        assert house.refused(f"SELECT * FROM {table}") == 2003
        house.table('"A" NUMBER(10,0)')
        assert house.refused(f"ALTER TABLE {house.name('Néw table', other)} RENAME TO {table}") == 2002
    finally:
        house.run(f'DROP SCHEMA "{house.database}"."{other}"')


@local_only
def test_grants_follow_the_table(house: House) -> None:
    """Grants are kept by COPY GRANTS and travel with the table in a swap."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"GRANT SELECT, INSERT ON TABLE {table} TO ROLE ANALYST")
    house.run(f"CREATE TABLE {house.name('L')} LIKE {table} COPY GRANTS")
    house.run(f"CREATE TABLE {house.name('BARE')} LIKE {table}")
    house.run(f"ALTER TABLE {table} SWAP WITH {house.name('BARE')}")

    def privileges(name: str) -> list[str]:
        return sorted(row[1] for row in house.run(f"SHOW GRANTS ON TABLE {house.name(name)}"))

    assert privileges("L") == privileges("BARE") == ["INSERT", "OWNERSHIP", "SELECT"]
    assert privileges("T") == ["OWNERSHIP"]


def test_a_table_like_another_may_have_a_comment_of_its_own(house: House) -> None:
    """CREATE TABLE ... LIKE takes a table's properties behind COPY GRANTS."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"CREATE TABLE {house.name('L')} LIKE {table} COPY GRANTS COMMENT = 'it''s new'")
    rows = house.run(
        f"""SELECT COMMENT FROM "{house.database}".INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '{house.schema}'"""
        " AND TABLE_NAME = 'L'"
    )
    assert rows == [("it's new",)]


def test_a_stream_becomes_stale_by_a_swap(house: House) -> None:
    """SHOW STREAMS lists a stream, and shows it stale once its table was swapped away."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f"CREATE STREAM {house.name('CHANGES')} ON TABLE {table}")
    house.run(f"CREATE TABLE {house.name('L')} LIKE {table}")

    def stale() -> str:
        rows = house.run(f'SHOW STREAMS IN DATABASE "{house.database}"')
        at = house.names.index("stale")
        return next(str(r[at]) for r in rows if r[house.names.index("schema_name")] == house.schema)

    assert stale() == "false"
    house.run(f"ALTER TABLE {table} SWAP WITH {house.name('L')}")
    assert stale() == "true"


def test_views_see_the_table_of_that_name(house: House) -> None:
    """A view reads by name, so that after a swap it shows the new table."""
    table = house.table('"A" NUMBER(10,0)')
    house.run(f'CREATE VIEW {house.name("V")} AS SELECT "A" + 1 AS "b" FROM {table}')
    house.run(f'CREATE TABLE {house.name("L")} AS SELECT 41 AS "A"')
    house.run(f"ALTER TABLE {table} SWAP WITH {house.name('L')}")
    assert house.run(f'SELECT "b" FROM {house.name("V")}') == [(42,)]
