"""Looks after agents: who has not been heard of, who has been gone for long, which tasks are out of time.

Every worker process runs one and none leads: whoever gets an advisory lock does the round, the others pass. The death
of an agent is not its business: the queue's sweep buries workers, and agents are workers.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from dure import logs
from dure.db.pool import Database
from dure.db.sql import load
from dure.settings import Settings

EVERY_S = 1.0
REAP_AFTER_S = 3_600.0
"""An agent that has been dead for so long is taken out of the tree, and what waits for it by name fails."""
FORCE_AFTER_S = 10.0
"""An agent that was asked to stop a task has so long to answer."""
PRUNE_EVERY_S = 600.0
PRUNE_STEP = 5_000
DAY_S = 86_400.0

_ALONE = load("dure.agents", "tend_alone")
_TEND = load("dure.agents", "agents_tend")
_PRUNE = load("dure.agents", "choices_prune")

Chore = Callable[[Database], Awaitable[object]]


class Tender:
    """Does the rounds. Example: `tender = Tender(database, settings, chores=[roll_up]); await tender.start()`."""

    def __init__(self, database: Database, settings: Settings, chores: Sequence[Chore] = ()) -> None:
        self._database = database
        self._settings = settings
        self._chores = tuple(chores)
        self._task: asyncio.Task[None] | None = None
        self._jitter = random.SystemRandom()
        self._log = logs.get("tender")
        self._prune_at = 0.0

    async def start(self) -> None:
        """Begin the rounds."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dure.tender")

    async def stop(self) -> None:
        """End; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def tend(self) -> dict[str, int] | None:
        """Do one round; answer what there was to do, None when another process is at it. For tests, and the loop."""
        async with self._database.system_tx() as alone:
            row = await (await alone.execute(_ALONE)).fetchone()
            if row is None or not row[0]:
                return None
            async with self._database.system_tx() as tx:
                values = {"reap_after_s": REAP_AFTER_S, "force_after_s": FORCE_AFTER_S}
                done = await (await tx.execute(_TEND, values)).fetchone()
            assert done is not None
            for chore in self._chores:
                await self._do(chore)
            found: dict[str, int] = done[0]
            return found

    async def _do(self, chore: Chore) -> None:
        try:
            await chore(self._database)
        except Exception as error:
            # One that cannot be done now must not keep the others from being done.
            self._log.warning(
                "tender.chore_failed", chore=chore.__qualname__, reason=str(error) or type(error).__name__
            )

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                found = await self.tend()
                if found is not None and any(found.values()):
                    self._log.info("tender.done", **found)
                if found is not None and loop.time() >= self._prune_at:
                    self._prune_at = loop.time() + PRUNE_EVERY_S
                    await self._prune()
            except Exception as error:
                # Whatever it was: a tender that has ended tends nothing, and nobody would see it.
                self._log.warning("tender.late", reason=str(error) or type(error).__name__)
            await asyncio.sleep(EVERY_S * (0.75 + 0.5 * self._jitter.random()))

    async def _prune(self) -> None:
        values = {"keep_s": self._settings.retention_failed_days * DAY_S, "most": PRUNE_STEP}
        async with self._database.system_tx() as tx:
            await tx.execute(_PRUNE, values)
