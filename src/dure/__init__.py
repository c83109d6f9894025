"""Reversible batch jobs for AI-agent back ends, on PostgreSQL.

The public names are imported when they are first used, so that a command that needs none of them starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dure.queue.client import Client
    from dure.queue.context import Cancelled, Context, ThreadContext
    from dure.queue.inside import enqueue, enqueue_async
    from dure.queue.model import Enqueued, Job, NewJob
    from dure.queue.registry import Rate, Registry, handler
    from dure.queue.results import Done, WaitForChildren
    from dure.queue.retry import Final, Retryable
    from dure.queue.worker import Worker

_HOMES = {
    "Cancelled": "dure.queue.context",
    "Client": "dure.queue.client",
    "Context": "dure.queue.context",
    "Done": "dure.queue.results",
    "Enqueued": "dure.queue.model",
    "Final": "dure.queue.retry",
    "Job": "dure.queue.model",
    "NewJob": "dure.queue.model",
    "Rate": "dure.queue.registry",
    "Registry": "dure.queue.registry",
    "Retryable": "dure.queue.retry",
    "ThreadContext": "dure.queue.context",
    "WaitForChildren": "dure.queue.results",
    "Worker": "dure.queue.worker",
    "enqueue": "dure.queue.inside",
    "enqueue_async": "dure.queue.inside",
    "handler": "dure.queue.registry",
}

__all__ = [
    "Cancelled",
    "Client",
    "Context",
    "Done",
    "Enqueued",
    "Final",
    "Job",
    "NewJob",
    "Rate",
    "Registry",
    "Retryable",
    "ThreadContext",
    "WaitForChildren",
    "Worker",
    "enqueue",
    "enqueue_async",
    "handler",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dure' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
