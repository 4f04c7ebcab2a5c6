"""COPY INTO a table from CSV on a stage: options read strictly, then one INSERT by DuckDB."""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import ARROW
from sqlglot import exp

from engine.local.warehouse import blame, casts, query, stage
from engine.local.warehouse.catalog import Column, Entry, quote
from engine.local.warehouse.faults import Again, SqlError, syntax, unsupported
from engine.local.warehouse.session import Cursor, Session
from engine.local.warehouse.stage import StagedFile, Stages
from engine.local.warehouse.unpacking import blocks, unpack
from engine.local.warehouse.wire import COPY, Result, message, rows
from engine.local.warehouse.words import StageRef, Words, literal

FILES_MAX = 1_000
RECORD_BYTES_MAX = 300_000_000  # a text of 128 MB whose quotes are doubled, and the rest of its row

GROUP_BYTES_MAX = 256 << 20  # compressed; two groups are on disk unpacked, at three to four times that

_ANY = 987_654_321  # stands for the one field of an expression while it is compiled

# Snowflake's list for transformations during a load, and the words that may stand before a bracket.
ALLOWED = set(
    """
    CAST TRY_CAST CASE IFF IFNULL NVL NVL2 NULLIF EQUAL_NULL IN LIKE ILIKE CONCAT SUBSTR SUBSTRING SPLIT
    SPLIT_PART REPLACE REGEXP_REPLACE REGEXP_SUBSTR TRIM LTRIM RTRIM LPAD RPAD LENGTH LEN ASCII CHR CHAR UNICODE
    REVERSE STARTSWITH ENDSWITH MD5 MD5_HEX HEX_ENCODE HEX_DECODE_STRING PARSE_JSON CHECK_JSON PARSE_XML
    OBJECT_CONSTRUCT ARRAY_CONSTRUCT GET GET_PATH TO_ARRAY TO_OBJECT TO_VARIANT TO_BINARY TO_BOOLEAN TO_CHAR
    TO_VARCHAR TO_DATE TO_TIME TO_TIMESTAMP TO_TIMESTAMP_NTZ TO_TIMESTAMP_LTZ TO_TIMESTAMP_TZ TO_DECIMAL
    TO_NUMBER TO_NUMERIC TO_DECFLOAT TO_DOUBLE TRY_TO_BINARY TRY_TO_BOOLEAN TRY_TO_DATE TRY_TO_TIME
    TRY_TO_DECIMAL TRY_TO_NUMBER TRY_TO_NUMERIC TRY_TO_DECFLOAT TRY_TO_DOUBLE CONVERT_TIMEZONE CEIL FLOOR RANDOM
    UUID_STRING AND OR NOT WHEN THEN ELSE AS VARCHAR NUMBER DECIMAL NUMERIC BINARY TEXT STRING TIMESTAMP_NTZ
    TIMESTAMP_LTZ TIMESTAMP_TZ TIME
    """.split()
)
_FORMAT = {  # the only values understood, the first is Snowflake's default where it is among them
    "TYPE": {"CSV"}, "COMPRESSION": {"AUTO", "GZIP", "ZSTD", "NONE"}, "RECORD_DELIMITER": {"\n"},
    "FIELD_OPTIONALLY_ENCLOSED_BY": {'"', "NONE"}, "ESCAPE": {"NONE"}, "ESCAPE_UNENCLOSED_FIELD": {"NONE"},
    "EMPTY_FIELD_AS_NULL": {"TRUE"}, "TRIM_SPACE": {"FALSE"}, "SKIP_BYTE_ORDER_MARK": {"FALSE", "TRUE"},
    "REPLACE_INVALID_CHARACTERS": {"FALSE"}, "ERROR_ON_COLUMN_COUNT_MISMATCH": {"TRUE"},
    "BINARY_FORMAT": {"HEX", "BASE64", "UTF8"}, "DATE_FORMAT": {"AUTO", "YYYY-MM-DD"},
    "TIME_FORMAT": {"AUTO", "HH24:MI:SS.FF", "HH24:MI:SS.FF6"}, "ENCODING": {"UTF8", "UTF-8"},
    "TIMESTAMP_FORMAT": {"AUTO", "YYYY-MM-DD HH24:MI:SS.FF6", "YYYY-MM-DD HH24:MI:SS.FF6TZH"}, "MULTI_LINE": {"TRUE"},
    "SKIP_BLANK_LINES": {"FALSE"}, "PARSE_HEADER": {"FALSE"},
}  # fmt: skip
_OPTIONS = {
    "ON_ERROR": {"ABORT_STATEMENT"}, "PURGE": {"FALSE", "TRUE"}, "FORCE": {"FALSE", "TRUE"},
    "TRUNCATECOLUMNS": {"FALSE"}, "ENFORCE_LENGTH": {"TRUE"}, "MATCH_BY_COLUMN_NAME": {"NONE"},
    "RETURN_FAILED_ONLY": {"FALSE"}, "LOAD_UNCERTAIN_FILES": {"FALSE", "TRUE"},
}  # fmt: skip
_RESULT = ["file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error",
           "first_error_line", "first_error_character", "first_error_column_name"]  # fmt: skip
