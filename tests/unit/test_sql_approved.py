"""Every statement, whole, for one table that has a bit of everything: tests/unit/approved/*.sql."""

from dataclasses import replace

from engine.model import Chunk, Column, Field, Leaf, Loss, Table, TypeRef
from engine.plan import Cursor, Evolution, TablePlan, Window
from engine.sql import difference, gone, marks, source, target
from engine.sql.difference import Compared
from engine.sql.target import ExternalStage, MergeOptions, Names
from tests.approved import agree

NAMES = Names("DB", "SHOP", "BOREALIS")
PERCENT = Names("50%", "S%", "B%")
EXTERNAL = replace(NAMES, external=ExternalStage("s3://bucket/it's/", "INTEGRATION"))

INT = TypeRef(23, "pg_catalog", "int4", "b")
ID = Field(
    "id", "ID", "NUMBER(10,0)", '"id"', quoted=False, canonical_source='"id"::text', canonical_target='TO_VARCHAR("ID")'
)
NOTE = Field(
    'no"te', 'NO"TE', "VARCHAR(134217728)", '"no""te"', quoted=True, canonical_source='md5("no""te")',
    canonical_target='MD5("NO""TE")', losses=(Loss("size", "(length(v) > 9)"), Loss("nul", "n(v)")),
)  # fmt: skip
CODE = Field("code", "CODE", "VARCHAR(16777216)", '"code"', quoted=True)
AT = Field("at", "AT", "TIMESTAMP_TZ(6)", '"at"', quoted=False, losses=(Loss("year", "y(at)"),))
GONE = Field("gone", "GONE", "BOOLEAN", '"gone"', quoted=False)
JSON = Field("data", "DATA", "VARIANT", '"data"', quoted=True, load="PARSE_JSON({})")
SIDE = Field("at", "AT__PG_TEXT", "VARCHAR(134217728)", "t(at)", quoted=True, losses=(Loss("year", "y(at)"),))
PLAIN = (ID, NOTE, CODE, AT)
PARSED = (ID, JSON, replace(JSON, source="more", target="MORE", select='"more"'))

LEAF = Leaf(77, "shop", "or'ders", "r", 10, 10 * 8192)
TABLE = Table(77, "shop", "or'ders", "r", (Column(1, "id", INT),), ("id",), (LEAF,), indexed=("id",))
STAMP = Cursor("at", "timestamptz")
MONTH = Window(STAMP, "2025-01-01", "2025-02-01", bounded=True, nulls=True)
WHOLE, MIDDLE, END = Chunk(1, 0, None, None, 0), Chunk(2, 0, (3, 0), (7, 0), 0), Chunk(3, 0, (7, 0), None, 0)
EVOLUTION = Evolution(added=(CODE, AT), widened=(ID,), retyped=(NOTE, GONE))
PLAN = TablePlan(
    TABLE, PLAIN, "ORDERS", "incremental", "merge", ("id", "code"), (WHOLE, MIDDLE, END), EVOLUTION, True, MONTH
)
FULL = replace(PLAN, mode="full", publish="swap", window=None)


