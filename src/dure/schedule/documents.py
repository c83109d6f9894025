"""Rules as JSON documents: read, checked field by field, and written."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, assert_never

from cronsim import CronSimError

from dure.errors import Invalid
from dure.schedule.kinds import (
    CRON_CHARS_MAX,
    EVERY_S_MAX,
    EVERY_S_MIN,
    FIRST_YEAR,
    LAST_DAY,
    LAST_YEAR,
    MONTH_DAYS_MAX,
    TIMES_MAX,
    WEEKDAYS,
    Cron,
    Daily,
    Interval,
    Monthly,
    Once,
    Rule,
    Weekly,
)
from dure.schedule.walls import CRON_WORDS, cron_fields, walls_of

MOMENT_EXAMPLE = "2030-01-01T09:00:00+09:00"
TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
NAME_SHOWN_CHARS = 100
"""A field's name that a client made up is shown in an error up to this length."""

_FIELDS = {
    "cron": ("expr",),
    "daily": ("at",),
    "weekly": ("days", "at"),
    "monthly": ("days", "at"),
    "interval": ("every_s",),
    "once": ("at",),
}
_OPTIONAL = {"interval": ("anchor",)}
# What cronsim calls the field that it could not read, and our reason.
_CRON_REASONS = {
    "Wrong number of fields": "cron_fields",
    "Bad minute": "cron_minute",
    "Bad hour": "cron_hour",
    "Bad day-of-month": "cron_day",
    "Bad month": "cron_month",
    "Bad day-of-week": "cron_weekday",
}


def rule_from(document: Mapping[str, Any]) -> Rule:
    """Answer the rule of a document, or say which field is wrong with it.

    Example: `rule_from({"kind": "daily", "at": ["09:00"]})`.
    """
    kind = _kind(document)
    check_fields(document, "rule", ("kind", *_FIELDS[kind]), _OPTIONAL.get(kind, ()))
    return _READERS[kind](document)


def rule_to(rule: Rule) -> dict[str, Any]:
    """Answer the document of a rule. Example: `rule_to(Daily(at=("09:00",)))`."""
    match rule:
        case Cron():
            return {"kind": "cron", "expr": cron_fields(rule.expr) if isinstance(rule.expr, str) else rule.expr}
        case Daily():
            return {"kind": "daily", "at": _listed(rule.at)}
        case Weekly():
            return {"kind": "weekly", "days": _listed(rule.days), "at": _listed(rule.at)}
        case Monthly():
            return {"kind": "monthly", "days": _listed(rule.days), "at": _listed(rule.at)}
        case Interval():
            anchor = {} if rule.anchor is None else {"anchor": _written(rule.anchor)}
            return {"kind": "interval", "every_s": rule.every_s, **anchor}
        case Once():
            return {"kind": "once", "at": _written(rule.at)}
        case _:
            assert_never(rule)


def check(rule: Rule) -> Rule:
    """Answer a rule made in Python, with cron's words turned into fields, or say what is wrong with it.

    Example: `check(Daily(at=("24:00",)))` raises `Invalid` for `rule.at`.
    """
    return rule_from(rule_to(rule))


