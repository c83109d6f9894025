"""A rule as a few words for people, in each language."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from dure.lang import say
from dure.schedule.kinds import LAST_DAY, Cron, Daily, Interval, Monthly, Once, Rule, Weekly

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def describe(rule: Rule, zone: ZoneInfo, lang: str | None = None) -> str:
    """Answer when a rule fires, in words.

    Example: `describe(Daily(at=("09:00",)), ZoneInfo("Asia/Seoul"), "en")` is `daily at 09:00 (Asia/Seoul)`.
    """
    match rule:
        case Cron():
            return say("schedule.rule.cron", lang, expr=rule.expr, zone=zone.key)
        case Daily():
            return say("schedule.rule.daily", lang, times=_joined(rule.at), zone=zone.key)
        case Weekly():
            days = _joined([say(f"schedule.weekdays.{day}", lang) for day in rule.days])
            return say("schedule.rule.weekly", lang, days=days, times=_joined(rule.at), zone=zone.key)
        case Monthly():
            days = _joined([_month_day(day, lang) for day in rule.days])
            return say("schedule.rule.monthly", lang, days=days, times=_joined(rule.at), zone=zone.key)
        case Interval():
            return say("schedule.rule.interval", lang, span=span_text(timedelta(seconds=rule.every_s), lang))
        case Once():
            at = rule.at.astimezone(zone).replace(tzinfo=None)
            shown = at.isoformat(" ", "seconds" if at.second else "minutes")
            return say("schedule.rule.once", lang, at=shown, zone=zone.key)
        case _:
            assert_never(rule)


def span_text(span: timedelta, lang: str | None = None) -> str:
    """Answer a span of time in words. Example: `span_text(timedelta(minutes=90), "en")` is `1 hour 30 minutes`."""
    rest, parts = int(span.total_seconds()), []
    for unit, seconds in _UNITS:
        number, rest = divmod(rest, seconds)
        if number:
            form = unit if number == 1 else f"{unit}s"
            parts.append(say(f"schedule.span.{form}", lang, count=number))
    return " ".join(parts) or say("schedule.span.seconds", lang, count=0)


def _month_day(day: int, lang: str | None) -> str:
    return say("schedule.rule.last_day", lang) if day == LAST_DAY else say("schedule.rule.month_day", lang, day=day)


def _joined(words: Sequence[str]) -> str:
    return ", ".join(words)
