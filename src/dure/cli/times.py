"""Times and durations as people type them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dure.errors import Invalid

UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)")


def seconds(text: str | None, field: str) -> float | None:
    """Answer a duration in seconds. Example: `seconds("1.5h", "delay") == 5400`."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise Invalid(field=field, reason="wrong_format", expected="30, 30s, 5m, 2h, 7d")
    return float(match[1]) * UNITS_S[match[2]]


def moment(text: str | None, field: str) -> datetime | None:
    """Answer a time: ISO 8601, in this machine's zone when it names none, or a duration from now.

    Example: `moment("2030-01-01T09:00:00+09:00", "run-at")`.
    """
    if text is None:
        return None
    if _DURATION.fullmatch(text.strip()):
        # Only for what a person typed a moment ago; a job's delay is counted by the database's clock.
        return datetime.now(UTC) + timedelta(seconds=seconds(text, field) or 0)
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError) as error:
        raise Invalid(field=field, reason="wrong_format", expected="2030-01-01T09:00:00+09:00") from error


def moment_ago(text: str | None, field: str) -> datetime | None:
    """Answer a time as `moment` does, but a duration is before now. Example: `moment_ago("2h", "from")`."""
    if text is not None and _DURATION.fullmatch(text.strip()):
        return datetime.now(UTC) - timedelta(seconds=seconds(text, field) or 0)
    return moment(text, field)


def moment_in_zone(text: str, zone: ZoneInfo, field: str) -> datetime:
    """Answer a time as `moment` does, but in this zone when it names none; a day is its beginning.

    Example: `moment_in_zone("2030-01-01", ZoneInfo("Asia/Seoul"), "from")`.
    """
    from dure.schedule.ahead import moment_in

    if _DURATION.fullmatch(text.strip()) and (soon := moment(text, field)) is not None:
        return soon
    return moment_in(text, zone, field)
