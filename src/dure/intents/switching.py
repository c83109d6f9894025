"""The switch of the older queue: the minute's tick and the queue of intents, on or off for the whole installation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dure.db.pool import Database
from dure.db.sql import load
from dure.queue.context import Context
from dure.queue.registry import handler

TICK_JOB = "dure.intents.tick"

_SWITCH = load("dure.intents", "switch")
_SWITCHED = load("dure.intents", "switched")
_TICK = load("dure.intents", "tick")


@dataclass(frozen=True, slots=True)
class Switch:
    """How it stands: jobs of intents begin at once while `running`; `ticking` is only the safety net."""

    ticking: bool
    running: bool


async def switch(database: Database, on: bool, *, actor: str) -> Switch:
    """Switch on or off. Example: `await switch(database, True, actor="kim")`."""
    async with database.system_tx() as tx:
        await tx.execute(_SWITCH, {"on": on, "actor": actor})
    return await switched(database)


async def switched(database: Database) -> Switch:
    """Answer how it stands."""
    async with database.system_tx() as tx:
        row = await (await tx.execute(_SWITCHED)).fetchone()
    assert row is not None
    return Switch(*row)


def handlers(database: Database) -> list[Callable[..., Any]]:
    """Answer the handler of the tick, for a worker's registry."""

    @handler(TICK_JOB, max_retries=0)
    async def tick(params: dict[str, Any], ctx: Context) -> dict[str, int]:
        """Bring into line what is due, and wake workers."""
        async with database.system_tx() as tx:
            row = await (await tx.execute(_TICK)).fetchone()
        return {"moved": int(row[0]) if row else 0}

    return [tick]
