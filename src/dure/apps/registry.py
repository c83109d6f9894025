"""The apps that Dure brings along: a constant table, so that nothing is ever imported by a name from elsewhere."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dure.apps.intents.catalogue import OPERATIONS as ACADEMY_OPERATIONS
from dure.errors import Invalid
from dure.intents.model import Declaration

if TYPE_CHECKING:
    from dure.db.pool import Database
    from dure.intents.patterns.service import Mentions


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Where the parts of an app are; a module is imported when its part is first used."""

    name: str
    operations: Mapping[str, str]
    """The names of its operations, each with `module:Class`."""
    handlers: Mapping[str, str] = field(default_factory=dict)
    """The names of its handlers, each with `module:function`."""
    http: str | None = None
    """Has `router`, for the HTTP server; None where the routes are the core's own."""
    demo: str
    """Has `load_demo(database, say_line)` and `fingerprint(database)`."""
    intents: str | None = None
    """Has `CATALOGUE`, the declarations of its intents."""
    glossary: str | None = None
    """Has `GLOSSARY`: what people call the things of this app, for finding intents by sentences."""
    mentions: str | None = None
    """Has `Mentions`, made of a database: answers which names stand in a sentence."""
    service: str | None = None
    """`module:Class` of what worker processes run for it; made of a database and settings, it starts and stops."""
    schedules: str | None = None
    """Has `ensure(schedules)`, called when a worker starts: makes the schedules that the environment asks for."""


APPS: Mapping[str, App] = {
    "knowledge": App(
        name="knowledge",
        operations={"knowledge.deduplicate": "dure.apps.knowledge.operation:Deduplicate"},
        http="dure.http.routes.batch",
        demo="dure.apps.knowledge.demo",
        schedules="dure.apps.knowledge.schedules",
    ),
    "interventions": App(
        name="interventions",
        operations={"interventions.generate": "dure.apps.interventions.operation:Generate"},
        http="dure.http.routes.interventions",
        demo="dure.apps.interventions.demo",
    ),
    "notion": App(
        name="notion",
        operations={},
        handlers={
            "notion.tick": "dure.apps.notion.jobs:tick",
            "notion.todo": "dure.apps.notion.jobs:todo",
            "notion.work.offline": "dure.apps.notion.offline:work",
        },
        http="dure.http.routes.notion",
        demo="dure.apps.notion.demo",
    ),
    "academy": App(
        name="academy",
        operations=ACADEMY_OPERATIONS,
        intents="dure.apps.intents.catalogue",
        glossary="dure.apps.intents.glossary",
        mentions="dure.apps.intents.mentions",
        demo="dure.apps.intents.demo",
    ),
    "agents": App(
        name="agents",
        operations={},
        # What the core's agents ask for and only an app can do.
        handlers={"dure.agents.unlearn": "dure.apps.ecosystem.unlearning:unlearn"},
        service="dure.apps.ecosystem.a2a.bridge:Bridge",
        demo="dure.apps.ecosystem.demo",
    ),
}

HANDLERS: Mapping[str, str] = {name: target for app in APPS.values() for name, target in app.handlers.items()}
OPERATIONS: Mapping[str, str] = {name: target for app in APPS.values() for name, target in app.operations.items()}


def app_of(name: str) -> App:
    """Answer an app; `Invalid` names those that there are. Example: `app_of("knowledge").http`."""
    try:
        return APPS[name]
    except KeyError:
        raise Invalid(field="app", reason="not_one_of", expected=", ".join(APPS)) from None


def http_modules(named: Iterable[str] = ()) -> list[ModuleType]:
    """Import the web parts of the apps that are named; none named means all. Example: `http_modules()[0].router`."""
    chosen = [app_of(name) for name in tuple(named) or APPS]
    return [import_module(app.http) for app in chosen if app.http is not None]


def services() -> list[Callable[..., Any]]:
    """Answer the classes of what worker processes run for the apps. Example: `services()[0](database, settings)`."""
    targets = [app.service.partition(":") for app in APPS.values() if app.service is not None]
    return [getattr(import_module(module), name) for module, _, name in targets]


def schedule_modules() -> list[ModuleType]:
    """Import what makes the schedules of apps. Example: `for module in schedule_modules(): await module.ensure(s)`."""
    return [import_module(app.schedules) for app in APPS.values() if app.schedules is not None]


def demo_of(name: str) -> ModuleType:
    """Import what shows an app with example data. Example: `demo_of("knowledge").fingerprint`."""
    return import_module(app_of(name).demo)


def intents() -> dict[str, Declaration]:
    """Answer what the apps declare of intents."""
    found: dict[str, Declaration] = {}
    for app in APPS.values():
        if app.intents is not None:
            found.update(import_module(app.intents).CATALOGUE)
    return found


def glossary() -> dict[str, tuple[str, ...]]:
    """Answer what people call the things of the apps."""
    found: dict[str, tuple[str, ...]] = {}
    for app in APPS.values():
        if app.glossary is not None:
            found.update(import_module(app.glossary).GLOSSARY)
    return found


def mentions(database: "Database") -> "Mentions":
    """Answer what finds the names of an app's people and things in a sentence: `names(tenant_id, noun, sentence)`."""
    finders: list[Mentions] = [
        import_module(app.mentions).Mentions(database) for app in APPS.values() if app.mentions is not None
    ]

    async def names(tenant_id: str, noun: str, sentence: str) -> Sequence[str]:
        return [name for find in finders for name in await find(tenant_id, noun, sentence)]

    return names
