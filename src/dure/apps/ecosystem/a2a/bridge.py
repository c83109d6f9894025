"""Speaks for agents that only speak A2A: to Dure as their session, to their servers as a client.

The life of such an agent, in whichever worker process took it:

    take       one process at a time, by a lease in the database
    card       read and judged; as long as it answers, the agent's lease is renewed
    claim      its tasks, as many as its capacity allows
    work       send, or go on with what was sent before; follow or look until it ends; complete or fail our task
    leave      the session ends in order, what it holds goes back into line

When the card does not answer, nothing is renewed or claimed; the lease runs out, and the tasks go where those of any
dead agent go. A task that is done again by this agent goes on with what its server has of it already.

What is said in tasks is never logged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from dure import logs
from dure.agents.model import Assignment, Session
from dure.agents.work import Agents
from dure.apps.ecosystem.a2a.bridges import Bridges, Foreign, Problem
from dure.apps.ecosystem.a2a.config import A2aSettings, load
from dure.apps.ecosystem.a2a.outcomes import Outcome, direct_outcome, message_of, outcome_of
from dure.apps.ecosystem.a2a.remote import Remote, task_in
from dure.apps.ecosystem.a2a.wire import Refused, Wire
from dure.db.pool import Database
from dure.errors import DureError, Invalid, LeaseLost, Unavailable
from dure.ids import is_key, uuid7
from dure.notices.addresses import InternalAddress
from dure.queue.retry import RETRY_AFTER_MAX_S, Retryable
from dure.settings import Settings

LOOK_S = 2.0
"""How often a process looks for agents that nobody speaks for."""
AGAIN_S = 10.0
"""How long after a failure an agent is tried again."""
AGENTS_MAX = 200
"""How many agents one process speaks for."""
HOLD_LEASES = 2
"""How long a process may be silent before another takes its agents, in leases of the agent."""
CLAIM_MAX = 50
CLAIM_WAIT_S = 20.0
AWAY_S = 1.0
"""How often the database is asked again while it is away."""
CANCEL_AGAIN_S = 5.0
CANCEL_S = 10.0
"""How long the other server may take to hear that a task is to stop."""
STATE_WAITS = frozenset({"TASK_STATE_SUBMITTED", "TASK_STATE_WORKING", "TASK_STATE_UNSPECIFIED"})


class Bridge:
    """Speaks for the agents of others in one process. Example: `bridge = Bridge(database, settings)`."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        chosen: A2aSettings | None = None,
        *,
        look_s: float = LOOK_S,
        again_s: float = AGAIN_S,
    ) -> None:
        self._settings = chosen or load()
        self._look_s, self._again_s = look_s, again_s
        self._agents = Agents(database, settings)
        self._bridges = Bridges(database, uuid7())
        self._wire = Wire(self._settings)
        self._task: asyncio.Task[None] | None = None
        self._spoken: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._problems: dict[tuple[str, str], Problem | None] = {}
        self._log = logs.get("a2a")

    async def start(self) -> None:
        """Begin to look for agents that nobody speaks for."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dure.a2a_bridge")

    async def stop(self) -> None:
        """End every session in order; may be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        await _ended({task})
        await _ended(self._spoken.values())
        await self._agents.stop()

    @property
    def alive(self) -> bool:
        """Whether it looks."""
        return self._task is not None and not self._task.done()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception as error:
                # Whatever it was: nobody would notice a bridge that has ended.
                self._log.warning("a2a.late", error_class=type(error).__name__)
            await asyncio.sleep(self._look_s)

    async def _look(self) -> None:
        room = AGENTS_MAX - len(self._spoken)
        for foreign in await self._bridges.wanted(room, self._again_s) if room > 0 else ():
            if foreign.place not in self._spoken:
                task = asyncio.create_task(self._speak(foreign), name=f"dure.a2a.{foreign.agent.agent_id}")
                self._spoken[foreign.place] = task
                task.add_done_callback(partial(_forget, self._spoken, foreign.place))

    async def _speak(self, foreign: Foreign) -> None:
        hold_s = HOLD_LEASES * float(foreign.agent.lease_s or 1.0)
        problem: Problem | None = None
        try:
            if not await self._bridges.take(foreign, hold_s):
                return
            await _Voice(self._agents, self._bridges, self._wire, self._settings, foreign, hold_s).speak()
        except (Refused, Retryable, InternalAddress, DureError) as error:
            problem = _problem(error)
            if problem != self._problems.get(foreign.place):
                self._log.warning("a2a.not_reached", agent_id=foreign.agent.agent_id, code=problem and problem["code"])
        except Exception as error:
            problem = {"code": "broken", "text": type(error).__name__}
            self._log.exception("a2a.broken", agent_id=foreign.agent.agent_id)
        finally:
            # Told when it changes, not every time that it is tried again.
            self._problems[foreign.place] = problem
            with suppress(DureError):
                await self._bridges.leave(foreign, problem)


