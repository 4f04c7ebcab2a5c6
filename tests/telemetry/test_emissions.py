"""Everything that a run emits, searched for what it must not: values of rows, and secrets.

Markers stand in text, in JSON, in a number, in a value that has no exact form, in a value that the target refuses, in
passwords, in a passphrase and in a token. Lines, receipts, the state's files and documents, and spans are searched.
"""

import asyncio
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from engine.local.vault import OpenBao
from tests.conftest import CommandLine, execute, through
from tests.integration.conftest import Engine, engine
from tests.telemetry.collector import Collector

__all__ = ["engine"]

ROWS = ("zq-row-text", "zq-json-text", "7318264", "91827364550", "zq-key")
SECRETS = ("zq-right-password", "zq-wrong-password", "zq-passphrase", "zq-vault-token")


@dataclass
class Emissions:
    """What a run leaves anywhere but in the target."""

    said: dict[str, bytes] = field(default_factory=dict)

    def markers(self) -> list[tuple[str, str]]:
        """(where, which) of each marker found."""
        return [(where, each) for where, text in self.said.items() for each in ROWS + SECRETS if each.encode() in text]


class Watched:
    """The command line with a collector of spans beside it."""

    def __init__(self, borealis: CommandLine, collector: Collector, directory: Path) -> None:
        self.borealis, self.collector, self.directory = borealis, collector, directory

    def run(self, config, *arguments: str, **environment: str):
        """The exit code, the log, and all that was emitted."""
        process = self.start(config, *arguments, **environment)
        output, log = process.communicate(timeout=120)
        return process.returncode, output + log, self.emitted(output, log)

    def start(self, config, *arguments: str, **environment: str):
        spans = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url}
        return self.borealis.start(config, "run", *arguments, **spans, **environment)

    def emitted(self, output: str, log: str) -> Emissions:
        said = {"stdout": output.encode(), "stderr": log.encode()}
        said |= {f"spans {number}": body for number, body in enumerate(self.collector.requests)}
        for file in sorted(self.directory.glob("state.db*")):
            said[file.name] = file.read_bytes()
        if (self.directory / "state.db").exists():
            with closing(sqlite3.connect(self.directory / "state.db")) as state:
                for name, value in state.execute("SELECT name, value FROM document"):
                    said[f"document {name}"] = zlib.decompress(value)
        return Emissions(said)


@pytest.fixture
def watched(borealis, tmp_path) -> Iterator[Watched]:
    with Collector() as collector:
        yield Watched(borealis, collector, tmp_path)


TABLE = (
    "CREATE TABLE t (id text PRIMARY KEY, v text, j jsonb, n int, price numeric(12,2), at timestamp)",
    """INSERT INTO t SELECT 'zq-key' || n, 'zq-row-text', '{"k": "zq-json-text"}', 7318264, 1, '2026-01-01'
       FROM generate_series(1, 20000) AS n""",
)


