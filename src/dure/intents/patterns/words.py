"""Words of every domain, from `words.toml` beside this file.

A domain's own words come with its pack, as a glossary.
"""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

_READ: Mapping[str, Any] = tomllib.loads(
    resources.files("dure.intents.patterns").joinpath("words.toml").read_text(encoding="utf-8")
)

PARTICLES: frozenset[str] = frozenset(_READ["particles"].split())
"""What stands behind a Korean word and only says its part in the sentence."""

ENDINGS: frozenset[str] = frozenset(_READ["endings"].split())
"""What stands behind a Korean verb, or a noun that became one."""

FILLERS: frozenset[str] = frozenset(_READ["fillers"].split())
"""Korean words of their own that ask for nothing by themselves."""

STOP: frozenset[str] = frozenset(_READ["stop"].split())
"""English words that ask for nothing by themselves."""

UNITS: frozenset[str] = frozenset(_READ["units"].split())
"""What stands behind a number, and goes with it."""

PERSON_MARKS: frozenset[str] = frozenset(_READ["person_marks"].split())
"""What stands behind a name: a Korean word before it that nobody knows is one."""

SURNAMES: str = "".join(_READ["surnames"].split())
"""With two syllables behind it, a word that nobody knows is a name."""

TIME: Mapping[str, Sequence[str]] = _READ["time"]
"""Words of time by what they are about; they tell apart only what is told apart by them alone."""
