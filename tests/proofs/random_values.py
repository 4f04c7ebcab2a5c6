"""Random values of every type of docs/types.md, as text that PostgreSQL reads: edges, lossy ones, and any others."""

import datetime as dt
import json
import struct
import sys
import unicodedata
import uuid
from collections.abc import Callable, Mapping, Sequence
from random import Random

from tests.integration.test_types import CONVERTED, EXACT, LOST, NOT_LOST, REFUSED_BY_TARGET

LONG = 1000
"""Characters of an edge value that is left to tests of its own."""
Value = Callable[[Random], str]

CHARACTERS: dict[str, list[str]] = {}
for code in [*range(1, 0xD800), *range(0xE000, sys.maxunicode + 1, 7)]:
    CHARACTERS.setdefault(unicodedata.category(chr(code)), []).append(chr(code))


def text(draw: Random, most: int = 30) -> str:
    """Of every category of Unicode alike, controls and unassigned ones too; blanks at its ends now and then."""
    kinds = draw.choices(list(CHARACTERS), k=draw.randint(0, most))
    found = "".join(draw.choice(CHARACTERS[kind]) for kind in kinds)
    return draw.choice(["", "", " "]) + found + draw.choice(["", "", "  ", "\u0301", "\n"])


def plain(draw: Random, most: int = 12) -> str:
    return "".join(draw.choices("abcXYZ 019_-äß漢😀", k=draw.randint(0, most)))


def whole(bits: int) -> Value:
    def value(draw: Random) -> str:
        number = draw.getrandbits(draw.randint(1, bits - 1))
        return str(draw.choice([number, -number - 1]))

    return value


def decimal(digits: int, scale: int) -> Value:
    def value(draw: Random) -> str:
        sign = draw.choice(["", "-"])
        return f"{sign}{draw.randrange(10 ** draw.randint(1, digits))}e{-scale}"

    return value


def double(draw: Random) -> str:
    """Any pattern of bits, so that every exponent, and numbers below the normal ones, are as likely as others."""
    if draw.random() < 0.5:
        return repr(draw.choice([draw.uniform(-1e6, 1e6), draw.random() * 1e-3, float(draw.randint(-9, 9))]))
    return repr(struct.unpack("<d", draw.randbytes(8))[0])


def real(draw: Random) -> str:
    return repr(struct.unpack("<f", draw.randbytes(4))[0])


def day(draw: Random) -> str:
    year = draw.choice([draw.randint(1, 9999), draw.randint(1500, 1950), draw.randint(1, 20000)])
    era = " BC" if year < 4000 and draw.random() < 0.3 else ""
    return f"{year:04}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}{era}"


def clock(draw: Random) -> str:
    fraction = draw.choice([0, draw.randrange(10**6), 999999, 1])
    return f"{draw.randrange(24):02}:{draw.randrange(60):02}:{draw.randrange(60):02}.{fraction:06}"


def moment(draw: Random) -> str:
    found, era = day(draw), ""
    if found.endswith(" BC"):
        found, era = found.removesuffix(" BC"), " BC"
    return f"{found} {clock(draw)}{era}"


FIRST = dt.datetime(1, 1, 3)  # noqa: DTZ001 - the zone is written behind it


