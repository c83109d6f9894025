"""Reversible batch jobs for AI-agent back ends, on PostgreSQL.

The public names are imported when they are first used, so that a command that needs none of them starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dure.agents.channels import Caller, Channels
    from dure.agents.model import Need, NewAgent, NewTask
    from dure.agents.releases import NewRelease, Releases
    from dure.agents.rollout_model import NewRollout
    from dure.agents.rollouts import Rollouts
    from dure.agents.tasks import Tasks
    from dure.agents.work import Agents
    from dure.intents.declaring import intent
    from dure.intents.model import Changed, Declaration, Outgoing, Report, Skip, Target
    from dure.intents.requests import Intents
    from dure.queue.client import Client
    from dure.queue.context import Cancelled, Context, ThreadContext
    from dure.queue.inside import enqueue, enqueue_async
    from dure.queue.model import Enqueued, Job, NewJob
    from dure.queue.registry import Rate, Registry, handler
    from dure.queue.results import Done, WaitForChildren
    from dure.queue.retry import Final, Retryable
    from dure.queue.worker import Worker
    from dure.runs.context import PlanContext
    from dure.runs.guards import Guards
    from dure.runs.model import Reason
    from dure.runs.operation import operation
    from dure.runs.service import Runs
    from dure.runs.stores.table import Table
    from dure.schedule.model import Fire, NewSchedule, Schedule, Window
    from dure.schedule.service import Schedules
    from dure.schedule.windows import Windows

_HOMES = {
    "Agents": "dure.agents.work",
    "Caller": "dure.agents.channels",
    "Cancelled": "dure.queue.context",
    "Changed": "dure.intents.model",
    "Channels": "dure.agents.channels",
    "Client": "dure.queue.client",
    "Context": "dure.queue.context",
    "Declaration": "dure.intents.model",
    "Done": "dure.queue.results",
    "Enqueued": "dure.queue.model",
    "Final": "dure.queue.retry",
    "Fire": "dure.schedule.model",
    "Guards": "dure.runs.guards",
    "Intents": "dure.intents.requests",
    "Job": "dure.queue.model",
    "Need": "dure.agents.model",
    "NewAgent": "dure.agents.model",
    "NewJob": "dure.queue.model",
    "NewRelease": "dure.agents.releases",
    "NewRollout": "dure.agents.rollout_model",
    "NewSchedule": "dure.schedule.model",
    "NewTask": "dure.agents.model",
    "Outgoing": "dure.intents.model",
    "PlanContext": "dure.runs.context",
    "Rate": "dure.queue.registry",
    "Reason": "dure.runs.model",
    "Registry": "dure.queue.registry",
    "Releases": "dure.agents.releases",
    "Report": "dure.intents.model",
    "Retryable": "dure.queue.retry",
    "Rollouts": "dure.agents.rollouts",
    "Runs": "dure.runs.service",
    "Schedule": "dure.schedule.model",
    "Schedules": "dure.schedule.service",
    "Skip": "dure.intents.model",
    "Table": "dure.runs.stores.table",
    "Target": "dure.intents.model",
    "Tasks": "dure.agents.tasks",
    "ThreadContext": "dure.queue.context",
    "WaitForChildren": "dure.queue.results",
    "Window": "dure.schedule.model",
    "Windows": "dure.schedule.windows",
    "Worker": "dure.queue.worker",
    "enqueue": "dure.queue.inside",
    "enqueue_async": "dure.queue.inside",
    "handler": "dure.queue.registry",
    "intent": "dure.intents.declaring",
    "operation": "dure.runs.operation",
}

__all__ = [
    "Agents",
    "Caller",
    "Cancelled",
    "Changed",
    "Channels",
    "Client",
    "Context",
    "Declaration",
    "Done",
    "Enqueued",
    "Final",
    "Fire",
    "Guards",
    "Intents",
    "Job",
    "Need",
    "NewAgent",
    "NewJob",
    "NewRelease",
    "NewRollout",
    "NewSchedule",
    "NewTask",
    "Outgoing",
    "PlanContext",
    "Rate",
    "Reason",
    "Registry",
    "Releases",
    "Report",
    "Retryable",
    "Rollouts",
    "Runs",
    "Schedule",
    "Schedules",
    "Skip",
    "Table",
    "Target",
    "Tasks",
    "ThreadContext",
    "WaitForChildren",
    "Window",
    "Windows",
    "Worker",
    "enqueue",
    "enqueue_async",
    "handler",
    "intent",
    "operation",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dure' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
