"""Names, ports and certificates: each thing that people get wrong is broken once, and found with its remedy."""

import datetime as dt
import socket
import ssl
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine import config as settings
from engine.checking import network
from engine.checking.network import listed, look

PRIVATE = "acme-analytics.privatelink.snowflakecomputing.com"


@contextmanager
def listening(context=None, says=b""):
    """A server on loopback that takes connections, with TLS where a context is given."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def wrapped(connection):
            return context.wrap_socket(connection, server_side=True) if context else connection

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError), wrapped(connection) as talking:
                    talking.sendall(says)
                    talking.recv(1000)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def config(source_port, *, target=None, vault=None):
    values = {
        "source": {"dsn": f"postgresql://reader@aurora.example.com:{source_port}/shop"},
        "target": {"local": "warehouse", "database": "D", "schema": "S", **(target or {})},
        "tables": [{"name": "public.*"}],
    }
    return settings.parse({**values, "vault": vault} if vault else values)


def known(**names):
    async def resolve(host, port):
        return names.get(host.partition(".")[0], ())

    return resolve


async def found(configured, **names):
    return {each.name: each for each in await look(configured, known(**names))}


async def test_what_answers_is_told_with_its_address():
    with listening() as port:
        (finding,) = (await found(config(port), aurora=["127.0.0.1"])).values()
    assert (finding.level, finding.what) == ("ok", "127.0.0.1")


async def test_a_name_that_does_not_resolve():
    (finding,) = (await found(config(5432))).values()
    assert (finding.level, finding.what) == ("fault", "the name does not resolve here")
    assert "enableDnsSupport" in finding.remedy


async def test_a_port_that_nothing_listens_at():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (finding,) = (await found(config(port), aurora=["127.0.0.1"])).values()
    assert finding.level == "fault"
    assert finding.what == f"127.0.0.1 refuses port {port}"


async def test_packets_that_are_dropped_as_by_a_security_group(monkeypatch):
    """A full backlog drops them as well."""
    monkeypatch.setattr(network, "ANSWER_S", 1.0)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        (finding,) = (await found(config(server.getsockname()[1]), aurora=["127.0.0.1"])).values()
        for each in waiting:
            each.close()
    assert (finding.level, finding.what) == ("fault", "127.0.0.1 does not answer in 1 s")
    assert "security group" in finding.remedy


async def test_a_privatelink_name_that_leads_out_of_the_vpc():
    target = {"local": None, "account": "ACME-ANALYTICS", "user": "U", "password": "x", "host": PRIVATE}
    with listening() as port:
        by_name = await found(config(port, target=target), aurora=["127.0.0.1"], **{"acme-analytics": ["52.1.2.3"]})
    finding = by_name[f"network: target {PRIVATE}:443"]
    assert (finding.level, finding.what) == ("fault", "it resolves to 52.1.2.3, which is not private")
    assert "private hosted zone" in finding.remedy
    assert by_name["network: hosts of the account"].level == "advice"  # nobody could log in to ask for them


async def test_a_server_that_speaks_no_tls_and_one_whose_certificate_is_not_trusted(tmp_path, certificate):
    vault = {"address": "https://vault.example.com:{}", "role": "borealis"}
    with listening() as source, listening(says=b"HTTP/1.1 400 Bad Request") as plain, listening(certificate) as strange:
        for port in (plain, strange):
            configured = config(source, vault={**vault, "address": vault["address"].format(port)})
            by_name = await found(configured, aurora=["127.0.0.1"], vault=["127.0.0.1"])
            finding = by_name[f"network: vault vault.example.com:{port}"]
            assert finding.level == "fault"
            assert finding.what.startswith("TLS fails")
            assert "vault.ca_file" in finding.remedy


async def test_a_trusted_certificate(tmp_path, certificate):
    with listening() as source, listening(certificate) as port:
        vault = {
            "address": f"https://vault.example.com:{port}",
            "role": "borealis",
            "ca_file": str(tmp_path / "ca.pem"),
        }
        by_name = await found(config(source, vault=vault), aurora=["127.0.0.1"], vault=["127.0.0.1"])
    assert by_name[f"network: vault vault.example.com:{port}"].what == "127.0.0.1, TLS"


@pytest.fixture
def certificate(tmp_path):
    """A server's context with a certificate of vault.example.com, by itself in ca.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vault.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("vault.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    (tmp_path / "ca.pem").write_bytes(made.public_bytes(pem))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    return context


def test_the_hosts_that_the_account_lists_are_those_that_the_connector_needs():
    """As SYSTEM$ALLOWLIST_PRIVATELINK answers, by its documentation; the stage may be reached by the gateway of S3."""
    answer = """[
      {"type": "SNOWFLAKE_DEPLOYMENT", "host": "cd67890.us-east-1.privatelink.snowflakecomputing.com", "port": 443},
      {"type": "STAGE", "host": "sfc-va-ds1-customer-stage.s3.us-east-1.amazonaws.com", "port": 443},
      {"type": "OCSP_CACHE", "host": "ocsp.cd67890.us-east-1.privatelink.snowflakecomputing.com", "port": 80},
      {"type": "SNOWSQL_REPO", "host": "sfc-repo.snowflakecomputing.com", "port": 443}]"""
    assert [(each.role, each.port, each.tls, each.private) for each in listed(answer, private=True)] == [
        ("snowflake_deployment", 443, True, True),
        ("stage", 443, True, False),
    ]