@pytest.fixture
async def reader(engine: Engine):
    """Settings of a source whose role must know its password."""
    role = f"reader_{engine.database.lower()}"
    await engine.source(*TABLE, f"CREATE ROLE {role} LOGIN PASSWORD 'zq-right-password'",
                        f"GRANT USAGE ON SCHEMA public TO {role}",
                        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")  # fmt: skip
    parts = urlsplit(engine.dsn)
    yield {"dsn": parts._replace(netloc=f"{role}@{parts.hostname}:{parts.port}").geturl()}
    await execute(engine.dsn, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def right(**more: str) -> dict[str, str]:
    return {"BOREALIS_SOURCE__PASSWORD": "zq-right-password", **more}


async def test_a_good_run(engine, watched, reader):
    code, told, emitted = watched.run(engine.values({"name": "public.t"}, source=reader), **right())
    assert code == 0, told
    assert {"stdout", "stderr", "spans 0", "state.db"} <= set(emitted.said)
    assert emitted.markers() == []
    assert {"run", "table", "read", "put", "load", "gates", "publish"} <= {s.name for s in watched.collector.spans}


@pytest.mark.parametrize(
    "change",
    ["SET price = 'NaN', n = 91827364", "SET at = 'infinity'", 'SET j = \'{"zq-json-text": "\\u0001", "a": 1e400}\''],
    ids=["refused by the target", "without an exact form", "odd json"],
)
async def test_a_value_that_does_not_arrive(engine, watched, reader, change):
    await engine.source(f"UPDATE t {change} WHERE id = 'zq-key77'")
    """Which rows they are, by their keys, the receipt tells whoever asked for the run, and nobody else."""
    _, _, emitted = watched.run(engine.values({"name": "public.t"}, source=reader), **right())
    receipts = {"stdout", *(name for name in emitted.said if name.startswith("state.db"))}
    assert [found for found in emitted.markers() if found[1] != "zq-key" or found[0] not in receipts] == []


async def test_a_value_that_the_target_cannot_convert(engine, watched, reader):
    """The driver's own message quotes the value."""
    table = {"name": "public.t", "columns": {"v": {"type": "NUMBER(10,2)"}}}
    code, told, emitted = watched.run(engine.values(table, source=reader), **right())
    assert (code, "refuses a value" in told) == (1, True), told
    assert emitted.markers() == []


async def test_a_login_that_the_source_refuses(engine, watched, reader):
    code, told, emitted = watched.run(
        engine.values({"name": "public.t"}, source=reader), BOREALIS_SOURCE__PASSWORD="zq-wrong-password"
    )
    assert (code, "password" in told) == (1, True), told
    assert emitted.markers() == []


async def test_a_password_in_the_address(engine, watched, reader):
    dsn = reader["dsn"].replace("@", ":zq-wrong-password@")
    code, _, emitted = watched.run(engine.values({"name": "public.t"}, source={"dsn": dsn}))
    assert code == 1
    assert emitted.markers() == []


async def test_a_key_that_its_passphrase_does_not_open(engine, watched, reader, tmp_path):
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"another one")
    )
    (tmp_path / "key.p8").write_bytes(key)
    config = engine.values({"name": "public.t"}, source=reader)
    config["target"] = {
        "account": "ORG-ACCOUNT", "user": "LOADER", "private_key_file": str(tmp_path / "key.p8"),
        "database": "D", "schema": "S",
    }  # fmt: skip
    code, told, emitted = watched.run(config, **right(BOREALIS_TARGET__PRIVATE_KEY_PASSPHRASE="zq-passphrase"))
    assert (code, "passphrase" in told) == (2, True), told
    assert emitted.markers() == []


@pytest.mark.parametrize("token", ["right", "zq-vault-token"])
async def test_secrets_out_of_vault(engine, watched, reader, tmp_path, token):
    with OpenBao(tmp_path / "bao") as bao:
        bao.enable_kv("kv")
        bao.put("kv/aurora", username=urlsplit(reader["dsn"]).username, password="zq-right-password")
        bao.allow("reader", "kv/data/aurora", "sys/internal/ui/mounts/kv/aurora")
        config = engine.values({"name": "public.t"}, source={**reader, "vault": "kv/aurora"})
        config["vault"] = {"address": bao.address, "auth": "token"}
        given = bao.token("reader") if token == "right" else token
        code, told, emitted = watched.run(config, BOREALIS_VAULT__TOKEN=given)
    assert code == (0 if token == "right" else 1), told
    assert emitted.markers() == []
    assert given.encode() not in b"".join(emitted.said.values())


async def test_a_connection_that_is_killed(engine, watched, reader, proxy):
    proxy.cut_after(2**20)
    source = {"dsn": through(reader["dsn"], proxy)}
    process = watched.start(engine.values({"name": "public.t"}, source=source), **right())
    while proxy.cuts == 0 and process.poll() is None:
        await asyncio.sleep(0.01)
    proxy.refuse()
    proxy.cut_now(reset=True)
    output, log = await asyncio.to_thread(process.communicate, timeout=120)
    assert process.returncode == 1, log
    assert watched.emitted(output, log).markers() == []
    assert [span.status.code for span in watched.collector.named("table")] == [2]
