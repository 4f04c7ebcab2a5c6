"""What is asked of PostgreSQL: which rows, in which form. Pure; identifiers only through `quote`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from engine.model import LOST_KEYS_MAX, Chunk, Field, Leaf, Loss, Table
from engine.plan import PAGE_BYTES, Complete, Cursor, TablePlan, Window
from engine.quoting import literal, quote

QUOTES = '","'
"""Between two fields that are quoted."""
END = "."
"""The constant last field of a record wherever COPY INTO does not count the fields by itself."""

KEY_CHARACTERS_MAX = 200
"""Of a key column's value that is told: ten keys of a few columns are a few KB in the ledger."""
TOAST_SHARE_MAX, TOAST_BYTES_MAX = 1 / 3000, 64 * 1024
"""What a relation has beside its pages where no value is kept outside them: maps of free space and visibility, and an
empty TOAST table."""

PINNED = {
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "search_path": "",
    "row_security": "off",
    "xmlbinary": "base64",
    "xmloption": "content",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
    "default_transaction_deferrable": "off",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "enable_tidscan": "on",
    "client_connection_check_interval": "2s",
}
"""Settings that change what is printed, hide rows, end a session too soon or too late, or let a range of pages be
sought in the whole table: ours, whatever is set.

`row_security = off` makes PostgreSQL refuse a query whose rows a policy would hide, rather than hide them."""


PINNED_SINCE = {17: {"transaction_timeout": "0"}}
"""The same, by the major version that brought them."""


def pin(version: int, statement_timeout_s: float, lock_timeout_s: float) -> str:
    """`version` is the server's major version."""
    newer = {
        name: value for since, values in PINNED_SINCE.items() if version >= since for name, value in values.items()
    }
    settings = (
        PINNED
        | newer
        | {
            "statement_timeout": str(round(statement_timeout_s * 1000)),
            "lock_timeout": str(round(lock_timeout_s * 1000)),
        }
    )
    return "; ".join(f"SET {name} = {literal(value)}" for name, value in settings.items())


def relation(schema: str, name: str) -> str:
    return f"{quote(schema)}.{quote(name)}"


def needs_end(fields: Sequence[Field]) -> bool:
    """COPY INTO with a SELECT does not count fields, and one lonely NULL would be a blank line."""
    return len(fields) == 1 or any(f.load != "{}" for f in fields)


# --- which rows -------------------------------------------------------------------------------------------------


def rows_of(plan: TablePlan, chunk: Chunk) -> str:
    """`FROM ... WHERE ...` for one chunk."""
    leaf = plan.table.leaves[chunk.leaf]
    conditions = [*_page_conditions(chunk), *window_conditions(plan.window), *([plan.only] if plan.only else [])]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"FROM {_from(leaf)}{where}"


def all_rows_of(table: Table, window: Window | None = None) -> str:
    """`FROM ... WHERE ...` for the whole table, partitions and children included."""
    conditions = window_conditions(window)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"FROM {relation(table.schema, table.name)}{where}"


def unflagged(rows: str, deleted: Field | None) -> str:
    """Those of the rows that their own soft-delete column does not mark: what a merge keeps at the target."""
    if deleted is None:
        return rows
    return f"FROM (SELECT * {rows}) AS r WHERE NOT {flagged(deleted)}"


def flagged(deleted: Field | None) -> str:
    """True for a row that is marked as deleted, else false."""
    if deleted is None:
        return "false"
    return f"(({deleted.select}) {'IS TRUE' if deleted.target_type == 'BOOLEAN' else 'IS NOT NULL'})"


def _from(leaf: Leaf) -> str:
    only = "" if leaf.kind in ("v", "m") else "ONLY "
    return only + relation(leaf.schema, leaf.name)


def _page_conditions(chunk: Chunk) -> list[str]:
    conditions = []
    if chunk.first is not None:
        conditions.append(f"ctid >= '({chunk.first[0]},{chunk.first[1]})'::tid")
    if chunk.end is not None:
        conditions.append(f"ctid < '({chunk.end[0]},{chunk.end[1]})'::tid")
    return conditions


def window_conditions(window: Window | None) -> list[str]:
    if window is None:
        return []
    column, cast = quote(window.cursor.name), f"::{window.cursor.type_sql}"
    conditions = []
    if window.low is not None:
        after = ">=" if window.cursor.by_day and not window.bounded else ">"
        conditions.append(f"{column} {after} {literal(window.low)}{cast}")
    if window.bounded:
        conditions.append(f"{column} <= {literal(window.high)}{cast}" if window.high is not None else "false")
    if window.nulls and conditions:
        return [f"({' AND '.join(conditions)} OR {column} IS NULL)"]
    if not window.nulls and not conditions:
        return [f"{column} IS NOT NULL"]
    return conditions


# --- in which form ----------------------------------------------------------------------------------------------


def copy_select(fields: Sequence[Field], rows: str) -> str:
    """The query that COPY streams as CSV: one output column a field, named c1, c2, ..."""
    columns = [f"{f.select} AS c{n}" for n, f in enumerate(fields, start=1)]
    if needs_end(fields):
        columns.append(f"'{END}'::text AS c{len(columns) + 1}")
    return f"SELECT {', '.join(columns)} {rows}"


