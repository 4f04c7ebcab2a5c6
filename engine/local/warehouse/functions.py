"""Snowflake's functions in DuckDB: macros kept in the file, and rewrites of a parsed statement.

Most is sqlglot's (Snowflake to DuckDB) and fakesnow's; what is here is what these leave out or get wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW
from fakesnow import transforms as fs
from fakesnow.macros import creation_sql
from fakesnow.transforms.stage import LOCAL_BUCKET_PATH
from sqlglot import Expr, exp

from engine.local.warehouse.faults import unsupported

Path(LOCAL_BUCKET_PATH).rmdir()  # made when fakesnow is imported, and else left for ever; our stages are elsewhere

# An object's keys are unique unless some key's text occurs twice in the document; only such a one is read in full.
MACROS = r"""
CREATE OR REPLACE MACRO MD5_NUMBER_LOWER64(x) AS ('0x' || md5(x)[17:])::UBIGINT;
CREATE OR REPLACE MACRO MD5_NUMBER_UPPER64(x) AS ('0x' || md5(x)[:16])::UBIGINT;
CREATE OR REPLACE MACRO sf_concat_ws(separator, list) AS
  CASE WHEN list_count(list) = len(list) THEN array_to_string(list, separator) END;
CREATE OR REPLACE MACRO sf_text(x) AS
  CASE WHEN typeof(x) = 'JSON' THEN json_extract_string(to_json(x), '$') ELSE CAST(x AS VARCHAR) END;
CREATE OR REPLACE MACRO sf_binary(x) AS
  CASE WHEN typeof(x) = 'VARCHAR' THEN unhex(CAST(x AS VARCHAR)) ELSE CAST(x AS BLOB) END;
CREATE OR REPLACE MACRO sf_typeof(x) AS CASE json_type(x) WHEN 'NULL' THEN 'NULL_VALUE' WHEN 'UBIGINT' THEN 'INTEGER'
  WHEN 'BIGINT' THEN 'INTEGER' WHEN 'HUGEINT' THEN 'INTEGER' ELSE json_type(x) END;
CREATE OR REPLACE MACRO IS_NULL_VALUE(x) AS json_type(x) = 'NULL';
CREATE OR REPLACE MACRO TO_TIMESTAMP_NTZ(x) AS CAST(x AS TIMESTAMP);
CREATE OR REPLACE MACRO TO_TIMESTAMP_TZ(x) AS CAST(x AS TIMESTAMPTZ);
CREATE OR REPLACE MACRO TO_TIMESTAMP_LTZ(x) AS CAST(x AS TIMESTAMPTZ);
CREATE OR REPLACE MACRO CHARINDEX(a, b) AS strpos(b, a);
CREATE OR REPLACE MACRO sf_keys(x) AS
  list_filter(regexp_extract_all(x, '"[^"]*"\s*:?'), lambda k: suffix(k, ':'));
CREATE OR REPLACE MACRO sf_json(x) AS CASE
  WHEN x IS NULL OR trim(x, chr(32) || chr(9) || chr(10) || chr(13)) = '' THEN NULL
  WHEN (contains(x, chr(92)) OR (contains(x, '{') AND len(sf_keys(x)) <> len(list_distinct(sf_keys(x)))))
    AND json_valid(x) AND NOT sf_sound(x) THEN error('Malformed JSON: duplicate object attribute, or character NUL')
  ELSE CAST(x AS JSON) END;
CREATE OR REPLACE MACRO sf_flag() AS '"borealis: refused"'::JSON;
CREATE OR REPLACE MACRO sf_json_flag(x) AS CASE
  WHEN x IS NULL OR trim(x, chr(32) || chr(9) || chr(10) || chr(13)) = '' THEN NULL
  WHEN NOT json_valid(x) THEN sf_flag() WHEN NOT sf_sound(x) THEN sf_flag() ELSE TRY_CAST(x AS JSON) END;
