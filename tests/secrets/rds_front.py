"""In front of a PostgreSQL that lets `postgres` in: asks for a password as RDS does, over TLS, and checks the token.

The signature is computed here from the documented steps of SigV4, without the library that made it.
"""

import contextlib
import hashlib
import hmac
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, quote

SSL_REQUEST = 80877103


class Rds:
    """One endpoint: `secrets` by access key; the fault of each login so far, None for a good one."""

    def __init__(self, region: str, secrets: Mapping[str, str]) -> None:
        self.region = region
        self.secrets = dict(secrets)
        self.endpoint = ""
        self.logins: list[str | None] = []

    def fault(self, user: str, token: str, now: datetime) -> str | None:
        endpoint, _, query = token.partition("/?")
        pairs = dict(parse_qsl(query))
        key, date, region, service, _ = pairs["X-Amz-Credential"].split("/")
        made = datetime.strptime(pairs["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        wanted = {"endpoint": self.endpoint, "user": user, "region": self.region, "service": "rds-db"}
        given = {"endpoint": endpoint, "user": pairs["DBUser"], "region": region, "service": service}
        if wanted != given or pairs["Action"] != "connect":
            return f"the token is for {given}"
        if not 0 <= (now - made).total_seconds() + 1 <= int(pairs["X-Amz-Expires"]) <= 900:
            return "the token is too old"
        signature = pairs.pop("X-Amz-Signature")
        canonical = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(pairs.items()))
        request = f"GET\n/\n{canonical}\nhost:{endpoint}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
        scope = f"{date}/{region}/rds-db/aws4_request"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        secret = f"AWS4{self.secrets.get(key, '')}".encode()
        for part in (date, region, "rds-db", "aws4_request"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        text = f"AWS4-HMAC-SHA256\n{pairs['X-Amz-Date']}\n{scope}\n{hashed}"
        right = hmac.new(secret, text.encode(), "sha256").hexdigest()
        return None if hmac.compare_digest(right, signature) else "the signature is wrong"


@contextmanager
def rds_front(postgres_port: int, rds: Rds, certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            length, code = struct.unpack("!II", exactly(self.request, 8))
            assert (length, code) == (8, SSL_REQUEST), "RDS with rds.force_ssl takes no other beginning"
            self.request.sendall(b"S")
            with context.wrap_socket(self.request, server_side=True) as client:
                startup = message(client)
                client.sendall(b"R" + struct.pack("!II", 8, 3))  # a password in clear, inside TLS
                assert exactly(client, 1) == b"p"
                token = message(client)[4:].rstrip(b"\0").decode()
                fields = startup[8:].split(b"\0")
                user = fields[fields.index(b"user") + 1].decode()
                fault = rds.fault(user, token, datetime.now(UTC))
                rds.logins.append(fault)
                if fault:
                    said = f'SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user "{user}"\0\0'.encode()
                    client.sendall(b"E" + struct.pack("!I", len(said) + 4) + said)
                    return
                with socket.create_connection(("127.0.0.1", postgres_port)) as server:
                    server.sendall(startup)
                    relay(client, server)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
        rds.endpoint = f"127.0.0.1:{port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield port
        server.shutdown()
        thread.join()


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := connection.recv(count - len(data))):
            raise EOFError
        data += more
    return data


def message(connection: socket.socket) -> bytes:
    length = exactly(connection, 4)
    return length + exactly(connection, struct.unpack("!I", length)[0] - 4)


def relay(client: socket.socket, server: socket.socket) -> None:
    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=copy, args=(server, client), daemon=True)
    back.start()
    copy(client, server)
    back.join()
