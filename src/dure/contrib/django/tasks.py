"""Django's own tasks, kept and run by Dure: `django.tasks` of Django 6.0, or the package `django-tasks` before it.

    TASKS = {"default": {"BACKEND": "dure.contrib.django.tasks.DureBackend", "QUEUES": []}}
    DURE = {"TASKS": ["shop.tasks"]}

A task is enqueued in the transaction that is open, and is a job of the handler `django.tasks.run`, or of
`django.tasks.run_async` for an `async` function. The job names its task; which function that is comes from the modules
that `DURE["TASKS"]` names and never from the database. `OPTIONS` may say `MAX_RETRIES` (0 by default, because Django
promises none) and `TIMEOUT_S`.
"""

import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any

from django.core import checks
from django.db import connections
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field

from dure.contrib.django.conf import conf
from dure.contrib.django.models import Attempt, Job
from dure.contrib.django.words import tell
from dure.errors import DureError
from dure.queue import inside
from dure.queue.context import Context
from dure.queue.cursors import is_id
from dure.queue.registry import handler
from dure.queue.results import Done
from dure.queue.retry import Final, judge

try:
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json
except ImportError:
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started
    from django_tasks.utils import normalize_json

RUN = "django.tasks.run"
RUN_ASYNC = "django.tasks.run_async"
MAX_RETRIES = 0
STATUSES = {
    "pending": TaskResultStatus.READY,
    "processing": TaskResultStatus.RUNNING,
    "completed": TaskResultStatus.SUCCESSFUL,
}
"""Every other state of a job is a failure."""


class Call(BaseModel):
    """The parameters of the jobs."""

    model_config = ConfigDict(extra="forbid")

    task: str
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    backend: str = "default"


