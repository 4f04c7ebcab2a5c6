"""Vault: it answers, the role logs in, and each path that the settings name holds what is needed."""

from __future__ import annotations

from engine.checking.finding import Finding, Findings
from engine.config import Config

LEASE_S = 900
"""As long as a function may run."""


async def look(config: Config) -> list[Finding]:
    found = Findings("vault")
    if config.vault is None:
        return []
    from engine.secrets.vault import vault_of  # noqa: PLC0415 0.1 s that only who has a Vault should wait

    vault = vault_of(config.vault)
    async with found.looking("login", "no secret can be read, so no run begins"):
        found.ok("login", f"Vault {await vault.version()} at {config.vault.address}")
        wanted = {"source.vault": (config.source.vault, ("password",)),
                  "target.vault": (config.target.vault, ("private_key", "password"))}  # fmt: skip
        for setting, (path, keys) in wanted.items():
            if path is None:
                continue
            async with found.looking(setting, f"{setting} has the login of that side"):
                secret = await vault.read(path)
                if not any(secret.values.get(key) for key in keys):
                    found.fault(
                        setting, f"{path} holds {', '.join(sorted(secret.values)) or 'nothing'}",
                        f"a login needs {' or '.join(keys)}", f"write it there: vault kv put {path} {keys[0]}=...",
                    )  # fmt: skip
                elif secret.lease_id and secret.life_s < LEASE_S:
                    found.advice(
                        setting, f"leases of {path} live for {secret.life_s:.0f} s",
                        "a role that ends in the middle of a run takes its sessions' rights with it",
                        f"set default_ttl to {LEASE_S} or more, and max_ttl to longer than the longest run",
                    )  # fmt: skip
                else:
                    found.ok(setting, f"{path} can be read")
    return found.found
