"""Candidates across languages: Korean and English texts that share numbers, Latin words, or known translations.

It only proposes pairs. Without a judge nobody is asked about them: two languages share too little for a score.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from dure.apps.knowledge.finding import english, words
from dure.apps.knowledge.finding.likeness import Text

SHARED_MIN = 2
RARE_TEXTS_MAX = 10
"""A concept of so few texts is enough alone."""
TEXTS_OF_A_WORD_MAX = 200

_WORDS = {word: frozenset(english.stem(other) for other in others) for word, others in words.DICTIONARY.items()}


def concepts(text: Text) -> frozenset[str]:
    """Answer what a text says in words that both languages share: its own Latin stems, numbers, translated words.

    Example: `concepts(read("환불은 7일", …)) >= {"refund", "7"}`.
    """
    found: set[str] = set()
    for token, stem in zip(text.skeleton.tokens, text.stems, strict=False):
        if token.kind == "hangul":
            for word in (token.stem, stem):
                found |= _WORDS.get(word, frozenset())
        else:
            found.add(stem.casefold())
    return frozenset(found)


def candidates(texts: Sequence[Text], top: int) -> list[tuple[int, int]]:
    """Answer pairs (later, earlier) of different languages that share most.

    Example: `candidates(texts, 5)`.
    """
    said = [concepts(text) for text in texts]
    seen = Counter(word for words_of_text in said for word in words_of_text)
    texts_of: dict[str, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for place, shared in enumerate(said):
        weights: defaultdict[int, float] = defaultdict(float)
        hits: Counter[int] = Counter()
        for word in sorted(word for word in shared if 1 < seen[word] <= TEXTS_OF_A_WORD_MAX):
            for other in texts_of[word]:
                if texts[other].korean != texts[place].korean:
                    weights[other] += 1.0 / seen[word]
                    hits[other] += SHARED_MIN if seen[word] <= RARE_TEXTS_MAX else 1
            texts_of[word].append(place)
        good = sorted((-weights[other], other) for other in hits if hits[other] >= SHARED_MIN)
        pairs.extend((place, other) for _, other in good[:top])
    return pairs
