"""What is told to Snowflake. Pure; identifiers only through `quote`, values as parameters (%s) where rows travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.model import Field
from engine.plan import Evolution, TablePlan
from engine.quoting import quote, sf_literal
from engine.sql.source import END, needs_end

SHORT_RECORD = "the record ends too soon"
"""No JSON, so PARSE_JSON refuses it by itself."""
LEDGER_FORM = "borealis 2"
"""The ledger's comment: it has all the columns. A ledger that an older engine made gets those that it lacks."""
LIST_MAX = 16_000
"""Values in one list; Snowflake takes 16,384."""
FILES_MAX = 1000
"""COPY INTO takes at most this many names in FILES (Snowflake: COPY INTO table)."""
DIGEST_MASK = 2**60 - 1
CODECS = {"gzip": "GZIP", "zstd": "ZSTD"}

SESSION_PARAMETERS: Mapping[str, object] = {
    "TRANSACTION_ABORT_ON_ERROR": True,
    "ABORT_DETACHED_QUERY": True,
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    "TIMEZONE": "UTC",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "AUTOCOMMIT": True,
    "ERROR_ON_NONDETERMINISTIC_MERGE": True,
}
"""What an account, a user or a role may have set otherwise and our statements depend on."""


def alter_session(parameters: Mapping[str, object]) -> str:
    values = {
        name: sf_literal(value) if isinstance(value, str) else str(value).upper()  # a number, TRUE or FALSE
        for name, value in parameters.items()
    }
    return "ALTER SESSION SET " + ", ".join(f"{name} = {value}" for name, value in values.items())


@dataclass(frozen=True, slots=True)
class ExternalStage:
    """Where the target reads staged files, and by which right."""

    url: str
    """`s3://bucket/prefix/`: with the slash at its end, since Snowflake puts none between it and a path."""
    integration: str
    """The storage integration's name as stored."""


@dataclass(frozen=True, slots=True)
class Names:
    """Where things are at the target: the user's schema, and the schema of our own beside it."""

    database: str
    schema: str
    state_schema: str
    external: ExternalStage | None = None
    """Without it staged files wait on a stage inside the target."""

    @property
    def stage_name(self) -> str:
        """Each kind has an object of its own: a stage cannot become the other."""
        return "STAGE_S3" if self.external else "STAGE"

    def table(self, name: str) -> str:
        return f"{quote(self.database)}.{quote(self.schema)}.{quote(name)}"

    def ours(self, name: str) -> str:
        return f"{quote(self.database)}.{quote(self.state_schema)}.{quote(name)}"

    def stage(self, path: str = "") -> str:
        """A stage location; it ends with `/`, since LIST and REMOVE match by prefix."""
        return f"@{self.ours(self.stage_name)}/{path}/" if path else f"@{self.ours(self.stage_name)}/"


def landing_name(target_name: str, run_id: str) -> str:
    """Unique to a run, and short enough: identifiers have 255 characters."""
    return f"{target_name[:200]}__{run_id.upper()}"


WHO = "SELECT CURRENT_VERSION(), CURRENT_ACCOUNT(), CURRENT_ROLE(), CURRENT_WAREHOUSE()"

# --- the ground -------------------------------------------------------------------------------------------------


def create_database(names: Names) -> str:
    """Only where the warehouse is ours; an account's databases are its administrators'."""
    return f"CREATE DATABASE IF NOT EXISTS {quote(names.database)}"


