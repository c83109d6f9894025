"""A worker inside a Django project: Django is ready, its settings are Dure's, and handlers may use the ORM."""

import asyncio
from collections.abc import Callable, Sequence

from dure.contrib.django.conf import dure_settings
from dure.contrib.django.handling import DjangoRegistry
from dure.runtime.parts import Runtime
from dure.runtime.up import Signals, require_migrated
from dure.settings import Settings


async def work(queues: Sequence[str], announce: Callable[[int], None]) -> None:
    """Run one worker until this process is told to stop; calls `announce` with its number when it is ready.

    Example: `asyncio.run(work([], print))`, as `manage.py dure_worker` does.
    """
    settings = dure_settings(**({"queues": tuple(queues)} if queues else {}))
    with Signals() as signals:
        async with Runtime.open(settings) as plain:
            await require_migrated(plain)
        async with worker_runtime(settings) as runtime:
            worker = runtime.worker
            assert worker is not None
            hurried: list[asyncio.Future[None]] = []
            signals.hurry = lambda: hurried.append(asyncio.ensure_future(worker.stop(0)))
            announce(worker.worker_id)
            await signals.stop.wait()


def worker_runtime(settings: Settings) -> Runtime:
    """Answer a runtime with a worker that has this project's handlers.

    Example: `async with worker_runtime(dure_settings()) as runtime: await runtime.worker.wait_idle()`.
    """
    runtime = Runtime.open(settings, worker=True)
    runtime.registry = DjangoRegistry.of(settings)
    return runtime
