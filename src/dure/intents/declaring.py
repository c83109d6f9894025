"""Marks a class as an intent.

A class has `Params` and one of three forms: `answer` (reads and answers), `targets` with `each` (does a thing for each
of many), `operation` (changes data by a run, which is shown and can be undone).
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from dure.errors import Invalid
from dure.intents.model import Declaration
from dure.queue.context import Context
from dure.queue.registry import MARK as HANDLER_MARK
from dure.queue.registry import handler

MARK = "__dure_intent__"
QUEUE = "intents"
Form = Literal["answer", "targets", "operation"]
C = TypeVar("C", bound=type)


class NoParams(BaseModel):
    """Of an intent without parameters."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Intent:
    """An intent with its code."""

    declaration: Declaration
    make: type
    params: type[BaseModel]
    form: Form

    @property
    def key(self) -> str:
        """Its name."""
        return self.declaration.key


def intent(
    declared: Declaration | str, /, *, title: Mapping[str, str] | None = None, **options: Any
) -> Callable[[C], C]:
    """Mark a class as the intent of this declaration, or of this key with these options.

    Example: `@intent("school.get.bells", title={"en": "When the bells ring", "ko": "종 치는 시각"})`.
    """
    if isinstance(declared, str):
        declared = Declaration(key=declared, title=title or {"en": declared, "ko": declared}, **options)
    elif title is not None or options:
        raise Invalid(field="intent", reason="unknown_field", name=declared.key)

    def mark(cls: C) -> C:
        assert isinstance(declared, Declaration)
        target = declared.target or f"{cls.__module__}:{cls.__qualname__}"
        found = Intent(replace(declared, target=target), cls, _params_of(cls, declared.key), _form_of(cls, declared))
        run = _handler_of(found)
        setattr(cls, MARK, found)
        # A worker finds the handler by `module:Class.run`, or, in a module that it was told to import, by the mark.
        cls.run = staticmethod(run)  # type: ignore[attr-defined]
        setattr(cls, HANDLER_MARK, getattr(run, HANDLER_MARK))
        return cls

    return mark


def _handler_of(found: Intent) -> Callable[..., Any]:
    """Answer the function that does a request's job."""
    declared = found.declaration

    async def run(params: BaseModel, ctx: Context) -> Any:
        # What runs stands above what declares.
        return await import_module("dure.intents.running").run(found, params, ctx)

    run.__annotations__["params"] = found.params
    run.__doc__ = declared.title.get("en", declared.key)
    run.__module__, _, name = declared.target.partition(":") if declared.target else (found.make.__module__, "", "")
    run.__qualname__ = f"{name or found.make.__qualname__}.run"
    options: dict[str, Any] = {"max_retries": declared.max_retries, "timeout_s": declared.timeout_s}
    return handler(declared.key, queue=QUEUE, **options)(run)


def _params_of(cls: type, key: str) -> type[BaseModel]:
    params = getattr(cls, "Params", NoParams)
    if not (inspect.isclass(params) and issubclass(params, BaseModel)):
        raise Invalid(field="Params", reason="wrong_type", expected="pydantic.BaseModel", name=key)
    return params


def _form_of(cls: type, declared: Declaration) -> Form:
    forms: list[Form] = []
    if hasattr(cls, "answer"):
        forms.append("answer")
    if hasattr(cls, "targets") and hasattr(cls, "each"):
        forms.append("targets")
    if hasattr(cls, "operation"):
        forms.append("operation")
    if len(forms) != 1:
        raise Invalid(
            field="intent", reason="not_one_of", expected="answer, targets and each, operation", name=declared.key
        )
    if (forms[0] == "operation") != (declared.effect == "write"):
        raise Invalid(
            field="effect",
            reason="not_one_of",
            expected="write" if forms[0] == "operation" else "read, send",
            name=declared.key,
        )
    return forms[0]
