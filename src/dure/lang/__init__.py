"""Korean and English: one catalogue of sentences a language, beside this file.

A key names its section, `errors.not_found`; a template has named fields, `{id}`. Whoever adds a key adds it
to both files; a test compares them. Codes, JSON keys and log events are never translated and never come from
here.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

LANGUAGES = ("en", "ko")
DEFAULT = "en"


def say(key: str, lang: str | None = None, /, **params: object) -> str:
    """Answer the sentence of `key` in `lang`, by default the language of this process.

    Raises `KeyError` for an unknown key or a missing parameter.
    Example: `say("errors.lease_lost", "ko", id="0198…")`.
    """
    return catalogue(lang if lang in LANGUAGES else default())[key].format(**params)


def knows(key: str) -> bool:
    """Answer whether the catalogue has `key`. Example: `knows("nouns.job")`."""
    return key in catalogue(DEFAULT)


def default() -> str:
    """Answer the language of this process: `DURE_LANG`, otherwise the locale's, otherwise English.

    Example: `LANG=ko_KR.UTF-8` makes it `"ko"`.
    """
    # Read each time: it is three look-ups, and a command may set its language after this module was imported.
    chosen = next((os.environ[name] for name in ("DURE_LANG", "LC_ALL", "LANG") if os.environ.get(name)), "")
    return "ko" if chosen.lower().startswith("ko") else DEFAULT


def pick(accept_language: str | None) -> str:
    """Choose the language for an HTTP request by its `Accept-Language`.

    Example: `pick("fr, ko;q=0.8, en;q=0.5") == "ko"`.
    """
    wanted = sorted(_preferences(accept_language or ""), key=lambda preference: -preference[1])
    for tag, quality in wanted:
        if quality <= 0:
            continue
        if tag == "*":
            return default()
        if tag in LANGUAGES:
            return tag
    return default()


@cache
def catalogue(lang: str) -> Mapping[str, str]:
    """Answer all templates of one language, by their full key."""
    text = (resources.files(__name__) / f"{lang}.toml").read_text(encoding="utf-8")
    return MappingProxyType(dict(_flatten(tomllib.loads(text))))


def _flatten(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value)


def _preferences(header: str) -> Iterator[tuple[str, float]]:
    """Yield each language of the header, without its region, and its weight; a bad weight counts as none."""
    for part in header[:1000].split(","):
        tag, _, rest = part.strip().partition(";")
        name, _, number = rest.strip().partition("=")
        try:
            quality = float(number) if name.strip() == "q" else 1.0
        except ValueError:
            quality = 0.0
        yield tag.strip().lower().partition("-")[0], quality
