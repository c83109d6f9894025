"""Days, ranges of days and times that a sentence names, in Korean and English, as seen from one day.

A day without a year is the nearest of that name; a weekday alone is the one of this week. Weeks begin on Monday.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal

Grain = Literal["day", "week", "month", "year", "range"]
DAYS_MAX = 3_660
_FAR = timedelta(days=183)

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_WEEKDAYS_KO = "월화수목금토일"
_WEEKDAYS_EN = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBERS = {
    "한": 1, "두": 2, "세": 3, "네": 4, "일": 1, "이": 2, "삼": 3, "one": 1, "a": 1, "two": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7,
}  # fmt: skip
_DAYS = {
    "오늘": 0, "금일": 0, "당일": 0, "어제": -1, "어저께": -1, "엊그제": -2, "그저께": -2, "그제": -2, "내일": 1,
    "모레": 2, "글피": 3,
    "today": 0, "tonight": 0, "yesterday": -1, "tomorrow": 1,
}  # fmt: skip
_TURNS = {
    "이번": 0, "금": 0, "이": 0, "당": 0, "지난": -1, "저번": -1, "전": -1, "지지난": -2, "다음": 1,
    "this": 0, "current": 0, "last": -1,
    "previous": -1, "past": -1, "next": 1, "coming": 1,
}  # fmt: skip
_TURN_KO = r"(?P<turn>지지난|이번|지난|저번|다음)\s?"
_TURN_EN = r"(?P<turn>this|current|last|previous|next|coming)\s+"


@dataclass(frozen=True, slots=True)
class Span:
    """Days that a sentence names, and where. Example: `spans("어제 결석", date(2026, 3, 5))[0].first`."""

    first: date
    last: date
    grain: Grain
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day that a sentence names, and where."""

    at: time
    begin: int
    end: int


def spans(text: str, today: date) -> tuple[Span, ...]:
    """Answer the days that a text names, in its order; a first and a last day are one range.

    Example: `spans("3월 5일부터 3월 7일까지", date(2026, 3, 1))[0].last == date(2026, 3, 7)`.
    """
    low, found, read = text.casefold(), list[Span](), list[tuple[int, int]]()
    for pattern, answer in _RULES:
        for match in pattern.finditer(low):
            if any(match.start() < end and begin < match.end() for begin, end in read):
                continue
            # What is no day, as the 30th of February, is not read as a part of it either.
            read.append(match.span())
            if (days := _answer(answer, match, today)) is not None:
                found.append(Span(*days, *match.span()))
    found.sort(key=lambda one: one.begin)
    return tuple(_ranges(low, found))


def weekdays(text: str) -> tuple[int, ...]:
    """Answer the days of the week that a text names, Monday as 1. Example: `weekdays("월수금 5시") == (1, 3, 5)`."""
    low = text.casefold()
    found = {_WEEKDAYS_KO.index(match["name"]) for match in re.finditer(rf"(?P<name>[{_WEEKDAYS_KO}])요일", low)}
    for match in re.finditer(rf"(?<![가-힣\d])[{_WEEKDAYS_KO}]{{2,7}}(?![가-힣])", low):
        found |= {_WEEKDAYS_KO.index(char) for char in match.group()}
    for number, name in enumerate(_WEEKDAYS_EN):
        if re.search(rf"\b{name}(?:s|nes|rs|ur)?days?\b", low):
            found.add(number)
    return tuple(number + 1 for number in sorted(found))


def clocks(text: str) -> tuple[Clock, ...]:
    """Answer the times of day that a text names. Example: `clocks("오후 3시 반")[0].at == time(15, 30)`."""
    found = []
    for match in _CLOCK.finditer(text.casefold()):
        half = match["half"] or match["meridiem"] or match["meridiem_en"] or ""
        minute = 30 if match["ban"] else int(match["minute_ko"] or match["minute"] or 0)
        hour = int(match["hour_ko"] or match["hour"] or match["hour_en"])
        if hour < 12 and half.startswith(("오후", "저녁", "밤", "p")):
            hour += 12
        elif hour == 12 and half.startswith(("오전", "새벽", "a")):
            hour = 0
        if hour < 24 and minute < 60:
            found.append(Clock(time(hour, minute), match.start(), match.end()))
    return tuple(found)


