"""Dure inside a Django project: `INSTALLED_APPS += ["dure.contrib.django"]`.

The public names are imported when they are first used, because Django imports this package before its models are
ready: `enqueue`, `aenqueue`, `database_url`, `dure_settings`, `get_schedule_status`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dure.contrib.django.batch import get_schedule_status
    from dure.contrib.django.conf import database_url, dure_settings
    from dure.contrib.django.sending import aenqueue, enqueue

_HOMES = {
    "aenqueue": "dure.contrib.django.sending",
    "database_url": "dure.contrib.django.conf",
    "dure_settings": "dure.contrib.django.conf",
    "enqueue": "dure.contrib.django.sending",
    "get_schedule_status": "dure.contrib.django.batch",
}

__all__ = ["aenqueue", "database_url", "dure_settings", "enqueue", "get_schedule_status"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
