"""The serving side: messages become tasks of ours, and tasks of ours are told of in A2A's words.

A message's task is stored with the turn in one transaction, and both are found again by the message's id: however
often it is sent, it becomes one task. Tenants see their own, as everywhere; a key for agents cancels only what it sent.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from dure.agents.model import Need, NewTask
from dure.agents.tasks import Tasks
from dure.apps.ecosystem.a2a.errors import A2aError
from dure.apps.ecosystem.a2a.messages import (
    Plain,
    Turn,
    agent_message,
    artifact_event,
    artifacts_of,
    params_of,
    stamp,
    status_of,
    task_of,
    update_of,
)
from dure.apps.ecosystem.a2a.requests import ListTasks, Needs, SendMessage, needs_of
from dure.apps.ecosystem.a2a.states import INTERRUPTED, TERMINAL
from dure.apps.ecosystem.a2a.store import Found, NewTurn, Store
from dure.db.pool import Database
from dure.errors import Conflict, NotFound
from dure.ids import uuid7
from dure.lang import say
from dure.queue.jobs import Jobs
from dure.queue.views import JobEvent
from dure.queue.watch import Position

HANDLER = "dure.task"
TAG = "a2a"
TITLE_CHARS_MAX = 100
TURNS_MAX = 1_000
ALL_LINES = 10**18 - 1
"""A position behind every line of a log: what a handler writes there is not for clients of A2A."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for which tenant, by whose card (None: that of all agents), in which language."""

    tenant_id: str
    actor: str
    is_agent: bool = False
    card_agent: str | None = None
    lang: str | None = None