def create_ground(names: Names) -> list[str]:
    """Both schemas, the internal stage, the ledger and the watermarks; each statement may be repeated."""
    return [
        f"CREATE SCHEMA IF NOT EXISTS {quote(names.database)}.{quote(names.schema)}",
        f"CREATE SCHEMA IF NOT EXISTS {quote(names.database)}.{quote(names.state_schema)}",
        f"CREATE STAGE IF NOT EXISTS {names.ours('STAGE')} ENCRYPTION = (TYPE = 'SNOWFLAKE_FULL')",
        (
            f'CREATE TABLE IF NOT EXISTS {names.ours("LEDGER")} ("RUN_ID" VARCHAR, "TABLE_NAME" VARCHAR,'
            ' "CHUNK" NUMBER(10,0), "ROWS" NUMBER(19,0), "FILES" NUMBER(10,0), "BYTES" NUMBER(19,0),'
            ' "BYTES_READ" NUMBER(19,0), "LOSSES" VARCHAR, "SNAPSHOT" VARCHAR, "LOADED_AT" TIMESTAMP_NTZ(6),'
            ' "MANIFEST" VARCHAR)'
        ),
        f'ALTER TABLE {names.ours("LEDGER")} ADD COLUMN IF NOT EXISTS "MANIFEST" VARCHAR',
        f"COMMENT ON TABLE {names.ours('LEDGER')} IS {sf_literal(LEDGER_FORM)}",
        (
            f'CREATE TABLE IF NOT EXISTS {names.ours("WATERMARKS")} ("TABLE_NAME" VARCHAR, "RUN_ID" VARCHAR,'
            ' "VERSION" NUMBER(19,0), "CURSOR_NAME" VARCHAR, "KEY_NAMES" VARCHAR, "VALUE" VARCHAR,'
            ' "PENDING_RUN_ID" VARCHAR, "PENDING_VALUE" VARCHAR, "UPDATED_AT" TIMESTAMP_NTZ(6))'
        ),
    ]


def create_external_stage(names: Names) -> str:
    """It needs no encryption said: S3 decrypts what a KMS key has encrypted, for who may use the key."""
    assert names.external is not None
    return (
        f"CREATE STAGE IF NOT EXISTS {names.ours(names.stage_name)} URL = {sf_literal(names.external.url)}"
        f" STORAGE_INTEGRATION = {quote(names.external.integration)} DIRECTORY = (ENABLE = FALSE)"
    )


def show_stages(names: Names) -> str:
    """The second column is the name, the fifth the URL."""
    return f"SHOW STAGES IN SCHEMA {quote(names.database)}.{quote(names.state_schema)}"


def show_schemas(names: Names) -> str:
    """The second column is the name."""
    return f"SHOW SCHEMAS IN DATABASE {quote(names.database)}"


def select_tables(names: Names) -> str:
    return (
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, IS_TRANSIENT, COMMENT"
        f" FROM {quote(names.database)}.INFORMATION_SCHEMA.TABLES"
        f" WHERE TABLE_SCHEMA IN ({sf_literal(names.schema)}, {sf_literal(names.state_schema)})"
    )


