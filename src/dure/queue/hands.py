"""How a handler ended, and what that means for its job: the one place that decides it, for all kinds of runner."""

import asyncio
import json
import random
import traceback
from collections.abc import Callable
from time import monotonic
from typing import Any, Literal, assert_never

from dure import logs
from dure.db.pool import Database
from dure.errors import LeaseLost
from dure.queue.context import Cancelled, Context
from dure.queue.finisher import Finisher, complete_in, wait_in
from dure.queue.model import Claimed
from dure.queue.registry import Loaded, Registry
from dure.queue.results import WaitForChildren, to_json
from dure.queue.retry import Verdict, judge
from dure.queue.scribe import Scribe

Reason = Literal["timeout", "deadline", "cancel", "release", "lease", "crash"]
"""Why a handler did not end by itself: its time is over, it was asked to stop, the worker stops, the lease is lost, its
process died."""

TRACEBACK_CHARS_MAX = 8_000


class DeadlinePassed(Exception):
    """The job's deadline passed while it waited for a place here."""

    def __init__(self) -> None:
        super().__init__("the deadline passed before the job could start")


class Slot:
    """A place where one job at a time runs, and what is known of it from outside."""

    __slots__ = ("context", "ending", "gone", "interrupt", "interrupted_at", "job", "kill", "reason", "task", "until")

    def __init__(self, interrupt: "Callable[[Slot], None]") -> None:
        self.interrupt = interrupt
        self.kill: Callable[[], None] = lambda: None
        self.job: Claimed | None = None
        self.context: Context | None = None
        self.task: asyncio.Task[None] | None = None
        self.until = 0.0
        self.gone = False
        self.ending = False
        """The handler is through and its end is being written: there is nothing left to cancel."""
        self.reason: Reason | None = None
        self.interrupted_at: float | None = None

    def take(self, job: Claimed, timeout_s: float) -> None:
        """Begin a job here. The job comes last: a thread does this while the loop looks at jobs and their time."""
        self.until = monotonic() + timeout_s
        self.reason = None
        self.interrupted_at = None
        self.job = job

    def require_time(self) -> None:
        """Refuse to start a job whose deadline passed on its way here."""
        if self.until <= monotonic():
            raise DeadlinePassed

    def leave(self) -> None:
        """The job here has ended."""
        self.job = None
        self.context = None

    def give_up(self) -> None:
        """The job here does not end; nothing that it does counts any more, and nothing else runs here."""
        self.gone = True
        if self.context is not None:
            self.context.over = True
        self.leave()