CREATE OR REPLACE MACRO sf_json_last(x) AS CASE WHEN trim(x) = '' THEN NULL ELSE CAST(x AS JSON) END;
"""


def install(root: duckdb.DuckDBPyConnection) -> None:
    """Once a start: macros are kept in the file, a Python function in the process."""
    root.create_function("sf_sound", _sound_all, ["VARCHAR"], "BOOLEAN", type=ARROW)
    root.execute(MACROS)
    root.execute(creation_sql("warehouse"))


def _sound_all(texts: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if t is None else _sound(t) for t in texts.to_pylist()], type=pa.bool_())


def _sound(text: str) -> bool:
    """No object of the document has a key twice, and no text in it the character NUL."""
    if re.search(r"(?<!\\)(?:\\\\)*\\u0000", text):
        return False
    repeated = False

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        repeated = repeated or len({k for k, _ in found}) != len(found)
        return {}

    try:
        json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return False
    return not repeated


# ---- formats of dates and times

_FORMAT = [("YYYY", "%Y"), ("MON", "%b"), ("MM", "%m"), ("DD", "%d"), ("DY", "%a"), ("HH24", "%H"), ("HH12", "%I"),
           ("AM", "%p"), ("PM", "%p"), ("MI", "%M"), ("SS", "%S"), ("FF9", "%n"), ("FF6", "%f"), ("FF3", "%g"),
           ("FF", "%n"), ("YY", "%y"), ("TZHTZM", "%z"), ("TZH:TZM", "%z")]  # fmt: skip


def strftime_format(text: str) -> str:
    out, at, upper = "", 0, text.upper()
    while at < len(text):
        for word, code in _FORMAT:
            if upper.startswith(word, at):
                out, at = out + code, at + len(word)
                break
        else:
            if text[at] != '"':
                out += "%%" if text[at] == "%" else text[at]
            at += 1
    return out


# ---- rewrites, by the class of node that they look at


def _cast(node: Expr, to: str) -> Expr:
    return exp.Cast(this=node, to=exp.DataType.build(to, dialect="duckdb"))


def _call(name: str, *args: Expr) -> Expr:
    return exp.Anonymous(this=name, expressions=list(args))


def _to_char(node: Expr) -> Expr:
    form = node.args.get("format")
    if form is None:
        return _call("sf_text", node.this)
    if not form.is_string:
        raise unsupported("TO_VARCHAR with a format that is not a text constant")
    code = strftime_format(form.name)
    if "%" not in code:
        raise unsupported("TO_VARCHAR with a numeric format")
    return _strftime(node.this, code)


def _concat_ws(node: Expr) -> Expr:
    separator, *values = node.expressions
    return _call("sf_concat_ws", separator, exp.Array(expressions=[_cast(v, "VARCHAR") for v in values]))


def _parse_json(node: Expr) -> Expr:
    if node.args.get("safe"):
        return exp.TryCast(this=node.this, to=exp.DataType.build("JSON", dialect="duckdb"))
    last = node.args.get("expression")
    return _call("sf_json_last" if last is not None and "d" in last.name else "sf_json", node.this)


def _typed_cast(node: Expr) -> Expr:
    kind = node.args["to"].this
    if kind in exp.DataType.TEXT_TYPES:
        return _call("sf_text", node.this)
    if kind in (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY):
        return _call("sf_binary", node.this)
    return node


def _time_to_str(node: Expr) -> Expr:
    return node if re.search("%[Ymdyab]", node.args["format"].name) else _strftime(node.this, node.args["format"].name)


def _strftime(value: Expr, code: str) -> Expr:
    if not re.search("%[Ymdyab]", code):  # of a TIME, which DuckDB's strftime does not take
        value = exp.Add(this=_cast(exp.Literal.string("1970-01-01"), "DATE"), expression=_cast(value, "TIME"))
    return _call("strftime", value, exp.Literal.string(code))


def _data_type(node: Expr) -> Expr:
    kind = node.this
    if kind in (exp.DataType.Type.DECIMAL, exp.DataType.Type.BIGDECIMAL) and len(node.expressions) == 1:
        node.append("expressions", exp.DataTypeParam(this=exp.Literal.number(0)))
    if kind == exp.DataType.Type.DECIMAL and not node.expressions:
        return exp.DataType.build("DECIMAL(38, 0)", dialect="duckdb")
    if kind in exp.DataType.TEXT_TYPES or kind in (exp.DataType.Type.BINARY, exp.DataType.Type.VARBINARY):
        node.set("expressions", None)
    if kind in (exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMESTAMPTZ):
        return exp.DataType.build("TIMESTAMPTZ", dialect="duckdb")
    if kind in (exp.DataType.Type.TIMESTAMPNTZ, exp.DataType.Type.TIMESTAMP):
        return exp.DataType.build("TIMESTAMP", dialect="duckdb")
    if kind == exp.DataType.Type.TIME:
        node.set("expressions", None)
    return fs.semi_structured_types(node)


OWN: dict[type[Expr], Callable[[Expr], Expr]] = {
    exp.ToChar: _to_char,
    exp.TimeToStr: _time_to_str,
    exp.ConcatWs: _concat_ws,
    exp.ParseJSON: _parse_json,
    exp.DataType: _data_type,
    exp.MD5NumberLower64: lambda n: _call("MD5_NUMBER_LOWER64", n.this),
    exp.MD5NumberUpper64: lambda n: _call("MD5_NUMBER_UPPER64", n.this),
    exp.Typeof: lambda n: _call("sf_typeof", n.this),
    exp.Cast: _typed_cast,
}
# fakesnow's, in its order, with what each looks at.
_FAKESNOW: list[tuple[Callable[..., Expr], tuple[type[Expr], ...]]] = [
    (fs.split, (exp.Split,)),
    (fs.trim_cast_varchar, (exp.Trim,)),
    (fs.indices_to_json_extract, (exp.Bracket,)),
    (fs.json_extract_cast_as_varchar, (exp.JSONExtract,)),
    (fs.json_extract_cased_as_varchar, (exp.Upper, exp.Lower)),
    (fs.json_extract_precedence, (exp.JSONExtract, exp.JSONExtractScalar)),
    (fs.flatten_value_cast_as_varchar, (exp.Lateral, exp.TableFromRows)),
    (fs.flatten, (exp.Lateral, exp.TableFromRows)),
    (fs.regex_replace, (exp.RegexpReplace,)),
    (fs.regex_substr, (exp.RegexpExtract,)),
    (fs.values_columns, (exp.Values,)),
    (fs.to_decimal, (exp.ToNumber,)),
    (fs.to_variant, (exp.ToVariant,)),
    (fs.object_construct, (exp.StarMap, exp.Struct, exp.JSONObject)),
    (fs.float_to_double, (exp.DataType,)),
    (fs.sample, (exp.TableSample,)),
    (fs.array_size, (exp.ArraySize,)),
    (fs.array_agg_within_group, (exp.WithinGroup,)),
    (fs.array_agg, (exp.ArrayAgg,)),
    (fs.object_agg, (exp.ObjectAgg,)),
    (fs.array_construct_etc, (exp.ArrayConstructCompact, exp.Array, exp.ArrayConcat)),
    (fs.dateadd_date_cast, (exp.DateAdd,)),
    (fs.dateadd_string_literal_timestamp_cast, (exp.DateAdd,)),
    (fs.datediff_string_literal_timestamp_cast, (exp.DateDiff,)),
    (fs.hex_string, (exp.HexString,)),
    (fs.sha256, (exp.SHA2, exp.SHA2Digest)),
]


def rewrite(tree: Expr) -> Expr:
    """The tree with Snowflake's functions as DuckDB has them; the classes of nodes present choose the passes."""
    for cast in list(tree.find_all(exp.Cast)):
        if cast.to.this == exp.DataType.Type.VARIANT:
            cast.replace(exp.ToVariant(this=cast.this))
    present = {type(node) for node in tree.walk()}
    for act, looks_at in _FAKESNOW:
        if present.intersection(looks_at):
            tree = tree.transform(act, copy=False)
    if present.intersection(OWN):
        # Deepest first, so that a node built around its arguments is not met again.
        for node in reversed([n for n in tree.walk(bfs=False) if type(n) in OWN]):
            new = OWN[type(node)](node)
            if new is not node:
                if node is tree:
                    tree = new
                elif node.parent is not None:
                    # `new` may hold the old node's children only: hang it where the old one was
                    node.replace(new)
    return tree
