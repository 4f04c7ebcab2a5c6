"""What a run does for all its tables at its outset, and meanwhile."""

import anyio

from engine.outset import LEASES_AT_ONCE, heartbeats
from engine.state.port import Lease
from engine.state.sqlite import SqliteState


class Watched(SqliteState):
    """Notes how many heartbeats are on their way."""

    beats = now = most = 0

    async def heartbeat(self, lease: Lease) -> bool:
        self.now += 1
        self.most = max(self.most, self.now)
        lives = await super().heartbeat(lease)
        self.now, self.beats = self.now - 1, self.beats + lives
        return lives


async def test_the_leases_of_many_tables_are_prolonged_several_at_once(tmp_path):
    """One after another, those of 5,000 tables would take as long as a lease lives."""
    state = Watched(tmp_path / "state.db", lease_s=60)
    leases = [await state.acquire(f"SHOP.T{number}", "run1") for number in range(20)]
    with anyio.fail_after(20):
        async with heartbeats(state, leases, 0.01):
            while state.beats < 2 * len(leases):
                await anyio.sleep(0.01)
    await state.close()
    assert state.most == LEASES_AT_ONCE
