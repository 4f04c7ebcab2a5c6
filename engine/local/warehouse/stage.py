"""Staged files: a stage is a folder `stages/<id>` of the directory, or a place in S3 (its entry's body is the URL)."""

from __future__ import annotations

import email.utils
import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.local.warehouse import bucket
from engine.local.warehouse.catalog import Entry
from engine.local.warehouse.faults import syntax, unsupported
from engine.local.warehouse.session import Session
from engine.local.warehouse.wire import Result, rows
from engine.local.warehouse.words import StageRef, Words, stage_reference, unquote

_PUT = re.compile(r"\s*PUT\s+('(?:[^'\\]|\\.|'')*'|\S+)\s+('(?:[^'\\]|\\.|'')*'|\S+)(.*)$", re.IGNORECASE | re.DOTALL)
_COMPRESSED = {"gz", "zst", "bz2", "br", "deflate", "raw_deflate"}  # what the connectors leave as it is


@dataclass(frozen=True)
class StagedFile:
    name: str  # below the stage
    path: Path
    size: int
    etag: str  # changes with every upload, as on a stage that encrypts
    modified: float
    url: str = ""  # of an object in S3; `path` is then where a statement that reads it has its copy

    def shown(self, stage: Entry) -> str:
        return self.url or f"{stage.name.lower()}/{self.name}"


class Stages:
    def __init__(self, directory: Path) -> None:
        self.root = directory / "stages"
        self.incoming = directory / "incoming"
        shutil.rmtree(self.incoming, ignore_errors=True)  # uploads that a killed server left unfinished
        self.root.mkdir(parents=True, exist_ok=True)
        self.incoming.mkdir()

    def sweep(self, known: set[int]) -> None:
        """Folders of stages that are gone."""
        for folder in self.root.iterdir():
            if not folder.name.isdigit() or int(folder.name) not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self, stage: Entry) -> None:
        shutil.rmtree(self.root / str(stage.id), ignore_errors=True)

    def place(self, stage_id: int, name: str) -> Path:
        """Where a file of a stage is kept; a name that would leave the stage is refused."""
        base = (self.root / str(stage_id)).resolve()
        path = (base / name).resolve()
        if base not in path.parents:
            raise syntax(f"invalid file name {name!r}")
        return path

    def file(self, stage: Entry, name: str) -> StagedFile | None:
        if stage.body:
            found = bucket.looked_up(stage.body + name)
            return self._object(stage, found) if found else None
        path = self.place(stage.id, name)
        if not path.is_file():
            return None
        facts = path.stat()
        etag = hashlib.md5(f"{facts.st_mtime_ns} {facts.st_ino} {facts.st_size}".encode(), usedforsecurity=False)
        return StagedFile(name, path, facts.st_size, etag.hexdigest(), facts.st_mtime)

    def _object(self, stage: Entry, facts: dict[str, Any]) -> StagedFile:
        name = facts["url"].removeprefix(stage.body)
        return StagedFile(name, self.incoming / uuid.uuid4().hex, **facts)

    @contextmanager
    def fetched(self, files: Sequence[StagedFile]) -> Iterator[None]:
        """The files can be read at their paths; what had to be fetched for that is gone afterwards."""
        missing = [file for file in files if file.url and not file.path.exists()]
        try:
            for file in missing:
                bucket.download(file.url, file.path)
            yield
        finally:
            for file in missing:
                file.path.unlink(missing_ok=True)

    def delete(self, files: Sequence[StagedFile]) -> None:
        for file in files:
            if file.url:
                bucket.delete(file.url)
                continue
            file.path.unlink(missing_ok=True)
            folder = file.path.parent
            while folder != self.root and not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent

    def list(self, stage: Entry, prefix: str, pattern: str | None = None) -> list[StagedFile]:
        """A path is a prefix of the name, not a folder: `run1` finds `run10/...` too."""
        if stage.body:
            found = [self._object(stage, facts) for facts in bucket.listed(stage.body + prefix)]
        else:
            base = self.root / str(stage.id)
            names = sorted(str(p.relative_to(base)) for p in base.rglob("*") if p.is_file())
            found = [f for n in names if n.startswith(prefix) and (f := self.file(stage, n))]
        return [f for f in found if pattern is None or re.fullmatch(pattern, f.shown(stage))]


def find(session: Session, reference: StageRef) -> Entry:
    if reference.name and reference.name[-1][:1] in ("~", "%"):
        raise syntax("user and table stages are not in the embedded warehouse: create a named stage")
    return session.catalog.get("STAGE", session.resolve(reference.name))


def put(session: Session, sql: str) -> Result:
    """Tell the connector where to upload: a presigned URL of this server, as on Google's cloud."""
    match = _PUT.match(sql)
    if not match:
        raise syntax("syntax error in PUT")
    source = unquote(match[1]) if match[1].startswith("'") else match[1]
    reference = stage_reference(unquote(match[2]) if match[2].startswith("'") else match[2])
    stage = find(session, reference)
    if stage.body:
        raise unsupported("PUT to an external stage")
    options = {k: v for k, v in Words(match[3]).options().items() if isinstance(v, str)}
    name = source.removeprefix("file://").replace("\\", "/").rsplit("/", 1)[-1]
    if "*" in name or "?" in name:
        raise unsupported("PUT of several files: a presigned URL names one")
    compress = options.get("AUTO_COMPRESS", "TRUE") == "TRUE"
    kept = name + ".gz" if compress and name.rsplit(".", 1)[-1].lower() not in _COMPRESSED else name
    folder = reference.path if not reference.path or reference.path.endswith("/") else reference.path + "/"
    return Result(
        kind=0,
        raw={
            "command": "UPLOAD",
            "src_locations": [source.removeprefix("file://")],
            "parallel": int(options.get("PARALLEL", "4")),
            "autoCompress": compress,
            "sourceCompression": options.get("SOURCE_COMPRESSION", "AUTO_DETECT").lower(),
            "overwrite": options.get("OVERWRITE", "FALSE") == "TRUE",
            "clientShowEncryptionParameter": False,
            "encryptionMaterial": None,
            "stageInfo": {
                "locationType": "GCS",
                "location": f"stages/{stage.id}/{folder}",
                "path": folder,
                "region": "local",
                "storageAccount": None,
                "isClientSideEncrypted": False,
                "creds": {},
                "endPoint": None,
                "presignedUrl": f"{session.base_url}stages/{stage.id}/{quote(folder + kept)}",
            },
        },
    )


def show(session: Session, words: Words, stages: Stages) -> Result:
    if not words.accept("LIST"):
        words.expect("LS")
    reference = words.stage()
    pattern = words.options().get("PATTERN")
    words.end()
    stage = find(session, reference)
    found = [
        (f.shown(stage), f.size, f.etag, email.utils.formatdate(f.modified, usegmt=True))
        for f in stages.list(stage, reference.path, str(pattern) if pattern else None)
    ]
    return rows(0, ["name", "size", "md5", "last_modified"], found, numbers=["size"])


def remove(session: Session, words: Words, stages: Stages) -> Result:
    if not words.accept("REMOVE"):
        words.expect("RM")
    reference = words.stage()
    pattern = words.options().get("PATTERN")
    words.end()
    stage = find(session, reference)
    found = stages.list(stage, reference.path, str(pattern) if pattern else None)
    stages.delete(found)
    return rows(0, ["name", "result"], [(file.shown(stage), "removed") for file in found])
