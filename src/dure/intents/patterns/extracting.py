"""Parameters that a sentence holds: its days, times, amounts, numbers and names, in the fields of an intent's model.

What is drawn is a proposal: it is shown, and confirmed by whoever asked. A field gets a value only where the sentence
leaves no choice; what stays open and is required is named as missing.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dure.intents.patterns.moments import Clock, Span, clocks, spans, weekdays
from dure.intents.patterns.normalising import Sentence, fold

Lookup = Callable[[str, str], Awaitable[Sequence[str]]]
"""Answers which names of a noun (`student`, `class`) stand in a sentence."""

AMOUNT_WON_MAX = 10**12

_AMOUNT = re.compile(
    r"(?P<sign>₩\s?)?(?<![\d.,])(?:(?P<man>\d[\d,]*(?:\.\d+)?)\s?만\s?)?(?:(?P<cheon>\d)\s?천\s?)?(?P<rest>\d[\d,]*)?\s?(?P<unit>원|won\b|krw\b)?"
)
_QUANTITY = re.compile(
    r"(?<![\d.,:/-])(?P<n>\d{1,9})(?![\d:/-]|[.,]\d)\s?(?P<unit>[가-힣]{1,2}|%|[a-z]+)?", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"“”„«»「」『』‘’'](?P<inside>[^\"“”„«»「」『』‘’']{1,200})[\"“”„«»「」『』‘’']")
_CLASS_KO = re.compile(
    r"(?<![가-힣\w])(?P<name>(?:[가-힣A-Za-z0-9]+\s)?[가-힣A-Za-z0-9]+)\s?반(?=[의은는이가을를에도만 ,.?!]|$)"
)
_PHONE = re.compile(r"(?<!\d)\+?\d{2,3}[- ]?\d{3,4}[- ]?\d{4}(?!\d)")
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
_PERCENT = ("%", "퍼센", "percent", "프로")
_UNITS: Mapping[str, tuple[str, ...]] = {
    "minutes": ("분", "min", "mins", "minute", "minutes"),
    "grade": ("학년", "th", "grade"),
    "days": ("일", "day", "days"),
    "weeks": ("주", "week", "weeks"),
    "months": ("개월", "달", "month", "months"),
    "percent": _PERCENT,
    "count": ("명", "개", "건", "번", "회", "people", "times", "students", "seats"),
}
_NOUN_TAIL = re.compile(r"_(?:ids?|names?)$")


@dataclass(frozen=True, slots=True)
class Drawn:
    """The parameters that were found, and the required ones that were not."""

    params: Mapping[str, Any]
    missing: tuple[str, ...]


@dataclass
class _Found:
    """What a sentence holds; what a field has taken no other takes."""

    text: str
    sentence: Sentence
    spans: tuple[Span, ...]
    clocks: list[Clock]
    amounts: list[int]
    quoted: list[str]
    names: list[str]
    looked_up: dict[str, list[str]] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()

    @property
    def has_text(self) -> bool:
        """Whether what is in quotes may be a text, and so is no name."""
        return any(_is_text(name) for name in self.fields)


async def draw(
    text: str, sentence: Sentence, schema: Mapping[str, Any], today: date, lookup: Lookup | None = None
) -> Drawn:
    """Answer what a sentence says for the fields of a model's JSON schema.

    Example: `await draw("어제 결석", matcher.read("어제 결석"), Params.model_json_schema(), today)`.
    """
    folded = fold(text)
    # What is in quotes is somebody's words: a day in it is no day of the question.
    bare = _QUOTED.sub(lambda match: " " * len(match.group()), folded)
    found = _Found(
        bare,
        sentence,
        spans(bare, today),
        list(clocks(bare)),
        _amounts(bare),
        [match["inside"].strip() for match in _QUOTED.finditer(folded)],
        _names(sentence),
    )
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    found.fields = frozenset(properties)
    if lookup is not None:
        for noun in sorted({_noun(name) for name, one in properties.items() if _is_named(name, _plain(one, schema))}):
            found.looked_up[noun] = list(dict.fromkeys(await lookup(noun, folded)))
    drawn: dict[str, Any] = {}
    for name, one in properties.items():
        value = _value(name, _plain(one, schema), found)
        if value is not None:
            drawn[name] = value
    missing = tuple(name for name in schema.get("required", ()) if name not in drawn)
    return Drawn(drawn, missing)


def _plain(one: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer what a field holds when it holds something: without null, and without a reference."""
    for choice in one.get("anyOf", ()):
        if choice.get("type") != "null":
            return _plain(choice, schema)
    if (reference := str(one.get("$ref", ""))).startswith("#/$defs/"):
        return _plain(schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {}), schema)
    return one


def _value(name: str, one: Mapping[str, Any], found: _Found) -> Any:
    match one:
        case {"enum": choices}:
            return _chosen(choices, found)
        case {"type": "string", "format": "date" | "date-time"}:
            return _date(name, found)
        case {"type": "string", "format": "time"}:
            return _time(name, found)
        case {"type": "integer" | "number"}:
            return _number(name, found)
        case {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 7}}:
            return list(weekdays(found.text)) or None
        case {"type": "array", "items": {"type": "string"}}:
            return _people(name, found) or None
        case {"type": "string"}:
            return _string(name, one, found)
        case _:
            return None


