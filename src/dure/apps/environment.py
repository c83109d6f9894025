"""An app's settings from its environment, and what is wrong with them in our words."""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from dure.errors import Invalid

S = TypeVar("S", bound=BaseSettings)


def read(kind: type[S]) -> S:
    """Read settings from the environment; raises `Invalid` that names each variable that is wrong.

    Example: `settings = read(NotionSettings)`.
    """
    try:
        return kind()
    except ValidationError as error:
        raise Invalid.together([_invalid(detail) for detail in error.errors(include_input=False)]) from None


def _invalid(detail: Any) -> Invalid:
    variable = str(detail["loc"][0]) if detail["loc"] else ""
    context = detail.get("ctx") or {}
    if detail["type"] == "wrong_format":
        return Invalid(field=variable, reason="wrong_format", expected=context["expected"])
    return Invalid(detail["msg"], field=variable, reason="wrong_value", message=detail["msg"])