def check_fields(
    document: Mapping[str, Any], where: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    """Say which fields of a document are missing or unknown, if any are."""
    if not isinstance(document, Mapping):
        raise Invalid(field=where, reason="wrong_type", expected="{…}")
    unknown = [str(name)[:NAME_SHOWN_CHARS] for name in document if name not in required + optional]
    wrong = [Invalid(field=f"{where}.{name}", reason="missing") for name in required if document.get(name) is None]
    wrong += [Invalid(field=f"{where}.{name}", reason="unknown_field") for name in unknown]
    if wrong:
        raise Invalid.together(wrong)


def read_list(value: object, field: str, *, most: int) -> list[Any]:
    """Answer the entries of a list that is neither empty nor longer than `most`, or say what is wrong with it."""
    if not isinstance(value, list | tuple):
        raise Invalid(field=field, reason="wrong_type", expected="[…]")
    if not value:
        raise Invalid(field=field, reason="missing")
    if len(value) > most:
        raise Invalid(field=field, reason="too_many", count=len(value), max=most)
    return list(value)


def read_moment(value: object, field: str) -> datetime:
    """Answer a moment written with its offset, or say what is wrong with it."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Invalid(field=field, reason="wrong_format", expected=MOMENT_EXAMPLE) from None
    if not isinstance(value, datetime):
        raise Invalid(field=field, reason="wrong_type", expected="datetime")
    if value.tzinfo is None:
        raise Invalid(field=field, reason="wrong_format", expected=MOMENT_EXAMPLE)
    # One day less at each end, so that it is within them in every zone.
    if not FIRST_YEAR < value.year < LAST_YEAR:
        raise Invalid(field=field, reason="out_of_range", min=FIRST_YEAR + 1, max=LAST_YEAR - 1)
    return value


def read_time_of_day(value: object, field: str) -> str:
    """Answer a time of day like 09:00, or say what is wrong with it."""
    if not isinstance(value, str):
        raise Invalid(field=field, reason="wrong_type", expected="str")
    if TIME_OF_DAY.fullmatch(value) is None:
        raise Invalid(field=field, reason="wrong_format", expected="00:00 … 23:59")
    return value


def check_distinct(values: list[Any], field: str) -> None:
    """Say so if a value is there twice."""
    if len(set(values)) < len(values):
        raise Invalid(field=field, reason="duplicate")


def _kind(document: Mapping[str, Any]) -> str:
    if not isinstance(document, Mapping):
        raise Invalid(field="rule", reason="wrong_type", expected='{"kind": …}')
    kind = document.get("kind")
    if kind is None:
        raise Invalid(field="rule.kind", reason="missing")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise Invalid(field="rule.kind", reason="not_one_of", expected=", ".join(_FIELDS))
    return kind


def _cron(document: Mapping[str, Any]) -> Cron:
    text = document["expr"]
    if not isinstance(text, str):
        raise Invalid(field="rule.expr", reason="wrong_type", expected="str")
    if len(text) > CRON_CHARS_MAX:
        raise Invalid(field="rule.expr", reason="too_long", length=len(text), max=CRON_CHARS_MAX)
    fields = cron_fields(text)
    if fields.startswith("@"):
        raise Invalid(field="rule.expr", reason="not_one_of", expected=", ".join(CRON_WORDS))
    # A sixth field would be seconds, which cronsim knows and Debian's cron does not.
    if len(fields.split()) != 5:
        raise Invalid(field="rule.expr", reason="rule.cron_fields")
    try:
        never = walls_of(Cron(fields)).never()
    except CronSimError as error:
        reason = _CRON_REASONS.get(str(error), "cron_fields")
        # cronsim calls 31 February a wrong day of the month too.
        never = reason == "cron_day" and _is_day_of_month(fields.split()[2])
        if not never:
            raise Invalid(field="rule.expr", reason=f"rule.{reason}") from error
    if never:
        raise Invalid(field="rule.expr", reason="rule.never")
    return Cron(fields)


def _is_day_of_month(field: str) -> bool:
    try:
        walls_of(Cron(f"0 0 {field} * *"))
    except CronSimError:
        return False
    return True


def _daily(document: Mapping[str, Any]) -> Daily:
    return Daily(at=_times(document))


def _weekly(document: Mapping[str, Any]) -> Weekly:
    return Weekly(days=tuple(read_weekdays(document["days"], "rule.days")), at=_times(document))


def read_weekdays(value: object, field: str) -> list[Any]:
    """Answer days of the week like `sun`, or say what is wrong with them."""
    days = read_list(value, field, most=len(WEEKDAYS))
    if not all(isinstance(day, str) and day in WEEKDAYS for day in days):
        raise Invalid(field=field, reason="not_one_of", expected=", ".join(WEEKDAYS))
    check_distinct(days, field)
    return days


def _monthly(document: Mapping[str, Any]) -> Monthly:
    days = read_list(document["days"], "rule.days", most=MONTH_DAYS_MAX)
    if not all(type(day) is int for day in days):
        raise Invalid(field="rule.days", reason="wrong_type", expected="int")
    if not all(1 <= day <= 31 or day == LAST_DAY for day in days):
        raise Invalid(field="rule.days", reason="not_one_of", expected="1 … 31, -1")
    check_distinct(days, "rule.days")
    return Monthly(days=tuple(days), at=_times(document))


def _interval(document: Mapping[str, Any]) -> Interval:
    every_s, anchor = document["every_s"], document.get("anchor")
    if isinstance(every_s, float) and every_s.is_integer():
        every_s = int(every_s)
    if type(every_s) is not int:
        raise Invalid(field="rule.every_s", reason="wrong_type", expected="int")
    if not EVERY_S_MIN <= every_s <= EVERY_S_MAX:
        raise Invalid(field="rule.every_s", reason="out_of_range", min=EVERY_S_MIN, max=EVERY_S_MAX)
    return Interval(every_s, None if anchor is None else read_moment(anchor, "rule.anchor"))


def _once(document: Mapping[str, Any]) -> Once:
    return Once(at=read_moment(document["at"], "rule.at"))


def _times(document: Mapping[str, Any]) -> tuple[str, ...]:
    times = [read_time_of_day(text, "rule.at") for text in read_list(document["at"], "rule.at", most=TIMES_MAX)]
    check_distinct(times, "rule.at")
    return tuple(times)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Rule]] = {
    "cron": _cron,
    "daily": _daily,
    "weekly": _weekly,
    "monthly": _monthly,
    "interval": _interval,
    "once": _once,
}


def _listed(values: object) -> object:
    return list(values) if isinstance(values, list | tuple) else values


def _written(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
