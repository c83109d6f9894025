"""`dure up`: database, migrations, workers and the HTTP server, until told to stop.

The HTTP server is in this process and the workers are children, so that a handler that kills its process
leaves the server up. The order of the start is the order in which things can fail cheaply: the port first,
the keys before anybody from elsewhere could connect, the workers before the server says that it is ready.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dure.runtime.parts import Runtime
from dure.runtime.problems import NeedsKey, NotMigrated
from dure.runtime.supervisor import Supervisor
from dure.runtime.web import HttpServer, bind, is_loopback, url_of
from dure.settings import Settings


@dataclass(frozen=True)
class Up:
    """What runs, for whoever announces it."""

    url: str
    open_to_all: bool
    """Whether there are no keys, so that everyone on this machine may do everything."""
    database: dict[str, object]


class Signals:
    """The first signal asks to stop, the next one to hurry.

    Example: `with Signals() as signals: await signals.stop.wait()`.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry: Callable[[], None] = lambda: None

    def __enter__(self) -> "Signals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._received)
        return self

    def __exit__(self, *_error: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _received(self) -> None:
        if self.stop.is_set():
            self.hurry()
        self.stop.set()


async def serve(settings: Settings, *, processes: int, announce: Callable[[Up], None]) -> None:
    """Run everything; calls `announce` when it is ready, and returns when all of it has stopped."""
    with Signals() as signals:
        async with _up(settings, processes, signals) as up:
            if up is not None:
                announce(up)
                await signals.stop.wait()


async def work(settings: Settings, *, processes: int, announce: Callable[[list[int]], None]) -> None:
    """Run workers alone; the database must be there and migrated, unless it is the embedded one."""
    with Signals() as signals:
        async with AsyncExitStack() as stack:
            runtime = await stack.enter_async_context(Runtime.open(settings))
            await require_migrated(runtime)
            supervisor = Supervisor(runtime.database, runtime.settings, processes=processes)
            signals.hurry = supervisor.hurry
            stack.push_async_callback(supervisor.stop)
            if await _unless_stopped(supervisor.start(), signals):
                announce(supervisor.worker_ids)
                await signals.stop.wait()


async def require_migrated(runtime: Runtime) -> None:
    """Raise `NotMigrated` when the schema is older than this code."""
    from dure.db.migrate import status

    if any(state.applied_at is None and state.phase == "pre" for state in await status(runtime.database)):
        raise NotMigrated


@asynccontextmanager
async def _up(settings: Settings, processes: int, signals: Signals) -> AsyncIterator[Up | None]:
    listener = bind(settings.host, settings.port)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        runtime = Runtime.open(settings, migrate=True)
        stack.push_async_callback(runtime.stop)
        if not await _unless_stopped(runtime.start(), signals):
            yield None
            return
        open_to_all = not await runtime.keys.any_exist()
        if open_to_all and not is_loopback(settings.host):
            raise NeedsKey(host=settings.host)
        supervisor = Supervisor(runtime.database, runtime.settings, processes=processes)
        signals.hurry = supervisor.hurry
        stack.push_async_callback(supervisor.stop)
        http = runtime.web(listener)
        stack.push_async_callback(http.stop)
        if not await _unless_stopped(_both(supervisor, http), signals):
            yield None
            return
        yield Up(url_of(listener, settings.host), open_to_all, runtime.database.describe())


async def _both(supervisor: Supervisor, http: HttpServer) -> None:
    await supervisor.start()
    await http.start()


async def _unless_stopped(start: Coroutine[Any, Any, None], signals: Signals) -> bool:
    """Start something, unless a signal comes first: then what was begun is left to its owner to stop."""
    starting = asyncio.ensure_future(start)
    stopping = asyncio.create_task(signals.stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
        return False
    await starting
    return True
