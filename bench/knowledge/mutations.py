"""Sentences made to contradict the labelled ones: another number, a negation, an opposite, two names changed over."""

import re
from collections.abc import Iterator, Sequence

_NUMBER = re.compile(r"(?<![\w.])(\d+)(?![\w.,]*\d)")
_EN_IS = re.compile(r"\b(is|are|was|were|can|will|should)\b(?! not)")
_EN_TWO = re.compile(r"^(A|The|Two|Three) (\w+)(.*?)\b(a|the|an) (\w+)(\W*)$")
_KO_ENDS = (
    ("하고 있다.", "하고 있지 않다."), ("고 있다.", "고 있지 않다."), ("한다.", "하지 않는다."),
    ("했다.", "하지 않았다."),
    ("있다.", "없다."), ("해?", "안 해?"), ("좋아", "싫어"), ("된다.", "되지 않는다."),
)  # fmt: skip
_WORDS = (
    ("two ", "three "), ("Two ", "Three "), ("one ", "four "), ("before", "after"), ("more", "less"),
    ("up ", "down "), ("rises", "falls"), ("higher", "lower"), ("Monday", "Friday"), ("with ", "without "),
    ("all ", "some "), ("두 ", "세 "), ("세 ", "네 "), ("이상", "이하"), ("전에", "후에"), ("상승", "하락"),
    ("증가", "감소"), ("오전", "오후"),
    ("월요일", "금요일"), ("항상", "절대"), ("모두", "일부"),
)  # fmt: skip
_KO_ROLES = re.compile(r"^(\S+?)(이|가) (\S+?)(을|를) ")


def mutations(text: str) -> Iterator[str]:
    """Yield what contradicts or changes a sentence by one word. Example: `list(mutations("재고 5 이상"))`."""
    found = _NUMBER.search(text)
    if found:
        yield text[: found.start()] + str(int(found.group()) + 1) + text[found.end() :]
        yield text[: found.start()] + found.group() + "0" + text[found.end() :]
    if _EN_IS.search(text):
        yield _EN_IS.sub(r"\1 not", text, count=1)
    for ending, negated in _KO_ENDS:
        if ending in text:
            yield text.replace(ending, negated, 1)
            break
    for word, other in _WORDS:
        if word in text:
            yield text.replace(word, other, 1)
    swapped = _EN_TWO.sub(r"\1 \5\3\4 \2\6", text)
    if swapped != text:
        yield swapped
    roles = _KO_ROLES.match(text)
    if roles:
        yield _KO_ROLES.sub(r"\3\2 \1\4 ", text)


def contradictions(texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(text, changed) for text in texts for changed in mutations(text) if changed != text]
