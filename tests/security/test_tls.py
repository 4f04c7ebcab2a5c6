"""TLS: whoever cannot prove to be the server is told nothing, once, with the setting and the remedy."""

import asyncio
import os
import shutil
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import runs
from engine.config import parse
from engine.config_cloud import Vault as VaultSettings
from engine.connect import addresses, sessions
from engine.errors import ConfigError, SecretError, SourceError
from engine.local.postgres import PostgresServer
from engine.local.vault import OpenBao
from engine.secrets.vault import Vault
from engine.source.connection import connected
from engine.wiring import Wanted
from tests.conftest import through
from tests.faults.proxy import FaultProxy
from tests.integration.conftest import Engine, engine
from tests.security.certificates import Authority, tls_front

__all__ = ["engine"]

WRONG = {
    "of another name": (lambda ours, _: ours.serve("10.1.2.3"), "IP address mismatch"),
    "of another authority": (lambda _, other: other.serve(), "unable to get local issuer certificate"),
    "expired": (lambda ours, _: ours.serve(ended=True), "certificate has expired"),
    "self-signed": (lambda ours, _: ours.serve(self_signed=True), "self-signed certificate"),
}
"""How a certificate is made, and what OpenSSL says of it."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "other")


class TlsServer:
    """A PostgreSQL that serves TLS with what `show` was given last."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server

    async def show(self, certificate: Path) -> None:
        wanted = self._put(certificate)
        async with asyncio.timeout(10):
            while await self._shown() != wanted:
                await asyncio.sleep(0.02)

    def _put(self, certificate: Path) -> bytes:
        text = certificate.read_text()
        (self.server.data / "server.pem").write_text(text)
        assert self.server.pid
        os.kill(self.server.pid, signal.SIGHUP)
        return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERT") :])

    async def _shown(self) -> bytes | None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
        assert await reader.read(1) == b"S"
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        await writer.start_tls(anybody)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return shown


@pytest.fixture(scope="module")
def tls_postgres(tmp_path_factory, ours) -> Iterator[TlsServer]:
    with PostgresServer(tmp_path_factory.mktemp("tls_postgres")) as server:  # it must be there to have its own files
        shutil.copy(ours.serve(), server.data / "server.pem")
        shutil.chown(server.data / "server.pem", server.data.stat().st_uid, server.data.stat().st_gid)
        server.settings |= {"ssl": "on", "ssl_cert_file": "server.pem", "ssl_key_file": "server.pem"}
        server.stop()
        yield TlsServer(server.start())


@pytest.fixture
def counted(tls_postgres) -> Iterator[FaultProxy]:
    """Before the server, to count who comes."""
    with FaultProxy(tls_postgres.server.port) as proxy:
        yield proxy


def configured(dsn: str, engine: Engine, **source):
    return parse(
        {
            "source": {"dsn": dsn, **source},
            "target": {"local": str(engine.warehouse.directory), "database": engine.database, "schema": "S"},
            "tables": [{"name": "public.*"}],
            "limits": {"attempts": 4},
            "state": {"path": str(engine.directory / "state.db")},
        }
    )


async def encrypted(dsn: str, engine: Engine, **source) -> bool:
    """Whether the session is, as the server sees it."""
    address, _ = addresses(configured(dsn, engine, **source))
    async with connected(address) as connection:
        return await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


async def refused(dsn: str, engine: Engine, **source) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await runs.run(configured(dsn, engine, **source), Wanted())
    assert not caught.value.retryable, "trying again cannot help"
    return caught.value


async def test_the_right_certificate_lets_in(tls_postgres, ours, engine):
    await tls_postgres.show(ours.serve())
    dsn = tls_postgres.server.dsn()
    assert await encrypted(dsn, engine, sslmode="verify-full", sslrootcert=str(ours.file))


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_certificate_is_refused_once_by_its_fault(tls_postgres, counted, ours, other, engine, wrong):
    make, words = WRONG[wrong]
    await tls_postgres.show(make(ours, other))
    dsn = through(tls_postgres.server.dsn(password="hunter2"), counted)
    error = await refused(dsn, engine, sslmode="verify-full", sslrootcert=str(ours.file))
    assert words in error.message
    assert error.remedy == "check source.sslmode and source.sslrootcert"
    assert "hunter2" not in str(error)
    assert counted.connections == 1, "nobody comes back for an answer that stays the same"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_without_tls_is_refused_once(postgres, proxy, ours, engine, mode):
    error = await refused(through(postgres.dsn(), proxy), engine, sslmode=mode, sslrootcert=str(ours.file))
    assert "the server has no TLS, which source.sslmode asks for" in error.message
    assert "set ssl = on there" in error.remedy
    assert proxy.connections == 1


