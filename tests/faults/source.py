"""The source of a simulation: a table, who writes to it, and a journal of what was committed when.

The journal tells which rows any snapshot shows: a line for each row that came (1) or went (-1), with the transaction.
What a row holds follows from its `id` and from `ver`, the number of the statement that wrote it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import asyncpg

from tests.faults.scenario import WIDER, Action, Change, End, Scenario, Write

VALUES = {
    "smallint": "(({id} * 7 + {v}) % 30000)::smallint",
    "bigint": "{id} * 900719925474::bigint - {v}",
    "numeric(18,4)": "{id} * 1234567.8901 - {v}",
    "numeric(24,6)": "{id} * 1234567.8901 - {v}",
    "double precision": "({id} / 7.0 + {v})::float8",
    "numeric": "({id} / 8.0 + {v})::numeric(20,3)",
    "boolean": "({id} + {v}) % 3 = 0",
    "text": "(ARRAY['', E'\\\\N', 'a\"b', E'line\\r\\nbreak', 'ä€😀', ',', E'\\\\', ' x ', 'null', E'\\t'])"
            "[1 + ({id} + {v}) % 10] || repeat(md5(({id} + {v})::text), {id} % 4)",
    "varchar(300)": "repeat(md5(({id} + {v})::text), 1 + {id} % 8)",
    "timestamptz": "timestamptz '1999-12-31 23:59:59.999999+00' + make_interval(secs => {id} * 1001.000001 + {v})",
    "timestamp": "timestamp '2024-02-29 00:00:00.000001' - make_interval(hours => {id} + {v}::int)",
    "date": "date '1600-02-29' + {id} + {v}::int",
    "time": "time '00:00' + make_interval(secs => ({id} + {v}) % 86399 + 0.5)",
    "jsonb": "jsonb_build_object('id', {id}, 'deep', jsonb_build_array({v}, NULL, 'ä\"', true))",
    "int[]": "ARRAY[{id}, NULL, {v}::int]",
    "bytea": "decode(md5(({id} + {v})::text), 'hex')",
    "uuid": "md5(({id} + {v})::text)::uuid",
    "mood": "(ARRAY['sad', 'ok', 'happy'])[1 + ({id} + {v}) % 3]::mood",
}  # fmt: skip
"""By type, an expression over a row's id and the number of what wrote it; of a part of the rows it is NULL."""
LOCK_S = 2
_JOURNAL = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE journal (xid xid8, sign int, id int, ver bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP IN ('UPDATE', 'DELETE') THEN
    INSERT INTO journal SELECT pg_current_xact_id(), -1, id, ver FROM old_rows WHERE NOT gone;
  END IF;
  IF TG_OP IN ('UPDATE', 'INSERT') THEN
    INSERT INTO journal SELECT pg_current_xact_id(), 1, id, ver FROM new_rows WHERE NOT gone;
  END IF;
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO journal SELECT pg_current_xact_id(), -1, id, ver FROM t WHERE NOT gone;
  END IF;
  RETURN NULL;
END $$;
"""
_TRIGGERS = """
CREATE TRIGGER i AFTER INSERT ON {t} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER d AFTER DELETE ON {t} REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER u AFTER UPDATE ON {t} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER z BEFORE TRUNCATE ON {t} FOR EACH STATEMENT EXECUTE FUNCTION note();
"""
Rows = Counter[tuple[int, int]]
"""How many rows there are of each (id, ver)."""


class Source:
    """`await source.act(action)`; an action that the server refuses, as behind a lock, has not happened."""

    def __init__(self, dsn: str, drawn: Scenario) -> None:
        self.dsn = dsn
        self.drawn = drawn
        self.columns: dict[str, str] = {f"c{n}": type_ for n, type_ in enumerate(drawn.columns, start=1)}
        self.dropped: dict[str, str] = {}
        self.ids = 0
        self.ver = 0
        self._named = len(self.columns)
        self._held: asyncpg.Connection | None = None
        self.turn = asyncio.Lock()
        """Of whoever acts, or sees to it that nobody does."""

    async def connect(self) -> asyncpg.Connection:
        settings = {"lock_timeout": f"{LOCK_S}s", "timezone": "UTC"}
        return await asyncpg.connect(self.dsn, timeout=10, statement_cache_size=0, server_settings=settings)

    async def create(self) -> None:
        await self.execute(_JOURNAL + self._table("t"), self.insert(self.drawn.rows))

    async def execute(self, *statements: str) -> None:
        """In one transaction of its own."""
        connection = await self.connect()
        try:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
        finally:
            await connection.close(timeout=10)

    def _table(self, name: str) -> str:
        columns = "".join(f", {column} {type_}" for column, type_ in self.columns.items())
        cursor = "timestamp" if self.drawn.cursor == "timestamp" else "timestamptz"
        now = "(now() AT TIME ZONE 'UTC')" if cursor == "timestamp" else "now()"
        key = f", PRIMARY KEY ({', '.join(self.drawn.key)})" if self.drawn.key else ""
        create = (
            f"CREATE TABLE {name} (id int NOT NULL, code text NOT NULL, ver bigint NOT NULL,"
            f" at {cursor} NOT NULL DEFAULT {now}, gone boolean NOT NULL DEFAULT false{columns}{key})"
        )
        if self.drawn.partitioned:
            create += " PARTITION BY HASH (id);" + ";".join(
                f"CREATE TABLE {name}_{n} PARTITION OF {name} FOR VALUES WITH (MODULUS 2, REMAINDER {n})"
                for n in range(2)
            )
        index = f"CREATE INDEX ON {name} ({self.drawn.table.get('cursor', 'at')});" if self.drawn.indexed else ""
        return f"{create}; {index} {_TRIGGERS.format(t=name)}"

    # --- writes ----------------------------------------------------------------------------------------------------

    def _values(self, id_: str) -> str:
        return "".join(
            f", CASE WHEN ({id_} + {self.ver}) % 13 <> 0 THEN {VALUES[type_].format(id=id_, v=self.ver)} END"
            for type_ in self.columns.values()
        )

    def _into(self, rows: str) -> str:
        names = "".join(f", {name}" for name in self.columns)
        return f"INSERT INTO t (id, code, ver{names}) SELECT n, 'K' || n || 'ä', {self.ver}{self._values('n')} {rows}"

    def insert(self, count: int) -> str:
        """New rows; some of them twice, where no key forbids it."""
        self.ver += 1
        first, self.ids = self.ids + 1, self.ids + count
        twice = "" if self.drawn.key else ", generate_series(1, CASE WHEN n % 5 = 0 THEN 2 ELSE 1 END)"
        return self._into(f"FROM generate_series({first}, {self.ids}) AS n{twice}")

    def write(self, write: Write) -> str:
        if write.what == "insert":
            return self.insert(max(1, self.drawn.rows // write.part))
        self.ver += 1
        those, of = f"id % {write.part} = {write.rest}", self.drawn.mode
        now = "now() AT TIME ZONE 'UTC'" if self.drawn.cursor == "timestamp" else "now()"
        if write.what == "again" and of != "soft":
            missing = "NOT EXISTS (SELECT 1 FROM t WHERE id = n)"
            some = f"n % {write.part} = {write.rest}"
            return self._into(f"FROM generate_series(1, {self.ids}) AS n WHERE {some} AND {missing}")
        if write.what == "delete" and of != "soft":
            return f"DELETE FROM t WHERE {those}"
        flag = {"delete": "true", "again": "false"}.get(write.what, "gone")
        names, values = list(self.columns), self._values("id")
        row = f"ROW({self.ver}, {now}, {flag}{values})"
        return f"UPDATE t SET ({', '.join(['ver', 'at', 'gone', *names])}) = {row} WHERE {those}"

    # --- actions ---------------------------------------------------------------------------------------------------

    async def act(self, action: Action) -> str:
        """Says what became of it: no more than `str(action)` where it was done."""
        async with self.turn:
            try:
                if isinstance(action, End):
                    await self.end(commits=action.commits)
                elif isinstance(action, Change):
                    if not await self._change(action):
                        return f"{action}: does not apply"
                elif action.held:
                    await self._hold(action)
                else:
                    await self.execute(self.write(action))
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                return f"{action}: refused, {type(error).__name__}"
            return str(action)

    async def _hold(self, write: Write) -> None:
        if self._held is None:
            self._held = await self.connect()
            await self._held.execute("BEGIN")
        statement = self.write(write)
        try:
            await self._held.execute(f"SAVEPOINT s; {statement}; RELEASE s")
        except asyncpg.PostgresError:
            await self._held.execute("ROLLBACK TO s")
            raise

    async def end(self, *, commits: bool) -> None:
        held, self._held = self._held, None
        if held is not None:
            with suppress(asyncpg.InterfaceError, OSError):
                await held.execute("COMMIT" if commits else "ROLLBACK")
            await held.close(timeout=10)

    async def _change(self, change: Change) -> bool:
        """ACCESS EXCLUSIVE: the transaction that is held open would be in its way. False where it does not apply."""
        await self.end(commits=True)
        if change.what.startswith("vacuum"):
            await self._alone(f"{change.what.upper()} t")
        elif change.what == "truncate" and self.drawn.mode != "soft":
            await self.execute("TRUNCATE t")
        elif change.what == "replace" and not self.drawn.partitioned:
            names = ", ".join(["id", "code", "ver", "at", "gone", *self.columns])
            copied = f"INSERT INTO t ({names}) SELECT {names} FROM old"
            await self.execute(
                "ALTER TABLE t RENAME TO old", self._table("t"), copied, "DELETE FROM old", "DROP TABLE old"
            )
        elif (changed := self._columns_changed(change)) is not None:
            statement, columns = changed
            await self.execute(f"ALTER TABLE t {statement}")
            self.dropped = {name: type_ for name, type_ in (self.dropped | self.columns).items() if name not in columns}
            self.columns = columns
        else:
            return False
        return True

    def _columns_changed(self, change: Change) -> tuple[str, dict[str, str]] | None:
        """What ALTER TABLE is to say, and the columns after it; None where it does not apply."""
        self._named += 1
        new, columns, name = f"c{self._named}", dict(self.columns), [*self.columns][change.at % len(self.columns)]
        keeps_types = self.drawn.mode == "overwrite"  # a table that is not made anew: another type is refused
        match change.what:
            case "add":
                return f"ADD COLUMN {new} {change.type}", columns | {new: change.type}
            case "add with default":
                value = VALUES[change.type].format(id="1", v="1")
                return f"ADD COLUMN {new} {change.type} DEFAULT ({value})", columns | {new: change.type}
            case "add again" if self.dropped:
                old, type_ = next(iter(self.dropped.items()))
                return f"ADD COLUMN {old} {type_}", columns | {old: type_}
            case "drop" if len(columns) > 1:
                del columns[name]
                return f"DROP COLUMN {name}", columns
            case "widen" if columns[name] in WIDER and not (keeps_types and columns[name].startswith("numeric")):
                wider = WIDER[columns[name]]
                return f"ALTER COLUMN {name} TYPE {wider}", columns | {name: wider}
            case "retype" if not keeps_types:
                return f"ALTER COLUMN {name} TYPE text USING {name}::text", columns | {name: "text"}
            case "rename":
                type_ = columns.pop(name)
                return f"RENAME COLUMN {name} TO {new}", columns | {new: type_}
        return None

    async def _alone(self, statement: str) -> None:
        connection = await self.connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=10)

    # --- what is there ---------------------------------------------------------------------------------------------

    async def seen(self, snapshot: str) -> Rows:
        """The rows that it shows, without those that are flagged as gone."""
        return await self._count(
            "SELECT id, ver, sum(sign) FROM journal WHERE pg_visible_in_snapshot(xid, $1::text::pg_snapshot)"
            " GROUP BY 1, 2 HAVING sum(sign) <> 0", snapshot,
        )  # fmt: skip

    async def ever(self) -> Rows:
        """All that were ever committed."""
        return await self._count("SELECT id, ver, count(*) FROM journal WHERE sign = 1 GROUP BY 1, 2")

    async def _count(self, question: str, *values: str) -> Rows:
        connection = await self.connect()
        try:
            return Counter({(row[0], row[1]): row[2] for row in await connection.fetch(question, *values)})
        finally:
            await connection.close(timeout=10)

    async def rows(self) -> list[asyncpg.Record]:
        """As they are now, in the order of `names`."""
        connection = await self.connect()
        try:
            return await connection.fetch(f"SELECT {', '.join(self.names)} FROM t WHERE NOT gone")
        finally:
            await connection.close(timeout=10)

    @property
    def names(self) -> list[str]:
        return ["id", "code", "ver", "at", *self.columns]
