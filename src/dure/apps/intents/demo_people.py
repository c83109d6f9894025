"""The invented students, guardians and classes of the example: nobody of them exists."""

from dataclasses import dataclass
from datetime import time

SURNAMES = ("김", "이", "박", "최", "정", "강", "조", "윤", "장", "임")
GIVEN = (
    "하늘", "바다", "가람", "보라", "나래", "한별", "슬기", "다솜", "아라", "새롬",
    "초롱", "빛나", "예솔", "은솔", "찬솔", "한솔", "푸름", "우리", "누리", "마루",
    "도담", "라온", "미르", "나루", "시내", "여울", "이든", "하람", "해솔", "가온",
    "다온", "도란", "두리", "벼리", "소담", "아름", "윤슬", "한솔", "채움", "한결",
)  # fmt: skip
"""By a student's place; two have one name, as happens."""
NAMESAKES = (16, 38)
SAME_NAME = "강한솔"
GRADES = (4, 5, 6, 7, 8, 9, 10, 11)
LAST_GRADE = 40
"""The place of who is in the last grade, and in no class."""
PAUSED = (9, 26)
LEFT = (14, 33)
SIBLINGS = {3: 2, 21: 20}
"""Whose guardian is another student's, too."""
TWO_GUARDIANS = (10,)
NO_GUARDIAN = (39,)
NO_MESSAGES = (5,)
NO_PHONE = (6, 12, 18, 24)
"""Whose guardian is reached by e-mail alone."""
ENGLISH = (7, 31)
OFTEN_ABSENT = 12
RELATIONS = ("어머니", "아버지", "할머니")


@dataclass(frozen=True, slots=True)
class DemoClass:
    """A class of the example, and the grades that go there."""

    name: str
    subject: str
    teacher: str
    capacity: int
    fee_won: int
    weekdays: tuple[int, ...]
    starts_at: time
    ends_at: time
    grades: tuple[int, ...]
    every: int = 1
    """One in so many of those."""


CLASSES = (
    DemoClass("초등 수학", "수학", "한가람", 12, 160_000, (1, 3, 5), time(15), time(16, 30), (4, 5)),
    DemoClass("초등 영어", "영어", "윤보라", 12, 150_000, (2, 4), time(15), time(16, 30), (5, 6)),
    DemoClass("중1 수학", "수학", "한가람", 5, 200_000, (1, 3, 5), time(17), time(18, 30), (7,)),
    DemoClass("중2 수학", "수학", "서도윤", 8, 210_000, (2, 4), time(17), time(18, 30), (8,)),
    DemoClass("중등 영어", "영어", "윤보라", 12, 190_000, (1, 3), time(19), time(20, 30), (8, 9)),
    DemoClass("고1 국어", "국어", "백나래", 8, 220_000, (2, 5), time(19), time(20, 30), (10,)),
    DemoClass("고등 과학", "과학", "문한별", 12, 240_000, (6,), time(10), time(12, 30), (10, 11)),
    DemoClass("주말 글쓰기", "국어", "백나래", 10, 120_000, (6, 7), time(14), time(15, 30), GRADES, 5),
)


def name_of(place: int) -> str:
    """Answer a student's name. Example: `name_of(1) == "김하늘"`."""
    if place in NAMESAKES:
        return SAME_NAME
    return SURNAMES[(place - 1) % len(SURNAMES)] + GIVEN[place - 1]


def grade_of(place: int) -> int:
    """Answer a student's grade: 1 to 6 elementary, 7 to 9 middle, 10 to 12 high school."""
    return 12 if place == LAST_GRADE else GRADES[(place - 1) % len(GRADES)]


def goes_to(place: int, one: DemoClass) -> bool:
    """Answer whether a student is, or was, in a class."""
    return grade_of(place) in one.grades and place % one.every == 0
