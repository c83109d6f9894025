"""Rollouts between the database and their values, and what the service and the controller both do to them.

Every change is one compare-and-set on the rollout's revision, in one transaction with its events, with what is written
to its agents, and with the messages about it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dure.agents.releases import become_current, read_release
from dure.agents.rollout_model import EventKind, Rollout, RolloutAgent, RolloutEvent
from dure.agents.rollout_turns import Member, versions
from dure.agents.steering import AWAITING, REVERTED, SWITCHED, lock_agents, record, steer
from dure.db.pool import Connection
from dure.db.sql import load
from dure.errors import Conflict, NotFound
from dure.queue.client import enqueue_on
from dure.queue.cursors import is_id
from dure.queue.model import NewJob

UNLEARN_JOB = "dure.agents.unlearn"
UNLEARN_AGENTS_MAX = 10_000

FIELDS = (
    "id", "tenant_id", "class_", "from_version", "to_version", "strategy", "steps", "max_parallel", "min_healthy_s",
    "progress_deadline_s", "auto_promote", "auto_revert", "in_flight", "gates", "state", "reason", "step", "began_at",
    "step_began_at", "switched_at", "settled_at", "progress_at", "progress", "judged_at", "paused_at", "finished_at",
    "looks", "verdicts", "unlearn_job_id", "author", "revision",
)  # fmt: skip
"""What `sql/rollout_read.sql` answers, in its order."""
CHANGING = (
    "state", "reason", "step", "step_began_at", "switched_at", "settled_at", "progress_at", "progress", "judged_at",
    "paused_at", "finished_at", "looks", "verdicts", "unlearn_job_id",
)  # fmt: skip

READ = load("dure.agents", "rollout_read")
_LOCK = load("dure.agents", "rollout_lock")
_FLEET = load("dure.agents", "rollout_fleet")
_SAVE = load("dure.agents", "rollout_save")
_EVENT = load("dure.agents", "rollout_event_insert")
_CHOOSE = load("dure.agents", "rollout_choose")
_LEAVE = load("dure.agents", "rollout_leave")
_HEALTHY = load("dure.agents", "rollout_healthy")
_TELL = load("dure.agents", "rollout_tell")
_FENCE = load("dure.agents", "rollout_fence")
_LEARNERS = load("dure.agents", "rollout_learners")
_REVERT = load("dure.agents", "release_revert")
_WAIT = load("dure.agents", "rollout_wait")


def rollout_of(row: Sequence[Any]) -> Rollout:
    """Make a rollout of a row of `sql/rollout_read.sql`."""
    return Rollout(**dict(zip(FIELDS, row, strict=True)))


def event_of(row: Sequence[Any]) -> RolloutEvent:
    """Make an event of a row of `sql/rollout_events_read.sql`."""
    return RolloutEvent(*row)


def agent_of(row: Sequence[Any]) -> RolloutAgent:
    """Make an agent of a row of `sql/rollout_agents_read.sql`."""
    return RolloutAgent(*row)


async def read_rollout(tx: Connection, tenant_id: str | None, rollout_id: str) -> Rollout:
    """Read one rollout; `NotFound` when it is not there, or not this tenant's."""
    if not is_id(rollout_id):
        raise NotFound("rollout", rollout_id)
    values = {
        "id": rollout_id, "tenant_id": tenant_id, "class": None, "state": None, "before": None, "limit": 1,
    }  # fmt: skip
    row = await (await tx.execute(READ, values)).fetchone()
    if row is None:
        raise NotFound("rollout", rollout_id)
    return rollout_of(row)


async def lock_rollout(tx: Connection, rollout_id: str, *, wait: bool) -> datetime | None:
    """Hold a rollout and its class's releases, and answer the time; None if another has them and one does not wait."""
    row = await (await tx.execute(_WAIT if wait else _LOCK, {"id": rollout_id})).fetchone()
    return None if row is None else row[0]


async def read_fleet(tx: Connection, rollout: Rollout) -> list[Member]:
    """Read the agents of a class as a rollout sees them, in the order in which their turns come."""
    rows = await (await tx.execute(_FLEET, {"id": rollout.id})).fetchall()
    names = ("agent_id", "version", "state", "age_s", "chosen", "was_healthy", "busy")
    return [Member(**dict(zip(names, row, strict=True))) for row in rows]


async def save(tx: Connection, before: Rollout, after: Rollout) -> Rollout:
    """Write what has changed of a rollout; `Conflict` when somebody else was faster."""
    if after == before:
        return before
    values = {name: getattr(after, name) for name in CHANGING}
    for name in ("looks", "verdicts", "reason", "progress"):
        values[name] = None if values[name] is None else json.dumps(values[name], ensure_ascii=False, default=str)
    if await (await tx.execute(_SAVE, {**values, "id": before.id, "revision": before.revision})).fetchone() is None:
        raise Conflict("changed_since")
    return replace(after, revision=before.revision + 1)


async def note(tx: Connection, rollout: Rollout, kind: EventKind, actor: str, **detail: Any) -> None:
    """Store an event of a rollout."""
    values = {
        "id": rollout.id, "actor": actor, "kind": kind, "detail": json.dumps(detail, ensure_ascii=False, default=str),
    }  # fmt: skip
    await tx.execute(_EVENT, values)


async def choose(tx: Connection, rollout: Rollout, agents: Sequence[str]) -> None:
    """Note that the turn of some agents has come."""
    await tx.execute(_CHOOSE, {"id": rollout.id, "agents": list(agents), "step": rollout.step})


