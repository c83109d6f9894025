"""The handlers of a Django project: those of `DURE["IMPORTS"]`, called so that the ORM may be used in them.

Django gives each thread a connection of its own and looks after it when a request begins and ends. A worker has no
requests, so here it is looked after when a job does.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from dure.contrib.django.conf import conf, dure_settings
from dure.contrib.django.services import call
from dure.db.migrate import status
from dure.queue.declaring import declare
from dure.queue.registry import Loaded, Registry
from dure.runtime.parts import Runtime
from dure.settings import Settings

CHILD = "dure.contrib.django.child"


class DjangoRegistry(Registry):
    """Handlers around which Django's connections are looked after.

    Example: `DjangoRegistry.of(dure_settings()).find("mail.send").call`.
    """

    def __init__(self, handlers: Iterable[Callable[..., Any]] = (), entries: Mapping[str, str] | None = None) -> None:
        super().__init__(handlers, entries)
        self._looked_after: dict[str, Loaded] = {}

    @classmethod
    def of(cls, settings: Settings) -> "DjangoRegistry":
        """Answer the handlers that the project's settings allow, and those that run Django's own tasks."""
        registry = cast("DjangoRegistry", cls.build(settings.imports, demo=settings.demo))
        if conf().tasks:
            from dure.contrib.django.tasks import HANDLERS

            for function in HANDLERS:
                registry.add(function)
        return registry

    def find(self, name: str) -> Loaded:
        """Answer the handler, imported if this is its first use."""
        known = self._looked_after.get(name)
        if known is not None:
            return known
        loaded = super().find(name)
        around = _around_async if loaded.is_async else _around
        # A process that runs one handler alone must get Django ready first, so it goes by a function that does.
        spec = replace(loaded.spec, target=f"{CHILD}:{'run_async' if loaded.is_async else 'run'}")
        known = replace(loaded, spec=spec, call=around(loaded.call))
        self._looked_after[name] = self._loaded[name] = known
        return known


def declare_handlers() -> None:
    """Tell the database which handlers there are, so that jobs may be asked for before the first worker starts.

    Example: `declare_handlers()`, as `manage.py migrate` does at its end.
    """
    settings = dure_settings()
    registry = DjangoRegistry.of(settings)

    async def work(runtime: Runtime) -> None:
        # Another app may be migrated alone, before Dure's schema is there.
        if not any(state.applied_at is None and state.phase == "pre" for state in await status(runtime.database)):
            await declare(runtime.database, registry, settings)

    call(work, settings)


def _around(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def called(*given: Any) -> Any:
        close_old_connections()
        try:
            return function(*given)
        finally:
            close_old_connections()

    return called


def _around_async(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def called(*given: Any) -> Any:
        await sync_to_async(close_old_connections)()
        try:
            return await function(*given)
        finally:
            await sync_to_async(close_old_connections)()

    return called