def test_what_is_told_to_the_target():
    table, landing = NAMES.table("ORDERS"), NAMES.ours("L")
    agree(
        "target.sql",
        {
            "alter_session": target.alter_session(target.SESSION_PARAMETERS),
            "who": target.WHO,
            "create_database": target.create_database(NAMES),
            "create_ground": target.create_ground(NAMES),
            "create_external_stage": target.create_external_stage(EXTERNAL),
            "show_stages": target.show_stages(NAMES),
            "show_schemas": target.show_schemas(NAMES),
            "show_streams": target.show_streams(NAMES),
            "select_tables": target.select_tables(NAMES),
            "select_columns": target.select_columns(NAMES),
            "create_landing, transient": target.create_landing(NAMES, "L", PLAIN, "it's run", transient=True),
            "create_landing": target.create_landing(NAMES, "L", (ID,), "run", transient=False),
            "create_landing_like, transient": target.create_landing_like(NAMES, "L", PLAN, "it's run", transient=True),
            "create_landing_like": target.create_landing_like(
                NAMES, "L", replace(PLAN, evolution=Evolution()), "run", transient=False
            ),
            "drop": target.drop(table),
            "put": target.put(NAMES, "run/1", "/tmp/it's.csv.gz", "gzip"),
            "put, external": target.put(EXTERNAL, "run/1", "/tmp/a.csv.zst", "zstd", parallel=1),
            "list_stage": target.list_stage(NAMES),
            "remove": target.remove(NAMES, "run/1"),
            "copy_into": target.copy_into(
                NAMES, landing, PLAIN, "run/1", ["a.csv.gz", "it's.csv.gz"], codec="gzip", force=False
            ),
            "copy_into, with the end of each record": target.copy_into(
                EXTERNAL, landing, PARSED, "run/1", ["a.csv.zst"], codec="zstd", force=True
            ),
            "insert_ledger": target.insert_ledger(PERCENT, 2),
            "insert_ledger_counted": target.insert_ledger_counted(PERCENT, PERCENT.ours("L%")),
            "select_ledger": target.select_ledger(PERCENT),
            "forget_chunks": target.forget_chunks(PERCENT, [1, 2]),
            "forget_chunks, all": target.forget_chunks(PERCENT, None),
            "restamp_chunks": target.restamp_chunks(PERCENT, [1, 2]),
            "delete_all": target.delete_all(table),
            "delete_ledger": target.delete_ledger(PERCENT),
            "select_watermarks": marks.select_watermarks(NAMES),
            "insert_watermark": marks.insert_watermark(PERCENT),
            "update_watermark": marks.update_watermark(PERCENT),
            "forget_watermark": marks.forget_watermark(PERCENT),
            "set_comment": marks.set_comment(table, "it's run"),
            "count": target.count(table),
            "checksum": target.checksum(table, PLAIN),
            "checksum, of what is not compared": target.checksum(table, (JSON,)),
            "key_faults": target.key_faults(table, (NOTE, ID)),
            "swap": target.swap(NAMES, "ORDERS", "L"),
            "rename": target.rename(NAMES, "L", "ORDERS"),
            "insert_all": target.insert_all(NAMES, PLAN, "L", overwrite=False),
            "insert_all, overwrite": target.insert_all(NAMES, PLAN, "L", overwrite=True),
            "merge": target.merge(NAMES, PLAN, "L", MergeOptions()),
            "merge, deleted by a flag, in a range": target.merge(
                NAMES, replace(PLAN, fields=(*PLAIN, GONE)), "L", MergeOptions(deleted=GONE, key_range=("1", "9"))
            ),
            "merge, deleted by a time": target.merge(
                NAMES, replace(PLAN, fields=(*PLAIN, GONE)), "L", MergeOptions(deleted=AT)
            ),
            "merge, which takes marks off": target.merge(NAMES, PLAN, "L", MergeOptions(mark="GONE_AT")),
            "merge, keys alone": target.merge(
                NAMES, replace(PLAN, fields=(ID,), key=("id",), window=replace(MONTH, cursor=Cursor("id", "int8"))),
                "L", MergeOptions(),
            ),
            "delete_flagged": target.delete_flagged(table, GONE),
            "add_mark": gone.add_mark(table, "GONE_AT"),
            "count, unmarked": target.count(gone.unmarked(table, "GONE_AT")),
            "delete_missing": gone.delete_missing(NAMES, table, "K", (ID, NOTE)),
            "mark_missing": gone.mark_missing(NAMES, "ORDERS", "K", (ID, NOTE), "GONE_AT"),
        },
    )  # fmt: skip


