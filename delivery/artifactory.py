"""Artifactory: packages at REPOSITORY/borealis/VERSION/SHA256/, written once.

GitHub's identity of a workflow is exchanged for a token that lives minutes; who deploys reads with a token of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import urllib3

from delivery.packages import DEPLOYED, DeliveryError, Package, PackageId, checked

TIMEOUT = urllib3.Timeout(connect=10, read=300)
RETRIES = urllib3.Retry(
    4, backoff_factor=1, status_forcelist=[429, 502, 503, 504], allowed_methods=None, raise_on_status=False
)
"""Of every request: what is written goes to a path of its own content, so writing it twice does no harm."""


@dataclass(frozen=True, slots=True)
class Artifactory:
    """`url` is that of the platform; `repository` a generic one, in which the token may not delete."""

    url: str
    repository: str
    token: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """By ARTIFACTORY_TOKEN, else by the workflow's identity and the OIDC integration ARTIFACTORY_PROVIDER."""
        missing = [name for name in ("ARTIFACTORY_URL", "ARTIFACTORY_REPOSITORY") if not variables.get(name)]
        if missing:
            raise DeliveryError(f"{', '.join(missing)} not set; docs/delivery.md says what they are")
        url = variables["ARTIFACTORY_URL"].rstrip("/")
        token = variables.get("ARTIFACTORY_TOKEN") or _exchanged(url, variables)
        return cls(url, variables["ARTIFACTORY_REPOSITORY"], token)

    def put(self, package: Package, files: Mapping[str, bytes]) -> bool:
        """Whether any of it was not there yet. The manifest is written last: where it is, all is."""
        manifest = package.manifest["name"].replace(".zip", ".json")
        missing = [name for name in files if self._ask("HEAD", package.id, name, missing=True) is None]
        for name in sorted(missing, key=lambda name: name == manifest):
            checksum = {"X-Checksum-Sha256": hashlib.sha256(files[name]).hexdigest()}
            self._ask("PUT", package.id, name, files[name], checksum)
        return bool(missing)

    def get(self, package: PackageId) -> Package:
        """The package for the functions, checked against its manifest and its path."""
        manifest = json.loads(self._ask("GET", package, f"borealis-{DEPLOYED}.json") or b"")
        found = checked(manifest, self._ask("GET", package, f"borealis-{DEPLOYED}.zip") or b"")
        if found.id != package:
            raise DeliveryError(f"{found.id.short} lies where {package.short} should; upload it again")
        return found

    def _ask(
        self,
        method: str,
        package: PackageId,
        name: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        missing: bool = False,
    ) -> bytes | None:
        path = quote(f"{self.repository}/borealis/{package}/{name}")
        url = f"{self.url}/artifactory/{path}"
        answer = _request(method, url, body, {"Authorization": f"Bearer {self.token}", **(headers or {})})
        if missing and answer.status == 404:
            return None
        if answer.status >= 300:
            raise DeliveryError(f"Artifactory answers {answer.status} to {method} {path}; {_remedy(answer.status)}")
        return answer.data


def _exchanged(url: str, variables: Mapping[str, str]) -> str:
    """A token of Artifactory for the identity of this workflow. No answer is repeated: it may hold a token."""
    asked = variables.get("ACTIONS_ID_TOKEN_REQUEST_URL"), variables.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    provider = variables.get("ARTIFACTORY_PROVIDER")
    if asked[0] is None or asked[1] is None or not provider:
        raise DeliveryError(
            "no login at Artifactory; set ARTIFACTORY_TOKEN, or ARTIFACTORY_PROVIDER where id-token: write is allowed"
        )
    identity = _json(
        "GitHub", "GET", f"{asked[0]}&audience={quote(url, safe='')}", None, {"Authorization": f"Bearer {asked[1]}"}
    )
    exchange = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": identity["value"],
        "provider_name": provider,
    }
    headers = {"Content-Type": "application/json"}
    granted = _json("Artifactory", "POST", f"{url}/access/api/v1/oidc/token", json.dumps(exchange).encode(), headers)
    return str(granted["access_token"])


def _json(who: str, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
    answer = _request(method, url, body, headers)
    if answer.status >= 300:
        raise DeliveryError(
            f"{who} answers {answer.status} to the exchange of identities; see docs/delivery.md#artifactory"
        )
    told: dict[str, Any] = answer.json()
    return told


def _request(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(timeout=TIMEOUT, retries=RETRIES) as pool:
        try:
            return pool.request(method, url, body=body, headers=dict(headers), redirect=method != "PUT")
        except urllib3.exceptions.HTTPError as error:
            raise DeliveryError(
                f"no answer from {urllib3.util.parse_url(url).netloc}: {type(error).__name__}; is it reachable?"
            ) from error


def _remedy(status: int) -> str:
    return {401: "its token is not valid", 403: "the token has no right to it", 404: "is the package uploaded?"}.get(
        status, "see its log"
    )
