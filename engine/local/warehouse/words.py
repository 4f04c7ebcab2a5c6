"""One statement as words, read from left to right: for what a general SQL parser does not know or reads too slowly."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.local.warehouse.faults import SqlError, syntax

_TOKEN = re.compile(
    r"""\s+ | --[^\n]* | /\*.*?\*/
    | (?P<quoted>"(?:[^"]|"")*") | (?P<string>'(?:[^'\\]|''|\\.)*') | (?P<dollar>\$\$.*?\$\$)
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?) | (?P<column>\$\d+)
    | (?P<word>[^\W\d][\w$]*) | (?P<sign>::|=>|<>|!=|>=|<=|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
_STAGE = re.compile(r"""@((?:"(?:[^"]|"")*"|[\w$%~]+)(?:\.(?:"(?:[^"]|"")*"|[\w$%]+))*)(/[^\s)']*)?""")
_PART = re.compile(r'"((?:[^"]|"")*)"|([\w$%~]+)')
_ESCAPE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}

Name = tuple[str, ...]


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class StageRef(NamedTuple):
    """A stage and the path below it: `@"D"."S"."STAGE"/run/` is (("D","S","STAGE"), "run/")."""

    name: Name
    path: str


def unquote(text: str) -> str:
    """The value of a string literal: backslash escapes are always on."""
    if text.startswith("$$"):
        return text[2:-2]
    body = text[1:-1].replace("''", "'")
    return re.sub(r"\\(.)", lambda m: _ESCAPE.get(m[1], m[1]), body, flags=re.DOTALL)


def literal(value: object) -> str:
    """A DuckDB literal of a string, number or NULL."""
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int)):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def parts(text: str) -> Name:
    """`"a b".C` as ("a b", "C"): quoted as written, the rest in upper case."""
    return tuple(m[1].replace('""', '"') if m[1] is not None else m[2].upper() for m in _PART.finditer(text))


def stage_reference(text: str) -> StageRef:
    found = _STAGE.match(text)
    rest = text[found.end(1) :] if found else ""
    if not found or not (rest == "" or rest.startswith("/")):
        raise syntax(f"invalid stage reference {text!r}")
    return StageRef(parts(found[1]), rest[1:])


class Words:
    """A cursor over the tokens of a statement; every method reads on, or raises Snowflake's syntax error."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = [
            Token(m.lastgroup, m[0], m.start(), m.end()) for m in _TOKEN.finditer(sql) if m.lastgroup is not None
        ]
        while self.tokens and self.tokens[-1].text == ";":
            self.tokens.pop()
        self.at = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "<EOF>", len(self.sql), 0)

    @property
    def done(self) -> bool:
        return self.at >= len(self.tokens)

    def fault(self) -> SqlError:
        return syntax(f"syntax error at position {self.here.start} unexpected '{self.here.text}'.")

    def next(self) -> Token:
        if self.done:
            raise self.fault()
        self.at += 1
        return self.tokens[self.at - 1]

    def sees(self, *words: str) -> bool:
        ahead = self.tokens[self.at : self.at + len(words)]
        return len(ahead) == len(words) and all(
            t.kind in ("word", "sign") and t.text.upper() == w for t, w in zip(ahead, words, strict=True)
        )

    def accept(self, *words: str) -> bool:
        if self.sees(*words):
            self.at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.fault()

    def end(self) -> None:
        if not self.done:
            raise self.fault()

    def identifier(self) -> str:
        token = self.next()
        if token.kind == "quoted":
            return token.text[1:-1].replace('""', '"')
        if token.kind == "word":
            return token.text.upper()
        self.at -= 1
        raise self.fault()

    def name(self) -> Name:
        found = [self.identifier()]
        while self.accept("."):
            found.append(self.identifier())
        return tuple(found)

    def string(self) -> str:
        token = self.next()
        if token.kind not in ("string", "dollar"):
            self.at -= 1
            raise self.fault()
        return unquote(token.text)

    def integer(self) -> int:
        token = self.next()
        if not token.text.isdigit():
            self.at -= 1
            raise self.fault()
        return int(token.text)

    def stage(self) -> StageRef:
        """`@name/path`, bare or as a string literal."""
        if self.here.kind == "string":
            return stage_reference(self.string())
        start = self.here.start
        found = _STAGE.match(self.sql, start)
        if not found:
            raise self.fault()
        while not self.done and self.here.start < found.end():
            self.at += 1
        return StageRef(parts(found[1]), (found[2] or "/")[1:])

    def names(self) -> list[str]:
        """`("A", B)`"""
        self.expect("(")
        found = [self.identifier()]
        while self.accept(","):
            found.append(self.identifier())
        self.expect(")")
        return found

    def items(self) -> list[tuple[int, int]]:
        """Token ranges of a comma list up to the bracket that closes it, or FROM on the same level."""
        ranges: list[tuple[int, int]] = []
        depth, start = 0, self.at
        while not self.done:
            text = self.here.text
            if depth == 0 and (text in (",", ")") or (self.here.kind == "word" and text.upper() == "FROM")):
                ranges.append((start, self.at))
                if text != ",":
                    return ranges
                start = self.at + 1
            depth += (text in ("(", "[")) - (text in (")", "]"))
            self.at += 1
        ranges.append((start, self.at))
        return ranges

    def text(self, span: tuple[int, int]) -> str:
        return self.sql[self.tokens[span[0]].start : self.tokens[span[1] - 1].end] if span[1] > span[0] else ""

    def options(self) -> dict[str, object]:
        """`A = 1 B = 'x' C = (...)` up to the end or a closing bracket: values are text, lists, or nested options."""
        found: dict[str, object] = {}
        while not self.done and self.here.kind == "word":
            key = self.identifier()
            self.expect("=")
            found[key] = self._value()
            self.accept(",")
        return found

    def _value(self) -> object:
        if self.accept("("):
            if self.here.kind == "word":
                nested = self.options()
                self.expect(")")
                return nested
            texts = []
            while not self.sees(")"):
                texts.append(self.string())
                self.accept(",")
            self.expect(")")
            return texts
        token = self.next()
        if token.kind in ("string", "dollar"):
            return unquote(token.text)
        if token.kind == "quoted":
            return token.text[1:-1].replace('""', '"')
        return token.text.upper()