_NUMBERS = ["rows_parsed", "rows_loaded", "error_limit", "errors_seen", "first_error_line", "first_error_character"]


@dataclass
class Load:
    """One COPY as read: a column of the target for each item; `items` are transformations, or nothing."""

    table: Entry
    columns: list[Column]
    reference: StageRef
    items: list[str]
    form: dict[str, str]
    nulls: list[str]
    names: list[str] | None
    pattern: str | None
    force: bool
    purge: bool
    skip: int
    fields: int = 0  # of a record
    padded: bool = False
    values: list[str] = field(default_factory=list)  # the items in DuckDB's words

    @property
    def delimiter(self) -> str:
        return self.form["FIELD_DELIMITER"]

    @property
    def encloses(self) -> bool:
        return self.form.get("FIELD_OPTIONALLY_ENCLOSED_BY", "NONE") == '"'

    def codec(self, name: str) -> str:
        given = self.form.get("COMPRESSION", "AUTO")
        if given == "AUTO":
            given = {"gz": "GZIP", "zst": "ZSTD"}.get(name.rsplit(".", 1)[-1], "NONE")
        return given.lower()


def read(session: Session, words: Words) -> Load:
    words.expect("COPY", "INTO")
    table = session.table(words.name())
    columns = [table.column(n) for n in words.names()] if words.sees("(") else list(table.columns)
    words.expect("FROM")
    items: list[str] = []
    if words.accept("("):
        words.expect("SELECT")
        items = _items(words)
        words.expect("FROM")
        reference = words.stage()
        if words.here.kind == "word" and not words.sees(")"):
            words.accept("AS")
            if words.here.text.upper() in ("WHERE", "ORDER", "LIMIT", "JOIN", "GROUP", "HAVING", "QUALIFY"):
                raise unsupported(f"{words.here.text.upper()} in a COPY transformation")
            words.identifier()
        words.expect(")")
        if len(items) != len(columns):
            raise SqlError(2072, "42601", f"SQL compilation error:\nInsert value list does not match column list "
                           f"expecting {len(columns)} but got {len(items)}")  # fmt: skip
    else:
        reference = words.stage()
    options = words.options()
    words.end()
    return _checked(table, columns, reference, items, options)


def _items(words: Words) -> list[str]:
    found = []
    for span in words.items():
        tokens = words.tokens[span[0] : span[1]]
        for token, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
            if token.kind == "word" and after.text == "(" and token.text.upper() not in ALLOWED:
                raise SqlError(2, "0A000", f"SQL compilation error:\nCOPY statement only supports simple SELECT from "
                               f"stage statements for import: {token.text.upper()} is not supported.")  # fmt: skip
            if token.kind == "word" and token.text.upper() in ("SELECT", "DISTINCT", "OVER"):
                raise unsupported(f"{token.text.upper()} in a COPY transformation")
        found.append(words.text(span))
    return found


