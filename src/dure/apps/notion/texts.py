"""Texts between Notion and here, without either: what a to-do says, and an answer cut into blocks that Notion takes.

Notion counts as JavaScript does: a letter beyond the first 65,536, an emoji, counts two.
"""

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

UNITS_MAX = 2_000
"""Of one text."""
BLOCKS_MAX = 100
"""Of one call."""
BYTES_MAX = 400_000
"""Of the texts of one call, as JSON that escapes all it can; Notion takes 500 KB."""
LOOK_BACK = 200
"""A text is cut behind a line's end or a space, if there is one so near."""
CLUSTER_MAX = 64
"""Code points that belong together are looked for so far; more of them are no letter that anybody wrote."""

Block = dict[str, Any]

_ZWJ = "\u200d"
_MODIFIERS = ("\U0001f3fb", "\U0001f3ff")
_FLAGS = ("\U0001f1e6", "\U0001f1ff")
_TAGS = ("\U000e0020", "\U000e007f")
_JAMO = ("\u1160", "\u11ff")
"""The vowels and final consonants that go on a Hangul syllable before them."""


def plain(rich_text: Sequence[Mapping[str, Any]]) -> str:
    """Join what a rich text says. Example: `plain([{"plain_text": "Buy "}, {"plain_text": "milk"}]) == "Buy milk"`."""
    return clean("".join(str(part.get("plain_text") or "") for part in rich_text))


def clean(text: str) -> str:
    """Replace what a database cannot keep. Example: `clean("a\\x00") == "a\\ufffd"`."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def hash_of(text: str) -> str:
    """Answer what tells one text from another. Example: `hash_of("Buy milk")`."""
    return sha256(text.encode()).hexdigest()


def answer_of(result: Any) -> str:
    """Answer the text in a handler's result: itself, its `text`, or the whole of it as JSON.

    Example: `answer_of({"text": "done"}) == "done"`.
    """
    match result:
        case None:
            return ""
        case str():
            return clean(result)
        case {"text": str(text)}:
            return clean(text)
        case _:
            return clean(json.dumps(result, ensure_ascii=False))


def marker_of(job_id: str) -> str:
    """Answer the line that tells an answer: `marker_of("0198…0f1e2d3c4b5a") == "dure:0f1e2d3c4b5a"`."""
    return f"dure:{job_id.replace('-', '')[-12:]}"


def split(text: str, units_max: int = UNITS_MAX) -> Iterator[str]:
    """Cut a text into pieces that make it up again, none too long, no letter torn apart.

    Example: `"".join(split("한글" * 2_000)) == "한글" * 2_000`.
    """
    start = 0
    while start < len(text):
        end = _cut(text, start, units_max)
        yield text[start:end]
        start = end


def calls_of(answer: str, marker: str) -> list[tuple[str, list[Block]]]:
    """Answer the calls that write an answer: of each its own marker, and its blocks, the marker's last.

    Example: `[(mark, blocks)] = calls_of("done", "dure:0f1e2d3c4b5a")`.
    """
    groups: list[list[str]] = []
    size = 0
    for piece in split(answer):
        piece_bytes = len(json.dumps(piece))
        if not groups or len(groups[-1]) == BLOCKS_MAX - 1 or size + piece_bytes > BYTES_MAX:
            groups.append([])
            size = 0
        groups[-1].append(piece)
        size += piece_bytes
    marks = [marker if len(groups) == 1 else f"{marker} {no}/{len(groups)}" for no in range(1, len(groups) + 1)]
    return [
        (mark, [*map(_paragraph, pieces), _paragraph(mark, color="gray")])
        for mark, pieces in zip(marks, groups, strict=True)
    ]


def text_of(block: Mapping[str, Any]) -> str:
    """Answer what a block of any type with a text says. Example: `text_of(block) == "dure:0f1e2d3c4b5a"`."""
    content = block.get(str(block.get("type")))
    rich_text = content.get("rich_text") if isinstance(content, Mapping) else None
    return plain(rich_text) if isinstance(rich_text, list) else ""


def _paragraph(text: str, color: str = "default") -> Block:
    part = {"type": "text", "text": {"content": text}, "annotations": {"color": color}}
    return {"object": "block", "type": "paragraph", "paragraph": {"rich_text": [part]}}


def _cut(text: str, start: int, units_max: int) -> int:
    """Answer where the piece that begins at `start` ends."""
    end, units = start, 0
    while end < len(text) and units + _units(text[end]) <= units_max:
        units += _units(text[end])
        end += 1
    if end == len(text):
        return end
    for gap in ("\n", " "):
        at = text.rfind(gap, max(start, end - LOOK_BACK), end)
        if at > start:
            return at + 1
    for whole in range(end, max(start, end - CLUSTER_MAX), -1):
        if not _belongs_together(text, start, whole):
            return whole
    return end


def _units(letter: str) -> int:
    return 2 if letter > "\uffff" else 1


def _belongs_together(text: str, start: int, at: int) -> bool:
    """Answer whether what a reader sees as one letter would be torn by a cut at this place."""
    before, behind = text[at - 1], text[at]
    if _ZWJ in (before, behind) or unicodedata.category(behind).startswith("M"):
        return True
    if any(low <= behind <= high for low, high in (_MODIFIERS, _TAGS, _JAMO)):
        return True
    if before == "\r" and behind == "\n":
        return True
    return _is_flag(behind) and _flags_before(text, start, at) % 2 == 1


def _is_flag(letter: str) -> bool:
    return _FLAGS[0] <= letter <= _FLAGS[1]


def _flags_before(text: str, start: int, at: int) -> int:
    """A flag is a pair of letters, so those in a row before this place are counted."""
    first = at
    while first > start and _is_flag(text[first - 1]):
        first -= 1
    return at - first
