"""Settings handed to a process that we start: as environment variables, so that nothing is parsed twice."""

import os
import sys
from collections.abc import Mapping

from dure.settings import PREFIX, Settings


def environment(settings: Settings, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Answer the environment in which `settings.load()` answers these settings.

    Example: `environment(settings)["DURE_LEASE_S"]`.
    """
    named = {PREFIX + name.upper(): _text(getattr(settings, name)) for name in Settings.model_fields}
    wanted = {name: text for name, text in named.items() if text is not None}
    return {**os.environ, **wanted, **(extra or {})}


def python(module: str, *arguments: str) -> list[str]:
    """Answer the command that runs a module of ours under this very interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case tuple():
            return ",".join(str(item) for item in value)
        case _:
            return str(value)