def _checked(
    table: Entry, columns: list[Column], reference: StageRef, items: list[str], options: dict[str, object]
) -> Load:
    form = options.pop("FILE_FORMAT", {})
    if not isinstance(form, dict) or "FORMAT_NAME" in form:
        raise unsupported("a named file format")
    files, pattern = options.pop("FILES", None), options.pop("PATTERN", None)
    nulls = form.pop("NULL_IF", ["\\N"])
    delimiter, skip = form.pop("FIELD_DELIMITER", ","), form.pop("SKIP_HEADER", "0")
    for known, given in ((_FORMAT, form), (_OPTIONS, options)):
        for key, value in given.items():
            if key not in known or (value.upper() if isinstance(value, str) else value) not in known[key]:
                raise unsupported(f"{key} = {value}")
    if form.get("ESCAPE_UNENCLOSED_FIELD") != "NONE":
        raise unsupported("ESCAPE_UNENCLOSED_FIELD other than NONE (its default is the backslash)")
    if files is not None and (not isinstance(files, list) or not files):
        raise syntax("FILES must list names")
    if isinstance(files, list) and len(files) > FILES_MAX:
        raise SqlError(1100, "42601", f"SQL compilation error:\nToo many files: {len(files)}, at most {FILES_MAX}.")
    texts = {k: str(v).upper() if k != "RECORD_DELIMITER" else str(v) for k, v in form.items()}
    texts["FIELD_DELIMITER"] = str(delimiter)
    return Load(
        table, columns, reference, items, texts, nulls if isinstance(nulls, list) else [str(nulls)],
        files, str(pattern) if pattern else None, options.get("FORCE") == "TRUE", options.get("PURGE") == "TRUE",
        int(str(skip)),
    )  # fmt: skip


def run(session: Session, words: Words, stages: Stages) -> Result:
    load = read(session, words)
    files = _files(session, load, stages)
    if not files:
        return message("Copy executed with 0 files processed.", COPY)
    with stages.fetched(files):
        _shape(session, load, files[0])
        attempt = Attempt(load, files, stages)
        try:
            report = session.write(attempt.step, [("load", load.table.id, f.name) for f in files])
        except SqlError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, say where
            with session.catalog.reader() as reader:
                raise blame.blame(attempt, reader, error) from None
    if load.purge:
        stages.delete(files)
    if not any(row[1] == "LOADED" for row in report):
        return message("Copy executed with 0 files processed.", COPY)
    return rows(COPY, _RESULT, report, numbers=_NUMBERS)


def _files(session: Session, load: Load, stages: Stages) -> list[StagedFile]:
    where = stage.find(session, load.reference)
    if load.names is None:
        return stages.list(where, load.reference.path, load.pattern)
    found = []
    for name in dict.fromkeys(load.names):
        file = stages.file(where, load.reference.path + name)
        if file is None:
            raise SqlError(91016, "22000", f"Remote file '{load.reference.path}{name}' was not found. "
                           "There are several potential causes. The file might not exist.")  # fmt: skip
        found.append(file)
    return found


def _shape(session: Session, load: Load, first: StagedFile) -> None:
    """How many fields a record has, and the value of each column. `$n` beyond the record is NULL, as documented."""
    names = [f"c{i + 1}" for i in range(len(load.columns))]
    if not load.items:
        load.fields, load.values = len(names), names
        return
    highest = 0
    compiled: dict[str, str] = {}  # a wide table has the same expression over each field
    for item in load.items:
        shape = re.sub(r"\b[A-Za-z]\w*\.(\$\d+)", r"\1", item)
        numbers = {int(n) for n in re.findall(r"\$(\d+)", shape)}
        highest = max(highest, *numbers, 0)
        if len(numbers) == 1:
            shape = re.sub(r"\$\d+", f"${_ANY}", shape)
        if shape not in compiled:
            compiled[shape] = query.expression(session, shape, _field)
        load.values.append(compiled[shape].replace(f'"C{_ANY}"', f"c{next(iter(numbers), 0)}"))
    present = _fields_of(first, load)
    load.fields = max(present, highest)
    load.padded = present < highest


def _field(number: int) -> exp.Column:
    return exp.column(exp.to_identifier(f"C{number}", quoted=True))


def _fields_of(file: StagedFile, load: Load) -> int:
    """Fields of a file's first record."""
    count, inside = 1, False
    for block in blocks(file, load.codec(file.name)):
        for found in re.finditer(rb'["\n]|' + re.escape(load.delimiter.encode()), block):
            if found[0] == b'"':
                inside = not inside
            elif not inside and found[0] == b"\n":
                return count
            elif not inside:
                count += 1
    return count


