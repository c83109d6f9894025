"""What the admin says, in the language of the request: Dure's own catalogue, asked for when it is shown."""

from typing import Any

from django.utils.functional import lazy
from django.utils.translation import get_language

from dure.lang import say


def language() -> str:
    """Answer Dure's language for the one that Django has active. Example: `language()` is `"ko"` under `ko-kr`."""
    return "ko" if (get_language() or "en").lower().startswith("ko") else "en"


def tell(key: str, **params: object) -> str:
    """Answer a sentence of `[django]` now. Example: `tell("retried", count=2)`."""
    return say(f"django.{key}", language(), **params)


def word(key: str) -> Any:
    """Answer a sentence of `[django]` that is chosen when it is shown. Example: `verbose_name = word("job")`."""
    return _later(key)


_later = lazy(tell, str)
