"""Which intents a sentence asks for: all patterns of a tenant in memory, asked by words, by meaning and by letters.

Two measures make a likeness. **Meaning**: the concepts that sentence and pattern share, against those that only one of them
has and the words that nobody knows; a concept weighs the more, the fewer intents speak of it. **Letters**: pieces of three
and four letters, Korean syllables taken apart, rare ones weighing more. What is below a threshold is no answer: thresholds
and weights were fitted on sentences that `bench/patterns.py` names, and published with it.
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Literal

from dure.intents.patterns.korean import letters
from dure.intents.patterns.normalising import LETTERS_MIN, Sentence, letter_count, read, unknown_words
from dure.intents.patterns.vocabulary import Glossary, Vocabulary

TOP = 3
CONFIDENCE_MIN = 0.1
"""A pattern that was wrong nine times of ten is offered no more."""
EXACT, SAME_WORDS = 1.0, 0.97
GRAM_SIZES = (3, 4)
WEIGHT_MIN = 0.2

How = Literal["exact", "same_words", "contains", "asks", "spelled"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sentence, and the intent that is meant by it. Example: `Pattern("1", "학생 등록", "student.exec.register", 0.8)`."""

    id: str
    pattern: str
    intent_key: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was fitted; `bench/patterns.py --fit` answers it anew."""

    unknown: float = 0.6
    """What a word that nobody knows weighs, against the rarest concept."""
    sentence_only: float = 0.6
    """What a concept of the sentence alone weighs against one that is shared."""
    pattern_only: float = 0.5
    time_only: float = 0.25
    """A word of time that only one of them has."""
    letters: float = 0.35
    """How much of the likeness is in the letters."""
    threshold: float = 0.45


@dataclass(frozen=True, slots=True)
class Match:
    """An intent that a sentence may ask for."""

    pattern: Pattern
    likeness: float
    """0 to 1, of the sentence and the pattern."""
    how: How
    shared: tuple[str, ...]
    """The sentence's own words that it shares with the pattern."""

    @property
    def confidence(self) -> float:
        """The pattern's, by how alike they are."""
        return round(self.pattern.confidence * self.likeness, 4)


@dataclass(frozen=True, slots=True)
class _Known:
    pattern: Pattern
    sentence: Sentence
    concepts: frozenset[str]


class Matcher:
    """The patterns of a tenant. Example: `Matcher(patterns, glossary).match("학생 등록해줘")[0].pattern.intent_key`."""

    def __init__(self, patterns: Sequence[Pattern], glossary: Glossary, tuning: Tuning | None = None) -> None:
        self._tuning = tuning or Tuning()
        usable = [one for one in patterns if letter_count(one.pattern) >= LETTERS_MIN]
        first = Vocabulary(glossary)
        others = unknown_words(read(one.pattern, first) for one in usable)
        self._vocabulary = Vocabulary(glossary, sorted(others)) if others else first
        self._known = [_known(one, read(one.pattern, self._vocabulary)) for one in usable]
        self._weights, self._rarest = _weights(self._known)
        self._sizes = [sum(map(self._weight, sorted(one.concepts))) for one in self._known]
        self._by_concept: dict[str, list[int]] = defaultdict(list)
        for number, known in enumerate(self._known):
            for concept in sorted(known.concepts):
                self._by_concept[concept].append(number)
        self._grams = _Grams([known.sentence.words for known in self._known])

    def with_confidences(self, patterns: Sequence[Pattern]) -> "Matcher | None":
        """Answer these patterns without reading them, when only their ids and confidences are others; otherwise None."""
        usable = [one for one in patterns if letter_count(one.pattern) >= LETTERS_MIN]
        known = [(one.pattern.pattern, one.pattern.intent_key) for one in self._known]
        if [(one.pattern, one.intent_key) for one in usable] != known:
            return None
        other = copy(self)
        other._known = [_Known(new, old.sentence, old.concepts) for new, old in zip(usable, self._known, strict=True)]
        return other

    def read(self, sentence: str) -> Sentence:
        """Answer how a sentence is read here. Example: `matcher.read("학생 등록").concepts`."""
        return read(sentence, self._vocabulary)

    def match(self, sentence: str, top: int = TOP) -> tuple[Match, ...]:
        """Answer the intents that a sentence asks for, the most probable first; none for noise."""
        if letter_count(sentence) < LETTERS_MIN:
            return ()
        given = self.read(sentence)
        best: dict[str, tuple[float, float, int]] = {}
        for number, likeness in self._likenesses(given):
            pattern = self._known[number].pattern
            if likeness < self._tuning.threshold or pattern.confidence < CONFIDENCE_MIN:
                continue
            place = (pattern.confidence * likeness, likeness, -number)
            if place > best.get(pattern.intent_key, (0.0, 0.0, 0)):
                best[pattern.intent_key] = place
        chosen = heapq.nlargest(top, best.values())
        return tuple(self._told(given, -number, likeness) for _, likeness, number in chosen)

    def likest(self, sentence: str) -> float:
        """Answer the highest likeness of any pattern, below the threshold or not. Example: `matcher.likest("hello")`."""
        return max((likeness for _, likeness in self._likenesses(self.read(sentence))), default=0.0)

    def _likenesses(self, given: Sentence) -> Iterable[tuple[int, float]]:
        spelled = self._grams.cosines(given.words)
        meant = self._meant(given)
        share = self._tuning.letters
        for number in sorted(meant.keys() | spelled.keys()):
            known = self._known[number]
            if given.tight == known.sentence.tight:
                yield number, EXACT
                continue
            meaning, letters_ = meant.get(number, 0.0), spelled.get(number, 0.0)
            # What is in another language shares no letters, and what shares only letters shares no meaning.
            alike = max((1 - share) * meaning + share * letters_, meaning * (1 - share / 2))
            yield number, min(alike, SAME_WORDS)

    def _meant(self, given: Sentence) -> dict[int, float]:
        concepts = given.concepts
        shared: dict[int, float] = defaultdict(float)
        for concept in sorted(concepts):
            weight = self._weight(concept)
            for number in self._by_concept.get(concept, ()):
                shared[number] += weight
        unknown = self._tuning.unknown * self._rarest * len(given.unknown)
        # Its concepts less what is shared are the sentence's own; words of time count little where the other has none.
        total = sum(self._weight(concept) for concept in sorted(concepts) if not concept.startswith("@"))
        return {
            number: both / (both + unknown + self._alone(number, both, given, total))
            for number, both in shared.items()
            if both > 0
        }

    def _alone(self, number: int, both: float, given: Sentence, total: float) -> float:
        tuning, known = self._tuning, self._known[number]
        time_shared = sum(self._weight(one) for one in given.concepts & known.concepts if one.startswith("@"))
        sentence_only = total - (both - time_shared)
        time_only = sum(self._weight(one) for one in given.concepts ^ known.concepts if one.startswith("@"))
        pattern_time = sum(self._weight(one) for one in known.concepts if one.startswith("@"))
        pattern_only = self._sizes[number] - pattern_time - (both - time_shared)
        return tuning.sentence_only * sentence_only + tuning.pattern_only * pattern_only + tuning.time_only * time_only

    def _weight(self, concept: str) -> float:
        return self._weights.get(concept, self._rarest)

    def _told(self, given: Sentence, number: int, likeness: float) -> Match:
        known = self._known[number]
        shared = tuple(
            dict.fromkeys(part.text for part in given.parts if part.kind == "term" and part.concept in known.concepts)
        )
        return Match(known.pattern, round(likeness, 4), _how(given, known, shared), shared)


