"""Ids and opaque cursors, as they come from outside."""

import base64
import binascii
import re

from dure.errors import Invalid

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""Use `fullmatch`."""
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
CURSOR_CHARS_MAX = 400


def is_id(text: str) -> bool:
    """Answer whether a text has the form of an id. Example: `is_id("0198a0c2-…")`."""
    return UUID.fullmatch(text) is not None


def to_cursor(place: str) -> str:
    """Hide where a page ended; clients pass it back and never build it. Example: `to_cursor(job.id)`."""
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> str:
    """Answer where a page ended; `Invalid` for what no page gave.

    Example: `from_cursor(to_cursor("a")) == "a"`.
    """
    try:
        if len(cursor) > CURSOR_CHARS_MAX:
            raise ValueError
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise bad_cursor() from None
    if "\x00" in place or to_cursor(place) != cursor:
        raise bad_cursor()
    return place


def id_from_cursor(cursor: str | None) -> str:
    """Answer the id that a page of ids ended at; the highest there is before the first page."""
    if cursor is None:
        return LAST_ID
    place = from_cursor(cursor)
    if not is_id(place):
        raise bad_cursor()
    return place


def bad_cursor() -> Invalid:
    """Answer the error for a cursor that no page gave."""
    return Invalid(field="cursor", reason="wrong_format", expected="next_cursor")
