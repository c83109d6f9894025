"""Why a task stands where it stands, as sentences. Codes are stable; one that is not known here is shown as it is."""

from collections.abc import Mapping
from typing import Any

from dure.agents.model import Choice
from dure.lang import knows, say


def choice_text(choice: Choice, lang: str | None = None) -> str:
    """Answer why this agent was chosen. Example: `choice_text(choice, "en") == "search-2 has the least to do."`."""
    return _said("tasks.choice", choice.reason, lang, chosen=choice.chosen)


def excluded_text(reason: str, lang: str | None = None) -> str:
    """Answer why an agent was out of the question. Example: `excluded_text("suspect", "en")`."""
    return _said("tasks.excluded", {"code": reason}, lang)


def waits_text(waits_for: Mapping[str, Any], lang: str | None = None) -> str:
    """Answer what must happen for a task to begin. Example: `waits_text({"code": "no_candidate"}, "en")`."""
    state = waits_for.get("state")
    more = {} if state is None else {"state": say(f"agents.state_{state}", lang)}
    return _said("tasks.waits", waits_for, lang, **more)


def _said(section: str, reason: Mapping[str, Any], lang: str | None, **more: object) -> str:
    code = str(reason.get("code"))
    key = f"{section}.{code}"
    if not knows(key):
        return code
    params = {name: _spoken(value) for name, value in {**reason, **more}.items()}
    try:
        return say(key, lang, **params)
    except KeyError:
        # An older row may lack what the sentence names.
        return code


def _spoken(value: object) -> object:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else value
