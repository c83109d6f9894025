"""Dure's services from Django's synchronous code: admin actions, management commands, plain views."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from dure.contrib.django.conf import dure_settings
from dure.settings import Settings

if TYPE_CHECKING:
    from dure.runtime.parts import Runtime

T = TypeVar("T")


def call(work: "Callable[[Runtime], Awaitable[T]]", settings: Settings | None = None) -> T:
    """Open Dure's services on the project's database, do something with them, and close them again.

    They have a connection of their own: what an open transaction of Django has not committed, they do not see.
    Example: `call(lambda dure: dure.jobs.retry("shop", job_id, actor="django:kim"))`.
    """
    # The parts of a worker and of a server, which a process that only reads has no use for.
    from dure.runtime.parts import Runtime

    chosen = settings or dure_settings()

    async def open_and_work() -> T:
        async with Runtime.open(chosen) as runtime:
            return await work(runtime)

    return in_loop(open_and_work)


def in_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine to its end, also where this thread has a loop of its own.

    Example: `in_loop(lambda: migrate(database))`.
    """

    async def awaited() -> T:
        return await work()

    with ThreadPoolExecutor(1, thread_name_prefix="dure.django") as pool:
        return pool.submit(lambda: asyncio.run(awaited())).result()
