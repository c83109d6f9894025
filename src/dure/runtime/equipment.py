"""What a worker has in hand: the handlers and operations of the settings, of Dure itself, and of its apps.

An app's operation is found by its name in a constant table and imported when its first run comes; the database only
says which apps are on, never where their code is.
"""

from importlib import import_module

from dure.agents import gathering
from dure.db.pool import Database
from dure.notices.handlers import deliver
from dure.queue.registry import Registry
from dure.runs.declaring import declare_operations
from dure.runs.jobs import handlers
from dure.runs.operation import Operations
from dure.schedule.service import Schedules
from dure.settings import Settings


async def equip(database: Database, settings: Settings, registry: Registry | None = None) -> Registry:
    """Answer the registry of a worker, and tell the database of its operations.

    Example: `worker = Worker(database, await equip(database, settings), settings)`.
    """
    registry = registry or Registry.build(settings.imports, demo=settings.demo)
    operations = known_operations(settings)
    await declare_operations(database, Operations.build(settings.imports))
    apps = import_module("dure.apps.registry")
    registry.add_entries(apps.HANDLERS)
    for one in [deliver, *handlers(database, settings, operations), *gathering.handlers(database)]:
        registry.add(one)
    schedules = Schedules(database, settings, operations)
    for module in apps.schedule_modules():
        await module.ensure(schedules)
    return registry


def known_operations(settings: Settings) -> Operations:
    """Answer the operations of the settings' modules and of the apps."""
    # Apps stand above this layer, so their table is found by its name, as the web is.
    apps = import_module("dure.apps.registry").OPERATIONS
    return Operations.build(settings.imports).with_entries(apps)
