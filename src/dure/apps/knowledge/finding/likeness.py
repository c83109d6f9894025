"""How probable it is that two texts say the same: a few measures, and weights fitted on labelled pairs.

It ranks what a person or a judge is asked about. Nothing is ever deleted because of it.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz import distance, fuzz, process

from dure.apps.knowledge.finding import english, guards, korean
from dure.apps.knowledge.finding.embedding import Embedding, Meaning
from dure.apps.knowledge.finding.skeleton import Skeleton
from dure.apps.knowledge.finding.texts import normal
from dure.apps.knowledge.finding.weights import MODELS

CHARS_MAX = 2_000
STEMS_MAX = 200
DOUBT_MIN = 0.02
DOUBT_SHARE = 0.2
"""What letters and words make less probable than this share of what is asked for is not looked at further.

On the labelled pairs this loses none that all measures together would have put above."""
NO_DIFFERENCE = (0.0, 0.0, 0.0, 0.0)
MEANINGS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Text:
    """One text, read once for all its comparisons."""

    plain: str
    skeleton: Skeleton
    stems: tuple[str, ...]
    korean: bool

    @property
    def pairs(self) -> list[str]:
        """Neighbouring stems, and those with one between, each pair in one order: rarer than any word alone."""
        stems = self.stems
        near = pairwise(stems)
        far = zip(stems, stems[2:], strict=False)
        return ["\x1f".join(sorted(pair)) for pair in (*near, *far)]


def read(text: str, skeleton: Skeleton) -> Text:
    """Prepare a text. Example: `read("배송비 면제", skeleton("배송비 면제")).korean`."""
    stems = tuple(_stem(token.kind, token.stem) for token in skeleton.tokens[:STEMS_MAX])
    hangul = sum(1 for token in skeleton.tokens if token.kind == "hangul")
    latin = sum(1 for token in skeleton.tokens if token.kind == "latin")
    return Text(normal(text)[:CHARS_MAX], skeleton, stems, hangul >= latin)


def _stem(kind: str, stem: str) -> str:
    match kind:
        case "latin":
            return english.stem(stem)
        case "hangul":
            return korean.root(stem)
        case _:
            return stem


class Likeness:
    """Scores pairs of one collection of texts, in which rare words weigh more.

    Example: `Likeness(texts, None).score(texts[0], texts[1], 0.4)`.
    """

    def __init__(self, texts: Sequence[Text], embedding: Embedding | None) -> None:
        self._embedding = embedding
        seen: Counter[str] = Counter()
        for text in texts:
            seen.update(set(text.stems))
        self._weights = {stem: math.log((len(texts) + 1) / (count + 1)) + 1.0 for stem, count in seen.items()}
        self._meanings: dict[tuple[str, ...], Meaning] = {}

    def weight(self, stem: str) -> float:
        """Answer how much a stem of these texts says: the rarer, the more. Example: `likeness.weight("배송비")`."""
        return self._weights[stem]

    def measures(self, one: Text, other: Text, grams_cosine: float) -> list[float]:
        """Answer all measures of a pair, in the order of `weights.MEASURES`; without embedding those of `LEXICAL`."""
        return [*self._spelled(one, other, grams_cosine), *_differences(one, other), *self._meant(one, other)]

    def score(self, one: Text, other: Text, grams_cosine: float, least: float = 0.0) -> float:
        """Answer the probability, 0 to 1, that two texts say the same; 0 where it could hardly reach `least`.

        The cheap measures go first: most pairs that share a few rare letters fail there.
        """
        language = "ko" if one.korean or other.korean else "en"
        doubt = max(DOUBT_MIN, least * DOUBT_SHARE)
        spelled = self._spelled(one, other, grams_cosine)
        by_letters = MODELS[language, False]
        if by_letters.probability([*spelled, *NO_DIFFERENCE]) < doubt:
            return 0.0
        lexical = [*spelled, *_differences(one, other)]
        first = by_letters.probability(lexical)
        if self._embedding is None or first < doubt:
            return first if self._embedding is None else 0.0
        return MODELS[language, True].probability([*lexical, *self._meant(one, other)])

    def _spelled(self, one: Text, other: Text, grams_cosine: float) -> list[float]:
        first, second = set(one.stems), set(other.stems)
        shared = sum(map(self.weight, sorted(first & second)))
        only = [sum(map(self.weight, sorted(side))) for side in (first - second, second - first)]
        missed = self._missed(first, second) + self._missed(second, first)
        letters = [unicodedata.normalize("NFD", text.plain) for text in (one, other)]
        longest = max(1, *map(len, letters))
        return [
            fuzz.token_sort_ratio(one.plain, other.plain) / 100,
            fuzz.token_set_ratio(one.plain, other.plain) / 100,
            fuzz.ratio(*letters) / 100,
            grams_cosine,
            shared / math.sqrt(max(1e-9, (shared + only[0]) * (shared + only[1]))),
            missed / max(1e-9, missed + shared),
            max(map(self.weight, first ^ second), default=0.0) / 8,
            abs(len(letters[0]) - len(letters[1])) / longest,
            distance.LCSseq.normalized_similarity(one.stems, other.stems),
        ]

    def _missed(self, some: set[str], others: set[str]) -> float:
        """Weigh the stems that only one side has, less where the other side has a word spelled like it."""
        alone, spelled = sorted(some - others), sorted(others)
        if not alone or not spelled:
            return sum(map(self.weight, alone))
        alike = process.cdist(alone, spelled, scorer=fuzz.ratio).max(axis=1).tolist()
        return sum(self.weight(stem) * (1.0 - float(best) / 100) for stem, best in zip(alone, alike, strict=True))

    def _meant(self, one: Text, other: Text) -> list[float]:
        if self._embedding is None:
            return []
        return self._embedding.compare(self._meaning(self._embedding, one), self._meaning(self._embedding, other))

    def _meaning(self, embedding: Embedding, text: Text) -> Meaning:
        key = tuple(token.stem for token in text.skeleton.tokens)
        found = self._meanings.get(key)
        if found is None:
            if len(self._meanings) >= MEANINGS_MAX:
                self._meanings.clear()
            found = self._meanings[key] = embedding.read(" ".join(key)[:CHARS_MAX])
        return found


def _differences(one: Text, other: Text) -> list[float]:
    differs = guards.difference(one.skeleton, other.skeleton)
    flags = [float(differs == reason) for reason in ("differs_number", "differs_negation", "differs_opposite")]
    return [*flags, float(differs is not None)]
