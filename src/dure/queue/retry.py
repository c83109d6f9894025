"""What an exception means for its job: try again and when, or fail at once.

A handler says so itself with `Retryable` or `Final`. For all else the class decides, because a second attempt at
something that is wrong in itself only hides it: bad parameters, a missing thing, a refusal and a mistake in the code
are final; what may pass (time-outs, lost connections, 408, 425, 429, 5xx, and anything unknown) is tried again.
"""

import math
import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from dure.errors import DureError, Unavailable

FIRST_S = 1.0
LONGEST_S = 60.0
JITTER = 0.1
RETRY_AFTER_MAX_S = 3600.0
TRANSIENT_STATUS = frozenset({408, 425, 429})
ERROR_CHARS_MAX = 2_000


class Retryable(Exception):
    """Raised by a handler: try again, after `after_s` seconds if given.

    Example: `raise Retryable("the mail server is busy", after_s=30)`.
    """

    def __init__(self, message: str = "", *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class Final(Exception):
    """Raised by a handler: another attempt would not help. Example: `raise Final("no such guardian")`."""


class ReturnedError(Final):
    """The handler returned what looks like an error instead of raising it: an error text is never a result."""


FINAL_CLASSES: tuple[type[BaseException], ...] = (
    Final, ValueError, TypeError, LookupError, AttributeError, NameError, ImportError, SyntaxError, AssertionError,
    NotImplementedError, PermissionError, FileNotFoundError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about an exception. `delay_s` is None when there is to be no other attempt."""

    delay_s: float | None
    error_class: str
    error: str


def judge(error: BaseException, retry_count: int, source: random.Random) -> Verdict:
    """Decide by class and by how often it was tried.

    Example: `judge(TimeoutError(), 0, Random()).delay_s` is about 1.
    """
    name, text = type(error).__name__, _text(error)
    if not _transient(error):
        return Verdict(None, name, text)
    asked_s = _asked_s(error)
    if asked_s is not None:
        return Verdict(asked_s, name, text)
    return Verdict(backoff_s(retry_count, source), name, text)


def backoff_s(retry_count: int, source: random.Random) -> float:
    """Answer 1, 2, 4, 8 … up to 60 seconds, and up to a tenth more, so that many do not come back at once."""
    plain: float = min(LONGEST_S, FIRST_S * 2.0 ** min(retry_count, 16))
    return plain * (1.0 + JITTER * source.random())


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:
        text = f"its text cannot be had: {type(broken).__name__}"
    text = (text or type(error).__name__)[:ERROR_CHARS_MAX].replace("\x00", "�")
    return text.encode(errors="replace").decode()


def _asked_s(error: BaseException) -> float | None:
    """Find how long to wait as the error says it, and believe no more than an hour of it."""
    if isinstance(error, Retryable):
        asked: Any = error.after_s
    elif isinstance(error, DureError):
        asked = error.params.get("retry_after_s")
    else:
        asked = _retry_after_s(error)
    try:
        asked_s = float(asked)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(asked_s) else max(0.0, min(asked_s, RETRY_AFTER_MAX_S))


def _look(holder: Any, name: str) -> Any:
    """Read an attribute of somebody else's object, whose properties may raise anything."""
    try:
        return getattr(holder, name, None)
    except Exception:
        return None


def _transient(error: BaseException) -> bool:
    if isinstance(error, Retryable | Unavailable):
        return True
    if isinstance(error, DureError):
        return error.status in TRANSIENT_STATUS or error.status >= 500
    status = _status(error)
    if status is not None:
        return status in TRANSIENT_STATUS or status >= 500
    return not isinstance(error, FINAL_CLASSES)


def _status(error: BaseException) -> int | None:
    """Find an HTTP status as httpx, requests, aiohttp, urllib and API clients carry it, without importing any."""
    response = _look(error, "response")
    for holder, name in ((response, "status_code"), (error, "status_code"), (error, "status"), (error, "code")):
        value: Any = _look(holder, name)
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None


def _retry_after_s(error: BaseException) -> float | None:
    headers: Any = _look(_look(error, "response"), "headers") or _look(error, "headers")
    if not hasattr(headers, "get"):
        return None
    given = headers.get("Retry-After") or headers.get("retry-after")
    if given is None:
        return None
    try:
        return float(given)
    except (ValueError, TypeError):
        return _until_s(str(given), str(headers.get("Date") or headers.get("date") or ""))


def _until_s(moment: str, now: str) -> float | None:
    """Subtract two HTTP dates of the same server, so that our own clock has no part in it."""
    try:
        return (parsedate_to_datetime(moment) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError):
        return None
