"""Dure beside an existing Celery: its tasks called as handlers, its schedules imported.

The public names are imported when they are first used: `celery_handler`, `BeatImport`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dure.contrib.celery.beat import BeatImport
    from dure.contrib.celery.calling import celery_handler

_HOMES = {"BeatImport": "dure.contrib.celery.beat", "celery_handler": "dure.contrib.celery.calling"}

__all__ = ["BeatImport", "celery_handler"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