class Hands:
    """What every runner needs, and the ends of jobs."""

    def __init__(self, database: Database, registry: Registry, scribe: Scribe, finisher: Finisher) -> None:
        self.database = database
        self.registry = registry
        self.scribe = scribe
        self.finisher = finisher
        self.deadlines: dict[str, float] = {}
        """When the deadlines of claimed jobs that have not started pass, by this process's own count of seconds."""
        self._random = random.SystemRandom()
        self._log = logs.get("worker")

    def timeout_s(self, job: Claimed, loaded: Loaded) -> float:
        """Answer how long a job may run: its own time, or what is left until its deadline."""
        allowed_s = job.timeout_s or loaded.spec.timeout_s
        if job.deadline_in_s is None:
            return allowed_s
        now = monotonic()
        left_s = self.deadlines.pop(job.id, now + job.deadline_in_s) - now
        if left_s > 0 and loaded.spec.deadline == "start":
            return allowed_s
        return min(allowed_s, left_s)

    async def complete(self, job: Claimed, context: Context, value: Any) -> None:
        """A handler returned: complete its job, in its own transaction if it has one."""
        waits = isinstance(value, WaitForChildren)
        result_json = None if waits else to_json(value)
        if context.open_tx is None:
            if waits:
                self.finisher.settled(job, "waited")
            else:
                self.finisher.completed(job, result_json)
            return
        if self.scribe.has_notes:
            # What a handler said is there when its job is seen to have ended.
            await self.scribe.flush()
        if waits:
            await wait_in(context.open_tx, job)
        else:
            await complete_in(context.open_tx, job, result_json)
        await context.close(None)
        self.finisher.committed(job, completed=not waits)

    async def failed(self, reason: Reason | None, job: Claimed, context: Context | None, error: BaseException) -> None:
        """A handler raised, or was interrupted: roll back what it wrote and say what becomes of its job."""
        if context is not None:
            await self.drop(job, context, error)
        if isinstance(error, LeaseLost):
            self.finisher.refused += 1
            self._log.warning("job.lease_lost", job_id=job.id, claim_id=job.claim_id)
            return
        if isinstance(error, Cancelled) and reason is None:
            reason = "cancel"
        if isinstance(error, DeadlinePassed) and reason is None:
            reason = "deadline"
        if reason == "cancel" and context is not None and context.cancel_reason:
            # The words of who asked, not those in which the handler noticed.
            error = Cancelled(context.cancel_reason)
        self.end(reason, job, error)

    async def drop(self, job: Claimed, context: Context, error: BaseException) -> None:
        """Roll back what a handler wrote in its job's transaction, if it wrote anything."""
        context.over = True
        if context.open_tx is not None:
            try:
                await context.close(error)
            except Exception as rollback_error:
                self._log.warning("job.rollback_failed", job_id=job.id, reason=str(rollback_error))

    def end(self, reason: Reason | None, job: Claimed, error: BaseException) -> None:
        """Settle an attempt that did not complete."""
        match reason:
            case "lease":
                return
            case "release":
                self.finisher.settled(job, "released")
            case "crash":
                self.finisher.settled(job, "crashed", error_class="ProcessDied", error=str(error))
            case "cancel":
                text = str(error) or "cancelled by request"
                self.finisher.settled(job, "cancelled", error_class="Cancelled", error=text)
            case "deadline":
                text = str(error) if isinstance(error, DeadlinePassed) else "the deadline passed while the job ran"
                self.finisher.settled(job, "failed", error_class="DeadlinePassed", error=text)
            case "timeout":
                late = TimeoutError("the job ran longer than its timeout")
                self._settle(job, judge(late, job.retry_count, self._random), None)
            case None:
                self._settle(job, judge(error, job.retry_count, self._random), trace_of(error))
            case _:
                assert_never(reason)

    def judged(self, job: Claimed, verdict: Verdict, trace: str | None) -> None:
        """Settle an attempt that failed in another process, where its error was judged."""
        self._settle(job, verdict, trace)

    def _settle(self, job: Claimed, verdict: Verdict, trace: str | None) -> None:
        final = verdict.delay_s is None or job.retry_count >= job.max_retries
        self._log.info(
            "job.failed" if final else "job.retried",
            job_id=job.id, handler=job.handler, attempt=job.attempt,
            error_class=verdict.error_class, delay_s=verdict.delay_s,
        )  # fmt: skip
        details = {"error_class": verdict.error_class, "error": verdict.error, "traceback": trace}
        if final:
            self.finisher.settled(job, "failed", **details)
        else:
            self.finisher.settled(job, "retried", delay_s=verdict.delay_s, **details)


def arguments(job: Claimed, loaded: Loaded, context: Context) -> tuple[Any, ...]:
    """Answer what a handler is called with; raises what pydantic says of parameters that do not fit."""
    if loaded.arity == 0:
        return ()
    params = json.loads(job.params_json) if loaded.model is None else loaded.model.model_validate_json(job.params_json)
    return (params,) if loaded.arity == 1 else (params, context)


def trace_of(error: BaseException) -> str:
    """Answer the traceback of an error, fit to be stored: its end, where the cause is."""
    text = "".join(traceback.format_exception(error))
    return text.replace("\x00", "�").encode(errors="replace").decode()[-TRACEBACK_CHARS_MAX:]
