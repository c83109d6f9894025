"""Composition: the one place that knows how the parts of a process fit together.

A `Runtime` is made from settings alone. It finds the database (the one that was given, or the embedded
server, which it then keeps up), opens the pool and wires the services to it. What it started it stops in
reverse order.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import cached_property
from importlib import import_module
from typing import Self

from dure import logs
from dure.agents.tasks import Tasks
from dure.agents.work import Agents
from dure.db import embedded
from dure.db.migrate import migrate
from dure.db.pool import Database
from dure.errors import DureError
from dure.intents.catalogue import Catalogue
from dure.intents.offering import Offers
from dure.intents.outbox.store import Outbox
from dure.intents.patterns import Patterns
from dure.intents.requests import Intents
from dure.metrics import Registry as Metrics
from dure.queue.admin import Handlers, Queues, Workers
from dure.queue.client import Client
from dure.queue.jobs import Jobs
from dure.queue.keys import Keys
from dure.queue.registry import Registry
from dure.queue.worker import Worker
from dure.runs.operation import Operations
from dure.runs.service import Runs
from dure.runtime.companions import Companions
from dure.runtime.equipment import equip, known_intents, known_operations, known_patterns
from dure.runtime.web import HttpServer, bind
from dure.schedule.backfills import Backfills
from dure.schedule.holidays import Calendars
from dure.schedule.service import Schedules
from dure.schedule.windows import Windows
from dure.settings import Settings

GUARD_S = 1.0
"""How often a process that uses the embedded server looks whether it is still there."""


class Runtime:
    """The parts of one process, wired.

    Example: `async with Runtime.open(settings) as runtime: await runtime.client.enqueue("acme", job)`.
    """

    database: Database
    client: Client
    jobs: Jobs
    queues: Queues
    handlers: Handlers
    workers: Workers
    keys: Keys
    runs: Runs
    schedules: Schedules
    calendars: Calendars
    backfills: Backfills
    windows: Windows
    agents: Agents
    tasks: Tasks

    def __init__(self, settings: Settings, *, worker: bool = False, http: bool = False, migrate: bool = False) -> None:
        self.settings = settings
        """With the `database_url` in use, once started."""
        self.embedded = settings.database_url is None
        self._wants = (worker, http, migrate)
        self._stack: AsyncExitStack | None = None
        self.metrics = Metrics()
        self.worker: Worker | None = None
        self.http: HttpServer | None = None

    @classmethod
    def open(cls, settings: Settings, *, worker: bool = False, http: bool = False, migrate: bool = False) -> Self:
        """Answer a runtime for `async with`; with `worker` or `http`, those run in this process."""
        return cls(settings, worker=worker, http=http, migrate=migrate)

    async def start(self) -> None:
        """Start every part; returns when all are ready, and leaves nothing behind when one fails."""
        if self._stack is not None:
            return
        self._stack = AsyncExitStack()
        try:
            await self._start(self._stack)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop every part, the last one first; may be called twice."""
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    @cached_property
    def registry(self) -> Registry:
        """The handlers that the settings name; their modules are imported when somebody asks."""
        return Registry.build(self.settings.imports, demo=self.settings.demo)

    @cached_property
    def operations(self) -> Operations:
        """The operations that the settings name and the apps have."""
        return known_operations(self.settings)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The intents that the settings name and the apps have."""
        return known_intents(self.settings)

    @cached_property
    def intents(self) -> Intents:
        """What is asked for."""
        return Intents(self.database, self.settings, self.catalogue)

    @cached_property
    def offers(self) -> Offers:
        """What may be asked for."""
        return Offers(self.database, self.catalogue)

    @cached_property
    def patterns(self) -> Patterns:
        """What sentences ask for."""
        return known_patterns(self.database, self.settings, self.catalogue)

    @cached_property
    def outbox(self) -> Outbox:
        """Messages to people outside."""
        return Outbox(self.database)

    async def _start(self, stack: AsyncExitStack) -> None:
        wants_worker, wants_http, wants_migrate = self._wants
        lease = await self._find_database(stack)
        self.database = Database(self.settings)
        stack.push_async_callback(self.database.stop)
        await self.database.start()
        if lease is not None:
            guard = asyncio.create_task(self._guard(lease), name="dure.embedded_guard")
            stack.push_async_callback(_cancelled, [guard])
        # Nobody else looks after the embedded server's schema, so it is never left behind.
        if wants_migrate or self.embedded:
            await migrate(self.database)
        self._wire()
        if wants_worker:
            self.worker = Worker(self.database, await equip(self.database, self.settings, self.registry), self.settings)
            stack.push_async_callback(self.worker.stop)
            await self.worker.start()
            companions = Companions(self.database, self.settings)
            stack.push_async_callback(companions.stop)
            await companions.start()
        if wants_http:
            self.http = self.web(bind(self.settings.host, self.settings.port))
            stack.push_async_callback(self.http.stop)
            await self.http.start()

    def web(self, listener: socket.socket) -> HttpServer:
        """Answer the HTTP server of this runtime's services, on a socket that is bound already."""
        # The web stands above this layer, so it is found by its name, as a worker finds its handlers.
        services = import_module("dure.http.services").Services.of(
            self.settings, self.database, self.metrics, host=self.settings.host
        )
        app = import_module("dure.http.app").create_app(services)
        return HttpServer(app, listener, stopping=services.stopping, then=services.stop)

    def _wire(self) -> None:
        self.client = Client(self.database, self.settings)
        self.jobs = Jobs(self.database, self.client)
        self.queues = Queues(self.database)
        self.handlers = Handlers(self.database)
        self.workers = Workers(self.database)
        self.keys = Keys(self.database)
        self.runs = Runs(self.database, self.settings, self.operations)
        self.schedules = Schedules(self.database, self.settings, self.operations)
        self.calendars = Calendars(self.database)
        self.backfills = Backfills(self.database)
        self.windows = Windows(self.database, self.settings)
        self.agents = Agents(self.database, self.settings)
        self.tasks = Tasks(self.database, self.settings)

    async def _find_database(self, stack: AsyncExitStack) -> embedded.Lease | None:
        if not self.embedded:
            return None
        lease = await asyncio.to_thread(embedded.acquire, self.settings.home)
        stack.push_async_callback(asyncio.to_thread, lease.release)
        self.settings = self.settings.model_copy(update={"database_url": lease.url})
        return lease

    async def _guard(self, lease: embedded.Lease) -> None:
        """Bring the embedded server back when it was killed; the pool reconnects by itself."""
        log = logs.get("embedded")
        while True:
            await asyncio.sleep(GUARD_S)
            try:
                found = await asyncio.to_thread(embedded.status, self.settings.home)
                if found.url is None:
                    log.warning("embedded.down", pid=found.pid)
                    await asyncio.to_thread(lease.ensure)
                    log.info("embedded.back")
            except (DureError, OSError) as error:
                log.error("embedded.still_down", reason=str(error))


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