def moment_in_zone(draw: Random) -> str:
    zone = draw.choice(["+00", "+14", "-12", "+05:45", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
    at = FIRST + dt.timedelta(seconds=draw.randrange(315_000_000_000), microseconds=draw.randrange(10**6))
    return f"{at} {zone}"


def interval(draw: Random) -> str:
    return f"{draw.randint(-30000, 30000)} mon {draw.randint(-99999, 99999)} day {draw.randint(-(2**52), 2**52)} us"


def document(draw: Random, depth: int = 0) -> object:
    kind = draw.randrange(9 if depth < 3 else 6)
    if kind < 6:
        number = draw.choice([draw.randint(-(10**40), 10**40), draw.randint(-99, 99), draw.uniform(-1e9, 1e9)])
        return draw.choice([None, True, False, number, plain(draw), text(draw)])
    if kind < 8:
        return {plain(draw, 4): document(draw, depth + 1) for _ in range(draw.randrange(4))}
    return [document(draw, depth + 1) for _ in range(draw.randrange(4))]


def as_json(draw: Random) -> str:
    return json.dumps(document(draw), ensure_ascii=draw.random() < 0.3)


def braced(items: Sequence[str | None]) -> str:
    return "{" + ",".join("NULL" if item is None else json.dumps(item, ensure_ascii=False) for item in items) + "}"


def array(of: Value) -> Value:
    def value(draw: Random) -> str:
        one = lambda: None if draw.random() < 0.2 else of(draw)  # noqa: E731
        if draw.random() < 0.2:
            return "{" + ",".join(braced([one(), one()]) for _ in range(draw.randint(1, 3))) + "}"
        found = [one() for _ in range(draw.randrange(5))]
        first = draw.choice([-1, 0, 5])
        bounds = f"[{first}:{first + len(found) - 1}]=" if found and draw.random() < 0.1 else ""
        return bounds + braced(found)

    return value


def span(of: Value) -> Value:
    """A range; which of two values is the lower, PostgreSQL would want to know, so one end is open."""
    forms = ("empty", "(,)", "[{},)", "({},)", "(,{}]", "(,{})", "[{0},{0}]")
    return lambda draw: draw.choice(forms).format(json.dumps(of(draw)))


def spans(of: Value) -> Value:
    return lambda draw: draw.choice(["{}", "{" + span(of)(draw) + "}"])


def year_of_our_time(draw: Random) -> str:
    return f"{draw.randint(1000, 9999)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"


RANDOM: Mapping[str, Value] = {
    "smallint": whole(16),
    "integer": whole(32),
    "bigint": whole(64),
    "oid": lambda draw: str(draw.getrandbits(32)),
    "numeric(38,0)": decimal(38, 0),
    "numeric(38,37)": decimal(38, 37),
    "numeric(12,2)": decimal(12, 2),
    "numeric(1,0)": decimal(1, 0),
    "numeric(5,-2)": lambda draw: str(100 * draw.randint(-99999, 99999)),
    "numeric(2,5)": decimal(2, 5),
    "numeric": lambda draw: decimal(20, 9)(draw) if draw.random() < 0.97 else draw.choice(["NaN", "-Infinity"]),
    "numeric(60,40)": decimal(55, 40),
    "real": real,
    "double precision": double,
    "money": lambda draw: f"{draw.randint(-(10**15), 10**15)}.{draw.randrange(100):02}",
    "boolean": lambda draw: draw.choice("tf"),
    "text": text,
    "varchar(40)": lambda draw: text(draw, 20),
    "char(9)": lambda draw: plain(draw, 9),
    "name": lambda draw: plain(draw, 9),
    "uuid": lambda draw: str(uuid.UUID(int=draw.getrandbits(128))),
    "bytea": lambda draw: "\\x" + draw.randbytes(draw.randint(0, 40)).hex(),
    "bit(7)": lambda draw: f"{draw.getrandbits(7):07b}",
    "varbit": lambda draw: "".join(draw.choices("01", k=draw.randint(0, 20))),
    "date": day,
    "timestamp": moment,
    "timestamp(3)": moment,
    "timestamptz": moment_in_zone,
    "timestamptz(0)": moment_in_zone,
    "time": clock,
    "timetz": lambda draw: clock(draw) + draw.choice(["+00", "+15:59:59", "-11:30"]),
    "interval": interval,
    "interval day to second(2)": interval,
    "int4range": span(whole(31)),
    "numrange": span(decimal(20, 5)),
    "daterange": span(year_of_our_time),
    "tstzrange": span(lambda draw: year_of_our_time(draw) + " " + clock(draw) + "+03"),
    "int8multirange": spans(whole(60)),
    "inet": lambda draw: f"10.{draw.randrange(256)}.0.{draw.randrange(256)}/{draw.randint(8, 32)}",
    "cidr": lambda draw: f"10.{draw.randrange(256)}.0.0/16",
    "macaddr": lambda draw: draw.randbytes(6).hex(":"),
    "point": lambda draw: f"({double(draw)},{real(draw)})",
    "tsvector": plain,
    "json": as_json,
    "jsonb": lambda draw: as_json(draw).replace("\\u0000", ""),
    "integer[]": array(whole(32)),
    "boolean[]": array(lambda draw: draw.choice("tf")),
    "text[]": array(lambda draw: text(draw, 8).replace("\x7f", "")),
    "uuid[]": array(lambda draw: str(uuid.UUID(int=draw.getrandbits(128)))),
    "numeric[]": array(decimal(20, 5)),
    "double precision[]": array(double),
    "timestamptz[]": array(moment_in_zone),
    "jsonb[]": array(lambda draw: as_json(draw).replace("\\u0000", "")),
    "mood": lambda draw: draw.choice(["", "so so", 'ok,"', "ärger"]),
    "price": decimal(10, 2),
    "pair": lambda draw: f'({draw.randrange(100)},"{plain(draw)}")',
}
"""By type; those of `TYPES` are of a schema that the test makes."""

TYPES = (
    "CREATE TYPE mood AS ENUM ('', 'so so', 'ok,\"', 'ärger')",
    "CREATE DOMAIN price AS numeric(10,2)",
    "CREATE TYPE pair AS (a int, b text)",
)


def edges(*, lossy: bool) -> dict[str, list[str]]:
    found = {
        type_name: list(values) for type_name, values in EXACT.items() if type_name not in ("xml", "txid_snapshot")
    }
    of_others = [*CONVERTED, *(LOST if lossy else ()), *(REFUSED_BY_TARGET if lossy else ())]
    for type_name, value, *_ in of_others:
        found.setdefault(type_name, []).append(value)
    for type_name, values in NOT_LOST.items():
        found.setdefault(type_name, []).extend(values)
    return {type_name: [v for v in values if len(v) < LONG] for type_name, values in found.items()}


def column(draw: Random, type_name: str, rows: int, edge: Mapping[str, Sequence[str]]) -> list[str | None]:
    """Values of one column: NULL now and then, each edge at least once where there are rows for it, any others."""
    known, other = edge.get(type_name, ()), RANDOM.get(type_name)
    found: list[str | None] = list(known)[:rows]
    while len(found) < rows:
        kind = draw.random()
        if kind < 0.1 or (other is None and not known):
            found.append(None)
        elif other is None or (known and kind < 0.3):
            found.append(draw.choice(known))
        else:
            found.append(other(draw))
    draw.shuffle(found)
    return found