def select_columns(names: Names) -> str:
    return (
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE,"
        f" DATETIME_PRECISION FROM {quote(names.database)}.INFORMATION_SCHEMA.COLUMNS"
        f" WHERE TABLE_SCHEMA = {sf_literal(names.schema)} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    )


def show_streams(names: Names) -> str:
    return f"SHOW STREAMS IN DATABASE {quote(names.database)}"


# --- the landing table ------------------------------------------------------------------------------------------


def columns_of(fields: Sequence[Field]) -> str:
    return ", ".join(f"{quote(f.target)} {f.target_type}" for f in fields)


def create_landing(names: Names, landing: str, fields: Sequence[Field], mark: str, *, transient: bool) -> str:
    """`mark` becomes the table's comment: it names the run."""
    kind = "TRANSIENT TABLE" if transient else "TABLE"
    return f"CREATE OR REPLACE {kind} {names.ours(landing)} ({columns_of(fields)}) COMMENT = {sf_literal(mark)}"


def create_landing_like(names: Names, landing: str, plan: TablePlan, mark: str, *, transient: bool) -> list[str]:
    """A landing table that will take the published one's place: its grants and columns, evolved; `mark` its comment."""
    kind = "TRANSIENT TABLE" if transient else "TABLE"
    create = (
        f"CREATE OR REPLACE {kind} {names.ours(landing)} LIKE {names.table(plan.target_name)} COPY GRANTS"
        f" COMMENT = {sf_literal(mark)}"
    )
    table, evolution = names.ours(landing), plan.evolution
    statements = alter(table, evolution)
    if not evolution.kept and len(plan.fields) == len(evolution.retyped) + len(evolution.added):
        # A table is never without a column. No column of ours has a name in lower case.
        statements = [f'ALTER TABLE {table} ADD COLUMN "one" BOOLEAN', *statements]
        statements.append(f'ALTER TABLE {table} DROP COLUMN "one"')
    return [create, *statements]


def alter(table: str, evolution: Evolution) -> list[str]:
    """ALTERs that bring the columns to what the fields ask; a retyped column is dropped and added."""
    statements = [f"ALTER TABLE {table} DROP COLUMN {quote(f.target)}" for f in evolution.retyped]
    if added := [*evolution.added, *evolution.retyped]:
        statements.append(f"ALTER TABLE {table} ADD COLUMN {columns_of(added)}")
    statements += [
        f"ALTER TABLE {table} ALTER COLUMN {quote(f.target)} SET DATA TYPE {f.target_type}" for f in evolution.widened
    ]
    return statements


def drop(table: str) -> str:
    return f"DROP TABLE IF EXISTS {table}"


# --- stage and load ---------------------------------------------------------------------------------------------


def put(names: Names, path: str, file: str, codec: str, parallel: int = 4) -> str:
    """`file` is an absolute local path; it is compressed already, and its name was never used before."""
    return (
        f"PUT {sf_literal('file://' + file)} {sf_literal(names.stage(path))} PARALLEL = {parallel}"
        f" AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = {CODECS[codec]} OVERWRITE = TRUE"
    )


def list_stage(names: Names) -> str:
    """A line a file; its name is `stage/path/file`."""
    return f"LIST {sf_literal(names.stage())}"


def remove(names: Names, path: str) -> str:
    return f"REMOVE {sf_literal(names.stage(path))}"


def file_format(codec: str) -> str:
    r"""PostgreSQL's CSV as Snowflake must read it: NULL is nothing, '' is \"\", and a backslash is a backslash."""
    return (
        f"(TYPE = CSV COMPRESSION = {CODECS[codec]} FIELD_DELIMITER = ',' RECORD_DELIMITER = '\\n'"
        " FIELD_OPTIONALLY_ENCLOSED_BY = '\"' ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = ()"
        " EMPTY_FIELD_AS_NULL = TRUE TRIM_SPACE = FALSE SKIP_BYTE_ORDER_MARK = FALSE"
        " REPLACE_INVALID_CHARACTERS = FALSE ERROR_ON_COLUMN_COUNT_MISMATCH = TRUE BINARY_FORMAT = HEX"
        " DATE_FORMAT = 'YYYY-MM-DD' TIME_FORMAT = AUTO TIMESTAMP_FORMAT = AUTO ENCODING = 'UTF8')"
    )


def copy_into(
    names: Names, table: str, fields: Sequence[Field], path: str, files: Sequence[str], *, codec: str, force: bool
) -> str:
    """COPY of listed files. The plain column list counts fields; with a SELECT the record's END does."""
    assert 0 < len(files) <= FILES_MAX, len(files)
    source = names.stage(path)
    if needs_end(fields):
        source = f"(SELECT {', '.join(_load_expressions(fields))} FROM {source})"
    return (
        f"COPY INTO {table} ({', '.join(quote(f.target) for f in fields)}) FROM {source}"
        f" FILES = ({', '.join(sf_literal(name) for name in files)}) FILE_FORMAT = {file_format(codec)}"
        f" ON_ERROR = ABORT_STATEMENT PURGE = FALSE FORCE = {'TRUE' if force else 'FALSE'}"
    )


def _load_expressions(fields: Sequence[Field]) -> list[str]:
    expressions = []
    guarded = False
    for n, item in enumerate(fields, start=1):
        value = f"${n}"
        if not guarded and "PARSE_JSON({})" in item.load:
            value = f"IFF(${len(fields) + 1} = {sf_literal(END)}, ${n}, {sf_literal(SHORT_RECORD)})"
            guarded = True
        expressions.append(item.load.format(value))
    return expressions


# --- the ledger --------------------------------------------------------------------------------------------------


def beside(name: str) -> str:
    """A quoted name in a statement with parameters, in which the driver takes % for the beginning of one."""
    return name.replace("%", "%%")


_LEDGER = (
    '("RUN_ID", "TABLE_NAME", "CHUNK", "ROWS", "FILES", "BYTES", "BYTES_READ", "LOSSES", "SNAPSHOT", "MANIFEST",'
    ' "LOADED_AT")'
)


def insert_ledger(names: Names, chunks: int) -> str:
    """Parameters, a chunk: as `_LEDGER` names them."""
    row = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6))"
    return f"INSERT INTO {beside(names.ours('LEDGER'))} {_LEDGER} VALUES {', '.join([row] * chunks)}"


