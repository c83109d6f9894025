"""Korean words down to what they mean: a noun and its role without the particle, a verb without its politeness.

This is no morphological analyser. It takes away only what two writers of the same sentence vary, and keeps tense,
negation, mood and every particle that changes a meaning (only, also, from, until).
"""

from dataclasses import dataclass
from functools import lru_cache

WORDS_MAX = 2**15
"""Words are few beside texts: what was read of so many is kept."""
_FIRST, _LAST = 0xAC00, 0xD7A3
_TAILS = 28
_TAIL_N, _TAIL_B, _TAIL_SS, _TAIL_BS, _TAIL_M = 4, 17, 20, 18, 16

PARTICLES: tuple[tuple[str, str, bool | None], ...] = (
    ("에게서", "from", None), ("한테서", "from", None), ("으로부터", "from", None), ("로부터", "from", None),
    ("에서는", "at", None), ("에서", "at", None), ("에게는", "to", None), ("에게", "to", None), ("한테", "to", None),
    ("께서는", "subject", None), ("께서", "subject", None), ("께", "to", None), ("까지", "until", None),
    ("부터", "since", None), ("보다", "than", None), ("처럼", "like", None), ("마다", "every", None),
    ("만은", "only", None), ("만", "only", None), ("도", "also", None), ("에는", "in", None), ("에", "in", None),
    ("이랑", "with", True), ("랑", "with", False), ("하고", "with", None), ("으로", "by", True), ("로", "by", None),
    ("의", "of", None), ("은", "subject", True), ("는", "subject", False), ("이", "subject", True),
    ("가", "subject", False), ("을", "object", True), ("를", "object", False), ("과", "with", True),
    ("와", "with", False),
)  # fmt: skip
"""Longest first: the particle, its role, and whether it follows a final consonant (None: either)."""

_NOUNS_IN_DA = frozenset({"바다", "판다", "소다", "살사다", "캐나다", "르완다", "우간다"})
_NOUNS_IN_HAM = ("포함", "명함", "결함", "보관함", "우편함", "수신함", "편지함", "사물함", "메일함", "잠수함", "군함")
_NOUNS_IN_IM = ("책임", "담임", "모임", "게임", "프레임", "움직임", "위임", "선임", "신임", "타임", "해임", "속임")
_NOUNS_IN_HAE = ("이해", "오해", "피해", "손해", "방해", "올해", "새해", "침해", "재해", "동해", "서해", "남해", "저해")
_VOWELS = {"ㅕ": "ㅣ", "ㅘ": "ㅗ", "ㅝ": "ㅜ", "ㅙ": "ㅚ"}
_MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"


@dataclass(frozen=True, slots=True)
class Word:
    """A stem, the role that its particle gives it, and its mood when it ends a sentence."""

    stem: str
    role: str = ""
    mood: str = ""


def is_hangul(char: str) -> bool:
    """Tell whether this is a whole Korean syllable. Example: `is_hangul("가")`."""
    return _FIRST <= ord(char) <= _LAST


def tail(char: str) -> int:
    """Answer the number of the final consonant of a syllable, 0 for none. Example: `tail("각") == 1`."""
    return (ord(char) - _FIRST) % _TAILS if is_hangul(char) else 0


@lru_cache(WORDS_MAX)
def noun(word: str) -> Word:
    """Take one particle off a word. Example: `noun("고객에게") == Word("고객", "to")`."""
    for particle, role, after_consonant in PARTICLES:
        stem = word.removesuffix(particle)
        if stem == word or not stem:
            continue
        if after_consonant is None or (tail(stem[-1]) != 0) is after_consonant:
            return Word(stem, role)
    return Word(word)


def particle_of(word: str) -> str | None:
    """Answer the role of a word that is nothing but a particle, as after `API`. Example: `particle_of("를")`."""
    return next((role for particle, role, _ in PARTICLES if particle == word), None)


@lru_cache(WORDS_MAX)
def predicate(word: str) -> Word | None:
    """Take the ending off the last word of a sentence, or answer None when it has none.

    Example: `predicate("면제합니다") == predicate("면제한다") == Word("면제")`.
    """
    for rule in (_asking, _ordering, _formal, _plain, _polite, _noted, _casual):
        found = rule(word)
        if found is not None:
            return Word(_settled(found.stem), "", found.mood)
    return None


def going(word: str) -> str | None:
    """Answer the stem of a verb before 있다 that is under way. Example: `going("치고") == "치"`."""
    if not word.endswith("고") or len(word) < 2:
        return None
    found = predicate(word[:-1] + "다")
    return found.stem if found is not None and found.stem else None


def _settled(stem: str) -> str:
    """Answer one spelling for 하였 and 했, and drop the verb that only makes a noun a sentence."""
    stem = stem.replace("하였", "했").replace("되었", "됐")
    if len(stem) > 1 and stem[-1] in "하이":
        return stem[:-1]
    return stem


