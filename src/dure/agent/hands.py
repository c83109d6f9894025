"""How one task is worked on: its handler is found and run, and how it ended is put into words for the server."""

import asyncio
import inspect
import json
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import ContextVar, copy_context
from typing import Any, NamedTuple, assert_never

from dure import logs
from dure.agent.task import Task
from dure.queue.context import Cancelled
from dure.queue.results import to_json
from dure.queue.retry import Final, judge

Handler = Callable[..., Any]
PLAIN_TASK = "dure.task"
"""The handler of a task for which none was named."""
CURRENT: ContextVar[Task | None] = ContextVar("dure.agent.task", default=None)
"""The task whose handler is running here."""


class Ending(NamedTuple):
    """What to tell the server: `complete`, `fail` or `release`, and with what."""

    verb: str
    body: dict[str, Any]


class Hands:
    """The handlers of an agent. Example: `hands.add(search, ["search"])`."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._named: dict[str, Handler] = {}
        self._any: Handler | None = None
        self._random = random.SystemRandom()
        self._log = logs.get("agent")

    def add(self, function: Handler, names: Sequence[str]) -> None:
        """Let a function work on tasks of these names; without a name, on all that no other is for."""
        if not names:
            if self._any is not None:
                raise ValueError("there is a handler for all other tasks already")
            self._any = function
        for name in names:
            if name in self._named:
                raise ValueError(f"there is a handler for {name!r} already")
            self._named[name] = function

    async def work(self, task: Task) -> Ending | None:
        """Run a task's handler to its end; None when the end concerns nobody any more."""
        try:
            runner = self._begin(task)
        except Exception as error:
            return self._failed(task, error)
        late = None
        if task.timeout_s is not None:
            late = asyncio.get_running_loop().call_later(task.timeout_s, task.cancel, "it ran too long", "timeout")
        try:
            await asyncio.wait([runner])
        finally:
            # Only when this is cancelled itself is it not done.
            runner.cancel()
            if late is not None:
                late.cancel()
        return None if task.cause == "lost" else self._ending(task, runner)

    def _begin(self, task: Task) -> asyncio.Future[Any]:
        function = self._find(task)
        arguments = (task.params, task)[: _arity(function)]
        context = copy_context()
        context.run(CURRENT.set, task)
        loop = asyncio.get_running_loop()
        if not inspect.iscoroutinefunction(function):
            # A thread cannot be stopped from outside: its function asks `check_cancelled`.
            return loop.run_in_executor(self._threads, lambda: context.run(function, *arguments))
        runner = loop.create_task(function(*arguments), name=f"dure.task.{task.id}", context=context)
        task.run(runner)
        return runner

    def _find(self, task: Task) -> Handler:
        for name in (task.handler, *task.capabilities):
            if name in self._named:
                return self._named[name]
        if self._any is not None:
            return self._any
        known = {*self._named.values()}
        if len(known) == 1 and task.handler == PLAIN_TASK and not task.capabilities:
            # It names the agent and leaves the rest to it.
            return known.pop()
        raise Final(f"this agent has no handler for {task.handler} {list(task.capabilities)}")

    def _ending(self, task: Task, runner: asyncio.Future[Any]) -> Ending:
        try:
            return Ending("complete", {"result": json.loads(to_json(runner.result()) or "null")})
        except (asyncio.CancelledError, Cancelled) as error:
            return self._stopped(task, error)
        except Exception as error:
            return self._failed(task, error)

    def _stopped(self, task: Task, error: BaseException) -> Ending:
        match task.cause:
            case "stopping" | "lost":
                return Ending("release", {})
            case "timeout":
                return self._failed(task, TimeoutError("the task ran longer than its timeout"))
            case "asked":
                return Ending("fail", {"cancelled": True, "message": task.cancel_reason or "cancelled"})
            case None:
                return self._failed(task, RuntimeError(f"the handler was cancelled by itself: {error!r}"))
            case _:
                assert_never(task.cause)

    def _failed(self, task: Task, error: Exception) -> Ending:
        verdict = judge(error, task.attempt - 1, self._random)
        self._log.info("agent.task_failed", task_id=task.id, error_class=verdict.error_class, error=verdict.error)
        return _failure(verdict.error_class, verdict.error, verdict.delay_s)


def _failure(error_class: str, message: str, retry_after_s: float | None = None) -> Ending:
    retry = retry_after_s is not None
    body = {"error_class": error_class, "message": message, "retry": retry, "retry_after_s": retry_after_s}
    return Ending("fail", body)


def refused(code: str, message: str) -> Ending:
    """Answer how a task ends whose result the server does not take. Example: `refused("too_large", "…")`."""
    return _failure(code, message)


def _arity(function: Handler) -> int:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in positional for parameter in inspect.signature(function).parameters.values())
