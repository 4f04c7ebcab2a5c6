"""Objects behind an external stage, read with the identity of the server's own process, whatever the integration."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from engine.local.warehouse.faults import SqlError


@functools.cache
def _client() -> Any:
    return boto3.Session().client("s3")  # two threads that make one at once must not share a session


def parts(url: str) -> dict[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    place = urlsplit(url)
    return {"Bucket": place.netloc, "Key": place.path.removeprefix("/")}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise SqlError(91003, "55000", f"Failure using stage area. Cause: [{error}]") from None


def listed(url: str) -> list[dict[str, Any]]:
    """Url, size, etag and time of each object whose url begins so."""
    place = parts(url)
    with _translated():
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=place["Bucket"], Prefix=place["Key"])
        return [
            _facts(f"s3://{place['Bucket']}/{o['Key']}", o["Size"], o) for p in pages for o in p.get("Contents", ())
        ]


def looked_up(url: str) -> dict[str, Any] | None:
    with _translated():
        try:
            answer = _client().head_object(**parts(url))
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return None
            raise
    return _facts(url, answer["ContentLength"], answer)


def _facts(url: str, size: int, answer: dict[str, Any]) -> dict[str, Any]:
    return {"url": url, "size": size, "etag": answer["ETag"].strip('"'), "modified": answer["LastModified"].timestamp()}


def download(url: str, to: Path) -> None:
    with _translated():
        _client().download_file(*parts(url).values(), str(to))


def delete(url: str) -> None:
    with _translated():
        _client().delete_object(**parts(url))
