"""What of intents is kept, and for how long: a chore of every worker process, some rows at a time."""

from dure.db.pool import Database
from dure.db.sql import load

ASKS_S = 86_400.0
"""A sentence that somebody asked with is kept for a day."""
KEEP_S = 90 * 86_400.0
"""Requests, their counts and messages are kept for ninety days, requests at least as long as their jobs."""
STEP = 500

_ASKS = load("dure.intents", "asks_prune")
_REQUESTS = load("dure.intents", "requests_prune")
_USES = load("dure.intents", "uses_prune")
_MESSAGES = load("dure.intents.outbox", "messages_prune")


async def prune(database: Database) -> int:
    """Remove what nobody needs any more; answer how many rows. Example: `await prune(database)`."""
    async with database.system_tx() as tx:
        removed = (await tx.execute(_ASKS, {"keep_s": ASKS_S, "most": STEP})).rowcount
        for statement in (_REQUESTS, _USES, _MESSAGES):
            removed += (await tx.execute(statement, {"keep_s": KEEP_S, "most": STEP})).rowcount
    return removed