class _Voice:
    """One agent's session, and its tasks."""

    def __init__(
        self,
        agents: Agents,
        bridges: Bridges,
        wire: Wire,
        settings: A2aSettings,
        foreign: Foreign,
        hold_s: float,
    ) -> None:
        self._agents = agents
        self._bridges = bridges
        self._settings = settings
        self._foreign = foreign
        self._hold_s = hold_s
        self._remote = Remote(wire, settings, foreign.address)
        self._place = foreign.place
        self._answers = asyncio.Event()
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._to_stop: set[str] = set()
        self._log = logs.get("a2a")

    async def speak(self) -> None:
        """Register the agent once its card answers, and work its tasks until its lease is lost."""
        self._way = await self._remote.way()
        session = await self._agents.register(self._foreign.tenant_id, self._foreign.agent, key_id=self._foreign.key_id)
        self._epoch = session.epoch
        if not await self._bridges.keep(self._foreign, self._hold_s):
            raise LeaseLost(id=self._place[1])
        self._answers.set()
        self._log.info("a2a.reached", agent_id=self._place[1], binding=self._way.binding)
        try:
            await _both(self._keep(session), self._claim())
        finally:
            await _ended(self._in_hand.values())
            with suppress(DureError):
                await self._agents.leave(*self._place, self._epoch)

    async def _keep(self, session: Session) -> None:
        """Renew the agent's lease as long as its card answers."""
        while True:
            await asyncio.sleep(session.renew_every_s)
            problem = await self._look_at_card(session)
            if problem is not None:
                self._answers.clear()
            # While the database is away there is nothing to be lost: no lease ends without it.
            with suppress(Unavailable):
                await self._renew(problem)

    async def _renew(self, problem: Problem | None) -> None:
        if not await self._bridges.keep(self._foreign, self._hold_s, problem):
            raise LeaseLost(id=self._place[1])
        if problem is not None:
            return
        renewal = await self._agents.renew(*self._place, self._epoch)
        self._answers.set()
        for task_id, _reason in renewal.cancel:
            if (task := self._in_hand.get(task_id)) is not None and task_id not in self._to_stop:
                self._to_stop.add(task_id)
                task.cancel()

    async def _look_at_card(self, session: Session) -> Problem | None:
        try:
            async with asyncio.timeout(session.renew_every_s):
                self._way = await self._remote.way()
        except TimeoutError:
            return {"code": "unreachable", "text": "no answer in time"}
        except (Refused, Retryable, InternalAddress) as error:
            return _problem(error)
        return None

    async def _claim(self) -> None:
        while True:
            await self._answers.wait()
            free = self._foreign.agent.capacity - len(self._in_hand)
            if free <= 0:
                await asyncio.wait(set(self._in_hand.values()), return_when=asyncio.FIRST_COMPLETED)
                continue
            wait_s = min(CLAIM_WAIT_S, float(self._foreign.agent.lease_s or 1.0))
            try:
                taken = await self._agents.claim(*self._place, self._epoch, most=min(free, CLAIM_MAX), wait_s=wait_s)
            except Unavailable:
                await asyncio.sleep(AWAY_S)
                continue
            for held in taken:
                task = asyncio.create_task(self._work(held), name=f"dure.a2a.task.{held.task_id}")
                self._in_hand[held.task_id] = task
                task.add_done_callback(partial(_forget, self._in_hand, held.task_id))

    async def _work(self, held: Assignment) -> None:
        """Work one task to its end, whatever happens; only what is lost with the lease is left as it is."""
        try:
            await self._end(held, await self._done(held))
        except asyncio.CancelledError:
            if held.task_id not in self._to_stop:
                # The session ends, and what it holds goes back into line with it.
                raise
            await self._stop(held)
        except LeaseLost:
            self._log.info("a2a.lost", agent_id=self._place[1], task_id=held.task_id)
        except (Refused, InternalAddress) as error:
            await self._fail(held, type(error).__name__, str(error))
        except Retryable as error:
            # Nothing more is taken before its card has been seen again.
            self._answers.clear()
            await self._fail(held, "Unreachable", str(error), retry=True, after_s=error.after_s)
        except Exception as error:
            self._log.exception("a2a.task_failed", agent_id=self._place[1], task_id=held.task_id)
            await self._fail(held, type(error).__name__, "the bridge failed", retry=True)
        finally:
            self._to_stop.discard(held.task_id)

    async def _done(self, held: Assignment) -> Outcome:
        """Answer how the other server ended a task: one that it has already, or one that it is sent now."""
        known = await self._bridges.remote_of(self._foreign, held.task_id)
        if known is not None:
            with suppress(_Unknown):
                return await self._followed(held, known[0])
        before = held.params.get("a2a")
        goes_on = await self._bridges.remote_of(
            self._foreign, before.get("previous") if isinstance(before, dict) else None
        )
        answer = await self._remote.send(self._way, message_of(held.task_id, held.params, goes_on))
        match answer:
            case {"task": dict(task)}:
                task = task_in(task)
                context = task.get("contextId")
                context_id = context if isinstance(context, str) and is_key(context) else None
                await _said(partial(self._bridges.note_remote, self._foreign, held.task_id, task["id"], context_id))
                return outcome_of(task) or await self._followed(held, task["id"])
            case {"message": dict(message)}:
                return direct_outcome(message)
            case _:
                raise Refused("the answer is neither a task nor a message")

    async def _followed(self, held: Assignment, task_id: str) -> Outcome:
        """Follow a task at the other server to its end, and look at it at last: only that is believed."""
        while True:
            task = await self._look_at(task_id)
            outcome = outcome_of(task)
            if outcome is not None:
                return outcome
            if not (self._way.streams and await self._heard_of_end(task_id)):
                await asyncio.sleep(self._settings.poll_s)

    async def _heard_of_end(self, task_id: str) -> bool:
        """Follow a task as long as the other server tells of it; True when something may have ended."""
        try:
            async with aclosing(self._remote.follow(self._way, task_id)) as events:
                async for event in events:
                    if _rests(event):
                        return True
        except (Refused, Retryable):
            # It is looked at instead.
            return False
        return False

    async def _look_at(self, task_id: str) -> dict[str, Any]:
        try:
            return task_in(await self._remote.task(self._way, task_id))
        except Refused as error:
            if error.reason == "TASK_NOT_FOUND":
                raise _Unknown("the server has lost the task") from None
            raise

    async def _end(self, held: Assignment, outcome: Outcome) -> None:
        if outcome.how == "failed":
            await self._fail(held, outcome.error_class, outcome.error)
            return
        place = (*self._place, self._epoch, held.task_id, held.claim_id)
        try:
            await _said(partial(self._agents.complete, *place, outcome.result))
        except Invalid as error:
            await self._fail(held, "AnswerRefused", str(error))

    async def _fail(
        self, held: Assignment, error_class: str, text: str, *, retry: bool = False, after_s: float | None = None
    ) -> None:
        place = (*self._place, self._epoch, held.task_id, held.claim_id)
        say = partial(
            self._agents.fail,
            *place,
            error_class=error_class,
            message=text.replace("\x00", "�").encode(errors="replace").decode(),
            retry=retry,
            retry_after_s=None if after_s is None else max(0.0, min(after_s, RETRY_AFTER_MAX_S)),
            retry_count=held.attempt - 1,
        )
        with suppress(LeaseLost):
            await _said(say)

    async def _stop(self, held: Assignment) -> None:
        """Pass a cancellation on, and say here that it is done; what the other server makes of it is its own affair."""
        known = await self._bridges.remote_of(self._foreign, held.task_id)
        if known is not None:
            with suppress(Refused, Retryable, InternalAddress, TimeoutError):
                async with asyncio.timeout(CANCEL_S):
                    await self._remote.cancel(self._way, known[0])
        with suppress(LeaseLost):
            await _said(partial(self._agents.cancelled, *self._place, self._epoch, held.task_id, held.claim_id))


