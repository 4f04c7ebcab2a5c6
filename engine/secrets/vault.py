"""HashiCorp Vault: a login that lives as long as it is used, and secrets that are fetched anew before they end.

Token and leases are renewed when they are used with less than a third of their life left; nothing runs in between, so
a function that is frozen loses nothing. A path is read as `vault kv get` reads it: Vault is asked which mount it is
in; of KV version 2 the newest version is read, any other path as it stands, and what comes with a lease is a dynamic
credential. hvac blocks: each call is one hop to a thread, one at a time, so that many readers cause one request.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import anyio
import anyio.to_thread
import hvac
import hvac.exceptions
import requests
import stamina

from engine.config_cloud import Vault as Settings
from engine.errors import SecretError
from engine.secrets.aws import identity_request
from engine.secrets.refusals import ForbiddenError, translate

ATTEMPTS = 4
WAIT_S_MAX = 5.0
KEPT_S = 300.0
"""How long a secret without a lease is used before Vault is asked again; at once where a server refuses it."""
AGAIN_S = 30.0
"""How long a secret that is still valid is used after Vault could not be asked for a newer one."""
READS_KEPT = 8
"""Of each path, for the audit log: an invocation of a quarter of an hour reads a stored secret three times."""

# Everything here is told by the wall clock: the monotonic one stands still while a function is frozen.


@dataclass(frozen=True, slots=True)
class Secret:
    """The values at a path. `due` and `until`, in seconds of the epoch: when to ask Vault again, when it ends."""

    path: str
    values: Mapping[str, str] = field(repr=False)
    due: float
    until: float = math.inf
    lease_id: str = field(default="", repr=False)
    life_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Read:
    """A read of a path, for the audit log: what finds it in Vault's own. No secret: a lease's id opens nothing."""

    path: str
    at: float
    request_id: str
    lease_id: str = ""
    version: int | None = None
    """Of KV version 2."""


class Vault:
    """One server and one login. Reads raise SecretError, after the attempts where trying again can help."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = _client(settings, settings.namespace)
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._secrets: dict[str, Secret] = {}
        self._reads: dict[str, deque[Read]] = {}
        self._api_paths: dict[str, str] = {}
        self._policies: list[str] = []
        self._token_due = self._token_life_s = 0.0

    async def read(self, path: str, *, instead_of: Secret | None = None) -> Secret:
        """The secret at `path`, from memory where it is young enough; `instead_of` is one that a server refused."""
        known = self._secrets.get(path)
        if known is not None and self._is_other(known, instead_of):
            if time.time() < self._due(known):
                return known
            if time.time() < known.until:
                return await self._newer(known)
        return await self._read_with_patience(path, instead_of)

    def reads(self, path: str, since: float) -> list[Read]:
        """By which reads its secret is known: those since then, and the last one before, which may still be in use."""
        reads = list(self._reads.get(path, ()))
        since_then = [read for read, later in pairwise(reads) if later.at >= since]
        return [*since_then, *reads[-1:]]

    async def version(self) -> str:
        """The server's version, once it is unsealed and we are logged in."""
        return await anyio.to_thread.run_sync(self._version, limiter=self._one_at_a_time)

    async def _newer(self, known: Secret) -> Secret:
        """Where Vault is away, a secret that is still valid does for a while."""
        try:
            return await anyio.to_thread.run_sync(self._read, known.path, None, limiter=self._one_at_a_time)
        except SecretError as error:
            if not error.retryable:
                raise
        again = time.time() + AGAIN_S
        self._token_due = max(self._token_due, again)
        self._secrets[known.path] = kept = replace(known, due=max(known.due, again))
        return kept

    async def _read_with_patience(self, path: str, instead_of: Secret | None) -> Secret:
        async for attempt in stamina.retry_context(
            on=_is_retryable, attempts=ATTEMPTS, wait_initial=0.2, wait_max=WAIT_S_MAX
        ):
            with attempt:
                return await anyio.to_thread.run_sync(self._read, path, instead_of, limiter=self._one_at_a_time)
        raise AssertionError

    def _is_other(self, known: Secret, refused: Secret | None) -> bool:
        return refused is None or known.values != refused.values

    def _due(self, secret: Secret) -> float:
        """A lease ends with the token that took it."""
        return min(secret.due, self._token_due) if secret.lease_id else secret.due

    # --- in the thread --------------------------------------------------------------------------------------------

    def _read(self, path: str, instead_of: Secret | None) -> Secret:
        self._keep_token()
        known = self._secrets.get(path)
        if known is not None and self._is_other(known, instead_of):
            if time.time() < known.due:
                return known  # another reader was here, or only the token was due
            renewed = self._renewed(known)
        else:
            renewed = None
        secret = self._secrets[path] = renewed or self._fetch(path)
        return secret

    def _renewed(self, known: Secret) -> Secret | None:
        """The same credential for longer; None where that is over, for a lease has a longest life."""
        if not known.lease_id or time.time() >= known.until:
            return None
        doing = f"cannot renew the lease of {known.path}"
        try:
            told = self._send("PUT", "sys/leases/renew", {"lease_id": known.lease_id}, doing=doing)
        except SecretError:
            return None  # revoked, or over, which is told as a failure of Vault; where it is one the read says so
        life_s = float(told["lease_duration"])
        if life_s <= known.life_s / 3:
            return None
        due, until = _times(life_s)
        return replace(known, due=due, until=until)

    def _fetch(self, path: str) -> Secret:
        doing = f"cannot read {path}"
        api_path = self._api_paths.get(path) or self._api_path(path)
        told = self._ask(api_path, doing=doing)
        self._api_paths[path] = api_path
        is_versioned = api_path != path
        values = {name: str(value) for name, value in (told["data"]["data"] if is_versioned else told["data"]).items()}
        version = told["data"]["metadata"]["version"] if is_versioned else None
        lease_id = told.get("lease_id") or ""
        read = Read(path, time.time(), str(told.get("request_id", "")), lease_id, version)
        self._reads.setdefault(path, deque(maxlen=READS_KEPT)).append(read)
        if not lease_id:
            return Secret(path, values, due=time.time() + KEPT_S)
        life_s = float(told["lease_duration"])
        due, until = _times(life_s)
        return Secret(path, values, due, until, lease_id, life_s)

    def _api_path(self, path: str) -> str:
        mount = self._ask(f"sys/internal/ui/mounts/{path}", doing=f"cannot find {path}", wanted=path)["data"]
        if mount["type"] == "kv" and (mount.get("options") or {}).get("version") == "2":
            return f"{mount['path']}data/{path.removeprefix(mount['path'])}"
        return path

    def _ask(self, api_path: str, *, doing: str, wanted: str = "") -> Mapping[str, Any]:
        """A read. A refused token is told from a missing right by logging in again, once."""
        try:
            return self._send("GET", api_path, doing=doing, wanted=wanted or api_path)
        except ForbiddenError:
            self._log_in()
        return self._send("GET", api_path, doing=doing, wanted=wanted or api_path)

    def _send(
        self,
        method: str,
        api_path: str,
        body: Mapping[str, Any] | None = None,
        *,
        doing: str,
        wanted: str = "",
        client: Any = None,
    ) -> Mapping[str, Any]:
        try:
            told = (client or self._client).adapter.request(method, f"/v1/{api_path}", json=body)
        except (hvac.exceptions.VaultError, requests.RequestException) as error:
            # without the cause: it carries the request, and that the token
            raise translate(error, doing, self._settings, wanted, self._policies) from None
        if not isinstance(told, dict):
            raise SecretError(f"{doing}: what answers is not Vault", remedy="check vault.address")
        return told

    # --- the login ------------------------------------------------------------------------------------------------

    def _keep_token(self) -> None:
        if time.time() < self._token_due:
            return
        if not (self._client.token and self._renew_token()):
            self._log_in()

    def _renew_token(self) -> bool:
        try:
            auth = self._send("POST", "auth/token/renew-self", {}, doing="cannot renew Vault's token")["auth"]
        except SecretError:
            return False  # the same of a token
        if auth["lease_duration"] <= self._token_life_s / 3:
            return False
        self._token_due, _ = _times(float(auth["lease_duration"]))
        return True

    def _log_in(self) -> None:
        if self._settings.auth == "token":
            self._client.token = self._token()
            told = self._send("GET", "auth/token/lookup-self", doing="cannot log in to Vault with the token")["data"]
            life_s, self._policies = float(told["ttl"]) if told["expire_time"] else math.inf, told["policies"]
        else:
            request = identity_request(self._settings.region, self._settings.server_id)
            path = f"auth/{self._settings.mount.strip('/')}/login"
            doing = f"cannot log in to Vault as role {self._settings.role}"
            told = self._send("POST", path, {"role": self._settings.role, **request}, doing=doing)["auth"]
            self._client.token = told["client_token"]
            life_s, self._policies = float(told["lease_duration"]), told["policies"]
            # leases of the token before end with it
            self._secrets = {path: secret for path, secret in self._secrets.items() if not secret.lease_id}
        self._token_life_s = life_s
        self._token_due, _ = _times(life_s)

    def _token(self) -> str:
        token = self._given_token()
        if not re.fullmatch("[!-~]+", token):  # it goes into a header, and what refuses it there would quote it
            raise SecretError("what is given as Vault's token is none", remedy="check vault.token or vault.token_file")
        return token

    def _given_token(self) -> str:
        if self._settings.token is not None:
            return self._settings.token.get_secret_value().strip()
        assert self._settings.token_file is not None
        try:
            return self._settings.token_file.read_text(encoding="ascii", errors="replace").strip()
        except OSError as error:
            raise SecretError(
                f"cannot read Vault's token from {self._settings.token_file}: {error.strerror}",
                remedy="check vault.token_file and its permissions",
            ) from None

    def _version(self) -> str:
        self._keep_token()
        doing, path = "cannot ask Vault how it is", "sys/health?standbyok=true&perfstandbyok=true"
        outside = _client(self._settings, None)  # it is not to be had in a namespace
        return str(self._send("GET", path, doing=doing, client=outside)["version"])


@functools.lru_cache(maxsize=8)
def vault_of(settings: Settings) -> Vault:
    """The one of this process: a warm function keeps its token and its secrets."""
    return Vault(settings)


def _client(settings: Settings, namespace: str | None) -> Any:
    verify = str(settings.ca_file) if settings.ca_file else True
    return hvac.Client(settings.address, token="", namespace=namespace, verify=verify, timeout=settings.timeout_s)


def _times(life_s: float) -> tuple[float, float]:
    """When to renew, and the end."""
    now = time.time()
    return now + life_s * 2 / 3, now + life_s


def _is_retryable(error: Exception) -> bool:
    return isinstance(error, SecretError) and error.retryable
