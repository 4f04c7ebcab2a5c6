"""Looks at the alarms of an environment, and at the health of what was deployed, for some minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from delivery.functions import Place
from delivery.packages import DeliveryError

POLL_S = 60.0  # the period of the shortest alarm
RECENT = timedelta(minutes=5)
"""What rang longer ago than this when the watch began is not the new version's doing."""


def watch(
    place: Place, minutes: float, tell: Callable[[str], None], pause: Callable[[float], None] = time.sleep
) -> None:
    """Ends when the time is over; DeliveryError as soon as an alarm rings or the new version is not healthy."""
    began, give_up = datetime.now(UTC), time.monotonic() + minutes * 60
    while True:
        found = place.all_alarms()
        ringing = [each for each in found if each["StateValue"] == "ALARM"]
        new = [each for each in ringing if each["StateUpdatedTimestamp"] > began - RECENT]
        if new:
            told = [f"{each['AlarmName']}: {each.get('AlarmDescription', '')}" for each in new]
            raise DeliveryError("\n".join(["alarms ring", *told]))
        old = f", {len(ringing)} rang before" if ringing else ""
        tell(f"{len(found)} alarms{old}; {place.healthy()}")
        if time.monotonic() >= give_up:
            return
        pause(min(POLL_S, give_up - time.monotonic()))