class _Unknown(Retryable):
    """The other server knows nothing of a task that it had."""


async def _said(say: Callable[[], Awaitable[None]]) -> None:
    """Say something to the database, however long it is away: what is not said would hold a task for ever."""
    while True:
        try:
            await say()
        except Unavailable:
            await asyncio.sleep(AWAY_S)
        else:
            return


async def _both(*parts: Coroutine[Any, Any, None]) -> None:
    """Run parts that never end until one fails; then raise that, with none of them left."""
    tasks = {asyncio.create_task(part) for part in parts}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _ended(tasks)


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: on its way through foreign code a cancellation may meet a timeout, and be
    lost.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


def _forget(there: dict[Any, asyncio.Task[None]], name: Any, _task: asyncio.Task[None]) -> None:
    there.pop(name, None)


def _rests(event: dict[str, Any]) -> bool:
    """Answer whether an event tells of a state that a task stays in."""
    told = event.get("statusUpdate") or event.get("task")
    status = told.get("status") if isinstance(told, dict) else None
    state = status.get("state") if isinstance(status, dict) else None
    return isinstance(state, str) and state not in STATE_WAITS


def _problem(error: Exception) -> Problem | None:
    match error:
        case LeaseLost():
            return None
        case InternalAddress():
            return {"code": "internal", "text": ""}
        case Refused():
            return {"code": "bad_card", "text": str(error)}
        case Retryable():
            return {"code": "unreachable", "text": str(error)}
        case _:
            return {"code": "refused", "text": str(error)[:500]}
