"""Whether a run could begin: the configuration and the state; deep, also source, target and Vault, all at once.

    {"ok": true, "version": "0.1.0", "checks": [{"name": "source", "ok": true, "latency_ms": 12, ...}]}

A check that fails is an answer, with the reason and the remedy, and not an error of the function. As a canary it tells
the metric `Unhealthy`, 0 or 1, and a line for each check.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

import anyio

from engine import __version__, failures
from engine.checking.cloud import from_here
from engine.checking.finding import faults
from engine.config import Config, Vault
from engine.connect import addresses, sessions
from engine.errors import BorealisError
from engine.source.connection import Address
from engine.source.facts import facts
from engine.sql.target import WHO
from engine.state.chosen import state_of
from engine.telemetry import lines, metrics
from handlers.entry import Answer, Call, serve
from handlers.events import HealthEvent

CHECK_S = 8.0
"""Of each check by itself: ten times a cold login to a Snowflake far away, and below API Gateway's 29 s."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str
    version: str = ""
    latency_ms: int = 0
    remedy: str = ""


Look = Callable[[], Awaitable[tuple[str, str]]]
"""Raises, or returns a version and a detail."""


async def body(event: HealthEvent, call: Call) -> Answer:
    if event.cloud:
        found = await from_here(_impatient(call.config, CHECK_S))
        return {"ok": not faults(found), "version": __version__, "findings": found}
    seconds = min(CHECK_S, call.seconds_left())
    looks = dict(_looks(_impatient(call.config, seconds), event))
    checks: dict[str, Check] = {"configuration": _configuration(call.config)}

    async def look(name: str) -> None:
        checks[name] = await _check(name, looks[name], seconds)

    async with anyio.create_task_group() as tasks:
        for name in looks:
            tasks.start_soon(look, name)
    return _answer([checks["configuration"], *(checks[name] for name in looks)])


def _answer(checks: list[Check]) -> Answer:
    ok = all(check.ok for check in checks)
    for check in checks:
        told = asdict(check)
        lines.tell("health_check", check=told.pop("name"), **told)
    keys = lines.keys()
    failed = [check.name for check in checks if not check.ok]
    metrics.emit({"Unhealthy": int(not ok)}, {"function": keys["function"]}, {**keys, "failed": failed})
    return {"ok": ok, "version": __version__, "checks": checks}


def _unhealthy(error: BorealisError) -> Answer:
    """Without a configuration there is nothing to look at."""
    return _answer([Check("configuration", ok=False, detail=_words(error), remedy=error.remedy)])


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, BorealisError) else " ".join(failures.in_lines(error))


async def _check(name: str, look: Look, seconds: float) -> Check:
    began = time.monotonic()
    try:
        with anyio.fail_after(seconds):
            version, detail = await look()
    except TimeoutError:
        version, detail, remedy = "", f"no answer within {seconds:.0f} s", "check the network path"
    except Exception as error:  # noqa: BLE001 whatever it is, this check has failed and the others go on
        told = failures.known(error)[0]
        version, detail, remedy = "", _words(told), getattr(told, "remedy", "")
    else:
        remedy = ""
    return Check(name, bool(version), detail, version, round((time.monotonic() - began) * 1000), remedy)


def _impatient(config: Config, seconds: float) -> Config:
    """A thread that waits for a login cannot be interrupted: its own time limits end it."""
    target = {"login_timeout_s": seconds, "network_timeout_s": seconds}
    return config.model_copy(update={"target": config.target.model_copy(update=target)})


# --- the checks -------------------------------------------------------------------------------------------------


def _configuration(config: Config) -> Check:
    target = config.target
    place = f"{target.account or target.local} {target.database}.{target.schema_name}"
    return Check("configuration", ok=True, detail=f"{len(config.tables)} entries of tables into {place}")


def _looks(config: Config, event: HealthEvent) -> Iterator[tuple[str, Look]]:
    yield "state", partial(_state, config)
    if event.deep:
        source, primary = addresses(config)
        yield "source", partial(_source, source)
        if primary is not None:
            yield "primary", partial(_source, primary)
        if config.vault is not None:
            yield "vault", partial(_vault, config.vault)
        yield "target", partial(_target, config)


async def _state(config: Config) -> tuple[str, str]:
    state = state_of(config)
    try:
        held = len(await state.leases())
    finally:
        await state.close()
    version = "DynamoDB" if config.state.table else "SQLite"
    return version, f"{config.state.table or config.state.path}, {held} leases held"


async def _source(address: Address) -> tuple[str, str]:
    found = await facts(address)
    place = "standby" if found.standby else "primary"
    return f"PostgreSQL {found.version}", f"{address.place} as {found.user}, {place}"


async def _vault(settings: Vault) -> tuple[str, str]:
    from engine.secrets.vault import vault_of  # noqa: PLC0415 0.1 s that only who has a Vault should wait

    return f"Vault {await vault_of(settings).version()}", settings.address


async def _target(config: Config) -> tuple[str, str]:
    async with sessions(config, "health") as pool, pool.session() as session:
        answer = await session.execute(WHO, doing="cannot ask the target who we are")
    version, account, role, warehouse = answer.rows[0]
    return f"Snowflake {version}", f"account {account}, role {role}, warehouse {warehouse}"


handler = serve(HealthEvent, body, otherwise=_unhealthy)
