"""On what two sentences differ that look alike: the answer is a reason, and with any reason nothing goes unasked."""

from collections import Counter
from collections.abc import Iterable

from dure.apps.knowledge.finding import words
from dure.apps.knowledge.finding.skeleton import Skeleton, Token

_NEGATIVE_STARTS = ("않", "없", "못", "아니", "아닌", "말아", "마세", "마십")
_NEGATIVE_ENDS = ("하지마", "지마", "않", "없", "없이", "없는", "않는", "않고", "못하", "않음", "없음")


def difference(one: Skeleton, other: Skeleton) -> str | None:
    """Answer the first thing on which two texts differ, as a key in `[knowledge.reasons]`, or None.

    Example: `difference(skeleton("7일 안에 환불"), skeleton("14일 안에 환불")) == "differs_number"`.
    """
    checks = (
        ("differs_number", _numbers), ("differs_negation", _negations), ("differs_opposite", _opposites),
        ("differs_day", _days), ("differs_unit", _units), ("differs_quantity", _quantities),
        ("differs_name", _names), ("differs_role", _roles),
    )  # fmt: skip
    for reason, differs in checks:
        if differs(one, other):
            return reason
    return "differs_mood" if one.mood != other.mood else None


def _stems(skeleton: Skeleton) -> set[str]:
    return {token.stem for token in skeleton.tokens}


def _of(skeleton: Skeleton, kinds: Iterable[str]) -> list[str]:
    return [token.stem for token in skeleton.tokens if token.kind in kinds]


def _numbers(one: Skeleton, other: Skeleton) -> bool:
    return sorted(_of(one, ("number",))) != sorted(_of(other, ("number",)))


def _negations(one: Skeleton, other: Skeleton) -> bool:
    return _negated(one) != _negated(other)


def _negated(skeleton: Skeleton) -> int:
    return sum(1 for token in skeleton.tokens if _is_negative(token))


def _is_negative(token: Token) -> bool:
    if token.stem in words.NEGATIONS:
        return True
    if token.kind == "hangul":
        return token.stem.startswith(_NEGATIVE_STARTS) or token.stem.endswith(_NEGATIVE_ENDS)
    return False


def _opposites(one: Skeleton, other: Skeleton) -> bool:
    """A word on one side alone whose opposite is on the other side alone."""
    first, second = _stems(one), _stems(other)
    return any(words.OPPOSITES.get(stem, frozenset()) & (second - first) for stem in first - second)


def _listed(one: Skeleton, other: Skeleton, listed: frozenset[str]) -> bool:
    return (_stems(one) & listed) != (_stems(other) & listed)


def _days(one: Skeleton, other: Skeleton) -> bool:
    return _listed(one, other, words.DAYS)


def _units(one: Skeleton, other: Skeleton) -> bool:
    """Units count beside numbers only: 분 is a minute, and a person too."""
    return _measured(one) != _measured(other)


def _measured(skeleton: Skeleton) -> Counter[str]:
    tokens = skeleton.tokens
    beside = [
        token.stem
        for place, token in enumerate(tokens)
        if token.stem in words.UNITS and any(near.kind == "number" for near in tokens[max(0, place - 2) : place + 2])
    ]
    return Counter(beside)


def _quantities(one: Skeleton, other: Skeleton) -> bool:
    return _listed(one, other, words.QUANTIFIERS)


def _names(one: Skeleton, other: Skeleton) -> bool:
    """Code must agree; so must Latin words within Korean text, which are names there."""
    if sorted(_of(one, ("code",))) != sorted(_of(other, ("code",))):
        return True
    if _has_hangul(one) and _has_hangul(other):
        return sorted(_of(one, ("latin",))) != sorted(_of(other, ("latin",)))
    return bool(one.names - _stems(other) or other.names - _stems(one))


def _has_hangul(skeleton: Skeleton) -> bool:
    return any(token.kind == "hangul" for token in skeleton.tokens)


def _roles(one: Skeleton, other: Skeleton) -> bool:
    """The same words in other places: `A owes B` and `B owes A`, but Korean may move a word with its particle."""
    first, second = [token.stem for token in one.tokens], [token.stem for token in other.tokens]
    if first == second or Counter(first) != Counter(second):
        return False
    return not _has_hangul(one) or Counter(one.tokens) != Counter(other.tokens)
