"""The apps that Dure brings along: a constant table, so that nothing is ever imported by a name from elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from dure.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Where the parts of an app are; a module is imported when its part is first used."""

    name: str
    operations: Mapping[str, str]
    """The names of its operations, each with `module:Class`."""
    http: str
    """Has `router`, for the HTTP server."""
    demo: str
    """Has `load_demo(database, say_line)` and `fingerprint(database)`."""


APPS: Mapping[str, App] = {
    "knowledge": App(
        name="knowledge",
        operations={"knowledge.deduplicate": "dure.apps.knowledge.operation:Deduplicate"},
        http="dure.http.routes.batch",
        demo="dure.apps.knowledge.demo",
    )
}

OPERATIONS: Mapping[str, str] = {name: target for app in APPS.values() for name, target in app.operations.items()}


def app_of(name: str) -> App:
    """Answer an app; `Invalid` names those that there are. Example: `app_of("knowledge").http`."""
    try:
        return APPS[name]
    except KeyError:
        raise Invalid(field="app", reason="not_one_of", expected=", ".join(APPS)) from None


def http_modules(named: Iterable[str] = ()) -> list[ModuleType]:
    """Import the web parts of the apps that are named; none named means all. Example: `http_modules()[0].router`."""
    return [import_module(app_of(name).http) for name in tuple(named) or APPS]


def demo_of(name: str) -> ModuleType:
    """Import what shows an app with example data. Example: `demo_of("knowledge").fingerprint`."""
    return import_module(app_of(name).demo)
