"""Reasons and guards as sentences, in the language of whoever reads them.

A reason is stored as a code and what its sentence names, never as a sentence: the same row reads in both languages.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dure.lang import knows, say

TABLES = ("runs.reasons", "knowledge.reasons", "interventions.reasons", "reasons")
"""Where a reason's code is looked for, in this order."""
SAID = "said"
"""The code of a reason that somebody gave as a plain sentence."""
GUARD = "guard_"
"""How the code begins of a reason that repeats what a guard said."""
NO_LIMIT = "-"
"""In the figures of a guard."""
VALUE_CHARS_MAX = 1_000


def sentence(reason: Mapping[str, Any] | None, lang: str | None = None) -> str:
    """Answer a reason as a sentence; a code that no catalogue knows shows the text beside it, or itself.

    Example: `sentence({"code": "said", "params": {"text": "not seen for a year"}}) == "not seen for a year"`.
    """
    if not reason:
        return ""
    code, params = str(reason.get("code", "")), reason.get("params") or {}
    if code == SAID:
        return str(params.get("text", ""))
    if code.startswith(GUARD):
        return guard_sentence({"guard": code.removeprefix(GUARD), "verdict": "refused", "params": params}, lang)
    found = _first((f"{table}.{code}" for table in TABLES), params, lang)
    return found or str(params.get("text") or "") or code


def guard_sentence(answer: Mapping[str, Any], lang: str | None = None) -> str:
    """Answer what a guard said, with its figures.

    Example: `guard_sentence({"guard": "leaving", "verdict": "refused", "params": {"count": 300, "max": 200}})`.
    """
    guard, verdict = str(answer.get("guard", "")), str(answer.get("verdict", ""))
    given = answer.get("params") or {}
    params = {name: say("runs.no_limit", lang) if value == NO_LIMIT else value for name, value in given.items()}
    return _first((f"guards.{guard}.{verdict}",), params, lang) or f"{guard}: {verdict}"


def state_word(state: str, lang: str | None = None) -> str:
    """Answer a run's state in words. Example: `state_word("planned", "ko")`."""
    return _first((f"runs.states.{state}",), {}, lang) or state


def _first(keys: Iterable[str], params: Mapping[str, Any], lang: str | None) -> str:
    spoken = {str(name): _spoken(value, lang) for name, value in params.items()}
    for key in keys:
        if knows(key):
            try:
                return say(key, lang, **spoken)
            except (KeyError, IndexError):
                # What was stored lacks something that the sentence names: an older version wrote it.
                return ""
    return ""


def _spoken(value: Any, lang: str | None) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return say("cli.yes" if value else "cli.no", lang)
        case float() if value.is_integer():
            return str(int(value))
        case Mapping() if "code" in value:
            return sentence(value, lang)
        case Mapping() if "key" in value:
            key = value["key"]
            named = "/".join(map(str, key)) if isinstance(key, list | tuple) else str(key)
            return f"{value.get('store', '')} {named}".strip()
        case Mapping():
            return ", ".join(f"{name} {_spoken(item, lang)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(_spoken(item, lang) for item in value) or "-"
        case _:
            text = str(value)
            return text if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + "…"
