"""The words of an academy: what people say in Korean and English, by what they mean, from `glossary.toml`.

Patterns read sentences with it, so that 지각생 학부모 and `parents of late students` are the same.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

GLOSSARY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        concept: tuple(terms)
        for concept, terms in tomllib.loads(
            resources.files("dure.apps.intents").joinpath("glossary.toml").read_text(encoding="utf-8")
        ).items()
    }
)
"""A concept, and the words for it."""
