"""Where handlers run: `async` ones on the loop, plain ones in threads. Those in processes are in `isolated.py`.

A runner is fed claimed jobs, keeps those it cannot start yet in a line of its own, and says how many more it wants:
as many as it has free places, and of quick jobs about as many as it will do in the next moments (`PREFETCH_S`), so
that a fast handler is not paid for in round trips and a slow one does not hoard what others could start.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Protocol

from dure.errors import LeaseLost
from dure.queue.context import Context, ThreadContext
from dure.queue.hands import Hands, Reason, Slot, arguments
from dure.queue.model import Claimed
from dure.queue.registry import Loaded

PREFETCH_S = 0.2
YIELD_EVERY = 200
"""After so many jobs that never suspended, a lane lets the rest of the loop have a turn."""


class Runner(Protocol):
    """A way of running handlers."""

    slots: list[Slot]
    ended: int

    def feed(self, jobs: list[tuple[Claimed, Loaded]]) -> None:
        """Take jobs to run."""
        ...

    def held(self) -> int:
        """How many jobs are here, running or in line."""
        ...

    def take_back(self) -> list[tuple[Claimed, Loaded]]:
        """Give up the jobs that have not started."""
        ...

    def abandon(self, slot: Slot) -> bool:
        """Give up a job that does not end when interrupted; answer whether its end is now the caller's to tell."""
        ...

    async def stop(self) -> None:
        """End; nothing runs here any more."""
        ...