class Attempt:
    """The step that loads; run again it starts anew. `wide` once a record proved longer than the reader's default."""

    def __init__(self, load: Load, files: list[StagedFile], stages: Stages) -> None:
        self.load = load
        self.files = files
        self.stages = stages
        self.wide = False
        self.unpacked = True
        self.typed: list[str] | None = None  # DuckDB's type of each value

    def step(self, cursor: Cursor) -> list[tuple[object, ...]]:
        with self.stages.fetched(self.files):
            return self._load(cursor)

    def _load(self, cursor: Cursor) -> list[tuple[object, ...]]:
        load = self.load
        known = dict(cursor.execute(f"SELECT file, etag FROM sf.loads WHERE id = {load.table.id}").fetchall())
        todo = [f for f in self.files if load.force or known.get(f.name) != f.etag]
        counted: Counter[str] = Counter()
        try:
            if self.unpacked:
                self._load_unpacked(cursor, todo, counted)
            else:
                for file in todo:
                    self._insert(cursor, {file.path: file.name}, load.codec(file.name), counted)
        except duckdb.Error as error:
            if self._learn(error):
                raise Again from None
            raise
        if todo:
            values = ", ".join(
                f"({load.table.id}, {literal(f.name)}, {f.size}, {literal(f.etag)}, {counted[f.name]}, now())"
                for f in todo
            )
            cursor.execute(f"INSERT INTO sf.loads VALUES {values}")
        done = {f.name for f in todo}
        loaded = (1, 0, None, None, None, None)
        return [
            (f.url or f.name, "LOADED", counted[f.name], counted[f.name], *loaded) if f.name in done
            else (f.url or f.name, "LOAD_SKIPPED", 0, 0, None, 1, "File was loaded before.", None, None, None)
            for f in self.files
        ]  # fmt: skip

    def _load_unpacked(self, cursor: Cursor, todo: list[StagedFile], counted: Counter[str]) -> None:
        """File by file where records are huge, else as many at once as keep the cores busy; the next are unpacked
        meanwhile.
        """
        load, cores = self.load, os.cpu_count() or 2
        groups = [todo[n : n + 1] for n in range(len(todo))] if self.wide else list(_groups(todo))
        cuts = not self.wide and not load.skip and load.fields > 1 and load.encloses and len(load.delimiter) == 1

        with TemporaryDirectory(dir=self.stages.incoming) as folder, ThreadPoolExecutor(cores) as pool:

            def unpacked(group: list[StagedFile]) -> list[tuple[StagedFile, Future[list[Path]]]]:
                delimiter = load.delimiter if cuts and len(group) < 2 * cores else None
                return [(f, pool.submit(unpack, f, load.codec(f.name), Path(folder), delimiter)) for f in group]

            ahead = [unpacked(group) for group in groups[:1]]
            for number in range(len(groups)):
                ahead += [unpacked(group) for group in groups[number + 1 : number + 2]]
                parts = {path: file.name for file, made in ahead.pop(0) for path in made.result()}
                self._insert(cursor, parts, "none", counted)
                for path in parts:
                    path.unlink()

    def _learn(self, error: Exception) -> bool:
        """Whether the error tells how to read the file: records are longer, or of other lengths, than thought; or
        that it must be read as it is, for the place of its fault.
        """
        text = str(error)
        # a record longer than the reader's buffer is told as a wrong number of columns, too
        if not self.wide and re.search("[Mm]aximum line size|max_line_size|unterminated quote|Number of Columns", text):
            self.wide = True
            return True
        found = re.search(r"Expected Number of Columns: \d+ Found: (\d+)", text)
        if found and self.load.items and (int(found[1]) > self.load.fields or not self.load.padded):
            self.load.fields = max(self.load.fields, int(found[1]))
            self.load.padded = True
            return True
        was, self.unpacked = self.unpacked, False
        return was

    def _insert(self, cursor: Cursor, parts: dict[Path, str], codec: str, counted: Counter[str]) -> None:
        """`parts`: the name of the staged file that each belongs to, whose rows are counted."""
        load = self.load
        names = ", ".join(quote(c.name) for c in load.columns)
        several = len(parts) > 1
        key = uuid.uuid4().hex
        source = self.reader(list(parts), codec, filename=several)
        where = f" WHERE sf_count('{key}', f)" if several else ""
        sql = (
            f"INSERT INTO {load.table.physical} ({names}) SELECT {', '.join(self._values(cursor))} FROM {source}{where}"
        )
        with COUNTS.open(key) as seen:
            row = cursor.execute(sql).fetchone()
        total = int(row[0]) if row else 0
        found = {path: seen[str(path)] for path in parts} if several else dict.fromkeys(parts, total)
        assert sum(found.values()) == total, "the counts of the files must add up to what was inserted"
        for path, name in parts.items():
            counted[name] += found[path]

    def _values(self, cursor: Cursor) -> list[str]:
        load = self.load
        if self.typed is None:
            self.typed = ["VARCHAR"] * len(load.values)
            if load.items:
                inputs = ", ".join(f"NULL::VARCHAR AS c{i + 1}" for i in range(load.fields))
                described = cursor.execute(
                    f"DESCRIBE SELECT {', '.join(load.values)} FROM (SELECT {inputs})"
                ).fetchall()
                self.typed = [str(row[1]) for row in described]
        found = []
        for value, kind, column in zip(load.values, self.typed, load.columns, strict=True):
            if kind == "VARCHAR":
                text = self.text(value)
                found.append(casts.rule(column, text, load.form.get("BINARY_FORMAT", "HEX")).sql(text))
            else:
                found.append(f"CAST({value} AS {column.type.duck})")
        return found

    def text(self, value: str) -> str:
        for null in self.load.nulls:
            value = f"nullif({value}, {literal(null)})"
        return value

    def reader(self, paths: list[Path], codec: str, *, filename: bool = False) -> str:
        load = self.load
        columns = ", ".join(f"'c{i + 1}': 'VARCHAR'" for i in range(load.fields))
        quoting = "quote = '\"', escape = '\"'" if load.encloses else "quote = '', escape = ''"
        more = ", null_padding = true" if load.padded else ""
        more += ", filename = 'f'" if filename else ""
        if self.wide:
            more += f", max_line_size = {RECORD_BYTES_MAX}, buffer_size = {RECORD_BYTES_MAX}"
        return (
            f"read_csv({casts.text_list([str(path) for path in paths])}, columns = {{{columns}}}, auto_detect = false, "
            f"header = false, delim = {literal(load.delimiter)}, {quoting}, nullstr = '', "
            f"allow_quoted_nulls = false, new_line = '\\n', strict_mode = true, skip = {load.skip}, "
            # in a file DuckDB's parallel reader takes line feeds in texts for ends of records; files are side by side
            "parallel = false, "
            f"compression = '{codec}'{more})"
        )


def _groups(files: list[StagedFile]) -> Iterator[list[StagedFile]]:
    """At most so many that what they are unpacked to fits a small disk."""
    group: list[StagedFile] = []
    for file in files:
        if group and sum(f.size for f in group) + file.size > GROUP_BYTES_MAX:
            yield group
            group = []
        group.append(file)
    if group:
        yield group


class _Counts:
    """Rows of each file while one INSERT reads many: a function in its WHERE sees every vector go by."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Counter[str]] = {}

    @contextmanager
    def open(self, key: str) -> Iterator[Counter[str]]:
        self._open[key] = Counter()
        try:
            yield self._open[key]
        finally:
            del self._open[key]

    def see(self, keys: pa.Array, names: pa.Array) -> pa.Array:
        counter = self._open.get(keys[0].as_py()) if len(keys) else None
        if counter is not None:
            with self._lock:
                for pair in pc.value_counts(names).to_pylist():
                    counter[pair["values"]] += pair["counts"]
        return pc.is_valid(names)


COUNTS = _Counts()


def install(root: duckdb.DuckDBPyConnection) -> None:
    root.create_function("sf_count", COUNTS.see, ["VARCHAR", "VARCHAR"], "BOOLEAN", type=ARROW, side_effects=True)
