"""How releases and rollouts move agents: two columns of their rows, which every renewal reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dure.db.pool import Connection
from dure.db.sql import load

AWAITING = "awaiting_rollout"
SWITCHED = "rollout_switched"
REVERTED = "rollout_reverted"
WITHDRAWN = "release_withdrawn"
HOLDS = (AWAITING, SWITCHED, REVERTED, WITHDRAWN)
"""The holds that are ours to take away; what somebody else holds stays held."""

_LOCK = load("dure.agents", "rollout_lock_agents")
_STEER = load("dure.agents", "rollout_steer")
_RECORD = load("dure.queue", "record")


async def lock_agents(tx: Connection, tenant_id: str, agents: Sequence[str]) -> None:
    """Hold agents that are steered by more than one call, in the order in which everybody holds them."""
    await tx.execute(_LOCK, {"tenant_id": tenant_id, "agents": list(agents)})


async def steer(
    tx: Connection, tenant_id: str, agents: Sequence[str], *, target: str | None, hold: Mapping[str, Any] | None
) -> None:
    """Tell agents what to become, and hold them or let them have work."""
    if not agents:
        return
    values = {
        "tenant_id": tenant_id, "agents": list(agents), "target": target, "holds": list(HOLDS),
        "hold": None if hold is None else json.dumps(hold, ensure_ascii=False),
    }  # fmt: skip
    await tx.execute(_STEER, values)


async def record(tx: Connection, tenant_id: str, actor: str, verb: str, subject: str, **detail: Any) -> None:
    """Note who did what, in the transaction in which it happens."""
    values = {
        "actor": actor, "verb": verb, "subject": subject, "tenant_id": tenant_id,
        "detail": json.dumps(detail, ensure_ascii=False, default=str),
    }  # fmt: skip
    await tx.execute(_RECORD, values)
