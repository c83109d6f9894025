"""Moves rollouts on: every worker does it, about once a second, and none leads.

The life of a look, in one transaction for each rollout, whose row is held; one in another worker's hands is passed by:

    next_turn    whose turn it is: ask old ones, give work to new ones, note which are healthy (pure)
    judge        the gates, new against old in the same window, by counts that have been rolled up (pure)
    then         the next step, promotion, the way back, or nothing yet

All that it knows is in the database, so whoever dies in the middle has done nothing, and whoever looks next does it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg

from dure import logs
from dure.agents.gates import Counts, Gates, Looks, Verdict, judge
from dure.agents.metrics import counts_of
from dure.agents.rollout_model import EventKind, Rollout
from dure.agents.rollout_rows import (
    choose,
    fence,
    leave,
    lock_rollout,
    mark_healthy,
    note,
    promote_on,
    read_fleet,
    read_rollout,
    revert_on,
    save,
    switched_hold,
    tell,
)
from dure.agents.rollout_turns import Member, Turn, next_turn, progress_of, versions, warm_up
from dure.agents.steering import lock_agents, steer
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import DureError, Unavailable

ACTOR = "rollout"
LOOK_OFTEN = timedelta(minutes=2)
"""In a window that is no longer the gates look every time, else every `LOOK_EVERY`: they add up all of its minutes."""
LOOK_EVERY = timedelta(seconds=10)
DUE_MAX = 1_000

_DUE = load("dure.agents", "rollouts_due")


async def step(database: Database) -> int:
    """Look at every rollout that is on its way; answer how many have changed. Example: `await step(database)`."""
    async with database.system_tx() as tx:
        ids = [row[0] for row in await (await tx.execute(_DUE, {"limit": DUE_MAX})).fetchall()]
    changed = 0
    for rollout_id in ids:
        try:
            async with database.system_tx() as tx:
                changed += await _look(tx, rollout_id)
        except (Unavailable, psycopg.OperationalError):
            # The database is away, or two waited for each other: it is tried again.
            raise
        except (DureError, psycopg.Error) as error:
            # One that cannot go on must not keep the others from it.
            logs.get("rollouts").error("rollout.stuck", rollout_id=rollout_id, reason=str(error))
    return changed


async def _look(tx: Connection, rollout_id: str) -> bool:
    now = await lock_rollout(tx, rollout_id, wait=False)
    if now is None:
        return False
    before = await read_rollout(tx, None, rollout_id)
    fleet = await read_fleet(tx, before)
    if before.state == "reverting":
        after = await _back(tx, before, fleet, now)
    elif before.strategy == "blue_green" and before.switched_at is None:
        after = await _warm(tx, before, fleet, now)
    else:
        after = await _forward(tx, before, fleet, now)
    await save(tx, before, after)
    return after != before


async def _forward(tx: Connection, rollout: Rollout, fleet: Sequence[Member], now: datetime) -> Rollout:
    turn = next_turn(rollout, fleet)
    stands, failing = await _judged(tx, _after(rollout, turn, now), now)
    # What fails may end sessions, which come before agents in the order of locks: so no agent has been touched yet.
    if failing is not None:
        return await _fail(tx, stands, now, {"code": "gate_failed", "params": failing})
    if not _is_done(stands, now) and now > _deadline(stands):
        return await _fail(tx, stands, now, _why_late(stands, turn))
    await _take(tx, rollout, turn)
    return await _next(tx, stands, now) if _is_done(stands, now) else stands


def _after(rollout: Rollout, turn: Turn, now: datetime) -> Rollout:
    """Answer how a rollout stands when its turn is done."""
    settled_at = (rollout.settled_at or now) if turn.settled else None
    progress_at = now if turn.healthy else rollout.progress_at
    return replace(rollout, progress=progress_of(turn), settled_at=settled_at, progress_at=progress_at)


def _is_done(rollout: Rollout, now: datetime) -> bool:
    """Answer whether the step has been looked at for long enough, and all gates pass."""
    baked = rollout.settled_at is not None and now >= rollout.settled_at + timedelta(seconds=rollout.bake_s)
    return baked and all(verdict["answer"] == "pass" for verdict in _verdicts(rollout))


async def _warm(tx: Connection, rollout: Rollout, fleet: Sequence[Member], now: datetime) -> Rollout:
    """Blue-green before the switch: wait until there are new ones enough, then let them work and hold all old ones."""
    turn = warm_up(rollout, fleet)
    rollout = replace(rollout, progress=progress_of(turn))
    if not turn.settled:
        return rollout if now <= _deadline(rollout) else await _fail(tx, rollout, now, _why_late(rollout, turn))
    _, old = versions(rollout, fleet)
    await lock_agents(tx, rollout.tenant_id, [*turn.admit, *old])
    await choose(tx, rollout, turn.admit)
    await steer(tx, rollout.tenant_id, turn.admit, target=None, hold=None)
    await steer(tx, rollout.tenant_id, old, target=None, hold=switched_hold(rollout))
    await note(tx, rollout, "switched", ACTOR, new=len(turn.admit), old=len(old), wanted=turn.wanted)
    await tell(tx, rollout, "switched")
    return replace(rollout, switched_at=now, step_began_at=now, progress_at=now)


async def _back(tx: Connection, rollout: Rollout, fleet: Sequence[Member], now: datetime) -> Rollout:
    """The way back is over when the new version has nothing in hand; what takes too long is taken from it."""
    new, _ = versions(rollout, fleet)
    busy = [one.agent_id for one in fleet if one.busy and one.agent_id in set(new)]
    if busy and now <= rollout.progress_at + timedelta(seconds=rollout.progress_deadline_s):
        return rollout
    await fence(tx, rollout, busy)
    done = replace(rollout, state="reverted", finished_at=now)
    await note(tx, done, "reverted", ACTOR, fenced=len(busy))
    await tell(tx, done, "reverted", rollout.reason)
    return done


async def _take(tx: Connection, rollout: Rollout, turn: Turn) -> None:
    """Do what a turn says, and note what follows."""
    await lock_agents(tx, rollout.tenant_id, [*turn.admit, *turn.ask])
    if turn.leave:
        await leave(tx, rollout, turn.leave)
        await note(tx, rollout, "left", ACTOR, agents=turn.leave)
    if turn.admit:
        await choose(tx, rollout, turn.admit)
        await steer(tx, rollout.tenant_id, turn.admit, target=None, hold=None)
        await note(tx, rollout, "admitted", ACTOR, agents=turn.admit, wanted=turn.wanted)
    if turn.ask:
        await choose(tx, rollout, turn.ask)
        await steer(tx, rollout.tenant_id, turn.ask, target=rollout.to_version, hold=None)
        await note(tx, rollout, "asked", ACTOR, agents=turn.ask, wanted=turn.wanted)
    if turn.healthy:
        await mark_healthy(tx, rollout, turn.healthy)
    if turn.settled != (rollout.settled_at is not None):
        kind: EventKind = "settled" if turn.settled else "unsettled"
        await note(tx, rollout, kind, ACTOR, there=turn.there, wanted=turn.wanted)


async def _judged(tx: Connection, rollout: Rollout, now: datetime) -> tuple[Rollout, dict[str, Any] | None]:
    """Ask every gate that is due; answer the rollout with what they said, and the verdict that fails it."""
    gates = Gates.from_json(rollout.gates)
    window = _window(rollout, now)
    often = now - window["new_from"] < LOOK_OFTEN
    if rollout.judged_at is not None and not often and now - rollout.judged_at < LOOK_EVERY:
        return rollout, None
    new, old = await counts_of(tx, rollout.tenant_id, rollout.class_, rollout.to_version, **window)
    verdicts = _verdicts_of(rollout, gates, new, old)
    for verdict in verdicts:
        told = rollout.verdicts.get(verdict.gate)
        if verdict.looked or told is None or (told["answer"], told["code"]) != (verdict.answer, verdict.code):
            await note(tx, rollout, "gate", ACTOR, **verdict.to_json())
    looks: dict[str, Sequence[int]] = dict(rollout.looks)
    looks.update({verdict.gate: _looks_after(rollout, verdict) for verdict in verdicts if verdict.looked})
    judged = replace(
        rollout,
        verdicts={verdict.gate: verdict.to_json() for verdict in verdicts} or rollout.verdicts,
        looks=looks,
        # Only where it decides when to look next: a row that is written every second for nothing is a burden.
        judged_at=rollout.judged_at if often else now,
    )  # fmt: skip
    failing = next((verdict for verdict in verdicts if verdict.answer == "fail"), None)
    return judged, None if failing is None else failing.to_json()


def _verdicts_of(rollout: Rollout, gates: Gates, new: Counts, old: Counts) -> list[Verdict]:
    risk = gates.risk(len(rollout.steps))
    return [judge(gate, new, old, Looks(*rollout.looks.get(gate.name, (0, 0))), risk) for gate in gates.gates]


def _looks_after(rollout: Rollout, verdict: Verdict) -> tuple[int, int]:
    return rollout.looks.get(verdict.gate, (0, 0))[0] + 1, int(verdict.numbers["new_samples"])


def _verdicts(rollout: Rollout) -> list[Mapping[str, Any]]:
    """Answer what each gate said last; one that was never asked has not passed."""
    names = [gate.name for gate in Gates.from_json(rollout.gates).gates]
    return [rollout.verdicts.get(name, {"gate": name, "answer": "wait", "code": "few_samples"}) for name in names]


def _window(rollout: Rollout, now: datetime) -> dict[str, Any]:
    """Answer which minutes are compared. A step's own, as far as both versions work in it; when none of the old ones is
    left, all of the rollout's. After a switch, as long before it as after it.
    """
    if rollout.switched_at is not None:
        span = max(now - rollout.switched_at, timedelta(seconds=rollout.bake_s))
        return {
            "new_from": rollout.switched_at,
            "old_from": rollout.switched_at - span,
            "old_until": rollout.switched_at,
        }
    whole = rollout.share_pct >= 100
    since = rollout.began_at if whole else rollout.step_began_at
    return {"new_from": since, "old_from": since, "old_until": None}


async def _next(tx: Connection, rollout: Rollout, now: datetime) -> Rollout:
    if not rollout.is_last_step:
        further = replace(
            rollout, step=rollout.step + 1, step_began_at=now, progress_at=now, settled_at=None, looks={}, verdicts={}
        )
        await note(tx, further, "step", ACTOR, step=further.step, share_pct=further.share_pct)
        return further
    if rollout.auto_promote:
        return await promote_on(tx, rollout, now, ACTOR)
    ready = replace(rollout, state="ready", reason={"code": "awaiting_promotion", "params": {}})
    await note(tx, ready, "ready", ACTOR)
    await tell(tx, ready, "ready")
    return ready


async def _fail(tx: Connection, rollout: Rollout, now: datetime, reason: Mapping[str, Any]) -> Rollout:
    failed = replace(rollout, state="failed", reason=reason, finished_at=now)
    await note(tx, failed, "failed", ACTOR, reason=reason)
    if rollout.auto_revert:
        return await revert_on(tx, rollout, now, ACTOR, reason)
    await tell(tx, failed, "failed", reason)
    return failed


def _deadline(rollout: Rollout) -> datetime:
    waits = timedelta(seconds=rollout.progress_deadline_s)
    if rollout.settled_at is None:
        return rollout.progress_at + waits
    return rollout.settled_at + timedelta(seconds=rollout.bake_s) + waits


def _why_late(rollout: Rollout, turn: Turn) -> dict[str, Any]:
    if not turn.settled:
        return {"code": "not_healthy", "params": {"there": turn.there, "wanted": turn.wanted}}
    waiting = [verdict for verdict in _verdicts(rollout) if verdict["answer"] != "pass"]
    first = next((one for one in waiting if one["code"] == "few_samples"), waiting[0])
    return {"code": "no_data" if first["code"] == "few_samples" else "undecided", "params": dict(first)}