def insert_ledger_counted(names: Names, landing: str) -> str:
    """Parameters: those of one chunk, and how many rows `landing` must have, counted in the same transaction."""
    return (
        f"INSERT INTO {beside(names.ours('LEDGER'))} {_LEDGER} SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        f" CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6) WHERE (SELECT COUNT(*) FROM {beside(landing)}) = %s"
    )


def select_ledger(names: Names) -> str:
    """Parameters: run id."""
    return (
        'SELECT "CHUNK", "ROWS", "FILES", "BYTES", "BYTES_READ", "LOSSES", "SNAPSHOT", "MANIFEST"'
        f' FROM {beside(names.ours("LEDGER"))} WHERE "RUN_ID" = %s'
    )


def forget_chunks(names: Names, chunks: Sequence[int] | None) -> str:
    """Parameters: run id. The chunks, or all, are to be loaded again: their rows must go in the same transaction."""
    some = "" if chunks is None else f' AND "CHUNK" IN ({", ".join(map(str, chunks))})'
    return f'DELETE FROM {beside(names.ours("LEDGER"))} WHERE "RUN_ID" = %s{some}'


def restamp_chunks(names: Names, chunks: Sequence[int]) -> str:
    """Parameters: the snapshot in which the chunks were found to be the same, run id."""
    assert chunks
    return (
        f'UPDATE {beside(names.ours("LEDGER"))} SET "SNAPSHOT" = %s'
        f' WHERE "RUN_ID" = %s AND "CHUNK" IN ({", ".join(map(str, chunks))})'
    )


def delete_all(table: str) -> str:
    return f"DELETE FROM {table}"


def delete_ledger(names: Names) -> str:
    """Parameters: how many days old. What a finished run loaded is in the table itself."""
    return (
        f"DELETE FROM {beside(names.ours('LEDGER'))}"
        ' WHERE "LOADED_AT" < DATEADD(day, -%s, CURRENT_TIMESTAMP()::TIMESTAMP_NTZ(6))'
    )


# --- gates and publishing ---------------------------------------------------------------------------------------


def count(table: str) -> str:
    return f"SELECT COUNT(*) FROM {table}"


def digest(fields: Sequence[Field]) -> str | None:
    """As the source computes it (engine.sql.source.digest)."""
    return _digest([f.canonical_target for f in fields if f.canonical_target is not None])


def _digest(texts: Sequence[str]) -> str | None:
    values = [f"COALESCE({text}, '~')" for text in texts]
    return f"BITAND(MD5_NUMBER_LOWER64({_concat_ws(values)}), {DIGEST_MASK})" if values else None


def checksum(table: str, fields: Sequence[Field]) -> str:
    return checksum_of(table, [f.canonical_target for f in fields if f.canonical_target is not None])


def checksum_of(table: str, texts: Sequence[str]) -> str:
    """(rows, sum) of a table's rows, each the digest of these canonical texts."""
    return f"SELECT COUNT(*), COALESCE(SUM({_digest(texts) or 0}), 0) FROM {table}"


def _concat_ws(values: Sequence[str]) -> str:
    if len(values) == 1:
        return values[0]
    if len(values) < 100:
        return f"CONCAT_WS('|', {', '.join(values)})"
    return _concat_ws([_concat_ws(values[n : n + 99]) for n in range(0, len(values), 99)])