class DureBackend(BaseTaskBackend):
    """Keeps tasks as jobs. Example: `send.using(priority=5).enqueue(7)`."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Ask for a job in Django's transaction; raises `InvalidTask` for a function that may not be run."""
        self.validate_task(task)
        if task.module_path not in allowed():
            raise InvalidTask(tell("task_not_allowed", task=task.module_path))
        call = Call(task=task.module_path, args=list(args), kwargs=dict(kwargs), backend=self.alias)
        chosen = conf()
        made = inside.enqueue(
            connections[chosen.alias],
            chosen.tenant,
            RUN_ASYNC if iscoroutinefunction(task.func) else RUN,
            normalize_json(call.model_dump()),
            queue=task.queue_name,
            priority=task.priority,
            run_at=_aware(task.run_after),
            max_retries=self.options.get("MAX_RETRIES", MAX_RETRIES),
            timeout_s=self.options.get("TIMEOUT_S"),
        )
        result = _result(task, call, made.id, TaskResultStatus.READY)
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Answer how a task stands, or raise `TaskResultDoesNotExist`."""
        rows = Job.objects.using(conf().alias).of_tenant()
        job = rows.filter(id=result_id, handler__in=(RUN, RUN_ASYNC)).first() if is_id(result_id) else None
        if job is None:
            raise TaskResultDoesNotExist(result_id)
        call = Call.model_validate(job.params)
        task = allowed().get(call.task)
        if task is None:
            raise TaskResultDoesNotExist(result_id)
        task = task.using(priority=job.priority, run_after=job.run_at, backend=call.backend)
        return _told(_result(task, call, str(job.pk), STATUSES.get(job.state, TaskResultStatus.FAILED)), job)

    def check(self, **_given: Any) -> list[checks.CheckMessage]:
        """Answer what `manage.py check` is to say."""
        try:
            if conf().tasks:
                return []
        except DureError:
            # The check of the settings says what is wrong with them.
            return []
        return [checks.Error(tell("tasks_missing"), id="dure.E002")]


@handler(RUN, max_retries=MAX_RETRIES)
def run(call: Call, ctx: Context) -> Done:
    """Run a task of Django that is a plain function."""
    task, result = _begin(call, ctx)
    try:
        return _succeeded(result, task.func(*_given(task, result), **result.kwargs))
    except Exception as error:
        _failed(result, ctx, error)
        raise


@handler(RUN_ASYNC, max_retries=MAX_RETRIES)
async def run_async(call: Call, ctx: Context) -> Done:
    """Run a task of Django that is an `async` function."""
    task, result = _begin(call, ctx)
    try:
        return _succeeded(result, await task.func(*_given(task, result), **result.kwargs))
    except Exception as error:
        _failed(result, ctx, error)
        raise


HANDLERS: tuple[Callable[..., Any], ...] = (run, run_async)


def allowed() -> dict[str, Any]:
    """Answer the tasks that may be run, by their path. Example: `allowed()["shop.tasks.send"]`."""
    return _declared(conf().tasks)


@cache
def _declared(modules: tuple[str, ...]) -> dict[str, Any]:
    return {
        value.module_path: value
        for name in modules
        for value in vars(import_module(name)).values()
        if isinstance(value, Task) and value.func.__module__ == name
    }


def _begin(call: Call, ctx: Context) -> tuple[Any, Any]:
    task = allowed().get(call.task)
    if task is None:
        raise Final(tell("task_not_allowed", task=call.task))
    result = _result(task, call, ctx.job.id, TaskResultStatus.RUNNING)
    # Who made the attempts before this one is not asked for: that there were so many is all that is told of them.
    result.worker_ids.extend([f"{socket.gethostname()}:{os.getpid()}"] * ctx.attempt)
    _set(result, started_at=timezone.now(), last_attempted_at=timezone.now())
    task_started.send(DureBackend, task_result=result)
    return task, result


def _given(task: Any, result: Any) -> list[Any]:
    return [TaskContext(task_result=result), *result.args] if task.takes_context else list(result.args)


def _succeeded(result: Any, value: Any) -> Done:
    plain = normalize_json(value)
    _set(result, status=TaskResultStatus.SUCCESSFUL, finished_at=timezone.now(), _return_value=plain)
    task_finished.send(DureBackend, task_result=result)
    return Done(plain)


def _failed(result: Any, ctx: Context, error: Exception) -> None:
    """Tell of a failure that no other attempt follows."""
    again = judge(error, ctx.job.retry_count, random.SystemRandom()).delay_s is not None
    if again and ctx.job.retry_count < ctx.job.max_retries:
        return
    _set(result, status=TaskResultStatus.FAILED, finished_at=timezone.now())
    task_finished.send(DureBackend, task_result=result)


def _result(task: Any, call: Call, job_id: str, status: Any) -> Any:
    return TaskResult(
        task=task,
        id=job_id,
        status=status,
        enqueued_at=_made_at(job_id),
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=call.args,
        kwargs=call.kwargs,
        backend=call.backend,
        errors=[],
        worker_ids=[],
    )


def _told(result: Any, job: Job) -> Any:
    """Add what the database knows of the attempts."""
    attempts = list(Attempt.objects.using(conf().alias).filter(job_id=job.pk).order_by("attempt", "ended_at"))
    result.worker_ids.extend(str(row.worker_id) for row in attempts)
    result.errors.extend(_error(row) for row in attempts if row.error_class)
    if job.worker_id is not None and job.attempt > max((row.attempt for row in attempts), default=0):
        result.worker_ids.append(str(job.worker_id))
    first = attempts[0].started_at if attempts else job.started_at
    _set(result, started_at=first, last_attempted_at=job.started_at or first, finished_at=job.finished_at)
    _set(result, enqueued_at=job.created_at, _return_value=job.result)
    return result


def _error(row: Attempt) -> Any:
    return TaskError(exception_class_path=_class_path(row), traceback=row.traceback or "")


def _class_path(row: Attempt) -> str:
    """Find the class's module in the last line of the traceback; built-in ones have none there.

    Only a module that is here already: Django imports what it is told, and the text comes from the database.
    """
    for line in reversed((row.traceback or "").splitlines()):
        module, _, name = line.partition(":")[0].strip().rpartition(".")
        if name == row.error_class and (module or "builtins") in sys.modules:
            return f"{module or 'builtins'}.{name}"
    return "builtins.Exception"


def _made_at(job_id: str) -> datetime:
    """Read the time out of an id, to the millisecond."""
    return datetime.fromtimestamp(int(job_id.replace("-", "")[:12], 16) / 1000, UTC)


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or timezone.is_aware(moment):
        return moment
    aware: datetime = timezone.make_aware(moment)
    return aware


def _set(result: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(result, name, value)
