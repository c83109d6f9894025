"""Which intents there are: declared as data, so that ten thousand cost no import; code comes with the first job."""

import importlib
from collections.abc import Iterable, Iterator, Mapping

from dure.errors import NotFound
from dure.intents.declaring import MARK, Intent
from dure.intents.model import Declaration
from dure.queue.registry import HandlerImportError

TABLE = "INTENTS"
"""A module that is imported for its handlers may have a table of this name: keys, each with its `Declaration`."""


class Catalogue:
    """The intents that a process knows. Example: `Catalogue({d.key: d}).find(d.key).params`."""

    def __init__(self, declared: Mapping[str, Declaration] | None = None, marked: Iterable[type] = ()) -> None:
        self._declared = dict(declared or {})
        self._found: dict[str, Intent] = {}
        for cls in marked:
            found: Intent = getattr(cls, MARK)
            self._declared[found.key] = found.declaration
            self._found[found.key] = found

    @classmethod
    def build(cls, modules: Iterable[str], declared: Mapping[str, Declaration] | None = None) -> "Catalogue":
        """Collect what the allowed modules mark and declare, beside what is declared already."""
        marked: list[type] = []
        tables = dict(declared or {})
        for name in modules:
            module = importlib.import_module(name)
            tables.update(getattr(module, TABLE, {}))
            marked += [value for value in vars(module).values() if isinstance(getattr(value, MARK, None), Intent)]
        return cls(tables, marked)

    def __iter__(self) -> Iterator[Declaration]:
        return iter(sorted(self._declared.values(), key=lambda one: one.key))

    def __len__(self) -> int:
        return len(self._declared)

    def knows(self, key: str) -> bool:
        """Answer whether there is an intent of this key."""
        return key in self._declared

    def declaration(self, key: str) -> Declaration:
        """Answer what is declared of an intent; `NotFound` for one that nobody declared."""
        if key not in self._declared:
            raise NotFound("intent", key)
        return self._declared[key]

    def find(self, key: str) -> Intent:
        """Answer an intent with its code, imported at its first use; `HandlerImportError` says why it cannot be."""
        if key not in self._found:
            self._found[key] = _import(self.declaration(key))
        return self._found[key]

    def entries(self) -> dict[str, str]:
        """Answer where the handlers of all intents are, for a worker's registry."""
        return {key: f"{one.target}.run" for key, one in self._declared.items() if key not in self._found}

    def marked(self) -> list[Intent]:
        """Answer the intents whose classes are here."""
        return list(self._found.values())


def _import(declared: Declaration) -> Intent:
    module_name, _, name = declared.target.partition(":")
    try:
        found = getattr(getattr(importlib.import_module(module_name), name), MARK)
    except (Exception, SystemExit) as error:
        # Whatever a module does at its import, it fails what is asked of this intent and nothing else.
        raise HandlerImportError(f"{declared.key} at {declared.target}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Intent) or found.key != declared.key:
        raise HandlerImportError(f"{declared.key} at {declared.target}: not this intent")
    return found
