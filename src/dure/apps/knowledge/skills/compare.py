"""Comparing skills, and finding their names in what people write."""

import re
import unicodedata
from functools import lru_cache

from dure.apps.knowledge.skills.folder import Skill

SHORTEST_NAME_CHARS = 2
"""A name of one letter would be found everywhere."""
PARTICLES = (
    "은", "는", "이", "가", "을", "를", "의", "에", "와", "과", "도", "로", "으로", "만", "나", "이나", "란", "이란",
    "라는", "이라는", "라고", "이라고", "에서", "에게", "에는", "에도", "부터", "까지", "처럼", "보다", "마다", "조차",
    "로만", "으로만", "로는", "으로는", "로도", "으로도", "만은", "만을", "하고", "이랑", "랑", "인", "이고", "고",
    "입니다", "이다", "이며", "며", "에서는", "에서도", "까지는", "부터는", "을까", "든", "이든",
)  # fmt: skip
"""What Korean writes onto a noun; other letters after a name make it another word."""


def text_of(skill: Skill) -> str:
    """Answer what of a skill is compared: name, description and steps. Example: `text_of(skill)`."""
    return "\n".join(part for part in (skill.name, skill.description, skill.body) if part)


def same_files(one: Skill, other: Skill) -> bool:
    """Answer whether two skills have the same paths, bytes and modes. Example: `same_files(kept, copy)`."""
    return dict(one.files) == dict(other.files)


def mentions(skill_name: str, text: str) -> bool:
    """Answer whether a text names a skill: as whole words, in any case, also with a Korean particle after it.

    Example: `mentions("report-writer", "보고서는 Report-Writer로 쓴다")`; not in `"report-writers"`.
    """
    name = _fold(skill_name)
    return len(name) >= SHORTEST_NAME_CHARS and _pattern(name).search(_fold(text)) is not None


@lru_cache(maxsize=1024)
def _pattern(name: str) -> re.Pattern[str]:
    # Spaces, hyphens and underscores stand for one another: a folder writes report-writer, a person report writer.
    words = r"[\s_-]+".join(re.escape(word) for word in re.split(r"[\s_-]+", name) if word)
    endings = "|".join(sorted(PARTICLES, key=len, reverse=True))
    return re.compile(rf"(?<![\w-]){words}(?:(?:{endings})(?!\w)|(?![\w-])|(?=-(?!\w)))")


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