def _without_tail(word: str) -> str:
    return word[:-1] + chr(ord(word[-1]) - tail(word[-1]))


def _asking(word: str) -> Word | None:
    for ending in ("습니까", "나요", "을까요", "까요", "은가요", "인가요"):
        if word.endswith(ending) and len(word) > len(ending):
            return Word(word.removesuffix(ending), mood="?")
    if word.endswith("니까") and len(word) > 2 and tail(word[-3]) == _TAIL_B:
        return Word(_without_tail(word[:-2]), mood="?")
    return None


def _ordering(word: str) -> Word | None:
    for ending in ("십시오", "세요", "시오"):
        if word.endswith(ending) and len(word) > len(ending):
            return Word(word.removesuffix(ending), mood="!")
    if word.endswith(("해라", "하라")) and len(word) > 2:
        return Word(word[:-2] + "하", mood="!")
    return None


def _formal(word: str) -> Word | None:
    if word.endswith("습니다") and len(word) > 3:
        return Word(word[:-3])
    if word.endswith("니다") and len(word) > 2 and tail(word[-3]) == _TAIL_B:
        return Word(_without_tail(word[:-2]))
    return None


def _plain(word: str) -> Word | None:
    if not word.endswith("다") or len(word) < 2 or word in _NOUNS_IN_DA:
        return None
    if word.endswith("는다") and len(word) > 2 and tail(word[-3]):
        return Word(word[:-2])
    if tail(word[-2]) == _TAIL_N:
        return Word(_without_tail(word[:-1]))
    return Word(word[:-1])


def _polite(word: str) -> Word | None:
    if not word.endswith("요") or len(word) < 2:
        return None
    for ending in ("이에요", "예요", "에요"):
        if word.endswith(ending) and len(word) > len(ending):
            return Word(word.removesuffix(ending) + "이")
    body = word[:-1]
    for ending in ("네", "군", "지"):
        if body.endswith(ending) and len(body) > 1:
            return Word(body[:-1])
    return Word(_opened(body))


def _opened(body: str) -> str:
    """Undo the contraction of a stem and 아/어: 해 → 하, 마셔 → 마시, 먹어 → 먹."""
    last = body[-1]
    if last == "해":
        return body[:-1] + "하"
    if last in "아어" and len(body) > 1 and tail(body[-2]):
        return body[:-1]
    if not is_hangul(last) or tail(last):
        return body
    medial = _MEDIALS[(ord(last) - _FIRST) // _TAILS % len(_MEDIALS)]
    shift = _MEDIALS.index(_VOWELS.get(medial, medial)) - _MEDIALS.index(medial)
    return body[:-1] + chr(ord(last) + shift * _TAILS)


def _noted(word: str) -> Word | None:
    """Endings of notes: 함, 됨, 임, 있음, 했음."""
    if len(word) < 2:
        return None
    if word.endswith("음") and tail(word[-2]) in (_TAIL_SS, _TAIL_BS):
        return Word(word[:-1])
    kept = (("함", _NOUNS_IN_HAM), ("됨", ()), ("임", _NOUNS_IN_IM))
    for ending, nouns in kept:
        if word.endswith(ending) and not word.endswith(nouns):
            return Word(_without_tail(word))
    return None


def _casual(word: str) -> Word | None:
    if word.endswith(("해", "돼")) and not word.endswith(_NOUNS_IN_HAE):
        return Word(_opened(word))
    if word.endswith(("있어", "없어", "했어", "됐어", "싶어", "좋아", "싫어", "않아")):
        return Word(word[:-1])
    return None


_INNER = (
    "습니다", "거나", "니까", "는데", "도록", "들은", "들을", "들의", "들이", "려고", "려면", "면서", "아서",
    "어서", "어요", "으로", "으면", "은데", "지만", "게", "고", "군", "기", "까", "나", "냐",
    "네", "는", "니", "대", "던", "데", "들", "래", "며", "면", "서", "아", "야",
    "어", "은", "을", "자", "죠", "지",
)  # fmt: skip
"""Endings within a sentence, the longest first."""
_LIGHT = ("하고", "하며", "하는", "하면", "해서", "하기", "하여", "되는", "되고", "한", "할", "했", "하", "된", "되")


@lru_cache(WORDS_MAX)
def root(word: str) -> str:
    """Answer a rough root, for likeness and never for equality. Example: `root("면제하면") == "면제"`."""
    for ending in _INNER:
        if len(word) > 1 and word.endswith(ending) and len(word) > len(ending):
            word = word.removesuffix(ending)
            break
    light = next((word.removesuffix(verb) for verb in _LIGHT if word.endswith(verb)), word)
    return light or word
