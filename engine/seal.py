"""The seal of a receipt: a digest of its canonical JSON and, where `aws.signing_key` is set, that key's signature.

The canonical JSON of a receipt is that of all its fields but `seal`: keys sorted by code point, no blanks, UTF-8, and a
number without decimals as an integer, so that a tool that rewrites 1.0 as 1 changes nothing. It is RFC 8785's, but for
decimals below 0.00001 and numbers from 1e16 on, which are written as orjson does.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping
from typing import Any

import orjson

ALGORITHMS = ("ECDSA_SHA_256", "RSASSA_PSS_SHA_256")
"""What a key of KMS may sign a SHA-256 with: which of them, its kind decides (ECC_NIST_P256 or RSA)."""
_OF_ANOTHER_KIND = {"InvalidKeyUsageException", "ValidationException"}


def canonical(receipt: Mapping[str, Any]) -> bytes:
    told = {name: value for name, value in receipt.items() if name != "seal"}
    plain = orjson.loads(orjson.dumps(told, default=str))
    return orjson.dumps(_whole(plain), option=orjson.OPT_SORT_KEYS)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def digest_of(receipt: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(receipt)).hexdigest()


async def signature(digest: str, key: str, region: str | None) -> dict[str, str]:
    """`{"key", "algorithm", "signature"}`: the key's ARN, the signature in base64. Raises AwsError."""
    from engine import aws  # noqa: PLC0415 - it takes 0.2 s, which who signs nothing need not wait

    with aws.Translated(f"cannot sign with aws.signing_key {key}"):
        async with aws.client("kms", region) as client:
            for algorithm in ALGORITHMS:
                try:
                    answer = await client.sign(
                        KeyId=key, Message=bytes.fromhex(digest), MessageType="DIGEST", SigningAlgorithm=algorithm
                    )
                except client.exceptions.ClientError as error:
                    if algorithm == ALGORITHMS[-1] or error.response["Error"]["Code"] not in _OF_ANOTHER_KIND:
                        raise
                else:
                    signed = b64encode(answer["Signature"]).decode()
                    return {"key": str(answer["KeyId"]), "algorithm": algorithm, "signature": signed}
    raise AssertionError


async def is_signed(seal: Mapping[str, str], digest: str, key: str, region: str | None) -> bool:
    """Whether `key` has signed the digest, as KMS says. Raises AwsError where it does not say."""
    from engine import aws  # noqa: PLC0415

    if seal["algorithm"] not in ALGORITHMS:
        return False
    try:
        signed = b64decode(seal["signature"], validate=True)
    except NoBase64:
        return False
    with aws.Translated(f"cannot verify with the key {key}"):
        async with aws.client("kms", region) as client:
            try:
                answer = await client.verify(
                    KeyId=key, Message=bytes.fromhex(digest), MessageType="DIGEST", Signature=signed,
                    SigningAlgorithm=seal["algorithm"],
                )  # fmt: skip
            except client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in {"KMSInvalidSignatureException", *_OF_ANOTHER_KIND}:
                    return False
                raise
    return bool(answer["SignatureValid"])
