"""An existing fleet's Celery tasks, called as Dure's handlers.

    from backend.celery import app
    from dure.contrib.celery import celery_handler

    send = celery_handler(app, "shop.tasks.send", name="shop.send", final=("OrderGone",))

A job sends the task under its own idempotency key as the task's id (a retry adds its number) and waits for the result
on the loop: no thread is held, only borrowed for the moments in which Celery's client speaks with its broker and
backend. A job that is taken up again after its worker died finds its task under the same id and waits for that one; it
is not sent a second time.

The id is marked in Celery's result backend before the task is sent, because nothing else there tells a task that waits
in its queue from one that never was sent. Dying between the two leaves a mark without a task: then the wait runs into
its time limit, and the next attempt sends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from celery import Celery, states
from pydantic import BaseModel, ConfigDict, Field

from dure.errors import Invalid
from dure.queue.context import Context
from dure.queue.registry import Rate, handler
from dure.queue.results import Done
from dure.queue.retry import Final, Retryable

SENT = "DURE_SENT"
OVER = "DURE_OVER"
"""Given up, or told: nothing that comes of this id counts any more."""
JSON = frozenset({"json", "application/json"})
WAIT_S = 3600.0
SPARE_S = 60.0
"""A job may take so much longer than its task, for what comes before and after."""
POLL_FIRST_S = 0.02
POLL_MAX_S = 1.0
POLL_GROWTH = 1.5
ARGS_MAX = 1_000
WALK_MAX = 1_000
"""So many ids of one job are looked at for one that may be used."""
WORKER_STOPS = "the worker stops"
"""Why a worker interrupts what it hands back."""
Names = Collection[str | type[BaseException]]


class Call(BaseModel):
    """The parameters of the jobs: what the task is called with."""

    model_config = ConfigDict(extra="forbid")

    args: list[Any] = Field(default_factory=list, max_length=ARGS_MAX)
    kwargs: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A Celery application as far as Dure speaks with it."""

    app: Celery
    task: str
    options: Mapping[str, Any]
    wait_s: float
    terminate: bool
    retryable: Names
    final: Names

    async def call(self, call: Call, ctx: Context) -> Done:
        """Send the task unless it was, and wait for what becomes of it."""
        sent: list[str] = []
        limit = asyncio.timeout(self.wait_s)
        try:
            async with limit:
                meta = await asyncio.to_thread(self._sent, ctx.idempotency_key, ctx.job.retry_count, call, sent)
                meta = await self._ended(sent[0], meta)
        except TimeoutError:
            # Or Celery's client ran into a limit of its own; then the task may go on.
            if limit.expired():
                await self._give_up(sent)
            raise
        except asyncio.CancelledError:
            # When this worker stops, another one waits for the same task.
            if ctx.cancel_reason != WORKER_STOPS:
                await asyncio.shield(self._give_up(sent))
            raise
        if meta["status"] == states.SUCCESS:
            return Done(meta["result"])
        # From here on it is Dure's to tell; another attempt must not take this outcome for its own.
        await asyncio.to_thread(self.app.backend.store_result, sent[0], None, OVER)
        raise self._translated(meta)

    def _sent(self, key: str, retries: int, call: Call, sent: list[str]) -> Mapping[str, Any]:
        """Find the task that an earlier attempt sent and nobody gave up, or send one; answer what is known of it."""
        for number in range(retries, retries + WALK_MAX):
            task_id = f"{key}.{number}" if number else key
            meta = self._meta(task_id)
            if meta["status"] in (OVER, states.REVOKED):
                # Workers refuse an id that was revoked once, so another attempt has another.
                continue
            sent.append(task_id)
            if meta["status"] == states.PENDING:
                self._send(task_id, call)
            return meta
        raise Final(f"{self.task} was given up {WALK_MAX} times")

    def _send(self, task_id: str, call: Call) -> None:
        self.app.backend.store_result(task_id, None, SENT)
        try:
            self.app.send_task(
                self.task,
                call.args,
                call.kwargs,
                task_id=task_id,
                serializer="json",
                ignore_result=False,
                **self.options,
            )
        except BaseException:
            self.app.backend.forget(task_id)
            raise

    async def _ended(self, task_id: str, meta: Mapping[str, Any]) -> Mapping[str, Any]:
        """Look now and then, ever less often, until the task has ended."""
        wait_s = POLL_FIRST_S
        while meta["status"] not in states.READY_STATES:
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * POLL_GROWTH, POLL_MAX_S)
            meta = await asyncio.to_thread(self._meta, task_id)
        return meta

    def _meta(self, task_id: str) -> Mapping[str, Any]:
        meta: Mapping[str, Any] = self.app.backend.get_task_meta(task_id, cache=False)
        return meta

    async def _give_up(self, sent: Sequence[str]) -> None:
        """Tell the fleet that nobody waits any more; a broker that does not answer changes nothing about that."""
        for task_id in sent:
            with suppress(Exception):
                await asyncio.to_thread(self.app.backend.store_result, task_id, None, OVER)
                await asyncio.to_thread(self.app.control.revoke, task_id, terminate=self.terminate)

    def _translated(self, meta: Mapping[str, Any]) -> BaseException:
        """Answer the error that says whether another attempt is wanted; one that nobody named speaks for itself."""
        error = meta["result"]
        if meta["status"] == states.REVOKED or not isinstance(error, Exception):
            return Final(f"{self.task} was {meta['status'].lower()}: {error!r}")
        text = f"{type(error).__name__}: {error}"
        if _named(error, self.final):
            return Final(text)
        return Retryable(text) if _named(error, self.retryable) else error