async def test_nobody_is_trusted_without_a_file_that_says_whom(tls_postgres, engine, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    error = await refused(tls_postgres.server.dsn(), engine, sslmode="verify-full")
    assert "root certificate file" in error.message
    assert "source.sslrootcert" in error.remedy


@pytest.mark.parametrize(
    ("mode", "named", "is_encrypted"),
    [("verify-ca", "10.1.2.3", True), ("require", "10.1.2.3", True), ("prefer", "10.1.2.3", True),
     (None, "10.1.2.3", True), ("disable", "10.1.2.3", False)],
)  # fmt: skip
async def test_a_lower_mode_does_what_libpq_says_of_it(
    tls_postgres, ours, engine, tmp_path, monkeypatch, mode, named, is_encrypted
):
    """Each but `disable` encrypts where the server can; who the server is, only `verify-full` asks."""
    monkeypatch.setenv("HOME", str(tmp_path))
    await tls_postgres.show(ours.serve(named))
    source = {"sslmode": mode} if mode else {}
    if mode == "verify-ca":
        source["sslrootcert"] = str(ours.file)
    assert await encrypted(tls_postgres.server.dsn(), engine, **source) is is_encrypted


async def test_the_setting_wins_over_the_address(tls_postgres, ours, engine):
    """Else an address out of another hand could switch TLS off."""
    await tls_postgres.show(ours.serve("10.1.2.3"))
    dsn = f"{tls_postgres.server.dsn()}?sslmode=disable"
    error = await refused(dsn, engine, sslmode="verify-full", sslrootcert=str(ours.file))
    assert "IP address mismatch" in error.message


# --- Vault ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bao(tmp_path_factory) -> Iterator[OpenBao]:
    with OpenBao(tmp_path_factory.mktemp("bao")) as server:
        server.enable_kv("kv")
        server.put("kv/aurora", user="reader", password="hunter2")
        yield server


def vault_at(port: int, token: str, authority: Authority) -> Vault:
    address = f"https://127.0.0.1:{port}"
    given = {"address": address, "auth": "token", "token": token, "ca_file": str(authority.file)}
    return Vault(VaultSettings.model_validate(given))


async def test_vault_with_the_right_certificate_is_asked(bao, ours):
    with tls_front(bao.port, ours.serve()) as port:
        assert (await vault_at(port, bao.root_token, ours).read("kv/aurora")).values["password"] == "hunter2"


@pytest.mark.parametrize("wrong", WRONG)
async def test_vault_with_a_wrong_one_gets_no_token(bao, ours, other, wrong):
    make, _ = WRONG[wrong]
    with tls_front(bao.port, make(ours, other)) as port, pytest.raises(SecretError) as caught:
        await vault_at(port, bao.root_token, ours).read("kv/aurora")
    assert "TLS failed" in caught.value.message
    assert "vault.ca_file" in caught.value.remedy
    assert not caught.value.retryable
    assert bao.root_token not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["http://vault.example.com:8200", "http://10.0.0.1", "http://127.0.0.1.example.com"]
)
def test_vault_is_not_spoken_to_in_the_clear(address):
    with pytest.raises(ValueError, match=r"in the clear; write https://"):
        VaultSettings.model_validate({"address": address, "auth": "token", "token": "x"})


# --- Snowflake --------------------------------------------------------------------------------------------------


def target(**settings):
    login = {"account": "local", "user": "u", "password": "hunter2", "database": "D", "schema": "S"}
    return parse(
        {
            "source": {"dsn": "postgresql://127.0.0.1/x"},
            "target": login | settings,
            "tables": [{"name": "public.*"}],
        }
    )


def looked_at(borealis, warehouse, postgres, shown: Path, trusted: Authority) -> dict[str, Any]:
    """What `borealis check` finds where the target shows a certificate, in a process that trusts an authority."""
    with tls_front(warehouse.endpoint.port, shown) as port:
        config = {
            "source": {"dsn": postgres.dsn()},
            "target": {"account": "local", "host": "127.0.0.1", "port": port, "user": "u", "password": "hunter2",
                       "database": "ANY", "schema": "S", "login_timeout_s": 10},
            "tables": [{"name": "public.*"}],
        }  # fmt: skip
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(trusted.file))
        ran = borealis(config, "check", **trust)
    assert "hunter2" not in ran.log + str(ran.output)
    return next(item for item in ran.output["items"] if item["name"] == "target")


def test_a_target_with_a_wrong_certificate_gets_no_login(borealis, warehouse, postgres, ours, other):
    found = looked_at(borealis, warehouse, postgres, other.serve(), ours)
    assert not found["ok"]
    assert "cannot connect to Snowflake (127.0.0.1)" in found["detail"]
    assert "cannot prove to be the target" in found["remedy"]


def test_a_target_with_the_right_one_is_asked(borealis, warehouse, postgres, ours):
    warehouse.query("CREATE DATABASE IF NOT EXISTS ANY")
    assert looked_at(borealis, warehouse, postgres, ours.serve(), ours)["ok"]


async def test_the_connector_is_never_told_to_look_away():
    """Certificates are checked, and https is spoken, whatever is set."""
    for config in (target(), target(host="x.privatelink.snowflakecomputing.com"), target(protocol="http")):
        async with sessions(config, "RUN") as pool:
            given = pool._parameters
        assert given.get("protocol", "https") == "https"
        assert not {name for name in given if "insecure" in name or "ocsp" in name or "verify" in name}


@pytest.mark.parametrize("host", ["x.snowflakecomputing.com", "10.0.0.1", "127.0.0.1.example.com", "localhost.de"])
def test_http_is_for_this_machine_alone(host):
    with pytest.raises(ConfigError, match=r"target\.protocol: http would send login and rows in the clear"):
        target(host=host, protocol="http")
