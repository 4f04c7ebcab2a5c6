"""What the source says of itself: for `check`, and for the health of a function."""

from __future__ import annotations

from dataclasses import dataclass

from engine.source.connection import Address, Translated, connected

_FACTS = """
SELECT current_setting('server_version'), current_user, pg_is_in_recovery(), current_setting('server_encoding'),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), current_setting('max_connections'),
       (SELECT string_agg(format('%s = %s', s.name, s.setting), ', ') FROM pg_settings s
        WHERE s.name IN ('max_standby_streaming_delay', 'hot_standby_feedback') AND pg_is_in_recovery())
"""


@dataclass(frozen=True, slots=True)
class Facts:
    version: str
    user: str
    standby: bool
    encoding: str
    sees_all: bool
    """Whether the role sees the open transactions of others."""
    connections_max: str
    standby_settings: str | None


async def facts(address: Address) -> Facts:
    """Raises SourceError."""
    async with connected(address) as connection:
        with Translated("cannot ask the source who we are"):
            return Facts(*await connection.fetchrow(_FACTS))