_CLOCK = re.compile(
    r"(?P<half>오전|오후|새벽|아침|저녁|밤)?\s?(?:(?P<hour_ko>\d{1,2})시(?!간)\s?(?:(?P<minute_ko>\d{1,2})분|(?P<ban>반))?"
    r"|(?<![\d:.-])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?![\d:])(?:\s?(?P<meridiem>[ap])\.?m\b)?"
    r"|(?<![\d:.-])(?P<hour_en>\d{1,2})\s?(?P<meridiem_en>[ap])\.?m\b)"
)


def _answer(
    answer: Callable[[re.Match[str], date], tuple[date, date, Grain] | None], match: re.Match[str], today: date
) -> tuple[date, date, Grain] | None:
    try:
        return answer(match, today)
    except (ValueError, OverflowError):
        return None  # as the 31st of a month that has thirty days


def _ranges(text: str, found: list[Span]) -> Iterator[Span]:
    """Put a first and a last day together where the words between them say so."""
    waiting: Span | None = None
    for span in found:
        between = text[waiting.end : span.begin].strip() if waiting is not None else ""
        if waiting is not None and between in _BETWEEN and waiting.first <= span.last:
            waiting = Span(waiting.first, span.last, "range", waiting.begin, span.end)
            continue
        if waiting is not None:
            yield waiting
        waiting = span
    if waiting is not None:
        yield waiting


_BETWEEN = frozenset({"부터", "에서", "~", "-", "–", "—", "to", "until", "till", "through", "and", "up to"})


def _day(value: date) -> tuple[date, date, Grain]:
    return value, value, "day"


def _nearest(month: int, day: int, today: date) -> date:
    """Answer the day of this name that is nearest."""
    found = date(today.year, month, day)
    if found - today > _FAR:
        return date(today.year - 1, month, day)
    return date(today.year + 1, month, day) if today - found > _FAR else found


def _month(year: int, month: int) -> tuple[date, date, Grain]:
    first = date(year, month, 1)
    return first, date(year, month, calendar.monthrange(year, month)[1]), "month"


