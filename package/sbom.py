"""Says what a zip consists of, as a CycloneDX document: the packages of its manifest, and what their METADATA tells.

The same zip gives the same document: no date, and a serial number that is made of its SHA-256.
"""

from __future__ import annotations

import re
import uuid
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from package.contents import OURS

SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
"""What the field License has to look like to be passed on: some packages put the text of the licence into it."""


def sbom(archive: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """CycloneDX 1.6 of the zip that the manifest describes."""
    with zipfile.ZipFile(archive) as zipped:
        names = [name for name in zipped.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        found = [BytesParser().parsebytes(zipped.read(name)) for name in names]
    told = {_plain(each["Name"]): each for each in found}
    versions = {name: each["version"] for name, each in manifest["packages"].items() if name != OURS}
    packages = {name: told.get(name, Message()) for name in versions}  # of some only an extension is in the zip
    needs = {name: sorted(_required(each) & packages.keys()) for name, each in packages.items()}
    asked_by_none = sorted(packages.keys() - {name for names in needs.values() for name in names})
    purls = {name: f"pkg:pypi/{name}@{version}" for name, version in versions.items()}
    ours = f"pkg:generic/{archive.stem}@{manifest['version']}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, manifest['sha256'])}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": archive.stem,
                "version": manifest["version"],
                "purl": ours,
                "hashes": [{"alg": "SHA-256", "content": manifest["sha256"]}],
                "properties": [{"name": "borealis:commit", "value": str(manifest["commit"])}],
            }
        },
        "components": [
            {"type": "library", "bom-ref": purls[name], "name": name, "version": versions[name], "purl": purls[name]}
            | _licences(each)
            for name, each in packages.items()
        ],
        "dependencies": [
            {"ref": ours, "dependsOn": [purls[name] for name in asked_by_none]},
            *({"ref": purls[name], "dependsOn": [purls[each] for each in needs[name]]} for name in packages),
        ],
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _required(package: Message) -> set[str]:
    """Without what only an extra asks for."""
    lines = [line for line in package.get_all("Requires-Dist", []) if "extra ==" not in line]
    return {_plain(re.split(r"[^\w.-]", line)[0]) for line in lines}


def _licences(package: Message) -> dict[str, Any]:
    if expression := package["License-Expression"]:
        return {"licenses": [{"expression": expression}]}
    if SPDX.fullmatch(said := package["License"] or ""):
        return {"licenses": [{"license": {"name": said}}]}
    return {}
