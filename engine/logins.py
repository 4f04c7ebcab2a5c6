"""Who a new connection is: from Vault, from the function's AWS identity, or from the settings, in this order.

A login is asked for at each connection, so that a long run follows a rotation; and once more where the server refuses
one, for it may have been rotated since it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import anyio.to_thread
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from engine.config import Config
from engine.errors import ConfigError, SecretError
from engine.secrets.aws import database_token
from engine.source.connection import FixedLogin, Login, Logins
from engine.target.session import FixedParameters, LoginParameters

if TYPE_CHECKING:
    from engine.secrets.vault import Secret, Vault


def source_logins(config: Config, dsn: str) -> Logins:
    source = config.source
    if source.auth == "rds-iam":
        return TokenLogins(dsn, config.aws.region)
    if source.vault is not None:
        return VaultLogins(_vault(config), source.vault)
    return FixedLogin(Login(password=source.password.get_secret_value() if source.password else None))


def target_logins(config: Config) -> LoginParameters:
    if config.target.vault is not None:
        return VaultParameters(_vault(config), config.target.vault, config.target.user)
    return FixedParameters(_settled(config))


def origins(config: Config, since: float) -> dict[str, Any]:
    """By what each side lets this process in, for the audit log: where it is from, and by which reads of Vault."""
    source = "rds-iam" if config.source.auth == "rds-iam" else "settings"
    sides = {"source": (config.source.vault, source), "target": (config.target.vault, "settings")}
    return {
        side: {"from": "vault", "reads": [asdict(read) for read in _vault(config).reads(path, since)]}
        if path is not None
        else {"from": otherwise}
        for side, (path, otherwise) in sides.items()
    }


def _vault(config: Config) -> Vault:
    assert config.vault is not None, "a path in Vault without [vault] is refused with the configuration"
    from engine.secrets.vault import vault_of  # noqa: PLC0415 0.1 s that only who has a Vault should wait

    return vault_of(config.vault)


@dataclass(slots=True)
class VaultLogins:
    """Logins at the source from a path in Vault."""

    vault: Vault
    path: str
    leased: bool = False

    async def __call__(self, refused: Login | None = None) -> Login:
        secret = await self.vault.read(self.path)
        if refused is not None and _login_of(secret) == refused:
            secret = await self.vault.read(self.path, instead_of=secret)
        self.leased = bool(secret.lease_id)
        return _login_of(secret)


@dataclass(frozen=True, slots=True)
class TokenLogins:
    """Tokens of RDS, made anew for each connection; one that is refused was not too old, so there is no other."""

    dsn: str
    region: str | None
    leased: bool = False

    async def __call__(self, refused: Login | None = None) -> Login:
        if refused is not None:
            return refused
        url = urlsplit(self.dsn)
        assert url.hostname, "refused with the configuration"
        assert url.username, "refused with the configuration"
        make = partial(database_token, url.hostname, url.port or 5432, unquote(url.username), self.region)
        return Login(password=await anyio.to_thread.run_sync(make))


@dataclass(frozen=True, slots=True)
class VaultParameters:
    """Logins at the target from a path in Vault; `user` where the secret names none."""

    vault: Vault
    path: str
    user: str | None

    async def __call__(self, refused: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        secret = await self.vault.read(self.path)
        if refused is not None and self._parameters(secret) == refused:
            secret = await self.vault.read(self.path, instead_of=secret)
        return self._parameters(secret)

    def _parameters(self, secret: Secret) -> Mapping[str, Any]:
        user = _user_of(secret) or self.user
        if user is None:
            raise SecretError(f"the secret at {self.path} has no `user`", remedy="add it, or set target.user")
        if pem := secret.values.get("private_key"):
            key = _private_key(pem, secret.values.get("private_key_passphrase"), f"private_key at {self.path} in Vault")
            return {"user": user, "private_key": key}
        return {"user": user, "password": _password_of(secret, "private_key` or `password")}


def _login_of(secret: Secret) -> Login:
    return Login(_user_of(secret), _password_of(secret, "password"))


def _user_of(secret: Secret) -> str | None:
    """`username` is how dynamic credentials call it."""
    return secret.values.get("user") or secret.values.get("username")


def _password_of(secret: Secret, wanted: str) -> str:
    password = secret.values.get("password")
    if not password:
        raise SecretError(f"the secret at {secret.path} has no `{wanted}`", remedy="write it there")
    return password


def _settled(config: Config) -> Mapping[str, Any]:
    target = config.target
    login: dict[str, Any] = {"user": target.user} if target.user is not None else {}
    if target.authenticator is not None:
        login["authenticator"] = target.authenticator
    if target.password is not None:
        login["password"] = target.password.get_secret_value()
    passphrase = target.private_key_passphrase.get_secret_value() if target.private_key_passphrase else None
    if target.private_key is not None:
        login["private_key"] = _private_key(target.private_key.get_secret_value(), passphrase, "target.private_key")
    elif target.private_key_file is not None:
        pem = target.private_key_file.read_text(encoding="ascii", errors="replace")  # a binary form is no PEM
        login["private_key"] = _private_key(pem, passphrase, "target.private_key_file")
    return login


def _private_key(pem: str, passphrase: str | None, origin: str) -> bytes:
    """The key in the form that the connector takes from memory: DER, PKCS#8, not encrypted."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # without the cause, which may hold what was given
        raise ConfigError([f"{origin}: is not a PEM key that its passphrase opens"]) from None
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
