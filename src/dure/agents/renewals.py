"""Renewals in company: while one write is under way the next gather, so ten thousand agents cost a few writes."""

import asyncio
from typing import Any

from dure.db.pool import Database
from dure.db.sql import load

GATHER_S = 0.002
BATCH_MAX = 1_000

_RENEW = load("dure.agents", "agents_renew")

Found = tuple[Any, ...]
"""tenant_id, agent_id, lease_until, draining, upgrade_to, hold, cancel."""


class Renewals:
    """Renews sessions. Example: `await Renewals(database).renew(epoch, None)` is None for one that is over."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[int, str | None, asyncio.Future[Found | None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def renew(self, epoch: int, load_json: str | None) -> Found | None:
        """Renew one session, together with all that ask at this moment."""
        answer: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((epoch, load_json, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._flush(), name="dure.renewals")
        return await answer

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S)
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                await self._write(batch)
        finally:
            self._task = None

    async def _write(self, batch: list[tuple[int, str | None, asyncio.Future[Found | None]]]) -> None:
        values = {"epochs": [one[0] for one in batch], "loads": [one[1] for one in batch]}
        try:
            async with self._database.system_tx() as tx:
                rows = await (await tx.execute(_RENEW, values)).fetchall()
        except Exception as error:
            for _, _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        found = {row[0]: tuple(row[1:]) for row in rows}
        for epoch, _, answer in batch:
            if not answer.done():
                answer.set_result(found.get(epoch))
