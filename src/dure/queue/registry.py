"""Which handlers there are, and importing each when its first job comes.

A handler is a function marked with `@handler("name")` in a module that the settings allow (`DURE_IMPORTS`), or an
entry in such a module's table `HANDLERS = {"name": "package.module:function"}`: ten thousand entries cost a
dictionary, and a module is imported when its first job comes. No path is ever taken from the database.
"""

import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from types import ModuleType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from dure.errors import Invalid, UnknownHandler
from dure.queue.retry import Final

Kind = Literal["loop", "thread", "process"]
Deadline = Literal["start", "end"]
"""What a job's deadline means: by then it must have started, or ended."""
F = TypeVar("F", bound=Callable[..., Any])
MARK = "__dure_handler__"
TABLE = "HANDLERS"
TIMEOUT_S = 3600.0
IMPORT_AGAIN_S = 10.0
NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
NAME_CHARS_MAX = 200
DEMO_MODULE = "dure.runtime.demo_handlers"


class HandlerImportError(Final):
    """A handler's module could not be imported, or has no such function; the reason is in the message."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many starts in so many seconds. Example: `Rate(100, per_s=60)`."""

    starts: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is declared about a handler; the defaults are those of `@handler`."""

    name: str
    target: str | None = None
    """`module:function`; None for a function that cannot be found by name, such as a closure."""
    function: Callable[..., Any] | None = field(default=None, compare=False)
    queue: str = "default"
    description: str = ""
    max_retries: int = 3
    timeout_s: float = TIMEOUT_S
    deadline: Deadline = "end"
    isolate: bool = False
    concurrency: int | None = None
    rate: Rate | None = None
    key: str | None = None
    concurrency_per_key: int | None = None
    rate_per_key: Rate | None = None

    def declaration(self) -> dict[str, Any]:
        """Answer the row of `dure.handler` that says this."""
        rate, key_rate = self.rate, self.rate_per_key
        return {
            "handler": self.name,
            "queue": self.queue,
            "description": self.description,
            "params_schema": _params_schema(self.function),
            "max_retries": self.max_retries,
            "timeout_s": self.timeout_s,
            "concurrency_max": self.concurrency,
            "rate_max": rate.starts if rate else None,
            "rate_period_s": rate.per_s if rate else None,
            "key_from": self.key,
            "key_concurrency_max": self.concurrency_per_key,
            "key_rate_max": key_rate.starts if key_rate else None,
            "key_rate_period_s": key_rate.per_s if key_rate else None,
        }


@dataclass(frozen=True, slots=True)
class Loaded:
    """A handler that can be called: with nothing, with its parameters, or with those and a context."""

    spec: Spec
    call: Callable[..., Any]
    kind: Kind
    arity: int
    model: type[BaseModel] | None
    is_async: bool


def handler(
    name: str,
    *,
    queue: str = "default",
    max_retries: int = 3,
    timeout_s: float = TIMEOUT_S,
    deadline: Deadline = "end",
    isolate: Literal["process"] | None = None,
    concurrency: int | None = None,
    rate: Rate | None = None,
    key: str | None = None,
    concurrency_per_key: int | None = None,
    rate_per_key: Rate | None = None,
) -> Callable[[F], F]:
    """Mark a function as the handler of jobs of this name.

    An `async` function runs on the loop, a plain one in a thread, either in a process of its own with
    `isolate="process"`. `key` names the parameter that the limits per key go by. What runs when its job's deadline
    passes is interrupted; with `deadline="start"` it may finish, and only does not start any more.
    Example: `@handler("mail.send", rate=Rate(100, per_s=60))` above `async def send(params: Mail, ctx: Context)`.
    """

    def mark(function: F) -> F:
        # What another process cannot import has no target: closures, and a script's own functions.
        named = "<locals>" not in function.__qualname__ and function.__module__ != "__main__"
        spec = Spec(
            name=name,
            target=f"{function.__module__}:{function.__qualname__}" if named else None,
            function=function,
            queue=queue,
            description=(inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " "),
            max_retries=max_retries,
            timeout_s=timeout_s,
            deadline=deadline,
            isolate=isolate == "process",
            concurrency=concurrency,
            rate=rate,
            key=key,
            concurrency_per_key=concurrency_per_key,
            rate_per_key=rate_per_key,
        )
        setattr(function, MARK, spec)
        return function

    return mark


class Registry:
    """The handlers that this process knows.

    Example: `Registry.build(["myapp.jobs"])`, or in a test `Registry([my_handler])`.
    """

    def __init__(self, handlers: Iterable[Callable[..., Any]] = (), entries: Mapping[str, str] | None = None) -> None:
        self._specs: dict[str, Spec] = {}
        self._loaded: dict[str, Loaded] = {}
        self._broken: dict[str, tuple[float, HandlerImportError]] = {}
        for function in handlers:
            self.add(function)
        for name, target in (entries or {}).items():
            self._add(Spec(name=name, target=target))

    @classmethod
    def build(cls, modules: Iterable[str], *, demo: bool = False) -> "Registry":
        """Import the allowed modules and collect what they declare."""
        registry = cls()
        for name in [*modules, *([DEMO_MODULE] if demo else [])]:
            try:
                registry.collect(importlib.import_module(name))
            except ImportError as error:
                raise Invalid(str(error), field="DURE_IMPORTS", reason="not_importable", module=name) from error
        return registry

    def add(self, function: Callable[..., Any]) -> None:
        """Take a function marked with `@handler`."""
        self._add(getattr(function, MARK))

    def add_entries(self, entries: Mapping[str, str]) -> None:
        """Take handlers by name, each with its `module:function`, imported when its first job comes."""
        for name, target in entries.items():
            self._add(Spec(name=name, target=target))

    def collect(self, module: ModuleType) -> None:
        """Take every marked function of a module, and its table of entries."""
        for value in vars(module).values():
            # Not by getattr alone: an object that answers to any name would answer to this one.
            if isinstance(spec := getattr(value, MARK, None), Spec):
                self._add(spec)
        self.add_entries(getattr(module, TABLE, {}))

    def names(self) -> list[str]:
        """Answer the names of all handlers."""
        return list(self._specs)

    def knows(self, name: str) -> bool:
        """Answer whether a handler of this name is here."""
        return name in self._specs

    def loaded(self, name: str) -> Loaded | None:
        """Answer the handler if that takes no import: it was used before, or its function is here."""
        loaded = self._loaded.get(name)
        if loaded is None and (spec := self._specs.get(name)) is not None and spec.function is not None:
            with suppress(HandlerImportError):
                loaded = self.find(name)
        return loaded

    def find(self, name: str) -> Loaded:
        """Answer the handler, imported if this is its first use; raises `HandlerImportError` with the reason.

        An import that failed is not tried again for a while: it may take long, and there may be many jobs.
        """
        loaded = self._loaded.get(name)
        if loaded is not None:
            return loaded
        spec = self._specs.get(name)
        if spec is None:
            raise UnknownHandler(name)
        again_at, error = self._broken.get(name, (0.0, None))
        if error is not None and monotonic() < again_at:
            # A new one: the old would drag the traceback of its every raising along.
            raise HandlerImportError(str(error))
        try:
            loaded = self._loaded[name] = load_target(spec)
        except HandlerImportError as error:
            self._broken[name] = (monotonic() + IMPORT_AGAIN_S, error)
            raise
        return loaded

    def described(self) -> list[Spec]:
        """Answer the handlers whose functions are here, so that everything about them can be declared."""
        return [spec for spec in self._specs.values() if spec.function is not None]

    def entries(self) -> list[str]:
        """Answer the names of those that are imported when their first job comes."""
        return [name for name, spec in self._specs.items() if spec.function is None]

    def _add(self, spec: Spec) -> None:
        known = self._specs.get(spec.name)
        if known is None:
            if len(spec.name) > NAME_CHARS_MAX or not NAME.fullmatch(spec.name):
                raise Invalid(field="handler", reason="wrong_format", expected="mail.send", handler=spec.name)
            self._specs[spec.name] = spec
        elif known.target != spec.target or (spec.target is None and known.function is not spec.function):
            raise Invalid(field="handler", reason="already_exists", handler=spec.name)
        elif spec.function is not None:
            # A marked function says more about itself than a table's entry for it.
            self._specs[spec.name] = spec


def load_target(spec: Spec) -> Loaded:
    """Import what a spec names and look at how it wants to be called."""
    function = spec.function
    if function is None:
        function = _resolve(spec)
        marked: Spec | None = getattr(function, MARK, None)
        # A function that is marked too says more about itself than its entry does.
        spec = replace(marked or spec, name=spec.name, target=spec.target, function=function)
    elif spec.isolate and spec.target is None:
        raise HandlerImportError(
            f'{spec.name}: with isolate="process" it must be a function at the top of a module that can be imported'
        )
    try:
        arity = _arity(spec.name, function)
        model = params_model(function) if arity else None
    except HandlerImportError:
        raise
    except Exception as error:
        raise HandlerImportError(f"{spec.name}: {type(error).__name__}: {error}") from error
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    kind: Kind = "process" if spec.isolate else "loop" if is_async else "thread"
    return Loaded(spec, function, kind, arity, model, is_async)


def params_model(function: Callable[..., Any]) -> type[BaseModel] | None:
    """Answer the pydantic model of a handler's parameters, if its first argument is annotated with one."""
    first = next(iter(inspect.signature(function).parameters.values()), None)
    if first is None or first.annotation is inspect.Parameter.empty:
        return None

    # Of the first alone: what the others are annotated with may exist for the type checker only.
    def stand_in() -> None: ...

    stand_in.__annotations__ = {"params": first.annotation}
    names = getattr(inspect.unwrap(function), "__globals__", {})
    annotation = typing.get_type_hints(stand_in, globalns=names).get("params")
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _arity(name: str, function: Callable[..., Any]) -> int:
    """Count what a handler wants of (params, ctx); arguments by name alone must have defaults."""
    named = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    wanted = [parameter for parameter in named if parameter.kind is not parameter.KEYWORD_ONLY]
    if len(wanted) > 2 or any(
        parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty for parameter in named
    ):
        raise HandlerImportError(f"{name} takes {len(named)} arguments: a handler takes (params, ctx) or less")
    return len(wanted)


def _params_schema(function: Callable[..., Any] | None) -> dict[str, Any] | None:
    """Answer the JSON Schema of the parameters; None too where there is none to be had, which a first job will tell."""
    try:
        model = params_model(function) if function is not None else None
        return None if model is None else model.model_json_schema()
    except Exception:
        return None


def _resolve(spec: Spec) -> Callable[..., Any]:
    module_name, _, path = (spec.target or "").partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        # Whatever a module does at its import, it fails the jobs of this handler and nothing else.
        raise HandlerImportError(f"{spec.name} at {spec.target}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise HandlerImportError(f"{spec.name} at {spec.target}: not a function")
    return typing.cast(Callable[..., Any], found)