class LoopRunner:
    """Runs `async` handlers in lanes: tasks that take one job after the other.

    A task a job would cost more than a fast handler itself. A lane that suspends in its handler has roused the next
    one beforehand, so there are as many lanes at work as there are handlers that wait for something.
    """

    def __init__(self, hands: Hands, lanes_max: int, on_room: Callable[[], None]) -> None:
        self._hands = hands
        self._lanes_max = lanes_max
        self._on_room = on_room
        self._line: deque[tuple[Claimed, Loaded]] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._roused = False
        self._closing = False
        self._busy = 0
        self._left: set[asyncio.Task[None]] = set()
        self.slots: list[Slot] = []
        self.ended = 0

    def feed(self, jobs: list[tuple[Claimed, Loaded]]) -> None:
        """Take jobs to run."""
        self._line.extend(jobs)
        self._rouse()

    def held(self) -> int:
        """How many jobs are here, running or in line."""
        return len(self._line) + self._busy

    def take_back(self) -> list[tuple[Claimed, Loaded]]:
        """Give up the jobs that have not started."""
        jobs = list(self._line)
        self._line.clear()
        return jobs

    def abandon(self, slot: Slot) -> bool:
        """Leave a lane to its handler, which swallows cancellation; another takes its place."""
        slot.give_up()
        self.slots.remove(slot)
        self._busy -= 1
        if slot.task is not None:
            # Held, because the loop itself holds its tasks only weakly.
            self._left.add(slot.task)
            slot.task.add_done_callback(self._left.discard)
        self._rouse()
        return True

    async def stop(self) -> None:
        """Cancel all lanes."""
        self._closing = True
        tasks = [*self._left, *(slot.task for slot in self.slots if slot.task is not None)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    def _rouse(self) -> None:
        """Have one more lane look at the line, unless one is about to."""
        if self._roused or not self._line:
            return
        if self._idle:
            self._roused = True
            self._idle.popleft().set_result(None)
        elif len(self.slots) < self._lanes_max:
            self._roused = True
            slot = Slot(lambda slot: _cancel(slot))
            slot.task = asyncio.create_task(self._lane(slot), name="dure.lane")
            self.slots.append(slot)

    async def _lane(self, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        line = self._line
        while not self._closing:
            self._roused = False
            turns = 0
            while line:
                job, loaded = line.popleft()
                if line and not self._roused:
                    self._rouse()
                await self._work(slot, job, loaded)
                if slot.gone:
                    return
                turns += 1
                if turns >= YIELD_EVERY:
                    turns = 0
                    await asyncio.sleep(0)
            # Now, not when the endings are written: the next claim and their writing then go on side by side.
            self._on_room()
            idle = loop.create_future()
            self._idle.append(idle)
            await idle

    async def _work(self, slot: Slot, job: Claimed, loaded: Loaded) -> None:
        hands = self._hands
        context = slot.context = Context(job, hands.database, hands.scribe)
        slot.take(job, hands.timeout_s(job, loaded))
        self._busy += 1
        try:
            if job.deadline_in_s is not None:
                slot.require_time()
            value = await loaded.call(*arguments(job, loaded, context))
            if value is None and context.open_tx is None and slot.job is job:
                hands.finisher.completed(job, None)
            else:
                await self._end(slot, job, context, value, None)
        except BaseException as error:
            await self._end(slot, job, context, None, error)
        finally:
            self.ended += 1
            if slot.interrupted_at is not None and slot.task is not None:
                # A cancellation that was swallowed, or came twice, must not be found by the next handler's scopes.
                while slot.task.uncancel():
                    pass
            if slot.job is job:
                self._busy -= 1
                slot.leave()

    async def _end(self, slot: Slot, job: Claimed, context: Context, value: Any, error: BaseException | None) -> None:
        """All ends but the commonest: with a value, a transaction or an error, or after the job was given up."""
        slot.ending = True
        try:
            if slot.job is not job:
                await self._hands.drop(job, context, error or LeaseLost(id=job.id))
            elif error is None:
                await self._hands.complete(job, context, value)
            elif self._closing and isinstance(error, asyncio.CancelledError):
                await self._hands.drop(job, context, error)
                raise error
            else:
                await self._hands.failed(slot.reason, job, context, error)
        finally:
            slot.ending = False


class ThreadRunner:
    """Runs plain functions in threads of its own, which take jobs from one queue; made when the first jobs come."""

    def __init__(self, hands: Hands, threads_max: int, on_room: Callable[[], None]) -> None:
        self._hands = hands
        self._threads_max = threads_max
        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._line: SimpleQueue[tuple[Claimed, Loaded] | None] = SimpleQueue()
        self._ends: deque[Ending] = deque()
        self._telling = False
        self._endings: set[asyncio.Task[None]] = set()
        self._held = 0
        self._given_up: set[tuple[str, int]] = set()
        self.slots: list[Slot] = []
        self.ended = 0

    def feed(self, jobs: list[tuple[Claimed, Loaded]]) -> None:
        """Take jobs to run."""
        self._held += len(jobs)
        for job in jobs:
            self._line.put(job)
        for _ in range(min(self._threads_max, self.held()) - len(self.slots)):
            self._add_thread()

    def held(self) -> int:
        """How many jobs are here, running or in line."""
        # Counted here, on the loop, and not by looking at the line and the threads: a job on its way from one to the
        # other, or whose end is still to be dealt with, would be in neither.
        return self._held

    def take_back(self) -> list[tuple[Claimed, Loaded]]:
        """Give up the jobs that have not started."""
        jobs: list[tuple[Claimed, Loaded]] = []
        with contextlib.suppress(Empty):
            while (item := self._line.get_nowait()) is not None:
                jobs.append(item)
        self._held -= len(jobs)
        return jobs

    def abandon(self, slot: Slot) -> bool:
        """Leave a thread to its function: a thread cannot be stopped. What it does later is refused."""
        job = slot.job
        if job is None:
            return False
        slot.give_up()
        self.slots.remove(slot)
        self._given_up.add((job.id, job.claim_id))
        self._held -= 1
        self._add_thread()
        return True

    async def stop(self) -> None:
        """Let all idle threads end; a busy one is a daemon and ends with the process."""
        for _ in self.slots:
            self._line.put(None)
        if self._endings:
            await asyncio.wait(self._endings, timeout=1.0)

    def _add_thread(self) -> None:
        slot = Slot(lambda slot: None)
        self.slots.append(slot)
        Thread(target=self._serve, args=(slot,), name=f"dure.thread.{len(self.slots)}", daemon=True).start()

    def _serve(self, slot: Slot) -> None:
        hands, loop = self._hands, self._loop
        while not slot.gone and (item := self._line.get()) is not None:
            job, loaded = item
            context = slot.context = ThreadContext(job, hands.database, hands.scribe, loop)
            slot.take(job, hands.timeout_s(job, loaded))
            value, error = None, None
            try:
                if job.deadline_in_s is not None:
                    slot.require_time()
                value = loaded.call(*arguments(job, loaded, context))
            except BaseException as raised:
                error = raised
            self._ends.append((job, context, value, error, slot.reason))
            slot.leave()
            if not self._telling:
                # One call into the loop serves all that end before it runs.
                self._telling = True
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._told)

    def _told(self) -> None:
        """On the loop: end the jobs that threads are through with."""
        self._telling = False
        self._on_room()
        while self._ends:
            ending = job, context, value, error, _ = self._ends.popleft()
            self.ended += 1
            if error is None and value is None and context.open_tx is None and not self._given_up:
                self._held -= 1
                self._hands.finisher.completed(job, None)
                continue
            task = asyncio.ensure_future(self._end(ending))
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    async def _end(self, ending: "Ending") -> None:
        job, context, value, error, reason = ending
        if (job.id, job.claim_id) in self._given_up:
            self._given_up.discard((job.id, job.claim_id))
            await self._hands.drop(job, context, error or LeaseLost(id=job.id))
            return
        try:
            if error is None:
                try:
                    await self._hands.complete(job, context, value)
                    return
                except Exception as raised:
                    error = raised
            await self._hands.failed(reason, job, context, error)
        finally:
            self._held -= 1


Ending = tuple[Claimed, ThreadContext, Any, BaseException | None, Reason | None]
"""How a call in a thread ended: with a value or an error, and for which reason it was interrupted, if it was."""


def _cancel(slot: Slot) -> None:
    if slot.task is not None and not slot.ending:
        slot.task.cancel()


def overdue(slot: Slot) -> bool:
    """Answer whether the job in a slot has used up its time."""
    return slot.job is not None and slot.reason is None and monotonic() >= slot.until
