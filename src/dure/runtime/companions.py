"""What every worker process runs beside its worker: schedules fire, agents are looked after, apps do what they do.

Each of them works on the database alone, and does so beside as many others as there are processes; none leads.
"""

from importlib import import_module
from typing import Protocol

from dure.agents import channels, metrics, rollouts
from dure.agents.tender import Tender
from dure.db.pool import Database
from dure.intents import keeping
from dure.schedule.ticker import Ticker
from dure.settings import Settings


class Companion(Protocol):
    """Starts, and stops."""

    async def start(self) -> None:
        """Begin; returns when it is ready."""

    async def stop(self) -> None:
        """End; may be called twice."""


class Companions:
    """All of them, started in order and stopped in reverse. Example: `await Companions(database, settings).start()`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        chores = (metrics.roll_up, rollouts.step, channels.tend, keeping.prune)
        # Apps stand above this layer, so what they bring along is found by its name.
        services = import_module("dure.apps.registry").services()
        self._all: list[Companion] = [
            Ticker(database, settings),
            Tender(database, settings, chores),
            *(service(database, settings) for service in services),
        ]

    async def start(self) -> None:
        """Start every one."""
        for one in self._all:
            await one.start()

    async def stop(self) -> None:
        """Stop every one, the last one first; may be called twice."""
        for one in reversed(self._all):
            await one.stop()