def _moved_month(today: date, by: int) -> tuple[date, date, Grain]:
    months = today.year * 12 + today.month - 1 + by
    return _month(months // 12, months % 12 + 1)


def _week(today: date, by: int) -> tuple[date, date, Grain]:
    first = today - timedelta(days=today.weekday()) + timedelta(weeks=by)
    return first, first + timedelta(days=6), "week"


def _full(match: re.Match[str], _: date) -> tuple[date, date, Grain]:
    return _day(date(int(match["y"]), int(match["m"]), int(match["d"])))


def _month_day(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    return _day(_nearest(int(match["m"]), int(match["d"]), today))


def _english_day(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    month, day = _MONTHS.index(match["name"][:3]) + 1, int(match["d"])
    return _day(date(int(match["y"]), month, day) if match["y"] else _nearest(month, day, today))


def _year_month(match: re.Match[str], _: date) -> tuple[date, date, Grain]:
    return _month(int(match["y"]), int(match["m"]))


def _named_month(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    number = match.groupdict().get("m")
    month = int(number) if number else _MONTHS.index(match["name"][:3]) + 1
    year = match.groupdict().get("y")
    return _month(int(year), month) if year else _month(_nearest(month, 1, today.replace(day=1)).year, month)


def _day_of_month(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    return _day(today.replace(day=int(match["d"])))


def _relative_day(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    return _day(today + timedelta(days=_DAYS[match["word"]]))


def _weekday(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    name = match["name"]
    number = _WEEKDAYS_KO.index(name) if name in _WEEKDAYS_KO else _WEEKDAYS_EN.index(name[:3])
    turn = _TURNS[match["turn"]] if match["turn"] else 0
    return _day(_week(today, turn)[0] + timedelta(days=number))


def _turned_week(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    return _week(today, _TURNS[match["turn"]])


def _turned_month(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    return _moved_month(today, _TURNS[match["turn"]])


def _turned_year(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    word = match["turn"]
    year = today.year + {"올해": 0, "금년": 0, "작년": -1, "지난해": -1, "내년": 1}.get(word, _TURNS.get(word, 0))
    return date(year, 1, 1), date(year, 12, 31), "year"


def _count(match: re.Match[str]) -> int:
    given = match["n"]
    count = int(given) if given.isdigit() else _NUMBERS[given]
    unit = match["unit"]
    days = count * (7 if unit.startswith(("주", "week")) else 30 if unit.startswith(("달", "개월", "month")) else 1)
    if not 0 < days <= DAYS_MAX:
        raise ValueError(days)
    return days


def _last_days(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    return today - timedelta(days=_count(match) - 1), today, "range"


def _ago(match: re.Match[str], today: date) -> tuple[date, date, Grain]:
    return _day(today - timedelta(days=_count(match)))


def _rules() -> Iterator[tuple[str, Callable[[re.Match[str], date], tuple[date, date, Grain] | None]]]:
    """Yield what is looked for, the longer first: what one rule has read, no later one reads."""
    month, tail = _MONTH, r"(?![a-z])"
    number = r"(?P<n>\d{1,4}|한|두|세|네|일|이|삼|one|two|three|four|five|six|seven|a)"
    yield r"(?<!\d)(?P<y>\d{4})\s?[-./]\s?(?P<m>\d{1,2})\s?[-./]\s?(?P<d>\d{1,2})(?!\d)", _full
    yield r"(?P<y>\d{4})년\s?(?P<m>\d{1,2})월\s?(?P<d>\d{1,2})일", _full
    yield r"(?<!\d)(?P<m>\d{1,2})월\s?(?P<d>\d{1,2})일(?!간)", _month_day
    yield rf"(?<![a-z]){month}\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+(?P<y>\d{{4}}))?", _english_day
    yield rf"(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{month}{tail}(?:,?\s+(?P<y>\d{{4}}))?", _english_day
    yield r"(?P<y>\d{4})년\s?(?P<m>\d{1,2})월", _year_month
    yield r"(?<![\d-])(?P<y>\d{4})-(?P<m>\d{2})(?![\d-])", _year_month
    yield r"(?<![\d/.,])(?P<m>\d{1,2})/(?P<d>\d{1,2})(?![\d/])", _month_day
    yield r"(?<!\d)(?P<m>\d{1,2})월(?!요일)", _named_month
    yield rf"(?:최근|지난)\s?{number}\s?(?P<unit>일|주일|주|달|개월)(?:간|동안)?", _last_days
    yield rf"(?:last|past|previous)\s+{number}\s+(?P<unit>days?|weeks?|months?)", _last_days
    yield rf"{number}\s?(?P<unit>일|주일|주|달|개월)\s?전(?!체|부)", _ago
    yield rf"{number}\s+(?P<unit>days?|weeks?|months?)\s+ago", _ago
    yield rf"(?:{_TURN_KO}주\s?)?(?P<name>[{_WEEKDAYS_KO}])요일", _weekday
    yield rf"(?:{_TURN_EN})?(?<![a-z])(?P<name>mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)day{tail}", _weekday
    yield rf"{_TURN_KO}주(?![문소차방])(?:간|일)?", _turned_week
    yield r"(?P<turn>금|전)주(?![문소차방])", _turned_week
    yield rf"{_TURN_EN}week{tail}", _turned_week
    yield rf"{_TURN_KO}달", _turned_month
    yield r"(?P<turn>이|당|전|금)(?:달|월)(?![가-힣]?요일)", _turned_month
    yield rf"{_TURN_EN}month{tail}", _turned_month
    yield r"(?P<turn>올해|금년|작년|지난해|내년)", _turned_year
    yield rf"{_TURN_EN}year{tail}", _turned_year
    yield rf"(?P<word>{'|'.join(sorted(_DAYS, key=lambda word: (-len(word), word)))}){tail}", _relative_day
    # May is a word of every sentence: without a day it needs one before it that only a month has behind it.
    yield rf"\b(?:for|in|of)\s+{month}{tail}(?:,?\s+(?P<y>\d{{4}}))?", _named_month
    yield rf"(?<![a-z])(?!may){month}{tail}(?:,?\s+(?P<y>\d{{4}}))?", _named_month
    yield r"(?<![\d월./-])(?P<d>\d{1,2})일(?!간|\s?동안)(?!\s?전)", _day_of_month


_RULES = tuple((re.compile(text), answer) for text, answer in _rules())
