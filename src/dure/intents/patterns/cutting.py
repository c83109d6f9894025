"""Cuts Korean into words, whatever its spaces: the cheapest of all ways to read it.

A known word costs next to nothing, a particle or ending behind a word little, and a letter that belongs to nothing
known costs most. So `학생등록해줘` is 학생, 등록, and an ending; and `반찬` is not 반 with something behind it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from dure.intents.patterns import words
from dure.intents.patterns.vocabulary import Vocabulary

SYLLABLES_MAX = 500
_FUNCTION_MAX = max(map(len, words.PARTICLES | words.ENDINGS | words.FILLERS))
_BEHIND = words.PARTICLES | words.ENDINGS
_BEHIND_UNKNOWN = frozenset(
    word for word in words.ENDINGS if word[0] in "하해했한할함합되된될됨됐돼줘주부" and word != "주"
)

# Costs, of one reading against another; what counts is their order.
_TERM, _TERM_OF_ONE, _ACROSS = 0.1, 0.6, 0.6
_FUNCTION, _FILLER = 0.2, 0.35
_UNKNOWN, _UNKNOWN_BEGINS, _UNKNOWN_INSIDE = 1.0, 0.5, 0.5

_ALONE = words.FILLERS | frozenset(
    word for word in words.ENDINGS if len(word) > 1 and word[0] in "하해했한할되된될됨됐돼줘주부있없싶봐보드바"
)
_HONORIFICS = frozenset("님씨군양")

_PARTICLES_MAX = 2
"""So many stand behind one word."""

State = Literal["word", "unknown"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a Korean text and what it was read as."""

    text: str
    kind: Literal["term", "function", "unknown"]
    is_named: bool = False
    """An unknown word with 님 or 씨 behind it."""


@dataclass(frozen=True, slots=True)
class _Way:
    cost: float
    before: "_Way | None"
    piece: Piece | None


def cut(tokens: list[str], vocabulary: Vocabulary, behind_number: bool = False) -> list[Piece]:
    """Cut the words of a Korean text. Example: `cut(["학생을", "등록해줘"], vocabulary)`."""
    text = "".join(tokens)[:SYLLABLES_MAX]
    starts, at = set(), 0
    for token in tokens:
        starts.add(at)
        at += len(token)
    starts.add(len(text))
    ways: list[dict[State, _Way]] = [{} for _ in range(len(text) + 1)]
    ways[0]["word"] = _Way(0.0, None, None)
    for here in range(len(text)):
        for state, way in list(ways[here].items()):
            fresh = here in starts and not (here == 0 and behind_number)
            for end, after, cost, piece in _steps(text, here, state, fresh, starts, vocabulary):
                _keep(ways[end], after, _Way(way.cost + cost, way, piece))
    return _joined(min(ways[len(text)].values(), key=lambda way: way.cost))


def _keep(ways: dict[State, _Way], state: State, way: _Way) -> None:
    if state not in ways or way.cost < ways[state].cost:
        ways[state] = way


def _steps(
    text: str, here: int, state: State, fresh: bool, starts: set[int], vocabulary: Vocabulary
) -> list[tuple[int, State, float, Piece]]:
    found: list[tuple[int, State, float, Piece]] = []
    for end in range(here + 1, min(len(text), here + max(vocabulary.korean_chars_max, _FUNCTION_MAX)) + 1):
        word = text[here:end]
        if word in vocabulary.korean:
            across = word not in vocabulary.spaced and any(place in starts for place in range(here + 1, end))
            cost = _TERM + (_TERM_OF_ONE if len(word) == 1 else 0.0) + (_ACROSS if across else 0.0)
            found.append((end, "word", cost, Piece(word, "term")))
        if fresh and word in _ALONE and (end in starts or len(word) > 1):
            found.append((end, "word", _FILLER, Piece(word, "function")))
        if not fresh and (word in _BEHIND if state == "word" else word in _BEHIND_UNKNOWN):
            found.append((end, "word", _FUNCTION, Piece(word, "function")))
    begins = _UNKNOWN_BEGINS + (0.0 if fresh else _UNKNOWN_INSIDE) if state == "word" or fresh else 0.0
    found.append((here + 1, "unknown", _UNKNOWN + begins, Piece(text[here], "unknown")))
    if fresh and here:
        # A new word never goes on with an unknown one before it.
        found[-1] = (here + 1, "unknown", _UNKNOWN + _UNKNOWN_BEGINS, Piece(" " + text[here], "unknown"))
    return found


def _joined(way: _Way) -> list[Piece]:
    """Answer the pieces of a way, the letters of an unknown word put together."""
    single: list[Piece] = []
    at: _Way | None = way
    while at is not None and at.piece is not None:
        single.append(at.piece)
        at = at.before
    pieces: list[Piece] = []
    for piece in reversed(single):
        last = pieces[-1] if pieces else None
        if piece.kind == "unknown" and last is not None and last.kind == "unknown" and piece.text[0] != " ":
            pieces[-1] = Piece(last.text + piece.text, "unknown")
        else:
            pieces.append(Piece(piece.text.strip(), piece.kind))
    return [_bare(piece) for piece in pieces]


@lru_cache(4096)
def _bare(piece: Piece) -> Piece:
    """Take particles off an unknown word, unless too little would be left of it."""
    if piece.kind != "unknown":
        return piece
    text = piece.text
    for _ in range(_PARTICLES_MAX):
        if len(text) > 2 and text[-1] in _HONORIFICS:
            return Piece(text[:-1], "unknown", is_named=True)
        sizes = range(min(4, len(text) - 2), 0, -1)
        text = next((text[:-size] for size in sizes if text[-size:] in words.PARTICLES), text)
    return Piece(text, "unknown")
