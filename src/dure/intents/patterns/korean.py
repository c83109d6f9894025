"""Korean letters: syllables taken apart, and the forms that a verb's stem takes."""

import unicodedata

_FIRST, _LAST = 0xAC00, 0xD7A3
_TAILS = 28
_MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_BEFORE_EO = {"ㅣ": "ㅕ", "ㅜ": "ㅝ", "ㅗ": "ㅘ", "ㅡ": "ㅓ"}
_TAIL_N, _TAIL_L, _TAIL_M, _TAIL_B, _TAIL_SS = 4, 8, 16, 17, 20
_OPEN_TAILS = (_TAIL_N, _TAIL_L, _TAIL_M, _TAIL_B)


def is_hangul(char: str) -> bool:
    """Tell whether this is a whole Korean syllable. Example: `is_hangul("가")`."""
    return _FIRST <= ord(char) <= _LAST


def has_hangul(text: str) -> bool:
    """Tell whether any of a text is Korean. Example: `has_hangul("OK 학생")`."""
    return any(is_hangul(char) or "ㄱ" <= char <= "ㅣ" for char in text)


def letters(text: str) -> str:
    """Take syllables apart into their letters. Example: `len(letters("학생")) == 6`."""
    return unicodedata.normalize("NFD", text)


def forms(stem: str) -> tuple[str, ...]:
    """Answer what a verb's stem looks like within a sentence.

    Example: `set(forms("알리")) >= {"알리", "알릴", "알려", "알렸"}`.
    """
    last = stem[-1]
    if not is_hangul(last) or (ord(last) - _FIRST) % _TAILS:
        return (stem,)
    before = stem[:-1]
    opened = _with_vowel(last, _BEFORE_EO)
    found = [stem, *(before + chr(ord(last) + tail) for tail in _OPEN_TAILS)]
    found += [before + opened, before + chr(ord(opened) + _TAIL_SS)]
    return tuple(dict.fromkeys(found))


def _with_vowel(char: str, changes: dict[str, str]) -> str:
    medial = _MEDIALS[(ord(char) - _FIRST) // _TAILS % len(_MEDIALS)]
    shift = _MEDIALS.index(changes.get(medial, medial)) - _MEDIALS.index(medial)
    return chr(ord(char) + shift * _TAILS)
