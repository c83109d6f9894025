"""Rollouts, for those who begin them, watch them and decide about them. How they go on is in `rollout_steps`."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import psycopg

from dure.agents.releases import lock_class, read_release
from dure.agents.rollout_model import OVER, NewRollout, Rollout, RolloutAgent, RolloutEvent, RolloutState, checked
from dure.agents.rollout_rows import (
    READ,
    agent_of,
    event_of,
    lock_rollout,
    note,
    promote_on,
    read_fleet,
    read_rollout,
    revert_on,
    rollout_of,
    save,
    tell,
    waiting_hold,
)
from dure.agents.rollout_steps import step
from dure.agents.rollout_turns import versions
from dure.agents.steering import record, steer
from dure.agents.versions import Version
from dure.db.pool import Connection, Database
from dure.db.sql import load
from dure.errors import Conflict, Invalid, NotFound
from dure.ids import is_tenant_id
from dure.queue.cursors import id_from_cursor, to_cursor
from dure.queue.views import Page

__all__ = ["Rollouts", "step"]

PAGE_MAX = 1_000
EVENTS_MAX = 500
AGENTS_MAX = 1_000
POLL_S = 0.5
REASON_CHARS_MAX = 1_000
STARTABLE = ("draft", "superseded", "reverted")

_INSERT = load("dure.agents", "rollout_insert")
_PIN = load("dure.agents", "release_pin")
_EVENTS = load("dure.agents", "rollout_events_read")
_AGENTS = load("dure.agents", "rollout_agents_read")


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell of a rollout: the id to go on from, a kind, and data."""

    id: str
    kind: Literal["event", "end"]
    data: dict[str, Any]


