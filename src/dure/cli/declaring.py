"""Naming handlers that no worker has declared yet."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from dure.cli import session

if TYPE_CHECKING:
    from dure.runtime.parts import Runtime

T = TypeVar("T")


async def with_handlers(runtime: "Runtime", work: Callable[[], Awaitable[T]]) -> T:
    """Do the work; a handler that the settings name and the database lacks is declared first, as a worker would.

    Example: `await with_handlers(runtime, lambda: runtime.windows.start(tenant, key, handler=name, actor=who))`.
    """
    from dure.errors import UnknownHandler
    from dure.queue.declaring import declare

    try:
        return await work()
    except UnknownHandler as error:
        session.import_from_here()
        if not runtime.registry.knows(str(error.params["handler"])):
            raise
        await declare(runtime.database, runtime.registry)
        return await work()
