"""What most commands begin with: settings, logs, a runtime, and the tenant that is meant."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from dure.cli.help import text

if TYPE_CHECKING:
    from dure.db.embedded import Lease
    from dure.db.pool import Database
    from dure.runtime.parts import Runtime
    from dure.settings import Settings

T = TypeVar("T")
TENANT = "default"

Imports = typer.Option(None, "--import", metavar="MODULE", help=text("opt_import"))
Tenant = typer.Option(TENANT, "--tenant", envvar="DURE_TENANT", metavar="ID", help=text("opt_tenant"))


def settings(*, quiet: bool = True, **changes: Any) -> "Settings":
    """Read the settings, with changes from the command line, and send logs to stderr.

    A short command (`quiet`) says nothing but warnings there. Example: `settings(quiet=False, port=9000)`.
    """
    from dure import logs
    from dure.settings import load

    # The options of a command have their limits there.
    loaded = load().model_copy(update={name: value for name, value in changes.items() if value is not None})
    level = "warning" if quiet and "DURE_LOG_LEVEL" not in os.environ else loaded.log_level
    logs.configure(log_format=loaded.log_format, log_level=level)
    return loaded


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine."""
    return asyncio.run(work())


@asynccontextmanager
async def runtime(**changes: Any) -> AsyncIterator["Runtime"]:
    """A runtime from the settings, for one short command."""
    from dure.runtime.parts import Runtime

    chosen = settings(**changes)
    if chosen.imports:
        # Whatever a command is about, it may ask which intents there are.
        import_from_here()
    async with Runtime.open(chosen) as opened:
        yield opened


def import_from_here() -> None:
    """Let handler modules be found in the current directory, as `python -m` does."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)


class OpenDatabase:
    """The database alone, as it is: nothing is migrated, no service is wired.

    Example: `async with OpenDatabase(settings) as database: await migrate(database)`.
    """

    def __init__(self, chosen: "Settings") -> None:
        self._settings = chosen
        self._lease: Lease | None = None

    async def __aenter__(self) -> "Database":
        from dure.db import embedded
        from dure.db.pool import Database

        chosen = self._settings
        if chosen.database_url is None:
            self._lease = await asyncio.to_thread(embedded.acquire, chosen.home)
            chosen = chosen.model_copy(update={"database_url": self._lease.url})
        self._database = Database(chosen)
        try:
            await self._database.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self._database

    async def __aexit__(self, *_error: object) -> None:
        await self._database.stop()
        if self._lease is not None:
            await asyncio.to_thread(self._lease.release)
