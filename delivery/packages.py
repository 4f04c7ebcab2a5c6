"""A package as it is kept: VERSION/SHA256, three files, and what is refused before anything is done with it. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ARCHITECTURES = ("arm64", "x86_64")
DEPLOYED = "arm64"
"""What Terraform makes the functions of."""


class DeliveryError(Exception):
    """What is wrong, and what to do; it ends the command."""


@dataclass(frozen=True, slots=True)
class PackageId:
    """Where a package is kept: a path of its own for each content, so that nothing is ever replaced."""

    version: str
    sha256: str

    @classmethod
    def parse(cls, text: str) -> Self:
        found = re.fullmatch(r"(\d+\.\d+\.\d+[0-9A-Za-z.+-]*)/([0-9a-f]{64})", text)
        if found is None:
            raise DeliveryError(f"{text!r} is no package: VERSION/SHA256, as `upload` prints it")
        return cls(*found.groups())

    def __str__(self) -> str:
        return f"{self.version}/{self.sha256}"

    @property
    def code(self) -> str:
        """What Lambda calls CodeSha256."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()

    @property
    def short(self) -> str:
        return f"{self.version}/{self.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Package:
    """A zip and its manifest, which agree."""

    id: PackageId
    manifest: dict[str, Any]
    archive: bytes


def checked(manifest: dict[str, Any], archive: bytes) -> Package:
    """Refuses what should not run anywhere but on the machine where it was made."""
    name, sha256 = manifest.get("name"), hashlib.sha256(archive).hexdigest()
    if manifest.get("sha256") != sha256:
        raise DeliveryError(f"{name}: SHA-256 is {sha256}, its manifest says {manifest.get('sha256')}; build it again")
    if not manifest.get("byte_code_by"):
        raise DeliveryError(f"{name} has no byte code; build it where there is a Python {manifest.get('python')}")
    commit = manifest.get("commit") or ""
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise DeliveryError(f"{name} is of {commit or 'no commit'}; build it from a checkout without changes")
    return Package(PackageId(manifest["version"], sha256), manifest, archive)


def built(dist: Path) -> list[tuple[Package, dict[str, bytes]]]:
    """All packages of a folder that `make package` wrote, each with its files; the manifest is the last of them."""
    found = []
    for path in sorted(dist.glob("*.zip")):
        files = {
            each.name: each.read_bytes() for each in (path, path.with_suffix(".cdx.json"), path.with_suffix(".json"))
        }
        found.append((checked(json.loads(files[path.with_suffix(".json").name]), files[path.name]), files))
    if not found:
        raise DeliveryError(f"there is no package in {dist}; make package")
    return found


def notes(changelog: str, version: str, tag: str) -> str:
    """What the changelog says of the version that the tag names."""
    if tag != f"v{version}":
        raise DeliveryError(
            f"the tag is {tag}, the version of the engine {version}; set engine.__version__ or tag v{version}"
        )
    section = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise DeliveryError(f"CHANGELOG.md has no section [{version}], or an empty one; write what changed")
    return section[1].strip()