class Rollouts:
    """The rollouts of a database.

    Example: `await Rollouts(database).start("acme", NewRollout(class_="executor", to_version="1.9.0"), actor="kim")`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, tenant_id: str, wanted: NewRollout, *, actor: str) -> Rollout:
        """Begin the way from the current release of a class to another; `Conflict` while one is on its way."""
        async with self._database.system_tx() as tx:
            return await self.start_on(tx, tenant_id, wanted, actor=actor)

    async def start_on(self, tx: Connection, tenant_id: str, wanted: NewRollout, *, actor: str) -> Rollout:
        """Begin a rollout in a transaction of the system, which the caller commits."""
        if not is_tenant_id(tenant_id):
            raise Invalid(field="tenant_id", reason="wrong_format", expected="acme-1")
        columns = checked(wanted)
        version = str(Version.parse(wanted.to_version, "to_version"))
        current = await lock_class(tx, tenant_id, wanted.class_)
        release = await read_release(tx, tenant_id, wanted.class_, version)
        if current is None or release.state not in STARTABLE:
            raise Conflict("release_state", state=release.state, expected=", ".join(STARTABLE))
        values = {
            **columns, "steps": json.dumps(columns["steps"]), "gates": json.dumps(columns["gates"]), "actor": actor,
            "tenant_id": tenant_id, "class": wanted.class_, "from": current.version, "to": release.version,
        }  # fmt: skip
        try:
            row = await (await tx.execute(_INSERT, values)).fetchone()
        except psycopg.errors.UniqueViolation:
            raise Conflict("rollout_open", class_=wanted.class_, id="-") from None
        assert row is not None
        made = await read_rollout(tx, tenant_id, row[0])
        await tx.execute(_PIN, {"id": release.id})
        # New ones that are there already wait for their turn like those that come.
        new, _ = versions(made, await read_fleet(tx, made))
        await steer(tx, tenant_id, new, target=None, hold=waiting_hold(made))
        await note(tx, made, "started", actor, strategy=made.strategy, from_version=made.from_version, held=len(new))
        await record(tx, tenant_id, actor, "rollout.start", f"rollout:{made.id}", to_version=made.to_version)
        await tell(tx, made, "started")
        return made

    async def get(self, tenant_id: str | None, rollout_id: str) -> Rollout:
        """Answer a rollout."""
        async with self._database.system_tx() as tx:
            return await read_rollout(tx, tenant_id, rollout_id)

    async def list(
        self,
        tenant_id: str | None,
        *,
        class_: str | None = None,
        state: RolloutState | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Rollout]:
        """Answer rollouts, newest first."""
        limit = max(1, min(limit, PAGE_MAX))
        values = {
            "id": None, "tenant_id": tenant_id, "class": class_, "state": state, "limit": limit + 1,
            "before": None if cursor is None else id_from_cursor(cursor),
        }  # fmt: skip
        async with self._database.system_tx() as tx:
            rows = await (await tx.execute(READ, values)).fetchall()
        items = tuple(rollout_of(row) for row in rows[:limit])
        return Page(items, to_cursor(items[-1].id) if len(rows) > limit else None)

    async def agents(self, tenant_id: str | None, rollout_id: str) -> tuple[RolloutAgent, ...]:
        """Answer the agents of the class as the rollout sees them, in the order of their turns; a thousand at most."""
        async with self._database.system_tx() as tx:
            found = await read_rollout(tx, tenant_id, rollout_id)
            rows = await (await tx.execute(_AGENTS, {"id": found.id, "limit": AGENTS_MAX})).fetchall()
        return tuple(agent_of(row) for row in rows)

    async def events(
        self, tenant_id: str | None, rollout_id: str, *, after: int = 0, limit: int = EVENTS_MAX
    ) -> tuple[RolloutEvent, ...]:
        """Answer what happened to a rollout behind the event `after`, oldest first."""
        values = {"after": after, "limit": max(1, min(limit, PAGE_MAX))}
        async with self._database.system_tx() as tx:
            found = await read_rollout(tx, tenant_id, rollout_id)
            rows = await (await tx.execute(_EVENTS, {**values, "id": found.id})).fetchall()
        return tuple(event_of(row) for row in rows)

    async def watch(
        self, tenant_id: str | None, rollout_id: str, *, after: int = 0, poll_s: float = POLL_S
    ) -> AsyncIterator[Happening]:
        """Yield what happens to a rollout behind the event `after` until it is over.

        Example: `async for happening in rollouts.watch("acme", rollout.id): print(happening.data)`.
        """
        while True:
            found = await self.get(tenant_id, rollout_id)
            # Read after the rollout: what led to its state is among them.
            events = await self.events(tenant_id, rollout_id, after=after)
            for event in events:
                after = event.id
                data = {
                    "at": event.at.isoformat(),
                    "actor": event.actor,
                    "kind": event.kind,
                    "detail": dict(event.detail),
                }
                yield Happening(str(event.id), "event", data)
            if len(events) == EVENTS_MAX:
                continue
            if found.state in OVER:
                yield Happening(str(after), "end", {"state": found.state, "reason": found.reason})
                return
            await asyncio.sleep(poll_s)

    async def promote(self, tenant_id: str | None, rollout_id: str, *, actor: str) -> Rollout:
        """Make the new release the current one now, whatever the gates have said so far."""
        async with self._database.system_tx() as tx:
            found, now = await self._held(tx, tenant_id, rollout_id, "running", "paused", "ready")
            return await save(tx, found, await promote_on(tx, found, now, actor))

    async def revert(self, tenant_id: str | None, rollout_id: str, *, actor: str, reason: str = "") -> Rollout:
        """Begin the way back now; of one that failed and was left as it was, too."""
        if len(reason) > REASON_CHARS_MAX:
            raise Invalid(field="reason", reason="too_long", length=len(reason), max=REASON_CHARS_MAX)
        why = {"code": "asked", "params": {"actor": actor, "text": reason or "-"}}
        async with self._database.system_tx() as tx:
            found, now = await self._held(tx, tenant_id, rollout_id, "running", "paused", "ready", "failed")
            try:
                return await save(tx, found, await revert_on(tx, found, now, actor, why))
            except psycopg.errors.UniqueViolation:
                raise Conflict("rollout_open", class_=found.class_, id="-") from None

    async def pause(self, tenant_id: str | None, rollout_id: str, *, actor: str) -> Rollout:
        """Let everything stay as it is until it is resumed; no gate is asked and no deadline comes nearer."""
        async with self._database.system_tx() as tx:
            found, now = await self._held(tx, tenant_id, rollout_id, "running", "paused")
            if found.state == "paused":
                return found
            await note(tx, found, "paused", actor)
            await record(tx, found.tenant_id, actor, "rollout.pause", f"rollout:{found.id}")
            return await save(tx, found, replace(found, state="paused", paused_at=now))

    async def resume(self, tenant_id: str | None, rollout_id: str, *, actor: str) -> Rollout:
        """Let a paused rollout go on; the time in between counts for nothing."""
        async with self._database.system_tx() as tx:
            found, now = await self._held(tx, tenant_id, rollout_id, "running", "paused")
            if found.paused_at is None:
                return found
            rested = now - found.paused_at
            settled = None if found.settled_at is None else found.settled_at + rested
            await note(tx, found, "resumed", actor, after_s=rested.total_seconds())
            await record(tx, found.tenant_id, actor, "rollout.resume", f"rollout:{found.id}")
            further = replace(
                found, state="running", paused_at=None, progress_at=found.progress_at + rested, settled_at=settled
            )
            return await save(tx, found, further)

    async def _held(
        self, tx: Connection, tenant_id: str | None, rollout_id: str, *states: RolloutState
    ) -> tuple[Rollout, datetime]:
        """Hold a rollout that is in one of some states, and answer it with the time; `Conflict` for any other."""
        found = await read_rollout(tx, tenant_id, rollout_id)
        now = await lock_rollout(tx, rollout_id, wait=True)
        if now is None:
            raise NotFound("rollout", rollout_id)
        found = await read_rollout(tx, found.tenant_id, rollout_id)
        if found.state not in states:
            raise Conflict("rollout_state", state=found.state, expected=", ".join(states))
        return found, now
