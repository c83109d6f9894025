"""What a worker has in hand: the handlers and operations of the settings, of Dure itself, and of its apps.

An app's operation is found by its name in a constant table and imported when its first run comes; the database only
says which apps are on, never where their code is.
"""

from importlib import import_module

from dure.agents import gathering
from dure.db.pool import Database
from dure.intents import running, switching
from dure.intents.catalogue import Catalogue
from dure.intents.outbox import sending
from dure.intents.patterns import Patterns
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
    intents = known_intents(settings)
    registry.add_entries(intents.entries())
    for one in [
        deliver,
        *handlers(database, settings, operations),
        *gathering.handlers(database),
        *running.handlers(intents),
        *sending.handlers(),
        *switching.handlers(database),
    ]:
        registry.add(one)
    schedules = Schedules(database, settings, operations)
    for module in apps.schedule_modules():
        await module.ensure(schedules)
    # Here, and not when somebody first reads them: a GET changes nothing.
    await known_patterns(database, settings, intents).seed()
    return registry


def known_intents(settings: Settings) -> Catalogue:
    """Answer the intents of the settings' modules and of the apps."""
    return Catalogue.build(settings.imports, import_module("dure.apps.registry").intents())


def known_patterns(database: Database, settings: Settings, catalogue: Catalogue) -> Patterns:
    """Answer what finds the intents of a catalogue by sentences, with the words and names of the apps."""
    apps = import_module("dure.apps.registry")
    return Patterns(database, settings, catalogue, apps.glossary(), apps.mentions(database))


def known_operations(settings: Settings) -> Operations:
    """Answer the operations of the settings' modules and of the apps."""
    # Apps stand above this layer, so their table is found by its name, as the web is.
    apps = import_module("dure.apps.registry").OPERATIONS
    return Operations.build(settings.imports).with_entries(apps)