def _chosen(choices: Sequence[Any], found: _Found) -> Any:
    """Answer the one choice that the sentence says, as a word or as what the word means."""
    words = {part.text.casefold() for part in found.sentence.parts} | found.sentence.concepts
    said = [choice for choice in choices if isinstance(choice, str) and choice.casefold() in words]
    return said[0] if len(said) == 1 else None


def _date(name: str, found: _Found) -> str | None:
    words = set(name.split("_"))
    if words & {"birth", "birthday"} or len(found.spans) != 1:
        return None
    span = found.spans[0]
    if "month" in words:
        first, last = span.first.replace(day=1), span.last.replace(day=1)
        whole = span.grain in ("month", "day") or (span.grain == "range" and not found.fields & {"from_on", "until_on"})
        return first.isoformat() if first == last and whole else None
    if words & {"from", "since", "start", "starts", "first", "after"}:
        return span.first.isoformat()
    if words & {"until", "to", "end", "ends", "last", "before", "through"}:
        return span.last.isoformat()
    if words & {"week"} and span.grain in ("day", "week"):
        return span.first.isoformat()
    return span.first.isoformat() if span.grain == "day" else None


def _time(name: str, found: _Found) -> str | None:
    times = [one.at for one in found.clocks]
    if not set(name.split("_")) & {"ends", "end", "until", "to"}:
        return times[0].isoformat("minutes") if times else None
    if len(times) < 2:
        return None
    # From three in the afternoon until five is said without a second "afternoon".
    end = times[1].replace(hour=times[1].hour + 12) if times[1] <= times[0] and times[1].hour < 12 else times[1]
    return end.isoformat("minutes")


def _number(name: str, found: _Found) -> int | None:
    words = set(name.split("_"))
    if words & {"won", "amount", "fee", "price", "discount"} and "percent" not in words:
        return found.amounts[0] if len(found.amounts) == 1 else None
    kind = next((kind for kind in _UNITS if kind in words or kind.removesuffix("s") in words), None)
    counted = [(int(match["n"]), (match["unit"] or "").casefold()) for match in _QUANTITY.finditer(found.text)]
    units = _UNITS.get(kind or "count", ())
    fitting = [number for number, unit in counted if unit.startswith(units)]
    if not fitting and kind is None:
        fitting = [number for number, unit in counted if not unit]
    return fitting[0] if len(fitting) == 1 else None


def _string(name: str, one: Mapping[str, Any], found: _Found) -> str | None:
    words = set(name.split("_"))
    if words & {"phone", "email"} and len(words) > 1 and found.fields & words:
        # Of somebody else than the field without a further word.
        return None
    if "phone" in words:
        return next((match.group() for match in _PHONE.finditer(found.text)), None)
    if "email" in words:
        return next((match.group() for match in _EMAIL.finditer(found.text)), None)
    if _is_text(name):
        return found.quoted[0] if len(found.quoted) == 1 else None
    if "month" in words and len(found.spans) == 1 and found.spans[0].grain == "month":
        return found.spans[0].first.isoformat()[:7]
    if not _is_named(name, one):
        return None
    people = _people(name, found)
    return people[0] if len(people) == 1 else None


def _people(name: str, found: _Found) -> list[str]:
    """Answer the names in a sentence that can be of this field's noun."""
    noun = _noun(name)
    if found.looked_up.get(noun):
        return found.looked_up[noun]
    if noun == "class":
        said = [match["name"] + "반" for match in _CLASS_KO.finditer(found.text) if match["name"] not in _NO_CLASS]
        return said or ([] if found.has_text else found.quoted)
    if noun in ("teacher", "guardian"):
        # A name that nobody was found by is more probably a student's.
        return []
    return found.names or ([] if found.has_text else found.quoted)


def _is_text(name: str) -> bool:
    return bool(set(name.split("_")) & {"text", "body", "message", "note", "reason", "title", "topic", "content"})


_NO_CLASS = frozenset({"우리", "이", "그", "저", "전체", "각", "모든", "다른", "어느", "무슨", "어떤"})


def _is_named(name: str, one: Mapping[str, Any]) -> bool:
    is_text = one.get("type") == "string" or one.get("items", {}).get("type") == "string"
    return is_text and _noun(name) in ("student", "guardian", "teacher", "class", "name", "person")


def _noun(name: str) -> str:
    base = _NOUN_TAIL.sub("", name)
    if base == "classes":
        return "class"
    return base.removesuffix("s") if not base.endswith("ss") else base


def _names(sentence: Sentence) -> list[str]:
    """Answer the names that no quotes stand around; neighbours in Latin letters are one."""
    names: list[str] = []
    last = False
    for part in sentence.parts:
        is_name = part.kind == "name" and part.concept != "@name"
        if is_name and last and part.text.isascii():
            names[-1] += f" {part.text}"
        elif is_name:
            names.append(part.text)
        last = is_name
    return list(dict.fromkeys(names))


def _amounts(text: str) -> list[int]:
    """Answer amounts of won: 3만원, 3만 5천원, 30,000원, ₩30,000."""
    found: list[int] = []
    for match in _AMOUNT.finditer(text.casefold()):
        man, cheon, rest = match["man"], match["cheon"], match["rest"]
        if not (man or (match["unit"] and (cheon or rest)) or (match["sign"] and rest)):
            continue
        won = (
            float((man or "0").replace(",", "")) * 10_000
            + int(cheon or 0) * 1_000
            + int((rest or "0").replace(",", ""))
        )
        if 0 < won <= AMOUNT_WON_MAX and won == int(won):
            found.append(int(won))
    return found