def test_what_is_asked_of_the_source():
    toasted = replace(FULL, table=replace(TABLE, leaves=(replace(LEAF, bytes_total=2**30),)))
    view = replace(FULL, table=replace(TABLE, leaves=(replace(LEAF, kind="v", pages=0),)))
    agree(
        "source.sql",
        {
            "pin": source.pin(16, 3600, 2.5).split("; "),
            "pin, in PostgreSQL 17": source.pin(17, 3600, 2.5).split("; ")[22:],
            "copy_select, a chunk": source.copy_select(PLAIN, source.rows_of(FULL, MIDDLE)),
            "copy_select, with an end, the last chunk, what changed": source.copy_select(
                PARSED, source.rows_of(PLAN, END)
            ),
            "copy_select, repaired": source.copy_select((ID,), source.rows_of(replace(FULL, only="id > 7"), WHOLE)),
            "copy_select, a view": source.copy_select(PLAIN, source.rows_of(view, WHOLE)),
            "lines_select, a page at a time": source.lines_select(FULL, MIDDLE),
            "lines_select, to the last page": source.lines_select(FULL, WHOLE),
            "lines_select, a row at a time": source.lines_select(toasted, END),
            "line_select, parsed": source.line_select(PARSED, "FROM t"),
            "line_select, one field": source.line_select((CODE,), "FROM t"),
            "line_select, numbers": source.line_select((ID, AT), "FROM t"),
            "all_rows_of": f"SELECT 1 {source.all_rows_of(TABLE)}",
            "all_rows_of, what changed": f"SELECT 1 {source.all_rows_of(TABLE, replace(MONTH, nulls=False))}",
            "unflagged": f"SELECT 1 {source.unflagged('FROM t', GONE)}",
            "unflagged, by a time": f"SELECT 1 {source.unflagged('FROM t', AT)}",
            "unflagged, without a flag": f"SELECT 1 {source.unflagged('FROM t', None)}",
            "flagged, without a flag": source.flagged(None),
            "count_apart": source.count_apart("FROM t", difference.newer(MONTH, "2025-01-01"), GONE),
            "count_apart, nothing newer": source.count_apart("FROM t", difference.NEVER, GONE),
            "measure": source.measure([("a", "b", "c"), ("d", "e", "f")], "FROM t"),
            "count_losses": source.count_losses((*PLAIN, SIDE), "FROM t"),
            "lost_keys": source.lost_keys(["id", 'no"te'], NOTE.losses[0], "FROM t"),
            "count_newer": source.count_newer("FROM t", 42),
            "cursor_bounds, by an index": source.cursor_bounds(TABLE, Cursor("id", "int8", number=True), "c < 5", "3"),
            "cursor_bounds": source.cursor_bounds(TABLE, STAMP, "c < 5", None),
            "cursor_max": source.cursor_max(TABLE, STAMP),
            "has_older_values": source.has_older_values(TABLE, ["a", 'b"b'], STAMP, "2025-01-01"),
            "waiting": source.WAITING,
            "checksum": source.checksum(PLAIN, "FROM t"),
            "checksum, of what is not compared": source.checksum((JSON,), "FROM t"),
        },
    )


def test_what_both_are_asked_of_rows_that_differ():
    compared, nothing = Compared(PLAIN, (ID, CODE)), Compared((CODE,), (CODE,))
    agree(
        "difference.sql",
        {
            "buckets": difference.buckets(compared.source, "FROM t"),
            "buckets, a sample": difference.buckets(compared.target, "FROM t", 64),
            "buckets, of what is not compared": difference.buckets(nothing.source, "FROM t"),
            "buckets, of what is not compared, at the target": difference.buckets(nothing.target, "FROM t"),
            "rows_in": difference.rows_in(
                compared.source, "FROM t", [1, 5], difference.newer(MONTH, "2025-01-01"), source.flagged(GONE)
            ),
            "rows_in, at the target": difference.rows_in(compared.target, "FROM t", [7]),
            "columns_at_source": difference.columns_at_source(compared, (ID, NOTE), "FROM t", [8, 9]),
            "columns_at_target": difference.columns_at_target(compared, (ID, NOTE), "FROM t", [8, 9]),
            "mark": difference.mark("t", "GONE_AT", compared, [8, 9]),
            "delete": difference.delete("t", compared, [8, 9]),
            "checksum_of": difference.checksum_of("t", compared, [8, 9]),
        },
    )
