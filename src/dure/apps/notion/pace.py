"""One rate for all workers: who wants to call Notion takes the next place in a line that the database keeps.

A place is a moment by the database's clock, `1 / requests_per_s` after the one before. `Retry-After` moves the whole
line: nobody calls before that, and who would have to wait long gives its worker back meanwhile.
"""

import asyncio

from dure.apps.notion.errors import Busy
from dure.db.pool import Database
from dure.db.sql import load

PATIENCE_S = 2.0
"""What is waited for here; a longer pause ends the job, which comes back after it."""
RETRY_AFTER_S = 10.0
"""Where Notion does not say how long."""
RETRY_AFTER_MAX_S = 3_600.0

_TURN = load("dure.apps.notion", "pace_turn")
_PAUSED = load("dure.apps.notion", "pace_paused")
_PAUSE = load("dure.apps.notion", "pace_pause")


class Pace:
    """The line before Notion. Example: `pace = Pace(database, 2.5); await pace.turn()`."""

    def __init__(self, database: Database, requests_per_s: float) -> None:
        self._database = database
        self._apart_s = 1.0 / requests_per_s

    async def turn(self) -> None:
        """Return when one call may be made; raises `Busy` when Notion asked for a longer pause."""
        while True:
            async with self._database.system_tx() as tx:
                values = {"apart_s": self._apart_s, "patience_s": PATIENCE_S}
                row = await (await tx.execute(_TURN, values)).fetchone()
            assert row is not None
            wait_s, is_paused = row
            if is_paused:
                raise Busy(wait_s)
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)
            # Another worker may have been told to pause while this one stood in line.
            if not await self._is_paused():
                return

    async def pause(self, after_s: float | None) -> float:
        """Let nobody call for so many seconds; answer how many."""
        asked_s = RETRY_AFTER_S if after_s is None else min(max(after_s, 0.0), RETRY_AFTER_MAX_S)
        async with self._database.system_tx() as tx:
            await tx.execute(_PAUSE, {"after_s": asked_s})
        return asked_s

    async def _is_paused(self) -> bool:
        async with self._database.system_tx() as tx:
            row = await (await tx.execute(_PAUSED)).fetchone()
        return row is not None and bool(row[0])
