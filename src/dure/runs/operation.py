"""Operations: handlers that change data through a plan, and which of them there are.

An operation is a class marked with `@operation("name")`. It has `stores`, yields its `subjects` in bulk, and its `plan`
turns a slice of them into changes; it never touches anything itself. What applies and undoes the plan is Dure.
"""

import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from dure.errors import Invalid, NotFound
from dure.queue.registry import NAME, NAME_CHARS_MAX
from dure.runs.guards import Guards
from dure.runs.model import Approval, Draft
from dure.runs.stores.protocol import OutsideStore
from dure.runs.stores.table import Table

MARK = "__dure_operation__"
TABLE = "OPERATIONS"
SLICE_SUBJECTS = 1_000
SLICE_SUBJECTS_MAX = 100_000
EXPIRES_S = 86_400.0
C = TypeVar("C", bound=type)
Drafts = Draft | Sequence[Draft]
Store = Table | OutsideStore


class NoParams(BaseModel):
    """Of an operation without parameters."""

    model_config = ConfigDict(extra="forbid")


class Operation(Protocol):
    """What a class marked with `@operation` has; `Params` and `stores` may be left out where there are none."""

    def subjects(self, params: Any, ctx: Any) -> AsyncIterator[Any]:
        """Yield what is to be looked at, each a JSON value, in a stable order; in bulk, streamed."""

    def plan(self, subjects: Sequence[Any], ctx: Any) -> AsyncIterator[Drafts]:
        """Yield the changes of a slice of subjects; a tuple of changes is done together or not at all. Writes
        nothing.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is declared about an operation; the defaults are those of `@operation`."""

    name: str
    make: Callable[[], Any] | None = field(default=None, compare=False)
    target: str | None = None
    description: str = ""
    guards: Guards = field(default_factory=Guards)
    approval: Approval = "none"
    slice_subjects: int = SLICE_SUBJECTS
    expires_s: float = EXPIRES_S
    parallel: int = 1
    """How many jobs apply its chunks at a time; one keeps the order of the plan."""


def operation(
    name: str,
    *,
    guards: Guards | None = None,
    approval: Approval = "none",
    slice_subjects: int = SLICE_SUBJECTS,
    expires_s: float = EXPIRES_S,
    parallel: int = 1,
) -> Callable[[C], C]:
    """Mark a class as the operation of this name.

    Example: `@operation("students.archive_inactive", guards=Guards(leaving_max=5000))` above `class ArchiveInactive:
    …`.
    """
    if len(name) > NAME_CHARS_MAX or not NAME.fullmatch(name):
        raise Invalid(field="operation", reason="wrong_format", expected="students.archive_inactive")
    if not 1 <= slice_subjects <= SLICE_SUBJECTS_MAX:
        raise Invalid(field="slice_subjects", reason="out_of_range", min=1, max=SLICE_SUBJECTS_MAX)

    def mark(kind: C) -> C:
        for method in ("subjects", "plan"):
            if not inspect.isasyncgenfunction(getattr(kind, method, None)):
                raise Invalid(field=f"{name}.{method}", reason="wrong_type", expected="async generator")
        spec = Spec(
            name=name,
            make=kind,
            description=(inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " "),
            guards=guards or Guards(),
            approval=approval,
            slice_subjects=slice_subjects,
            expires_s=expires_s,
            parallel=parallel,
        )
        setattr(kind, MARK, spec)
        return kind

    return mark


@dataclass(frozen=True, slots=True)
class Loaded:
    """An operation that can be run."""

    spec: Spec
    instance: Any
    params_model: type[BaseModel]

    def params(self, given: Mapping[str, Any]) -> BaseModel:
        """Check parameters; raises `Invalid` that names what is wrong."""
        from pydantic import ValidationError

        try:
            return self.params_model.model_validate(dict(given))
        except ValidationError as error:
            raise Invalid.together(
                [
                    Invalid(
                        detail["msg"],
                        field=".".join(["params", *map(str, detail["loc"])]),
                        reason="wrong_value",
                        message=detail["msg"],
                    )
                    for detail in error.errors(include_url=False, include_context=False, include_input=False)
                ]
            ) from None

    def stores(self, params: BaseModel, tenant_id: str) -> tuple[Store, ...]:
        """Answer what it may change: the attribute `stores`, or what the method of that name says."""
        stores = getattr(self.instance, "stores", ())
        return tuple(stores(params, tenant_id) if callable(stores) else stores)


class Operations:
    """The operations that this process knows. Example: `Operations.build(["myapp.batches"])`."""

    def __init__(self, kinds: Iterable[type] = (), entries: Mapping[str, str] | None = None) -> None:
        self._specs: dict[str, Spec] = {}
        self._loaded: dict[str, Loaded] = {}
        self._modules: tuple[str, ...] = ()
        for kind in kinds:
            self.add(kind)
        self.with_entries(entries or {})

    @classmethod
    def build(cls, modules: Iterable[str]) -> "Operations":
        """Answer what the allowed modules declare; they are imported when somebody asks for the first time."""
        return cls().with_modules(modules)

    def add(self, kind: type) -> None:
        """Take a class marked with `@operation`."""
        spec: Spec = getattr(kind, MARK)
        known = self._specs.get(spec.name)
        if known is not None and known.make is not None and known.make is not spec.make:
            raise Invalid(field="operation", reason="already_exists", operation=spec.name)
        self._specs[spec.name] = spec

    def collect(self, module: ModuleType) -> None:
        """Take every marked class of a module, and its table `OPERATIONS` of those that are imported when used."""
        for value in vars(module).values():
            if isinstance(value, type) and isinstance(vars(value).get(MARK), Spec):
                self.add(value)
        self.with_entries(getattr(module, TABLE, {}))

    def with_modules(self, modules: Iterable[str]) -> "Operations":
        """Take what these modules declare, when somebody asks for the first time."""
        self._modules = (*self._modules, *modules)
        return self

    def with_entries(self, entries: Mapping[str, str]) -> "Operations":
        """Take operations that are imported when used, by name and `module:class`; those that are marked come
        before.
        """
        for name, target in entries.items():
            self._specs.setdefault(name, Spec(name=name, target=target))
        return self

    def __contains__(self, name: object) -> bool:
        if name not in self._specs:
            self._import()
        return name in self._specs

    def names(self) -> list[str]:
        """Answer the names of all operations."""
        self._import()
        return sorted(self._specs)

    def find(self, name: str) -> Loaded:
        """Answer an operation, imported if this is its first use."""
        loaded = self._loaded.get(name)
        if loaded is None:
            self._import()
            spec = self._specs.get(name)
            if spec is None:
                raise NotFound("operation", name)
            kind = spec.make or _resolve(spec)
            spec = getattr(kind, MARK)
            loaded = self._loaded[name] = Loaded(spec, kind(), getattr(kind, "Params", NoParams))
        return loaded

    def _import(self) -> None:
        modules, self._modules = self._modules, ()
        for name in modules:
            try:
                self.collect(importlib.import_module(name))
            except ImportError as error:
                raise Invalid(str(error), field="DURE_IMPORTS", reason="not_importable", module=name) from error


def _resolve(spec: Spec) -> Any:
    module, _, path = (spec.target or "").partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Invalid(str(error), field="operation", reason="not_importable", module=spec.target) from error
    return found
