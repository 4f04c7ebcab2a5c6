"""Names, ports and certificates on the way to source, target, stage and Vault, as this machine sees them.

Where this machine is outside of the VPC, private names may not resolve: let the health function look instead.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import orjson
from anyio.abc import AnyByteStream

from engine.checking.finding import Finding, Findings
from engine.config import Config
from engine.connect import addresses, sessions
from engine.errors import BorealisError

ANSWER_S = 5.0
"""A handshake on the other side of the world takes half a second."""
ROLES = ("SNOWFLAKE_DEPLOYMENT", "SNOWFLAKE_DEPLOYMENT_REGIONLESS", "STAGE")
"""Of what SYSTEM$ALLOWLIST lists, what statements and files need; without OCSP's hosts a login works all the same."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host's addresses, none where the name is not known."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address that must be reached."""

    role: str
    host: str
    port: int
    tls: bool = True
    private: bool = False
    """Its addresses must be private ones."""
    ca_file: str | None = None


async def look(config: Config, resolve: Resolve | None = None) -> list[Finding]:
    """`resolve` in the place of the machine's own."""
    found = Findings("network")
    places = [*places_of(config), *await _snowflake(config, found)]

    async def one(place: Place) -> None:
        mine = Findings("network")
        await _reach(place, mine, resolve or resolved)
        found.found.extend(mine.found)

    async with anyio.create_task_group() as tasks:
        for place in places:
            tasks.start_soon(one, place)
    return sorted(found.found, key=lambda each: each.name)


async def resolved(host: str, port: int) -> Sequence[str]:
    try:
        answers = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return sorted({str(answer[4][0]) for answer in answers})


# --- what there is to reach -------------------------------------------------------------------------------------


def places_of(config: Config) -> list[Place]:
    """What the settings name."""
    found = []
    for role, address in zip(("source", "primary"), addresses(config), strict=True):
        if address is not None:
            url = urlsplit(address.dsn)
            found.append(Place(role, url.hostname or "localhost", url.port or 5432, tls=False))
    target = config.target
    if target.account is not None:
        host = target.host or f"{target.account.lower().replace('_', '-')}.snowflakecomputing.com"
        found.append(Place("target", host, target.port or 443, target.protocol == "https", is_private(host)))
    if config.vault is not None:
        url = urlsplit(config.vault.address)
        port, ca_file = url.port or (443 if url.scheme == "https" else 80), config.vault.ca_file
        found.append(
            Place("vault", url.hostname or "", port, url.scheme == "https", ca_file=str(ca_file) if ca_file else None)
        )
    return found


def is_private(host: str) -> bool:
    return ".privatelink." in f".{host}"


def listed(answer: str, *, private: bool) -> list[Place]:
    """Of what SYSTEM$ALLOWLIST or ..._PRIVATELINK answers, what the connector needs."""
    rows: Sequence[Mapping[str, Any]] = orjson.loads(answer)
    wanted = {(row["type"], row["host"], int(row["port"])) for row in rows if row["type"] in ROLES}
    return [
        Place(role.lower(), host, port, tls=port == 443, private=private and role != "STAGE")
        for role, host, port in sorted(wanted)
    ]


async def _snowflake(config: Config, found: Findings) -> list[Place]:
    """The hosts behind the account, as the account tells them; without a login there are those of the settings."""
    if config.target.account is None:
        return []
    private = is_private(config.target.host or config.target.account)
    function = "SYSTEM$ALLOWLIST_PRIVATELINK" if private else "SYSTEM$ALLOWLIST"
    try:
        async with sessions(config, "check") as pool, pool.session() as session:
            rows = (await session.execute(f"SELECT {function}()", doing="cannot ask for the account's hosts")).rows
    except BorealisError as error:
        found.advice(
            "hosts of the account", error.message, "the stage's host is tried only where the account tells it",
            f"once the target can be reached, check again; or compare with SELECT {function}() by hand",
        )  # fmt: skip
        return []
    return listed(str(rows[0][0]), private=private)


# --- reaching it ------------------------------------------------------------------------------------------------


async def _reach(place: Place, found: Findings, resolve: Resolve) -> None:
    name = f"{place.role} {place.host}:{place.port}"
    hosts = await resolve(place.host, place.port)
    if not hosts:
        zone = "a private hosted zone that is associated with this VPC" if place.private else "the name's spelling"
        found.fault(
            name, "the name does not resolve here", "no connection can be made",
            f"check {zone}, and enableDnsSupport of the VPC; outside of it, check with --inside",
        )  # fmt: skip
        return
    public = [each for each in hosts if not ipaddress.ip_address(each).is_private]
    if place.private and public:
        found.fault(
            name, f"it resolves to {', '.join(public)}, which is not private",
            "traffic would leave the VPC: PrivateLink's name leads to the endpoint only by a private zone",
            "make privatelink.snowflakecomputing.com a private hosted zone of this VPC, with a record to the endpoint",
        )  # fmt: skip
        return
    try:
        with anyio.fail_after(ANSWER_S):
            await _connect(place, hosts[0])
    except TimeoutError:
        found.fault(
            name, f"{hosts[0]} does not answer in {ANSWER_S:.0f} s", _why_silent(place),
            f"allow TCP {place.port} out of the function's security group, into the other side's, and in network ACLs",
        )  # fmt: skip
    except (ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        found.fault(
            name, f"TLS fails: {getattr(error, 'reason', None) or type(error).__name__}", "nobody logs in without TLS",
            "compare the certificate's names with this one, and its issuer with vault.ca_file; a proxy shows its own",
        )  # fmt: skip
    except OSError:
        found.fault(
            name, f"{hosts[0]} refuses port {place.port}", "something answers there, but nothing listens at this port",
            "check the port of the setting, and that the server runs",
        )  # fmt: skip
    else:
        found.ok(name, f"{hosts[0]}{', TLS' if place.tls else ''}")


def _why_silent(place: Place) -> str:
    if place.role == "stage":
        return "PUT would hang: the stage is a bucket, which needs the S3 gateway endpoint or an endpoint of its own"
    return "nothing answers and nothing refuses: a security group, a network ACL or a missing route drops the packets"


async def _connect(place: Place, address: str) -> None:
    context = ssl.create_default_context(cafile=place.ca_file) if place.tls else None
    stream: AnyByteStream
    if context is None:
        stream = await anyio.connect_tcp(address, place.port)
    else:
        stream = await anyio.connect_tcp(address, place.port, ssl_context=context, tls_hostname=place.host)
    await anyio.aclose_forcefully(stream)