async def leave(tx: Connection, rollout: Rollout, agents: Sequence[str]) -> None:
    """Forget agents that are no part of it any more."""
    await tx.execute(_LEAVE, {"id": rollout.id, "agents": list(agents)})


async def mark_healthy(tx: Connection, rollout: Rollout, agents: Sequence[str]) -> None:
    """Note which agents are healthy for the first time."""
    await tx.execute(_HEALTHY, {"id": rollout.id, "agents": list(agents)})


async def tell(tx: Connection, rollout: Rollout, event: str, reason: Mapping[str, Any] | None = None) -> None:
    """Publish what became of a rollout: on its class's channel if there is one, and on that of the system's health."""
    body = {
        "event": f"rollout.{event}", "rollout_id": rollout.id, "class": rollout.class_, "from": rollout.from_version,
        "to": rollout.to_version, "reason": reason,
    }  # fmt: skip
    told = json.dumps(body, ensure_ascii=False, default=str)
    await tx.execute(_TELL, {"tenant_id": rollout.tenant_id, "class": rollout.class_, "body": told})


def waiting_hold(rollout: Rollout) -> dict[str, Any]:
    """Answer the hold of new ones whose turn has not come."""
    return {"code": AWAITING, "params": {"rollout_id": rollout.id, "version": rollout.to_version}}


def switched_hold(rollout: Rollout) -> dict[str, Any]:
    """Answer the hold of old ones after a switch."""
    return {"code": SWITCHED, "params": {"rollout_id": rollout.id, "version": rollout.to_version}}


async def promote_on(tx: Connection, rollout: Rollout, now: datetime, actor: str) -> Rollout:
    """Make the new release the current one: all of its version get work, all others are asked to become it."""
    release = await read_release(tx, rollout.tenant_id, rollout.class_, rollout.to_version)
    await become_current(tx, release)
    new, old = versions(rollout, await read_fleet(tx, rollout))
    await lock_agents(tx, rollout.tenant_id, [*new, *old])
    await steer(tx, rollout.tenant_id, new, target=None, hold=None)
    kept = switched_hold(rollout) if rollout.switched_at is not None else None
    await steer(tx, rollout.tenant_id, old, target=rollout.to_version, hold=kept)
    done = replace(rollout, state="promoted", reason=None, finished_at=now)
    await note(tx, done, "promoted", actor, new=len(new), old=len(old))
    await _recorded(tx, done, actor, "promote")
    await tell(tx, done, "promoted")
    return done


async def revert_on(tx: Connection, rollout: Rollout, now: datetime, actor: str, reason: Mapping[str, Any]) -> Rollout:
    """Begin the way back: the new version gets no more work and is asked to become the old one again; what it has in
    hand it finishes, or loses at once when the rollout says so. What it learned is taken back where its release pins
    knowledge.
    """
    new, old = versions(rollout, await read_fleet(tx, rollout))
    if rollout.in_flight == "fence":
        # Before the agents' rows are written: sessions come first in the order of locks.
        await fence(tx, rollout, new)
    await lock_agents(tx, rollout.tenant_id, [*new, *old])
    hold = {"code": REVERTED, "params": {"rollout_id": rollout.id, "version": rollout.to_version}}
    await steer(tx, rollout.tenant_id, new, target=rollout.from_version, hold=hold)
    await steer(tx, rollout.tenant_id, old, target=None, hold=None)
    release = await read_release(tx, rollout.tenant_id, rollout.class_, rollout.to_version)
    await tx.execute(_REVERT, {"release_id": release.id, "reason": json.dumps(reason, ensure_ascii=False, default=str)})
    job_id = await _unlearn(tx, rollout) if release.pin_knowledge else None
    back = replace(rollout, state="reverting", reason=reason, progress_at=now, paused_at=None, finished_at=None)
    back = replace(back, unlearn_job_id=job_id)
    await note(tx, back, "reverting", actor, reason=reason, agents=len(new), unlearn_job_id=job_id)
    await _recorded(tx, back, actor, "revert")
    await tell(tx, back, "reverting", reason)
    return back


async def _unlearn(tx: Connection, rollout: Rollout) -> str:
    """Ask for a job that takes back what the new version's agents learned since the rollout began; answer its id."""
    rows = await (await tx.execute(_LEARNERS, {"id": rollout.id, "limit": UNLEARN_AGENTS_MAX})).fetchall()
    params = {
        "class": rollout.class_, "rollout_id": rollout.id, "since": rollout.began_at.isoformat(),
        "agent_ids": [row[0] for row in rows],
    }  # fmt: skip
    job = NewJob(handler=UNLEARN_JOB, params=params, unique_key=f"rollout:{rollout.id}")
    return (await enqueue_on(tx, rollout.tenant_id, [job]))[0].id


async def fence(tx: Connection, rollout: Rollout, agents: Sequence[str]) -> None:
    """End sessions at once; what they have in hand goes back into line."""
    values = {"tenant_id": rollout.tenant_id, "agents": list(agents), "reason": REVERTED}
    await tx.execute(_FENCE, values)


async def _recorded(tx: Connection, rollout: Rollout, actor: str, verb: str) -> None:
    await record(tx, rollout.tenant_id, actor, f"rollout.{verb}", f"rollout:{rollout.id}", reason=rollout.reason)
