"""Staged files in a bucket: each goes there from the compressor, part by part, and never touches a disk.

A file is the object `<prefix>/<invocation>/<run>/<name>`, which exists only once it is whole. Memory: two parts for
each file that grows, one that fills and one on its way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskGroup
from botocore.exceptions import ClientError

from engine.errors import StageError
from engine.stage.faults import translated

ABORT_S = 3.0
"""Seconds that giving up an upload may take from a run that ends; what is left then is swept by a later run."""
KEYS_MAX = 1000
"""Of one DeleteObjects (S3 API reference)."""


class S3Stage:
    """A prefix of a bucket: makes sinks, and knows the folders below the prefix, one an invocation."""

    def __init__(self, client: Any, url: str, *, part_bytes: int, kms_key: str | None) -> None:
        place = urlsplit(url)
        prefix = place.path.strip("/")
        self.url = url
        self.part_bytes = part_bytes
        self._client = client
        self._bucket = place.netloc
        self._root = f"{prefix}/" if prefix else ""
        self.encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One call about the bucket. Raises StageError; the SDK has tried again by then what may pass."""
        with translated(self.url):
            answer: dict[str, Any] = await getattr(self._client, operation)(Bucket=self._bucket, **arguments)
            return answer

    @asynccontextmanager
    async def open(self, path: str) -> AsyncIterator[S3Sink]:
        sink: S3Sink | None = None
        try:
            async with anyio.create_task_group() as tasks:
                sink = S3Sink(self, self._root + path, tasks)
                yield sink
                if not sink.whole:
                    tasks.cancel_scope.cancel()
        finally:
            if sink is not None:
                sink.free()
                if not sink.whole:
                    with anyio.move_on_after(ABORT_S, shield=True), suppress(StageError):
                        await sink.discard()

    async def probe(self, path: str, content: bytes) -> None:
        """Writes a file, and begins an upload that is left for `remove`: with that all that a run has to do here."""
        await self.call("put_object", Key=self._root + path, Body=content, **self.encryption)
        await self.call("create_multipart_upload", Key=f"{self._root}{path}.parts", **self.encryption)

    async def region(self) -> str | None:
        """Where the bucket is; S3 tells it even to whom it denies the bucket."""
        with translated(self.url):
            try:
                answer = await self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                answer = error.response
        region: str | None = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        return region

    async def folders(self) -> set[str]:
        """The folders with files or unfinished uploads."""
        keys = [key for key, _ in await self._uploads(self._root)]
        keys += [
            each["Prefix"]
            for page in await self._pages("list_objects_v2", Prefix=self._root, Delimiter="/")
            for each in page.get("CommonPrefixes", ())
        ]
        return {key[len(self._root) :].partition("/")[0] for key in keys}

    async def remove(self, folder: str) -> None:
        """Deletes the folder's files, and gives up its unfinished uploads."""
        root = f"{self._root}{folder}/"
        for key, upload in await self._uploads(root):
            await self.abort(key, upload)
        pages = await self._pages("list_objects_v2", Prefix=root)
        keys = [{"Key": each["Key"]} for page in pages for each in page.get("Contents", ())]
        for first in range(0, len(keys), KEYS_MAX):
            answer = await self.call(
                "delete_objects", Delete={"Objects": keys[first : first + KEYS_MAX], "Quiet": True}
            )
            with translated(self.url):
                for refused in answer.get("Errors", ()):
                    raise ClientError({"Error": refused}, "DeleteObjects")

    async def abort(self, key: str, upload: str) -> None:
        with translated(self.url), suppress(self._client.exceptions.NoSuchUpload):  # somebody else was faster
            await self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    async def _uploads(self, root: str) -> list[tuple[str, str]]:
        pages = await self._pages("list_multipart_uploads", Prefix=root)
        return [(each["Key"], each["UploadId"]) for page in pages for each in page.get("Uploads", ())]

    async def _pages(self, operation: str, **arguments: Any) -> list[dict[str, Any]]:
        pages = self._client.get_paginator(operation).paginate(Bucket=self._bucket, **arguments)
        with translated(self.url):
            return [page async for page in pages]


class S3Sink:
    """One object while it grows: a single PUT where it is no larger than a part, else an upload of several parts."""

    path = None

    def __init__(self, stage: S3Stage, key: str, tasks: TaskGroup) -> None:
        self.whole = False
        self._stage = stage
        self._key = key
        self._tasks = tasks
        self._filling, self._leaving = BytesIO(), BytesIO()
        self._way = anyio.Semaphore(1)
        """Held while a part leaves."""
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []

    def add(self, data: bytes) -> None:
        self._filling.write(data)

    async def drain(self) -> None:
        """Sends a part once there is one, and waits for the part before."""
        if self._filling.tell() < self._stage.part_bytes:
            return
        if self._upload is None:
            answer = await self._stage.call(
                "create_multipart_upload", Key=self._key, ChecksumAlgorithm="CRC32", **self._stage.encryption
            )
            self._upload = answer["UploadId"]
        await self._way.acquire()
        self._turn()
        self._tasks.start_soon(self._send_part)

    async def close(self) -> None:
        await self._way.acquire()
        rest = self._filling.tell()
        self._turn()
        if self._upload is None:
            await self._stage.call("put_object", Key=self._key, Body=self._leaving, **self._stage.encryption)
        else:
            if rest:
                await self._send_part()
            await self._stage.call(
                "complete_multipart_upload",
                Key=self._key,
                UploadId=self._upload,
                MultipartUpload={"Parts": self._parts},
            )
        self.whole = True

    async def discard(self) -> None:
        if self._upload is not None:
            await self._stage.abort(self._key, self._upload)

    def free(self) -> None:
        """The SDK's requests refer to themselves, so what they hold would stay until garbage is collected."""
        self._filling.close()
        self._leaving.close()

    def _turn(self) -> None:
        """What was filled leaves, as a stream: of bytes the network's buffers would take a copy."""
        self._filling, self._leaving = self._leaving, self._filling
        self._filling.seek(0)
        self._leaving.truncate()
        self._leaving.seek(0)

    async def _send_part(self) -> None:
        number = len(self._parts) + 1
        answer = await self._stage.call(
            "upload_part", Key=self._key, UploadId=self._upload, PartNumber=number, Body=self._leaving
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
        self._way.release()
