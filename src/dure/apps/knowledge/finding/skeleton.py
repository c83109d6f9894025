"""A text as the sequence of what it says, so that two texts can be compared word by word.

Two skeletons are equal when the texts differ in nothing but style: articles, politeness, a missing particle, spacing
between Korean words, `is playing` for `plays`. All else, one digit or one `not`, makes them different. This is what
may be deleted unasked; likeness is for questions.
"""

import re
from collections import Counter
from dataclasses import dataclass

from dure.apps.knowledge.finding import english, korean, words
from dure.apps.knowledge.finding.texts import compatible, is_code

_TOKENS = re.compile(
    r"(?P<code>[\w.+-]*[@\\_/][\w.@\\/_:?=&%#+-]*\w|https?://\S+)"
    r"|(?P<number>(?:(?<![\w.)\]])[-+])?\d[\d,]*(?:[.:/-]\d+)*(?:e[+-]?\d+)?)"
    r"|(?P<latin>\.?[A-Za-z\u00c0-\u024f](?:[A-Za-z0-9\u00c0-\u024f]|['.&-](?=[A-Za-z0-9]))*[+#]*)"
    r"|(?P<hangul>[가-힣]+)"
    r"|(?P<letters>[^\W\d_]+)"
    r"|(?P<stop>[.!?\n]+)"
    r"|(?P<bracket>[()])"
    r"|(?P<symbol>[^\w\s\"'(),;:·-]+)"
)
_FORMULA = re.compile(r"[=+*/^<>]")
_THERE_IS = re.compile(r"(?:^|(?<=[.!?]\s))there(?:'s| is| are) ", re.IGNORECASE)
_KOREAN_NUMBERS = {"두": "2", "세": "3", "다섯": "5", "여섯": "6", "일곱": "7", "여덟": "8", "아홉": "9", "열": "10"}
_LOOSE = frozenset({"", "subject", "object", "of"})
_ORDERED_WORDS_MAX = 12