def _known(pattern: Pattern, sentence: Sentence) -> _Known:
    return _Known(pattern, sentence, sentence.concepts)


def _how(given: Sentence, known: _Known, shared: tuple[str, ...]) -> How:
    if given.tight == known.sentence.tight:
        return "exact"
    if given.words == known.sentence.words:
        return "same_words"
    if known.sentence.tight in given.tight:
        return "contains"
    return "asks" if shared else "spelled"


def _weights(known: Sequence[_Known]) -> tuple[dict[str, float], float]:
    """Answer the weight of each concept, by how many intents speak of it, and the weight of the rarest."""
    intents: dict[str, set[str]] = defaultdict(set)
    for one in known:
        for concept in one.concepts:
            intents[concept].add(one.pattern.intent_key)
    count = len({one.pattern.intent_key for one in known})
    weights = {concept: max(WEIGHT_MIN, math.log((count + 1) / (len(keys) + 0.5))) for concept, keys in intents.items()}
    return weights, max(weights.values(), default=1.0)


class _Grams:
    """Pieces of words, and which patterns have them."""

    def __init__(self, texts: Sequence[str]) -> None:
        counted = [Counter(_pieces(text)) for text in texts]
        seen: Counter[str] = Counter()
        for grams in counted:
            seen.update(grams.keys())
        self._rarity = {gram: math.log((len(texts) + 1) / (count + 0.5)) for gram, count in seen.items()}
        self._alone = math.log((len(texts) + 1) / 0.5)
        self._lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, grams in enumerate(counted):
            weighed = self._weighed(grams)
            for gram, weight in weighed.items():
                self._lines[gram].append((number, weight))

    def cosines(self, text: str) -> dict[int, float]:
        """Answer for each pattern that shares a piece how much it shares, 0 to 1."""
        found: dict[int, float] = defaultdict(float)
        for gram, weight in self._weighed(Counter(_pieces(text))).items():
            for number, other in self._lines.get(gram, ()):
                found[number] += weight * other
        return found

    def _weighed(self, grams: Counter[str]) -> dict[str, float]:
        weights = {gram: count * self._rarity.get(gram, self._alone) for gram, count in grams.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {gram: weight / length for gram, weight in weights.items()} if length else {}


def _pieces(text: str) -> list[str]:
    spelled = letters(f" {text} ") if text else ""
    return [spelled[at : at + size] for size in GRAM_SIZES for at in range(len(spelled) - size + 1)]
