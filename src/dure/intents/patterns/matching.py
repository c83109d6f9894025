"""Which intents a sentence asks for: all patterns of a tenant in memory, asked by words, by meaning and by letters.

Two measures make a likeness. **Meaning**: the concepts that sentence and pattern share, against those that only one of
them has and the words that nobody knows; a concept weighs the more, the fewer intents speak of it. **Letters**: pieces
of three and four letters, Korean syllables taken apart, rare ones weighing more. What is below a threshold is no
answer: weights and threshold were fitted on the sentences of `bench/patterns.py`, which prints how well they do.
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal

from dure.intents.patterns.korean import letters
from dure.intents.patterns.normalising import LETTERS_MIN, TIME, Sentence, letter_count, read, unknown_words
from dure.intents.patterns.vocabulary import Glossary, Vocabulary

TOP = 3
CONFIDENCE_MIN = 0.1
"""A pattern that was wrong nine times of ten is offered no more."""
EXACT, SAME_WORDS = 1.0, 0.97
GRAM_SIZES = (3, 4)
GRAMS_MAX = 48
"""Of a sentence so many of the rarest pieces are looked for."""
WEIGHT_MIN = 0.2
TELLING = 0.4
"""A reason names the shared words that weigh so much of the heaviest."""
LONE = 0.4
"""What a single syllable weighs that nobody knows, against a word: often it is a part of an ending."""
OWN_WORD = 0.75
"""What a word weighs that only patterns hold, against one of the glossary."""

How = Literal["exact", "same_words", "contains", "asks", "spelled"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sentence, and the intent that is meant by it. Example: `Pattern("1", "학생 등록", "student.add", 0.8)`."""

    id: str
    pattern: str
    intent_key: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was fitted; `bench/patterns.py --fit` answers it anew."""

    unknown: float = 1.4
    """What a word that nobody knows weighs, against the rarest concept."""
    sentence_only: float = 0.2
    """What a concept of the sentence alone weighs against one that is shared."""
    pattern_only: float = 0.6
    time_only: float = 0.2
    """A word of time that only one of them has."""
    letters: float = 0.3
    """How much of the likeness is in the letters."""
    threshold: float = 0.55


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
    words_weight: float
    times_weight: float


class Matcher:
    """The patterns of a tenant. Example: `Matcher(patterns, glossary).match("학생 등록해줘")[0].pattern.intent_key`."""

    def __init__(self, patterns: Sequence[Pattern], glossary: Glossary, tuning: Tuning | None = None) -> None:
        self._tuning = tuning or Tuning()
        usable = [one for one in patterns if letter_count(one.pattern) >= LETTERS_MIN]
        first = Vocabulary(glossary)
        others = unknown_words(read(one.pattern, first) for one in usable)
        self._vocabulary = Vocabulary(glossary, sorted(others)) if others else first
        sentences = [read(one.pattern, self._vocabulary) for one in usable]
        self._weights, self._rarest = _weights(usable, sentences)
        self._known = [self._prepared(one, sentence) for one, sentence in zip(usable, sentences, strict=True)]
        self._by_concept: dict[str, list[int]] = defaultdict(list)
        for number, known in enumerate(self._known):
            for concept in sorted(known.sentence.concepts):
                self._by_concept[concept].append(number)
        self._grams = _Grams([known.sentence.words for known in self._known])

    def with_confidences(self, patterns: Sequence[Pattern]) -> "Matcher | None":
        """Answer these patterns without reading them when only ids and confidences are others, otherwise None."""
        usable = [one for one in patterns if letter_count(one.pattern) >= LETTERS_MIN]
        known = [(one.pattern.pattern, one.pattern.intent_key) for one in self._known]
        if [(one.pattern, one.intent_key) for one in usable] != known:
            return None
        other = copy(self)
        other._known = [replace(old, pattern=new) for new, old in zip(usable, self._known, strict=True)]
        return other

    def tuned(self, tuning: Tuning) -> "Matcher":
        """Answer the same patterns, compared with other weights. Example: `matcher.tuned(Tuning(threshold=0.5))`."""
        other = copy(self)
        other._tuning = tuning
        return other

    @property
    def name_concept(self) -> str:
        """What the name of somebody stands for in this domain. Example: `matcher.name_concept == "student"`."""
        return self._vocabulary.name

    def read(self, sentence: str, names: Sequence[str] = ()) -> Sentence:
        """Answer how a sentence is read here. Example: `matcher.read("학생 등록").concepts`."""
        return read(sentence, self._vocabulary, names)

    def match(self, sentence: str | Sentence, top: int = TOP) -> tuple[Match, ...]:
        """Answer the intents that a sentence asks for, the most probable first; none for noise."""
        given = self.read(sentence) if isinstance(sentence, str) else sentence
        if letter_count(given.tight) < LETTERS_MIN:
            return ()
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
        """Answer the highest likeness of any pattern, above the threshold or not. Example: `m.likest("hello")`."""
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
            alike = max(_mixed(meaning, letters_, share), _mixed(meaning, letters_, share / 2))
            if len(known.sentence.parts) > 1 and known.sentence.tight in given.tight:
                alike = (alike + SAME_WORDS) / 2
            yield number, min(alike, SAME_WORDS)

    def _meant(self, given: Sentence) -> dict[int, float]:
        """Answer how much of what is meant a sentence shares with each pattern, 0 to 1."""
        words, times, counts = defaultdict[int, float](float), defaultdict[int, float](float), Counter[int]()
        total = total_time = 0.0
        for concept in sorted(given.concepts):
            weight, is_time = self._weight(concept), concept.startswith(TIME)
            is_aside = is_time or concept in given.labels
            total, total_time = (total, total_time + weight) if is_aside else (total + weight, total_time)
            shared, lines = times if is_time else words, self._by_concept.get(concept, ())
            for number in lines:
                shared[number] += weight
            counts.update(() if is_time else lines)
        tuning, found = self._tuning, dict[int, float]()
        unknown = tuning.unknown * self._rarest * sum(LONE if len(word) == 1 else 1.0 for word in given.unknown)
        # Words of time alone ask for nothing.
        for number in words:
            word, time, known = words[number], times.get(number, 0.0), self._known[number]
            alone = tuning.sentence_only * max(0.0, total - word) + tuning.pattern_only * (known.words_weight - word)
            # A word of time that only one of them has is a parameter more than a difference.
            alone += tuning.time_only * max(0.0, total_time + known.times_weight - 2 * time)
            # The more is shared, the less it matters that a word is not known.
            found[number] = (word + time) / (word + time + alone + unknown / counts[number])
        return found

    def _prepared(self, pattern: Pattern, sentence: Sentence) -> _Known:
        weights = {concept: self._weight(concept) for concept in sorted(sentence.concepts)}
        times = sum(weight for concept, weight in weights.items() if concept.startswith(TIME))
        return _Known(pattern, sentence, sum(weights.values()) - times, times)

    def _weight(self, concept: str) -> float:
        return self._weights.get(concept, self._rarest)

    def _told(self, given: Sentence, number: int, likeness: float) -> Match:
        known = self._known[number]
        shared = self._shared(given, known.sentence.concepts)
        return Match(known.pattern, round(likeness, 4), _how(given, known, shared), shared)

    def _shared(self, given: Sentence, concepts: frozenset[str]) -> tuple[str, ...]:
        """Answer the sentence's words that it shares with a pattern and that say the most."""
        weights = {
            part.text: self._weight(part.concept)
            for part in given.parts
            if part.kind == "term" and part.concept in concepts
        }
        least = TELLING * max(weights.values(), default=0.0)
        return tuple(text for text, weight in weights.items() if weight >= least)


def _mixed(meaning: float, spelled: float, share: float) -> float:
    return (1 - share) * meaning + share * spelled


def _how(given: Sentence, known: _Known, shared: tuple[str, ...]) -> How:
    if given.tight == known.sentence.tight:
        return "exact"
    if given.words == known.sentence.words:
        return "same_words"
    if known.sentence.tight in given.tight:
        return "contains"
    return "asks" if shared else "spelled"


def _weights(patterns: Sequence[Pattern], sentences: Sequence[Sentence]) -> tuple[dict[str, float], float]:
    """Answer the weight of each concept, by how many intents speak of it, and the weight of the rarest."""
    intents: dict[str, set[str]] = defaultdict(set)
    for pattern, sentence in zip(patterns, sentences, strict=True):
        for concept in sentence.concepts:
            intents[concept].add(pattern.intent_key)
    count = len({one.intent_key for one in patterns})
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
        rarest = heapq.nlargest(
            GRAMS_MAX, self._weighed(Counter(_pieces(text))).items(), key=lambda one: (one[1], one[0])
        )
        for gram, weight in rarest:
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
