"""Between the connector and the embedded warehouse, which lets anybody in: checks passwords and key pairs as Snowflake.

Every request but the login is passed on as it came. A refused login has Snowflake's number: 390100 for a password,
390144 for a token that the user's public key did not sign.
"""

import base64
import contextlib
import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class Users:
    """Who may log in: `passwords` and public keys (PEM) by user, and the users of the logins so far."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.public_keys: dict[str, str] = {}
        self.logins: list[str] = []
        self.tokens: list[str] = []

    def end_sessions(self, port: int) -> None:
        """As the server does after some hours."""
        for token in self.tokens:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as warehouse:
                headers = {"Authorization": f'Snowflake Token="{token}"', "Content-Type": "application/json"}
                warehouse.request("POST", "/session?delete=true", b"{}", headers)
                assert warehouse.getresponse().status == 200

    def fault(self, told: dict) -> tuple[str, str] | None:
        user = told["LOGIN_NAME"]
        self.logins.append(user)
        if told.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
            if not signed_by(self.public_keys[user], told["TOKEN"]):
                return "390144", "JWT token is invalid."
        elif self.passwords.get(user) != told.get("PASSWORD"):
            return "390100", "Incorrect username or password was specified."
        return None


@contextmanager
def login_front(port: int, users: Users) -> Iterator[int]:
    """Its own port, in front of the warehouse's."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Nothing."""

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = users.fault(told(body, self.headers)) if "/login-request" in self.path else None
            if fault:
                code, message = fault
                refused = {"success": False, "code": code, "message": message, "data": {}}
                status, said = 200, json.dumps(refused).encode()
            else:
                status, said = self.pass_on(body)
                if "/login-request" in self.path:
                    users.tokens.append(json.loads(said)["data"]["token"])
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def pass_on(self, body: bytes) -> tuple[int, bytes]:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as warehouse:
                warehouse.request(self.command, self.path, body, headers | {"Accept-Encoding": "identity"})
                answer = warehouse.getresponse()
                return answer.status, answer.read()

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def signed_by(public_key: str, token: str) -> bool:
    """Whether the JSON Web Token, RS256, is of this key."""
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    try:
        load_pem_public_key(public_key.encode()).verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def told(body: bytes, headers: http.client.HTTPMessage) -> dict:
    plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
    return json.loads(plain)["data"]
