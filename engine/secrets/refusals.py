"""What Vault's refusals mean, in words with a remedy, and whether asking again can help. Nothing secret passes through.

STS, when a signature is wrong, answers with the request as it was signed, session token included, and Vault repeats
that; so of an answer from STS only its code is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import hvac.exceptions as refused
import requests

from engine.config_cloud import Vault as Settings
from engine.errors import SecretError


class ForbiddenError(SecretError):
    """The policies of the token do not allow it, or the token is not accepted any more: both are told as 403."""


_BY_KIND: list[tuple[type[Exception] | tuple[type[Exception], ...], str, str, bool]] = [
    (refused.VaultNotInitialized, "Vault is not initialized", "initialize it: vault operator init", False),
    (refused.VaultDown, "Vault is sealed, or no node of it is active", "unseal it: vault operator unseal", True),
    (refused.RateLimitExceeded, "Vault's rate limit is used up", "raise the quota, or run less at once", True),
    (refused.PreconditionFailed, "this node of Vault is behind the active one", "run again in a moment", True),
    (
        requests.exceptions.SSLError,
        "TLS failed",
        "set vault.ca_file to the certificates that signed Vault's, and check the host name in vault.address",
        False,
    ),
    (requests.exceptions.Timeout, "Vault does not answer in time", "check the network path and vault.timeout_s", True),
    (
        requests.exceptions.ConnectionError,
        "Vault cannot be reached",
        "check vault.address, the security groups and the route to it",
        True,
    ),
    (requests.RequestException, "Vault cannot be asked", "check vault.address", False),
]
"""Kind of error, what is said, remedy, retryable; the first that fits."""

_LOGIN_WORDS: list[tuple[str, str, bool]] = [
    (r"error code 5\d\d from STS|Throttling", "STS is busy or down: run again", True),
    (
        "Server-ID",
        "set vault.server_id to iam_server_id_header_value of Vault's auth/aws/config/client",
        False,
    ),
    (
        "SignatureDoesNotMatch",
        "check the AWS credentials and the clock; vault.region must be sts_region of Vault's auth/aws/config/client",
        False,
    ),
    ("ExpiredToken", "the AWS credentials have expired: get new ones", False),
    ("InvalidClientTokenId|UnrecognizedClient", "the AWS credentials are not valid: check their origin", False),
    ("does not belong", "add the ARN of the function's role to bound_iam_principal_arn of Vault's role", False),
    (r"entry for role|role .* (not found|could not be found)", "check vault.role", False),
]
"""Words of a refused IAM login, remedy, retryable."""


def translate(error: Exception, doing: str, settings: Settings, wanted: str, policies: Sequence[str]) -> SecretError:
    """`wanted` is the path as policies spell it, `policies` those of the token."""
    for kind, said, remedy, retryable in _BY_KIND:
        if isinstance(error, kind):
            return SecretError(f"{doing}: {said} ({settings.address})", remedy=remedy, retryable=retryable)
    if isinstance(error, refused.Forbidden) and not wanted and settings.auth == "iam":
        return SecretError(
            f"{doing}: Vault denies it",
            remedy="check vault.role and vault.mount, and bound_iam_principal_arn of Vault's role",
        )
    if isinstance(error, refused.Forbidden) and not wanted:
        return SecretError(
            f"{doing}: Vault does not accept the token, it has expired or was revoked (or may not look itself up)",
            remedy="set vault.token or vault.token_file to a new one, with the policy `default`",
        )
    if isinstance(error, refused.Forbidden):
        return ForbiddenError(
            f"{doing}: forbidden to the policies of the login ({', '.join(policies)})",
            remedy=f'add to one of them: path "{wanted}" {{ capabilities = ["read"] }}',
        )
    text = _said(error)
    if isinstance(error, refused.InvalidPath):
        remedy = "check vault.mount and vault.namespace" if not wanted else "check the path, and that it is not deleted"
        return SecretError(f"{doing}: there is nothing at {wanted or 'the login of this mount'}", remedy=remedy)
    if isinstance(error, (refused.InternalServerError, refused.BadGateway)):
        return SecretError(f"{doing}: Vault failed: {text}", remedy="see Vault's log", retryable=True)
    for words, remedy, retryable in _LOGIN_WORDS:
        if re.search(words, text):
            return SecretError(f"{doing}: Vault refuses: {text}", remedy=remedy, retryable=retryable)
    return SecretError(f"{doing}: Vault refuses: {text}", remedy="check the path and Vault's log")


def _said(error: Exception) -> str:
    """Vault's own words up to what it quotes of another's answer, and the code of that."""
    text = " ".join(str(error.args[0] or "").split())
    code = re.search(r"<Code>(\w+)</Code>", text)
    said = text.partition("<")[0].rstrip(" :")
    return (f"{said}: {code[1]}" if code else said)[:300]