def quoted_columns(fields: Sequence[Field]) -> list[str]:
    return [f"c{n}" for n, f in enumerate(fields, start=1) if f.quoted]


def lines_select(plan: TablePlan, chunk: Chunk) -> str:
    r"""The same CSV of one chunk in records of (bytea without its last \n, how many rows): of a page, or of one row.

    A record and a message for each row cost more than joining a page's. Rows come one by one where they have no pages,
    where a page may point to values of any size, and where an index may find them.
    """
    leaf = plan.table.leaves[chunk.leaf]
    heap, (first, line), (end, other_line) = leaf.pages * PAGE_BYTES, chunk.first or (0, 0), chunk.end or (None, 0)
    beside = leaf.bytes_total - heap > heap * TOAST_SHARE_MAX + TOAST_BYTES_MAX
    if leaf.kind != "r" or beside or line or other_line or plan.window or plan.only:
        return line_select(plan.fields, rows_of(plan, chunk))
    pages = end or f"pg_relation_size('{leaf.oid}'::regclass) / current_setting('block_size')::int"
    page = [f"concat('(', borealis_page.n{after}, ',0)')::tid" for after in ("", " + 1")]
    rows = f"FROM {_from(leaf)} WHERE ctid >= {page[0]} AND ctid < {page[1]}"
    return (
        f"SELECT l.* FROM generate_series({first}, {pages} - 1) AS borealis_page(n),"
        f" LATERAL (SELECT textsend(string_agg({_line(plan.fields)}, E'\\n')), count(*)"
        f" FROM ({copy_select(plan.fields, rows)} OFFSET 0) AS r HAVING count(*) > 0) AS l"
    )


def line_select(fields: Sequence[Field], rows: str) -> str:
    return f"SELECT textsend({_line(fields)}), 1 FROM ({copy_select(fields, rows)} OFFSET 0) AS r"


def _line(fields: Sequence[Field]) -> str:
    """What COPY would print of a row of `copy_select`, written out with output functions.

    A row with neither a NULL nor a quotation mark, as most are, is told by one test and needs nothing for each field.
    """
    columns = [(f"c{n}", f.quoted) for n, f in enumerate(fields, start=1)]
    if needs_end(fields):
        columns.append((f"c{len(columns) + 1}", False))
    line = _concat([_csv_field(name) if quoted else f"concat({name})" for name, quoted in columns], ",")
    if not any(f.load == "PARSE_JSON({})" for f in fields):  # which is full of quotation marks
        line = f"CASE WHEN {_is_plain(columns)} THEN {_plain(columns)} ELSE {line} END"
    return line


def _csv_field(name: str) -> str:
    escaped = f"replace(concat({name}), '\"', '\"\"')"
    return f"CASE WHEN {name} IS NOT DISTINCT FROM NULL THEN '' ELSE '\"' || {escaped} || '\"' END"


def _is_plain(columns: Sequence[tuple[str, bool]]) -> str:
    test = f"ROW({', '.join(name for name, _ in columns)}) IS NOT NULL"
    texts = [name for name, quoted in columns if quoted]
    return f"{test} AND strpos({_printed(texts, '')}, '\"') = 0" if texts else test


def _plain(columns: Sequence[tuple[str, bool]]) -> str:
    parts: list[str] = []
    for quoted, run in groupby(columns, key=itemgetter(1)):
        names = [name for name, _ in run]
        parts += [f"'\"' || {_printed(names, QUOTES)} || '\"'"] if quoted else names
    return _concat(parts, ",")


def _printed(names: Sequence[str], separator: str) -> str:
    """As their types' output functions print them, which a cast of char(n) would not."""
    return _concat(names, separator) if len(names) > 1 else f"concat({names[0]})"


def _concat(parts: Sequence[str], separator: str) -> str:
    """concat_ws over any number of parts; a PostgreSQL function takes 100 arguments at most."""
    if len(parts) == 1:
        return f"({parts[0]})"
    if len(parts) < 100:
        return f"concat_ws({literal(separator)}, {', '.join(parts)})"
    groups = [_concat(parts[n : n + 99], separator) for n in range(0, len(parts), 99)]
    return _concat(groups, separator)


# --- questions before and after ---------------------------------------------------------------------------------


def measure(expressions: Iterable[tuple[str, str, str]], rows: str) -> str:
    columns = [expression for triple in expressions for expression in triple]
    return f"SELECT {', '.join(columns)} {rows}"


def count_losses(fields: Sequence[Field], rows: str) -> str:
    """One bigint a loss, in the order of `losses_of`."""
    columns = [f"count(*) FILTER (WHERE {loss.condition})" for f, loss in losses_of(fields)]
    return f"SELECT {', '.join(columns)} {rows}"


def lost_keys(key: Sequence[str], loss: Loss, rows: str) -> str:
    """The keys, as text and no longer than needed to tell them, of the first rows in which the value is lost."""
    columns = ", ".join(f"left({quote(name)}::text, {KEY_CHARACTERS_MAX})" for name in key)
    return f"SELECT {columns} FROM (SELECT * {rows}) AS r WHERE {loss.condition} LIMIT {LOST_KEYS_MAX}"


