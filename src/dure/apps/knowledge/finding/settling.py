"""What is certain: items that say the same as an earlier one, to the letter or but for style.

One pass in the order of worth (better store, older, id): an item is either a survivor or has one before it, so every
group is a star around its survivor, and what is kept for another is never itself deleted.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dure.apps.knowledge.finding import guards
from dure.apps.knowledge.finding.english import stem
from dure.apps.knowledge.finding.model import Item, Match, Options
from dure.apps.knowledge.finding.skeleton import Skeleton, same, skeleton
from dure.apps.knowledge.finding.texts import digest, normal

ALIKE_MAX = 32
"""With so many survivors of one spelling an item is compared; the rest of a crowd is left for questions."""
NEAR_CHARS_MAX = 4_000
"""A longer text is compared to the letter alone."""

_EXACT, _NEAR = 1.0, 0.99


@dataclass(frozen=True, slots=True)
class Settled:
    """The survivors in their order with their skeletons, and what was deleted for one of them."""

    survivors: tuple[Item, ...]
    skeletons: tuple[Skeleton, ...]
    matches: tuple[Match, ...]


def ordered(items: Sequence[Item], options: Options) -> list[Item]:
    """Sort by worth: the better store, then the older, then the id. Example: `ordered(items, Options())[0]`."""
    rank = {store: place for place, store in enumerate(options.store_order)}
    return sorted(items, key=lambda item: (rank[item.store], _age(item.created_at), item.id))


def _age(created_at: str) -> tuple[int, str]:
    """One zone for all, so that texts sort as moments do; what has no readable time is the youngest."""
    try:
        moment = datetime.fromisoformat(created_at)
    except ValueError:
        return (1, created_at)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return (0, aware.astimezone(UTC).isoformat(timespec="microseconds"))
    except OverflowError:
        return (1, created_at)


def comparable(one: Item, other: Item) -> bool:
    """Tell whether texts may speak for two items: not when both say exactly what they decide, and differ in it.

    Example: `not comparable(Item("1", "rules", "a", fingerprint="x"), Item("2", "rules", "a", fingerprint="y"))`.
    """
    return not one.fingerprint or not other.fingerprint or one.fingerprint == other.fingerprint


def settle(items: Sequence[Item], options: Options) -> Settled:
    """Separate survivors from what is certainly said already. Example: `settle(items, Options()).matches`."""
    index = _Index()
    matches: list[Match] = []
    for item in ordered(items, options):
        found = index.find(item)
        if found is not None:
            matches.append(found)
    return Settled(tuple(index.items), tuple(index.skeletons), tuple(matches))


class _Index:
    """The survivors so far, by what they decide, by their letters, and by their words."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.skeletons: list[Skeleton] = []
        self._by_fingerprint: dict[str, Item] = {}
        self._by_text: dict[str, list[Item]] = defaultdict(list)
        self._by_words: dict[str, list[int]] = defaultdict(list)

    def find(self, item: Item) -> Match | None:
        """Answer the survivor that says the same, or take the item among the survivors."""
        if item.fingerprint and item.fingerprint in self._by_fingerprint:
            return Match(item, self._by_fingerprint[item.fingerprint], "exact", _EXACT, "same_rule")
        text = normal(item.text)
        key = digest(text)
        for kept in self._by_text[key] if text else ():
            if comparable(item, kept):
                return Match(item, kept, "exact", _EXACT, "exact")
        read = skeleton(item.text[:NEAR_CHARS_MAX])
        words = _spellings(read) if len(item.text) <= NEAR_CHARS_MAX else ()
        near = self._near(item, read, words)
        if near is not None:
            return near
        self._keep(item, key, read, words)
        return None

    def _near(self, item: Item, read: Skeleton, words: tuple[str, ...]) -> Match | None:
        places = sorted({place for key in words for place in self._by_words.get(key, ())[:ALIKE_MAX]})
        for place in places:
            kept, other = self.items[place], self.skeletons[place]
            if comparable(item, kept) and same(read, other) and guards.difference(read, other) is None:
                return Match(item, kept, "near", _NEAR, "near")
        return None

    def _keep(self, item: Item, key: str, read: Skeleton, words: tuple[str, ...]) -> None:
        place = len(self.items)
        self.items.append(item)
        self.skeletons.append(read)
        self._by_text[key].append(item)
        if item.fingerprint:
            self._by_fingerprint[item.fingerprint] = item
        for word in words:
            self._by_words[word].append(place)


def _spellings(read: Skeleton) -> tuple[str, ...]:
    """Keys that two texts share when `same` could hold: their stems in any order, and their letters without spaces."""
    if not read.tokens:
        return ()
    bag = "\x1f".join(sorted(stem(token.stem) if token.kind == "latin" else token.stem for token in read.tokens))
    return (digest("bag " + bag), digest("joined " + read.joined))
