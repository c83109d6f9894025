"""A run's change of state: one compare-and-set that names the states it may come from, with its event beside it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Conflict
from dure.runs.model import Reason
from dure.runs.reading import read_run

_STATE = load("dure.runs", "run_state")
_RECORD = load("dure.queue", "record")


async def move(
    tx: Connection,
    run_id: str,
    come_from: Sequence[str],
    to: str,
    *,
    reason: Reason | None = None,
    job_id: str | None = None,
    keep_reason: bool = True,
) -> None:
    """Take a run from one of some states to another, or raise `Conflict`: it was in none of them."""
    values = {
        "id": run_id,
        "from": list(come_from),
        "to": to,
        "reason": None if reason is None else json.dumps(reason.to_json(), ensure_ascii=False, default=str),
        "keep_reason": keep_reason,
        "job_id": job_id,
    }
    if not await (await tx.execute(_STATE, values)).fetchall():
        run = await read_run(tx, run_id)
        raise Conflict("run_state", state=run.state, expected=", ".join(come_from))


async def record(tx: Connection, tenant_id: str, run_id: str, actor: str, verb: str, detail: Mapping[str, Any]) -> None:
    """Note what happened to a run, in the transaction in which it happens."""
    values = {
        "actor": actor,
        "verb": verb,
        "subject": f"run:{run_id}",
        "detail": json.dumps(dict(detail), ensure_ascii=False, default=str),
        "tenant_id": tenant_id,
    }
    await tx.execute(_RECORD, values)