def celery_handler(
    app: Celery,
    task: str,
    *,
    name: str | None = None,
    queue: str = "default",
    celery_queue: str | None = None,
    wait_s: float = WAIT_S,
    max_retries: int = 3,
    retryable: Names = (),
    final: Names = (),
    terminate: bool = False,
    concurrency: int | None = None,
    rate: Rate | None = None,
) -> Callable[[Call, Context], Awaitable[Done]]:
    """Answer a handler that runs a Celery task elsewhere; its jobs' parameters are `{"args": […], "kwargs": {…}}`.

    `retryable` and `final` name exceptions of the task, as classes or by their names, that are to be tried again or
    not; all others are judged by their class as any handler's. Raises `Invalid` for an application that speaks anything
    but JSON, or that keeps no results.
    Example: `add = celery_handler(app, "tasks.add", final=("ValueError",))`.
    """
    require_json(app)
    options = {"queue": celery_queue} if celery_queue else {}
    fleet = Fleet(app, task, options, wait_s, terminate, tuple(retryable), tuple(final))
    label = name or handler_name(task)

    async def run(call: Call, ctx: Context) -> Done:
        return await fleet.call(call, ctx)

    run.__doc__ = f"Runs the Celery task {task}."
    mark = handler(
        label, queue=queue, max_retries=max_retries, timeout_s=wait_s + SPARE_S, concurrency=concurrency, rate=rate
    )
    return mark(run)


def handler_name(task: str) -> str:
    """Answer the name of the handler of a task when none is given. Example: `handler_name("shop.tasks.Send")`."""
    return f"celery.{task.lower()}"


def require_json(app: Celery) -> None:
    """Raise `Invalid` unless an application sends, accepts and keeps JSON alone. Example: `require_json(app)`."""
    conf = app.conf
    spoken = {
        "task_serializer": {conf.task_serializer},
        "result_serializer": {conf.result_serializer},
        "accept_content": set(conf.accept_content or ()),
        "result_accept_content": set(conf.result_accept_content or conf.accept_content or ()),
    }
    for setting, formats in spoken.items():
        if not formats <= JSON:
            raise Invalid(field=setting, reason="not_one_of", expected="json")
    if not conf.result_backend:
        raise Invalid(field="result_backend", reason="missing")


def _named(error: Exception, names: Names) -> bool:
    """Answer whether an error is of a class that is named, as a class or by its name, or that follows from one."""
    for kind in type(error).__mro__:
        if kind in names or kind.__name__ in names or f"{kind.__module__}.{kind.__qualname__}" in names:
            return True
    return False