@dataclass(frozen=True, slots=True)
class Token:
    """One thing said: its kind, its stem, and the role that a Korean particle gives it."""

    kind: str
    stem: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The tokens of a text in their order, and the mood in which it ends: a question, an order or a statement."""

    tokens: tuple[Token, ...]
    mood: str
    names: frozenset[str] = frozenset()
    """English words with a capital that no sentence begins with, in small letters."""

    @property
    def joined(self) -> str:
        """The stems and roles without any space, in which `배송비 면제` is `배송비면제`."""
        return "".join(f"{token.stem}<{token.role}>" if token.role else token.stem for token in self.tokens)


def skeleton(text: str) -> Skeleton:
    """Read a text into its skeleton.

    Example: `same(skeleton("VIP 고객은 배송비를 면제합니다."), skeleton("VIP 고객은 배송비 면제함"))`.
    """
    plain = _THERE_IS.sub("", compatible(text))
    found = [(match.lastgroup or "", match.group(), match.start()) for match in _TOKENS.finditer(plain)]
    if not _FORMULA.search(plain):
        # In prose brackets are style, in a formula they are not.
        found = [part for part in found if part[0] != "bracket"]
    tokens: list[Token] = []
    mood = ""
    for place, (kind, word, start) in enumerate(found):
        if kind == "stop":
            mood = "?" if "?" in word else mood
            continue
        last = place + 1 == len(found) or found[place + 1][0] == "stop"
        glued = bool(tokens) and start > 0 and not plain[start - 1].isspace()
        before = found[place - 1][1] if place else ""
        following = found[place + 1][1] if not last else ""
        ended = _read(tokens, kind, word, _Place(last, glued, before, following))
        mood = ended or (mood if last else "")
    return Skeleton(tuple(tokens), mood, _names(found))


def _names(found: list[tuple[str, str, int]]) -> frozenset[str]:
    """A text with most words in capitals is a title, in which they say nothing."""
    latin = [(place, word) for place, (kind, word, _) in enumerate(found) if kind == "latin"]
    inner = [word for place, word in latin if place and found[place - 1][0] != "stop"]
    capital = [word for word in inner if word[0].isupper()]
    if len(capital) * 2 > len(inner):
        return frozenset()
    return frozenset(part for word in capital for part in english.words(word))


@dataclass(frozen=True, slots=True)
class _Place:
    last: bool
    glued: bool
    before: str
    following: str


def _read(tokens: list[Token], kind: str, word: str, place: _Place) -> str:
    """Append what a word says and answer the mood that it ends the sentence with."""
    match kind:
        case "hangul":
            return _read_korean(tokens, word, place)
        case "latin" if not is_code(word):
            for part in english.words(word):
                if part not in english.DROPPED:
                    tokens.append(Token("number" if part.isdigit() else "latin", part))
        case "number":
            tokens.append(Token("number", _number(word)))
        case _:
            tokens.append(Token("code" if kind in ("code", "latin") else kind, word))
    return ""


def _number(word: str) -> str:
    plain = word.rstrip(",")
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    return plain.removeprefix("+")


def _read_korean(tokens: list[Token], word: str, place: _Place) -> str:
    role = korean.particle_of(word) if place.glued else None
    if role is not None:
        tokens[-1] = Token(tokens[-1].kind, tokens[-1].stem, role)
        return ""
    if word == "그" or (word == "한" and korean.noun(place.following).stem not in words.COUNTERS):
        return ""
    if word in _KOREAN_NUMBERS:
        tokens.append(Token("number", _KOREAN_NUMBERS[word]))
        return ""
    ended = korean.predicate(word) if place.last else None
    if ended is None:
        plain = korean.noun(word)
        tokens.append(Token("hangul", plain.stem, plain.role))
        return ""
    going = korean.going(place.before) if ended.stem == "있" and tokens and tokens[-1].kind == "hangul" else None
    if going is not None:
        tokens[-1] = Token("hangul", going)
    elif ended.stem:
        tokens.append(Token("hangul", ended.stem))
    return ended.mood


def same(one: Skeleton, other: Skeleton) -> bool:
    """Tell whether two texts say the same but for style.

    Example: `not same(skeleton("A owes B"), skeleton("B owes A"))`.
    """
    if one.mood != other.mood or not one.tokens or not other.tokens:
        return False
    return _in_order(one.tokens, other.tokens) or _reordered(one.tokens, other.tokens) or _respaced(one, other)


def _in_order(one: tuple[Token, ...], other: tuple[Token, ...]) -> bool:
    return len(one) == len(other) and all(_alike(a, b) for a, b in zip(one, other, strict=True))


def _alike(one: Token, other: Token) -> bool:
    if one.stem != other.stem:
        return one.kind == other.kind == "latin" and english.same_verb(one.stem, other.stem)
    if one.role == other.role:
        return True
    return (not one.role or not other.role) and {one.role, other.role} <= _LOOSE


def _reordered(one: tuple[Token, ...], other: tuple[Token, ...]) -> bool:
    """Korean may move a word with its particle, but not its verb.

    Only in a single clause: where a word without a particle stands (산 책을, 오면), moving could change what it
    belongs to.
    """
    if len(one) != len(other) or len(one) > _ORDERED_WORDS_MAX or one[-1] != other[-1]:
        return False
    if one[-1].kind != "hangul" or Counter(one) != Counter(other):
        return False
    return all(_moves(token) for token in one[:-1])


def _moves(token: Token) -> bool:
    return token.role not in ("", "of", "with") or token.stem in words.ADVERBS


def _respaced(one: Skeleton, other: Skeleton) -> bool:
    """Korean is spaced at will; numbers and Latin words are not, so they must agree as they stand."""
    if not all(token.kind in ("hangul", "number", "latin") for token in (*one.tokens, *other.tokens)):
        return False
    if _fixed(one) != _fixed(other):
        return False
    return one.joined == other.joined and any(token.kind == "hangul" for token in one.tokens)


def _fixed(skeleton: Skeleton) -> list[str]:
    return [token.stem for token in skeleton.tokens if token.kind != "hangul"]