def count_newer(rows: str, oldest_xid: int) -> str:
    """(rows, rows written by transactions from `oldest_xid` on: those a snapshot with this xmin might not see).

    An age below 0 is that of a row frozen long ago, whose number has come round.
    """
    return f"SELECT count(*), count(*) FILTER (WHERE age(xmin) BETWEEN 0 AND age('{oldest_xid}'::xid)) {rows}"


def count_apart(rows: str, newer: str, deleted: Field | None) -> str:
    """(rows that are not marked as deleted; of these, and of the others, those for which `newer` is true)."""
    if newer == "false":
        return f"SELECT count(*), 0, 0 {unflagged(rows, deleted)}"
    gone = flagged(deleted)
    kept = f"count(*) FILTER (WHERE NOT {gone}"
    return f"SELECT {kept}), {kept} AND {newer}), count(*) FILTER (WHERE {gone} AND {newer}) {rows}"


def losses_of(fields: Sequence[Field]) -> list[tuple[Field, Loss]]:
    seen: dict[tuple[str, str], tuple[Field, Loss]] = {}
    for item in fields:
        for loss in item.losses:
            seen.setdefault((item.source, loss.reason), (item, loss))
    return list(seen.values())


def complete_condition(cursor: Cursor, complete: Complete | None, low: str | None) -> str:
    """True for the cursor values that no transaction still open can add to; NULL where the cursor is NULL."""
    column = quote(cursor.name)
    if complete is None:
        return f"{column} <= {_cast(low, cursor)}" if low is not None else f"{column} < {column}"
    if complete.number is not None:
        return f"{column} <= {_cast(complete.number, cursor)}"
    horizon = f"({literal(complete.at)}::timestamptz - make_interval(secs => {complete.lag_s}))"
    if cursor.type_sql != "timestamptz":
        horizon = f"({horizon} AT TIME ZONE {literal(complete.zone)})"
    if cursor.by_day:
        return f"{column} {'<' if complete.strict else '<='} {horizon}::date"
    if cursor.resolution_us:
        return f"{column} < {horizon} - make_interval(secs => {cursor.resolution_us / 1e6})"
    return f"{column} < {horizon}"


def cursor_bounds(table: Table, cursor: Cursor, complete: str, low: str | None) -> str:
    """(greatest complete value as text, at least `low`; rows at NULL; rows that are not yet complete)."""
    column, rows = quote(cursor.name), all_rows_of(table)
    floor = _cast(low, cursor)
    if cursor.name in table.indexed:
        return (
            f"SELECT greatest((SELECT max({column}) {rows} WHERE {complete}), {floor})::text,"
            f" (SELECT count(*) {rows} WHERE {column} IS NULL), (SELECT count(*) {rows} WHERE NOT ({complete}))"
        )
    return (
        f"SELECT greatest(max({column}) FILTER (WHERE {complete}), {floor})::text,"
        f" count(*) FILTER (WHERE {column} IS NULL), count(*) FILTER (WHERE NOT ({complete})) {rows}"
    )


def _cast(value: str | None, cursor: Cursor) -> str:
    return f"{'NULL' if value is None else literal(value)}::{cursor.type_sql}"


def cursor_max(table: Table, cursor: Cursor) -> str:
    return f"SELECT max({quote(cursor.name)})::text {all_rows_of(table)}"


def has_older_values(table: Table, columns: Sequence[str], cursor: Cursor, low: str) -> str:
    """Whether rows that no run will read again hold a value in columns that the target is about to gain."""
    filled = " OR ".join(f"{quote(name)} IS DISTINCT FROM NULL" for name in columns)
    return (
        f"SELECT EXISTS (SELECT 1 {all_rows_of(table)} WHERE ({filled})"
        f" AND {quote(cursor.name)} <= {_cast(low, cursor)})"
    )


def has_newer_below(table: Table, cursor: Cursor, low: str, first_unseen: int) -> str:
    """Whether rows that no run will read were written by transactions that the last run did not see."""
    return (
        f"SELECT EXISTS (SELECT 1 {all_rows_of(table)} WHERE {quote(cursor.name)} <= {_cast(low, cursor)}"
        f" AND age(xmin) BETWEEN 0 AND age('{first_unseen}'::xid))"
    )


WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = ANY($1::oid[])"
"""Sessions that wait for a lock on the tables, such as one that wants to alter them; parameter: oids."""


def digest(fields: Sequence[Field]) -> str | None:
    """The low 60 bits of the MD5 over a row's canonical text, a bigint; None where no field has one."""
    values = [f"coalesce({f.canonical_source}, '~')" for f in fields if f.canonical_source is not None]
    return f"('x' || substr(md5({_concat(values, '|')}), 18, 15))::bit(60)::bigint" if values else None


def checksum(fields: Sequence[Field], rows: str) -> str:
    """(rows, sum of each row's digest)."""
    return f"SELECT count(*), coalesce(sum({digest(fields) or 0}), 0)::numeric {rows}"
