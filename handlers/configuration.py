"""A function's configuration: a file of its package, an object in S3, a parameter of SSM. BOREALIS_CONFIG says which.

    borealis.toml (default), /var/task/prod.toml    a file; relative paths start beside the package
    s3://bucket/key, s3://bucket/key?versionId=ID   an object, or one version of it
    ssm:/borealis/prod                              a parameter, decrypted where it is a SecureString

The environment lies over all of them, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine import aws
from engine.config import Config, load, load_text
from engine.errors import ConfigError

PACKAGE = Path(__file__).parents[1]
VARIABLE = "BOREALIS_CONFIG"
BYTES_MAX = 1024 * 1024
"""Of an object; a configuration of a thousand tables is a tenth of it, and a wrong key may be a whole table."""


async def fetched(env: Mapping[str, str]) -> Config:
    """Raises ConfigError with every fault, AwsError where it cannot be reached."""
    place = env.get(VARIABLE, "")
    if place.startswith("s3://"):
        return load_text(await _object(place), place, env, base=PACKAGE)
    if place.startswith("ssm:"):
        return load_text(await _parameter(place), place, env, base=PACKAGE)
    if "://" in place:
        raise ConfigError([f"{VARIABLE}: is a file, s3://bucket/key or ssm:/parameter"])
    file = PACKAGE / (place or "borealis.toml")
    if not place and "BOREALIS_TABLES" in env and not file.exists():
        return load(None, env)
    return load(file, env)


async def _object(place: str) -> str:
    bucket, _, key = place.removeprefix("s3://").partition("/")
    key, _, version = key.partition("?versionId=")
    which = {"VersionId": version} if version else {}
    async with aws.client("s3") as s3:
        with aws.Translated(f"{VARIABLE}: cannot read {place}"):
            answer: Any = await s3.get_object(Bucket=bucket, Key=key, **which)
            async with answer["Body"] as stream:
                if answer["ContentLength"] > BYTES_MAX:
                    size = f"{answer['ContentLength']:,} bytes"
                    raise ConfigError([f"{place}: has {size}; a configuration is at most 1 MiB"])
                content: bytes = await stream.read()
    try:
        return content.decode()
    except UnicodeDecodeError as garbled:
        raise ConfigError([f"{place}: is not UTF-8 at byte {garbled.start}; save it as UTF-8"]) from None


async def _parameter(place: str) -> str:
    async with aws.client("ssm") as ssm:
        with aws.Translated(f"{VARIABLE}: cannot read {place}"):
            answer: Any = await ssm.get_parameter(Name=place.removeprefix("ssm:"), WithDecryption=True)
    text: str = answer["Parameter"]["Value"]
    return text
