"""A call in a daemon thread of its own, waited for on the loop: for what may take long and cannot be stopped.

Not the loop's executor: its threads are waited for when the process ends, however long they take.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[..., T], *given: Any, name: str) -> T:
    """Answer what the call returns, or raise what it raises.

    Example: `await in_thread(find, "mail.send", name="import")`.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = call(*given)
        except BaseException as raised:
            # A future refuses StopIteration, which would end a generator instead of telling of an error.
            error = RuntimeError(f"StopIteration: {raised}") if isinstance(raised, StopIteration) else raised
        try:
            loop.call_soon_threadsafe(_settle, future, value, error)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    threading.Thread(target=work, name=f"dure.{name}", daemon=True).start()
    return await future


def _settle(future: "asyncio.Future[T]", value: T, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
