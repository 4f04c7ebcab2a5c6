"""Certificates as servers have them, right and wrong, and TLS in front of servers that speak none."""

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """`authority.file` is what clients trust; `authority.serve()` is the file of a server's key and certificate."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._made(self._name, self._key.public_key()).issuer_name(self._name)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def serve(self, host: str = "127.0.0.1", *, ended: bool = False, self_signed: bool = False) -> Path:
        """Of a server at `host`: its time may be over, or its own key may vouch for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.DNSName(host) if host[-1].isalpha() else x509.IPAddress(IPv4Address(host))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._made(subject, key.public_key(), days=-1 if ended else 1).issuer_name(
            subject if self_signed else self._name
        )
        made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        signed = made.sign(key if self_signed else self._key, hashes.SHA256())
        file = self._directory / f"{signed.serial_number:x}.pem"
        file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
        )
        file.chmod(0o600)
        return file

    def _made(self, subject, key, days: int = 1) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(subject).public_key(key).serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - 3 * DAY).not_valid_after(datetime.now(UTC) + days * DAY)
        )  # fmt: skip


@contextmanager
def tls_front(port: int, certificate: Path) -> Iterator[int]:
    """The port of TLS before the server at `port` of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Front(socketserver.ThreadingTCPServer):
        block_on_close = True

        def finish_request(self, request: socket.socket, client_address: object) -> None:
            del client_address
            request.settimeout(10)
            with (
                contextlib.suppress(OSError),  # a client that hangs up is what is tested
                context.wrap_socket(request, server_side=True) as client,
                socket.create_connection(("127.0.0.1", port)) as server,
            ):
                _pass_on(client, server)

    with Front(("127.0.0.1", 0), socketserver.BaseRequestHandler) as front:
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield front.server_address[1]
        front.shutdown()
        thread.join()


def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [], 10)[0]
        for side in ready:
            piece = side.recv(65536)
            if not piece:
                return
            (server if side is client else client).sendall(piece)
        if not ready:
            return
