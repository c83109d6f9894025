"""Single FEEL values: read from what a document writes, and written for people and as witnesses."""

import re
from datetime import date, timedelta
from fractions import Fraction

from dure.apps.knowledge.dmn.values import BOUNDS, DAY_S, Kind

NUMBER_CHARS_MAX = 60
EXPONENT_MAX = 300
"""A number beyond these is compared as text: `1e999999999` would fill the memory."""

NUMBER = re.compile(r"(?P<digits>\d+(?:\.\d+)?|\.\d+)(?:[eE](?P<exponent>[+-]?\d{1,9}))?")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TIME = re.compile(r"(\d{2}):(\d{2}):(\d{2}(?:\.\d{1,20})?)(Z|[+-]\d{2}:\d{2})?")
DURATION = re.compile(
    r"(?P<minus>-)?P(?:(?P<years>\d{1,9})Y)?(?:(?P<months>\d{1,9})M)?(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,20})?)S)?)?"
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{6})|(.))", re.DOTALL)

Value = tuple[Kind, Fraction | str]


def number(text: str) -> Fraction | None:
    """Answer a number, exactly, or None for what is none or too large. Example: `number("0.10")` is 1/10."""
    found = NUMBER.fullmatch(text)
    if not found or len(text) > NUMBER_CHARS_MAX or abs(int(found["exponent"] or 0)) > EXPONENT_MAX:
        return None
    return Fraction(text)


def string(text: str) -> str:
    """Answer what a string literal says. Example: `string('"VIP"') == "VIP"`."""
    return ESCAPE.sub(_unescape, text[1:-1])


def quoted(text: str) -> str:
    """Answer a string literal that says `text`. Example: `quoted("VIP") == '"VIP"'`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def moment(function: str, text: str) -> Value | None:
    """Answer what `date("…")`, `time("…")`, `date and time("…")`, `duration("…")` or `@"…"` says, or None.

    Example: `moment("duration", "P1Y")` is twelve months.
    """
    match function:
        case "date":
            return _date(text)
        case "time":
            return _time(text)
        case "date and time":
            return _date_time(text)
        case "duration":
            return _duration(text)
        case "@":
            return _date(text) or _time(text) or _date_time(text) or _duration(text)
        case _:
            return None


def written(kind: Kind, value: Fraction | str) -> str:
    """Write a value as a FEEL literal. Example: `written(Kind.NUMBER, Fraction(1, 2)) == "0.5"`."""
    if isinstance(value, str):
        return quoted(value) if kind is Kind.STRING else value
    match kind:
        case Kind.DATE:
            return f'date("{date.fromordinal(int(value)).isoformat()}")'
        case Kind.LOCAL | Kind.INSTANT:
            day, rest = divmod(value, DAY_S)
            zone = "Z" if kind is Kind.INSTANT else ""
            return f'date and time("{date.fromordinal(int(day)).isoformat()}T{_clock(rest)}{zone}")'
        case Kind.TIME:
            return f'time("{_clock(value)}")'
        case Kind.MONTHS:
            return f'duration("{"-" if value < 0 else ""}P{abs(int(value))}M")'
        case Kind.SECONDS:
            return f'duration("{"-" if value < 0 else ""}PT{_decimal(abs(value))}S")'
        case _:
            return _decimal(value)


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if not code:
        return ESCAPES.get(found[3], found[0])
    point = int(code, 16)
    # Half a surrogate pair is no character; it is left as it was written.
    return found[0] if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF else chr(point)


def _date(text: str) -> Value | None:
    try:
        return (Kind.DATE, Fraction(date.fromisoformat(text).toordinal())) if DATE.fullmatch(text) else None
    except ValueError:
        return None


def _time(text: str) -> Value | None:
    found = TIME.fullmatch(text)
    # A time with an offset has no place on the line of times without one.
    return (Kind.TIME, _seconds(found)) if found and not found[4] and _is_clock(found) else None


def _date_time(text: str) -> Value | None:
    day, _, clock = text.partition("T")
    when, found = _date(day), TIME.fullmatch(clock)
    if when is None or not found or not _is_clock(found):
        return None
    seconds = Fraction(when[1]) * DAY_S + _seconds(found)
    zone = found[4]
    if not zone:
        return Kind.LOCAL, seconds
    if zone != "Z":
        shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
        seconds -= (1 if zone[0] == "+" else -1) * int(shift.total_seconds())
    first, last = BOUNDS[Kind.INSTANT]
    return (Kind.INSTANT, seconds) if first[1] <= seconds < last[1] else None


def _duration(text: str) -> Value | None:
    found = DURATION.fullmatch(text)
    given = {name for name, part in found.groupdict().items() if part and name != "minus"} if found else set()
    if not found or not given or text.endswith("T"):
        return None
    sign = -1 if found["minus"] else 1
    if given <= {"years", "months"}:
        return Kind.MONTHS, Fraction(sign * (12 * int(found["years"] or 0) + int(found["months"] or 0)))
    if given & {"years", "months"}:
        return None
    hours = int(found["days"] or 0) * 24 + int(found["hours"] or 0)
    minutes = hours * 60 + int(found["minutes"] or 0)
    return Kind.SECONDS, sign * (Fraction(minutes * 60) + Fraction(found["seconds"] or 0))


def _is_clock(found: re.Match[str]) -> bool:
    return int(found[1]) < 24 and int(found[2]) < 60 and Fraction(found[3]) < 60


def _seconds(found: re.Match[str]) -> Fraction:
    return int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3])


def _clock(seconds: Fraction) -> str:
    minutes, rest = divmod(seconds, 60)
    text = _decimal(rest)
    whole, point, part = text.partition(".")
    return f"{minutes // 60:02}:{minutes % 60:02}:{whole.zfill(2)}{point}{part}"


def _decimal(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    # Every literal is a decimal, and a witness is one or lies halfway between two: it ends.
    digits = max(_power(value.denominator, 2), _power(value.denominator, 5))
    scaled = abs(value.numerator) * 10**digits // value.denominator
    text = str(scaled).rjust(digits + 1, "0")
    return f"{'-' if value < 0 else ''}{text[:-digits]}.{text[-digits:]}"


def _power(number: int, prime: int) -> int:
    power = 0
    while number % prime == 0:
        number, power = number // prime, power + 1
    return power
