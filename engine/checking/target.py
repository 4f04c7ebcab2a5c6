"""The role at the target: it can do what a run does, and is nobody's administrator."""

from __future__ import annotations

from engine.checking.finding import Finding, Findings
from engine.config import Config
from engine.model import Field
from engine.sql import target as sql
from engine.sql.target import landing_name
from engine.wiring import Parts, parts

ADMINISTRATORS = frozenset({"ACCOUNTADMIN", "ORGADMIN", "GLOBALORGADMIN", "SECURITYADMIN", "SYSADMIN", "USERADMIN"})
IDLE_S = 300
"""A warehouse is billed by the second, and 60 s at least for each start."""
_PROBE = Field("probe", "PROBE", "VARCHAR", select="probe", quoted=True)


async def look(config: Config) -> list[Finding]:
    found = Findings("target")
    async with found.looking("login", "nothing can be loaded"), parts(config) as made:
        ((_, account, role, warehouse),) = await made.target.execute(sql.WHO, doing="cannot ask who we are")
        found.ok("login", f"account {account}, role {role}, warehouse {warehouse}")
        if str(role).strip('"') in ADMINISTRATORS:
            found.advice(
                "role", f"{role} is an administrator's", "whoever gets this key has the account",
                "make a role of its own, as terraform/snowflake does, and set target.role",
            )  # fmt: skip
        if warehouse is None:
            found.fault(
                "warehouse", "the session has none", "COPY INTO needs one",
                "set target.warehouse, and GRANT USAGE on it to the role",
            )  # fmt: skip
        await _rights(made, found)
        await _idle(made, str(warehouse), found)
    return found.found


async def _rights(made: Parts, found: Findings) -> None:
    """By doing what a run begins with: schemas, stage, tables of ours, a landing table, which is dropped again."""
    async with found.looking("rights", "a run makes schemas, a stage and landing tables"):
        await made.target.prepare_ground()
        names, landing = made.target.names, landing_name(_PROBE.target, f"{made.run_id}_0")
        create = sql.create_landing(names, landing, [_PROBE], "", transient=True)
        await made.target.execute(create, doing="cannot make a table")
        await made.target.execute(sql.drop(names.ours(landing)), doing="cannot drop it again")
        found.ok("rights", "may make and drop what a run does")


async def _idle(made: Parts, warehouse: str, found: Findings) -> None:
    async with made.target.sessions.session() as session:
        told = await session.execute("SHOW WAREHOUSES", doing="cannot list the warehouses")
    for row in told.rows:
        line = dict(zip(told.columns, row, strict=True))
        idle = line.get("auto_suspend")
        if str(line.get("name")) == warehouse and "auto_suspend" in line and not 0 < int(idle or 0) <= IDLE_S:
            found.advice(
                "auto_suspend", f"{warehouse} idles for {f'{idle} s' if idle else 'ever'}", "idling is billed",
                f'ALTER WAREHOUSE "{warehouse}" SET AUTO_SUSPEND = 60',
            )  # fmt: skip
