"""A task in an agent's hands: what its handler may know of it, and say about it."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args

from dure.queue.context import Cancelled

T = TypeVar("T")
Level = Literal["debug", "info", "warning", "error"]
Cause = Literal["asked", "timeout", "stopping", "lost"]
"""Why a handler is stopped: somebody asked, it took too long, the agent stops, the lease is lost."""
MESSAGE_CHARS_MAX = 10_000
LINES_MAX = 1_000
"""Of what a handler logs, so much is kept until it is sent; what comes on top is dropped, and counted."""


class Task:
    """A task in hand, given to a handler as its second argument.

    Example: `async def search(params: dict, task: Task) -> dict: task.progress(1, 3, "looking")`.
    """

    def __init__(self, assignment: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        self.id = str(assignment["task_id"])
        self.claim_id = int(assignment["claim_id"])
        self.handler = str(assignment["handler"])
        self.params: dict[str, Any] = assignment["params"]
        self.attempt = int(assignment["attempt"])
        """Which start of this task this is, from 1."""
        self.title: str = assignment.get("title") or ""
        self.from_agent: str | None = assignment.get("from_agent")
        self.trace_id: str | None = assignment.get("trace_id")
        self.depth = int(assignment.get("depth") or 0)
        """How many tasks are above this one."""
        self.capabilities: tuple[str, ...] = tuple(assignment.get("capabilities") or ())
        """What the task asked for."""
        self.deadline_at = _moment(assignment.get("deadline_at"))
        self.timeout_s: float | None = assignment.get("timeout_s")
        self.cancel_reason: str | None = None
        self.cause: Cause | None = None
        self._loop = loop
        self._runner: asyncio.Task[Any] | None = None
        self._progress: dict[str, Any] | None = None
        self._lines: list[dict[str, str]] = []
        self._dropped = 0

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt: give it to outside services, so that they do a thing once."""
        return self.id

    @property
    def cancelled(self) -> bool:
        """Whether the task was asked to stop."""
        return self.cancel_reason is not None

    def check_cancelled(self) -> None:
        """Raise `Cancelled` if the task was asked to stop; for plain functions, which nothing else can stop."""
        if self.cancel_reason is not None:
            raise Cancelled(self.cancel_reason)

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Report how far the task is; it is sent within a second. Example: `task.progress(2, 3, "2 pages read")`."""
        self._progress = {"done": done, "total": total, "note": note[:MESSAGE_CHARS_MAX]}

    def log(self, message: str, level: Level = "info") -> None:
        """Write a line into the task's log. Example: `task.log("no such page", "warning")`."""
        if level not in get_args(Level):
            raise ValueError(f"level must be one of {', '.join(get_args(Level))}")
        if len(self._lines) < LINES_MAX:
            self._lines.append({"level": level, "message": message[:MESSAGE_CHARS_MAX]})
        else:
            self._dropped += 1

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """In a plain function, wait for something asynchronous. Example: `task.wait(agent.submit({"n": 1}))`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def run(self, runner: asyncio.Task[Any] | None) -> None:
        """Tell what runs the handler, if that can be stopped from outside; for the agent."""
        self._runner = runner
        if runner is not None and self.cause is not None:
            runner.cancel()

    def cancel(self, reason: str, cause: Cause = "asked") -> None:
        """Ask the handler to stop; for the agent. The first cause counts, but a lost lease is the last word."""
        if self.cause is None:
            self.cancel_reason = reason
            if self._runner is not None:
                self._runner.cancel()
        if self.cause is None or cause == "lost":
            self.cause = cause

    def reports(self) -> dict[str, Any]:
        """Take what there is to report; for the agent."""
        progress, lines = self._progress, self._lines
        self._progress, self._lines = None, []
        if self._dropped:
            lines.append({"level": "warning", "message": f"{self._dropped} more lines were dropped"})
            self._dropped = 0
        return {**(progress or {}), **({"logs": lines} if lines else {})}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
