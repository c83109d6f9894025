"""All that a request may reach: made once by whoever wires the process, handed to `create_app`."""

import asyncio
from dataclasses import dataclass, field

from dure.agents.audit import Audit
from dure.agents.channels import Channels
from dure.agents.metrics import Metrics
from dure.agents.releases import Releases
from dure.agents.rollouts import Rollouts
from dure.agents.streaming import Hub
from dure.agents.tasks import Tasks
from dure.agents.work import Agents
from dure.db.pool import Database
from dure.intents.asking import Asks
from dure.intents.offering import Offers
from dure.intents.outbox.store import Outbox
from dure.intents.patterns import Patterns
from dure.intents.requests import Intents
from dure.metrics import Registry
from dure.queue.admin import Handlers, Queues, Workers
from dure.queue.client import Client
from dure.queue.idempotency import Idempotency
from dure.queue.jobs import Jobs
from dure.queue.keys import Keys
from dure.runs.service import Runs
from dure.runtime.equipment import known_intents, known_operations, known_patterns
from dure.schedule.backfills import Backfills
from dure.schedule.holidays import Calendars
from dure.schedule.service import Schedules
from dure.schedule.windows import Windows
from dure.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one process. Example: `create_app(Services.of(settings, database, metrics))`."""

    settings: Settings
    database: Database
    jobs: Jobs
    queues: Queues
    handlers: Handlers
    workers: Workers
    keys: Keys
    idempotency: Idempotency
    runs: Runs
    schedules: Schedules
    calendars: Calendars
    backfills: Backfills
    windows: Windows
    channels: Channels
    hub: Hub
    audit: Audit
    agents: Agents
    tasks: Tasks
    intents: Intents
    offers: Offers
    patterns: Patterns
    asks: Asks
    outbox: Outbox
    releases: Releases
    rollouts: Rollouts
    performance: Metrics
    metrics: Registry
    host: str
    """The address that the server is bound to: beyond loopback, nothing goes without a key."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set before the server stops, so that open streams end."""

    @classmethod
    def of(cls, settings: Settings, database: Database, metrics: Registry, *, host: str | None = None) -> "Services":
        """Make all services over one database."""
        operations, catalogue = known_operations(settings), known_intents(settings)
        runs, stopping = Runs(database, settings, operations), asyncio.Event()
        return cls(
            settings=settings,
            database=database,
            jobs=Jobs(database, Client(database, settings)),
            queues=Queues(database),
            handlers=Handlers(database),
            workers=Workers(database),
            keys=Keys(database),
            idempotency=Idempotency(database),
            runs=runs,
            schedules=Schedules(database, settings, operations),
            calendars=Calendars(database),
            backfills=Backfills(database),
            windows=Windows(database, settings),
            channels=Channels(database),
            hub=Hub(database, settings, stopping=stopping),
            audit=Audit(database),
            agents=Agents(database, settings),
            tasks=Tasks(database, settings),
            intents=Intents(database, settings, catalogue),
            offers=Offers(database, catalogue),
            patterns=known_patterns(database, settings, catalogue),
            asks=Asks(database, runs),
            outbox=Outbox(database),
            releases=Releases(database),
            rollouts=Rollouts(database),
            performance=Metrics(database),
            metrics=metrics,
            host=host or settings.host,
            stopping=stopping,
        )

    async def stop(self) -> None:
        """Let go of what listens for those that wait; may be called twice."""
        await self.agents.stop()
        await self.hub.stop()