def key_faults(table: str, key: Sequence[Field]) -> str:
    """(rows with a NULL in the key, rows beyond the first of their key, least and greatest first key column)."""
    first = quote(key[0].target)
    null = " OR ".join(f"{quote(f.target)} IS NULL" for f in key)
    columns = ", ".join(quote(f.target) for f in key)
    return (
        f"SELECT COUNT_IF({null}), COUNT(*) - (SELECT COUNT(*) FROM (SELECT DISTINCT {columns} FROM {table})),"
        f" TO_VARCHAR(MIN({first})), TO_VARCHAR(MAX({first})) FROM {table}"
    )


def swap(names: Names, target_name: str, landing: str) -> str:
    return f"ALTER TABLE {names.table(target_name)} SWAP WITH {names.ours(landing)}"


def rename(names: Names, landing: str, target_name: str) -> str:
    return f"ALTER TABLE {names.ours(landing)} RENAME TO {names.table(target_name)}"


def insert_all(names: Names, plan: TablePlan, landing: str, *, overwrite: bool) -> str:
    columns = ", ".join(quote(f.target) for f in plan.fields)
    verb = "INSERT OVERWRITE INTO" if overwrite else "INSERT INTO"
    return f"{verb} {names.table(plan.target_name)} ({columns}) SELECT {columns} FROM {names.ours(landing)}"


@dataclass(frozen=True, slots=True)
class MergeOptions:
    deleted: Field | None = None
    """The source's own soft-delete column: rows where it is set leave the target."""
    key_range: tuple[str, str] | None = None
    """Least and greatest value of the first key column, a number: the range that the target need be searched in."""
    mark: str | None = None
    """The target's column that marks rows as gone: a row that comes back is not."""


def merge(names: Names, plan: TablePlan, landing: str, options: MergeOptions) -> str:
    """One MERGE a table a run: the newest row of each key by the cursor, NULL cursors last."""
    assert plan.window is not None
    key = [plan.field_of(name) for name in plan.key]
    keys = {f.target for f in key}
    columns = [quote(f.target) for f in plan.fields]
    partition = ", ".join(quote(f.target) for f in key)
    order = quote(plan.field_of(plan.window.cursor.name).target)
    on = [f"t.{quote(f.target)} = s.{quote(f.target)}" for f in key]
    if options.key_range:
        least, greatest = options.key_range
        on += [f"t.{quote(key[0].target)} >= {least}", f"t.{quote(key[0].target)} <= {greatest}"]
    changed = [f"{quote(f.target)} = s.{quote(f.target)}" for f in plan.fields if f.target not in keys]
    updates = ", ".join([*changed, *([f"{quote(options.mark)} = NULL"] if options.mark else [])])
    clauses = []
    insert_when = "WHEN NOT MATCHED"
    if options.deleted is not None:
        deleted = _is_set(options.deleted)
        clauses.append(f"WHEN MATCHED AND {deleted} THEN DELETE")
        insert_when += f" AND NOT ({deleted})"
    if updates:
        clauses.append(f"WHEN MATCHED THEN UPDATE SET {updates}")
    values = ", ".join(f"s.{column}" for column in columns)
    clauses.append(f"{insert_when} THEN INSERT ({', '.join(columns)}) VALUES ({values})")
    return (
        f"MERGE INTO {names.table(plan.target_name)} t USING (SELECT {', '.join(columns)} FROM {names.ours(landing)}"
        f" QUALIFY ROW_NUMBER() OVER (PARTITION BY {partition} ORDER BY {order} DESC NULLS LAST) = 1) s"
        f" ON {' AND '.join(on)} {' '.join(clauses)}"
    )


def delete_flagged(table: str, deleted: Field) -> str:
    return f"DELETE FROM {table} s WHERE {_is_set(deleted)}"


def _is_set(item: Field) -> str:
    column = f"s.{quote(item.target)}"
    return f"COALESCE({column}, FALSE)" if item.target_type == "BOOLEAN" else f"{column} IS NOT NULL"
