"""A real OpenBao, with the AWS login in front of it, and an STS that checks signatures."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from engine.config_cloud import Vault as Settings
from engine.local.postgres import PostgresServer
from engine.local.vault import OpenBao
from engine.local.vault_iam import IamFront, Identity, Sts
from engine.secrets.vault import Vault

SERVER_ID = "vault.example.com"


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """The server of the session, with KV version 2 at `kv`, which the policy `reader` may read at kv/aurora."""
    with OpenBao(tmp_path_factory.mktemp("bao")) as server:
        server.enable_kv("kv")
        server.put("kv/aurora", user="reader", password="first")
        server.allow("reader", "kv/data/aurora")
        yield server


@pytest.fixture(scope="session")
def dynamic(bao: OpenBao, postgres: PostgresServer) -> OpenBao:
    """`bao`, which makes logins in `postgres` too: at `database/creds/ROLE`, for roles made with `database_role`."""
    bao.enable_database(f"127.0.0.1:{postgres.port}/postgres", "postgres", "no password is asked of it here")
    return bao


@pytest.fixture(scope="session")
def sts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sts]:
    with Sts(tmp_path_factory.mktemp("sts")) as server:
        yield server


@pytest.fixture
def front(bao: OpenBao, sts: Sts) -> Iterator[IamFront]:
    """OpenBao with an AWS login, where the role `borealis` is bound to the AWS role of that name."""
    with IamFront(bao, sts.address, server_id=SERVER_ID) as front:
        front.bind("borealis", sts.role_arn("borealis"), "reader")
        yield front


@pytest.fixture
def identity(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> Identity:
    """This process has the AWS role `borealis`, as Lambda gives a function its own."""
    made = sts.assume("borealis")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def with_token(bao: OpenBao) -> Callable[..., Vault]:
    """`with_token()`: the client of a token with the policy `reader`; `with_token(token=...)` of that token."""

    def make(**settings: Any) -> Vault:
        given = {"address": bao.address, "auth": "token"} | settings
        if "token_file" not in given:
            given.setdefault("token", bao.token("reader"))
        return Vault(Settings.model_validate(given))

    return make


@pytest.fixture
def with_iam(front: IamFront, identity: Identity) -> Callable[..., Vault]:
    def make(**settings: Any) -> Vault:
        given = {"address": front.address, "role": "borealis", "server_id": SERVER_ID}
        return Vault(Settings.model_validate(given | settings))

    return make


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>It works</html>")

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def serving(server: HTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def plain_server() -> Iterator[str]:
    """The address of a web server that is not Vault."""
    with serving(HTTPServer(("127.0.0.1", 0), _Page)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[str]:
    """The address of one with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = HTTPServer(("127.0.0.1", 0), _Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        yield f"https://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and its own signature, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return file