class Face:
    """What a client of A2A may do. Example: `turns = await Face(database, tasks, jobs).send(caller, asked)`."""

    def __init__(self, database: Database, tasks: Tasks, jobs: Jobs) -> None:
        self._database = database
        self._tasks = tasks
        self._jobs = jobs
        self._store = Store(database)

    async def send(self, caller: Caller, asked: SendMessage) -> tuple[Turn, ...]:
        """Make a message a task, or the next turn of the task that it names; answer the turns of that task."""
        if asked.configuration.task_push_notification_config is not None:
            raise A2aError("PUSH_NOTIFICATION_NOT_SUPPORTED")
        message, digest = asked.message, _digest(asked)
        known = await self._store.of_message(caller.tenant_id, caller.actor, message.message_id)
        if known is None:
            before = await self._before(caller, asked)
            await self._submit(caller, asked, digest, before)
            known = await self._store.of_message(caller.tenant_id, caller.actor, message.message_id)
        if known is None:
            # Another message was faster.
            raise A2aError("UNSUPPORTED_OPERATION", reason=say("a2a.not_waiting", caller.lang))
        if known[1] != digest:
            raise A2aError("INVALID_PARAMS", violations=[("message.messageId", say("a2a.other_message", caller.lang))])
        return await self.turns(caller, known[0])

    async def turns(self, caller: Caller, task_id: str) -> tuple[Turn, ...]:
        """Answer the turns of a task; `A2aError` when there is none."""
        turns = await self._store.turns(caller.tenant_id, task_id)
        if not turns:
            raise A2aError("TASK_NOT_FOUND", id=task_id)
        return turns

    async def find(self, caller: Caller, asked: ListTasks) -> Found:
        """Answer a page of tasks, the one that changed last first."""
        return await self._store.find(caller.tenant_id, asked, caller.card_agent)

    async def cancel(self, caller: Caller, task_id: str) -> tuple[Turn, ...]:
        """Cancel a task: one that waits at once, one in hand as soon as its agent lets it go."""
        last = (await self.turns(caller, task_id))[-1]
        if caller.is_agent and last.actor != caller.actor:
            raise A2aError("FORBIDDEN", reason=say("a2a.not_yours", caller.lang))
        if last.a2a_state in INTERRUPTED:
            done = await self._store.give_up(last)
        else:
            done = last.a2a_state not in TERMINAL and await self._cancel(caller, last)
        if not done:
            raise A2aError("TASK_NOT_CANCELABLE", id=task_id)
        return await self.turns(caller, task_id)

    async def follow(
        self, caller: Caller, turns: tuple[Turn, ...], *, history_length: int | None = None
    ) -> AsyncIterator[Plain]:
        """Yield the task as it is, then what happens to it until it rests."""
        yield {"task": task_of(turns, history_length=history_length)}
        last = turns[-1]
        if last.is_resting:
            return
        told = status_of(last)["state"]
        begin = Position(last.attempt, last.state if last.attempt else None, ALL_LINES)
        async for event in self._jobs.watch(caller.tenant_id, last.job_id, after=str(begin)):
            if event.kind == "end":
                break
            if (status := _status(last, event)) is not None and (status["state"] != told or "message" in status):
                told = status["state"]
                yield update_of(last, status)
        ended = (await self.turns(caller, last.task_id))[last.turn - 1]
        for artifact in artifacts_of(ended):
            yield artifact_event(ended, artifact)
        yield update_of(ended, status_of(ended))

    async def settled(self, caller: Caller, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Answer a task when it rests; cancel the call to be told how it is before."""
        async for _ in self.follow(caller, turns):
            await asyncio.sleep(0)
        return await self.turns(caller, turns[0].task_id)

    async def _before(self, caller: Caller, asked: SendMessage) -> tuple[Turn, ...]:
        """Answer the turns of the task that a message goes on with, none for a new one."""
        message = asked.message
        if message.task_id is None:
            return ()
        before = await self.turns(caller, message.task_id)
        if message.context_id not in (None, before[0].context_id):
            raise A2aError("INVALID_PARAMS", violations=[("message.contextId", say("a2a.other_context", caller.lang))])
        if before[-1].a2a_state not in INTERRUPTED or len(before) >= TURNS_MAX:
            raise A2aError("UNSUPPORTED_OPERATION", reason=say("a2a.not_waiting", caller.lang))
        return before

    async def _submit(self, caller: Caller, asked: SendMessage, digest: str, before: tuple[Turn, ...]) -> None:
        context_id = before[0].context_id if before else asked.message.context_id or uuid7()
        new = _new_task(caller, asked, context_id, before)
        try:
            async with self._database.system_tx() as tx:
                if before and not await self._store.hold(tx, before[-1]):
                    return
                (made,) = await self._tasks.submit_on(tx, caller.tenant_id, [new], actor=caller.actor)
                turn = NewTurn(
                    job_id=made.id,
                    tenant_id=caller.tenant_id,
                    task_id=before[0].task_id if before else made.id,
                    turn=len(before) + 1,
                    context_id=context_id,
                    card_agent=before[0].card_agent if before else caller.card_agent,
                    actor=caller.actor,
                    message_id=asked.message.message_id,
                    digest=digest,
                )
                if not await self._store.write(tx, turn):
                    # Undone together with its task: the same message, or another, was faster.
                    raise _TooLate
        except _TooLate:
            return
        except NotFound as error:
            # An agent that the message asks for, not the task that it is about.
            raise A2aError("INVALID_PARAMS", violations=[("message.metadata", error.text(caller.lang))]) from None

    async def _cancel(self, caller: Caller, turn: Turn) -> bool:
        try:
            await self._tasks.cancel(caller.tenant_id, turn.job_id, reason=TAG, actor=caller.actor)
        except Conflict:
            return False
        return True


class _TooLate(Exception):
    """Another request has stored the turn."""


def _new_task(caller: Caller, asked: SendMessage, context_id: str, before: tuple[Turn, ...]) -> NewTask:
    params = params_of(asked, context_id, before)
    needs = needs_of(asked.message.metadata, asked.metadata)
    need = _need(caller, needs, before)
    return NewTask(
        params=params,
        handler=HANDLER,
        title=needs.title or params["text"].partition("\n")[0][:TITLE_CHARS_MAX],
        needs=need,
        # Messages of one context go to one agent, while it is there.
        strategy="direct" if need.agent is not None else "sticky",
        sticky_key=None if need.agent is not None else context_id,
        priority=needs.priority or 0,
        timeout_s=needs.timeout_s,
        deadline_at=needs.deadline_at,
        tags=(TAG,),
    )


def _need(caller: Caller, needs: Needs, before: tuple[Turn, ...]) -> Need:
    card_agent = before[0].card_agent if before else caller.card_agent
    if card_agent is not None:
        return Need(agent=card_agent)
    return Need(class_=needs.class_, capabilities=tuple(needs.capabilities), agent=needs.agent, tree=needs.tree)


def _status(turn: Turn, event: JobEvent) -> Plain | None:
    """Answer what an event says of a task's status, None when that is nothing for a client."""
    match event.kind, event.data.get("state"):
        case "state", "processing":
            return {"state": "TASK_STATE_WORKING", "timestamp": _moment(event)}
        case "state", "pending":
            return {"state": "TASK_STATE_SUBMITTED", "timestamp": _moment(event)}
        case "progress", _ if event.data["note"]:
            part = {"text": event.data["note"]}
            message = agent_message(turn, f"{turn.job_id}-{event.id}", [part])
            return {"state": "TASK_STATE_WORKING", "timestamp": _moment(event), "message": message}
        case _:
            return None


def _moment(event: JobEvent) -> str:
    return stamp(datetime.fromisoformat(event.data["at"]))


def _digest(asked: SendMessage) -> str:
    text = json.dumps(asked.message.plain(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
