"""Texts from outside that PostgreSQL can hold, and JSON from the database that everybody can read."""

import json
import math
from datetime import UTC, datetime
from typing import Any

from dure.errors import Invalid

DIGITS_MAX = 4_000
"""Python refuses to read longer integers; PostgreSQL holds 131,072 digits."""
YEAR_MIN, YEAR_MAX = 1970, 9998
"""One less than a calendar can hold: with its offset a time may lie in the year beside."""


def clean_text(text: str, field: str, *, chars_max: int, chars_min: int = 0) -> str:
    """Answer the text if PostgreSQL can hold it and it is not too long.

    Example: `clean_text(name, "name", chars_max=100)`.
    """
    if "\x00" in text:
        raise Invalid(field=field, reason="nul_byte")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(field=field, reason="not_utf8") from None
    if len(text) < chars_min:
        raise Invalid(field=field, reason="missing")
    if len(text) > chars_max:
        raise Invalid(field=field, reason="too_long", length=len(text), max=chars_max)
    return text


def clean_time(at: datetime | None, field: str) -> datetime | None:
    """Answer a time as PostgreSQL reads it; its offset may be larger than PostgreSQL knows, so it is made UTC.

    Example: `clean_time(datetime.fromisoformat("2030-01-01T09:00:00+09:00"), "expires_at")`.
    """
    if at is None:
        return None
    if at.tzinfo is None:
        raise Invalid(field=field, reason="wrong_format", expected="2030-01-01T09:00:00+09:00")
    if not YEAR_MIN <= at.year <= YEAR_MAX:
        raise Invalid(field=field, reason="out_of_range", min=f"{YEAR_MIN}-01-01", max=f"{YEAR_MAX}-12-31")
    return at.astimezone(UTC)


def read_json(text: str | None) -> Any:
    """Read what the database holds, whoever wrote it; a number that Python or JSON cannot say becomes a text.

    Example: `read_json('{"n": 1}') == {"n": 1}`.
    """
    return None if text is None else json.loads(text, parse_int=_integer, parse_float=_number)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < DIGITS_MAX else digits


def _number(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits
