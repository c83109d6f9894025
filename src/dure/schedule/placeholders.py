"""Placeholders in a schedule's parameters: values that are known only when it fires.

A placeholder is the whole of a string: `{fire.at}`, `{fire.date}`, `{fire.date-1}` (any whole number of days, back or
ahead) or `{schedule.name}`. Any other text stays as it is.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dure.errors import Invalid

DAYS_MAX = 36_525
"""How many days `{fire.date-N}` may look back, or ahead: a hundred years."""

DEPTH_MAX = 64
"""How deep parameters may be nested."""

KNOWN = "{fire.at}, {fire.date}, {fire.date-1}, {fire.date+7}, {schedule.name}"

_PLACEHOLDER = re.compile(r"\{(fire|schedule)\.[^{}]*\}")
_FIRE_DATE = re.compile(r"\{fire\.date(?:([+-])([0-9]{1,6}))?\}")


def fill(params: Any, fire_at: datetime, zone: ZoneInfo, name: str) -> Any:
    """Answer a copy of parameters with their placeholders filled in, at any depth; dates are those of the zone.

    Example: `fill({"date": "{fire.date-1}"}, fire_at, ZoneInfo("Asia/Seoul"), "nightly")`.
    """
    match params:
        case str():
            return _fill_text(params, fire_at.astimezone(zone), name)
        case Mapping():
            return {key: fill(value, fire_at, zone, name) for key, value in params.items()}
        case list() | tuple():
            return [fill(value, fire_at, zone, name) for value in params]
        case _:
            return params


def check_placeholders(params: Any) -> None:
    """Say so if parameters hold a placeholder that is not known, or are nested too deep.

    Example: `check_placeholders({"date": "{fire.day}"})` raises `Invalid` for `params.date`.
    """
    level = [("params", params)]
    for _ in range(DEPTH_MAX):
        for field, value in level:
            if isinstance(value, str) and _PLACEHOLDER.fullmatch(value) and not _is_known(value):
                raise Invalid(field=field, reason="not_one_of", expected=KNOWN)
        level = [child for field, value in level for child in _children(field, value)]
        if not level:
            return
    raise Invalid(field="params", reason="too_deep", depth=DEPTH_MAX + 1, max=DEPTH_MAX)


def _fill_text(text: str, fire_at: datetime, name: str) -> str:
    if text == "{fire.at}":
        return fire_at.isoformat()
    if text == "{schedule.name}":
        return name
    if (days := _days(text)) is not None:
        return (fire_at.date() + timedelta(days=days)).isoformat()
    return text


def _is_known(text: str) -> bool:
    return text in ("{fire.at}", "{schedule.name}") or _days(text) is not None


def _days(text: str) -> int | None:
    """Answer by how many days a placeholder of a date differs from the fire's; none for anything else."""
    if (found := _FIRE_DATE.fullmatch(text)) is None:
        return None
    sign, number = found.groups(default="")
    days = int(f"{sign}{number or 0}")
    return days if abs(days) <= DAYS_MAX else None


def _children(field: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f"{field}.{str(key)[:100]}", child) for key, child in value.items()]
    if isinstance(value, list | tuple):
        return [(f"{field}[{index}]", child) for index, child in enumerate(value)]
    return []
