"""Parameters that many intents share, in the form in which a person or a program gives them."""

import datetime as dt
import re
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from dure.intents import policies

ZONE = policies.ZONE
"""Where the days of an academy begin and end."""
NAME_CHARS_MAX = 100
NOTE_CHARS_MAX = 1_000
STUDENTS_MAX = 1_000
"""Who may be named in one request; whole classes need no names."""
ROWS_MAX = 500
"""What one answer lists; how many there are in all is said beside it."""
DAY_MIN, DAY_MAX = dt.date(1990, 1, 1), dt.date(2199, 12, 31)


def _first_of_month(given: Any) -> Any:
    if isinstance(given, str) and len(given) == len("2026-07"):
        return f"{given}-01"
    if isinstance(given, dt.date):
        return given.replace(day=1)
    return given


def _international(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    digits = re.sub(r"[\s().-]", "", given)
    return f"+82{digits[1:]}" if digits.startswith("0") else digits


def _first(given: dt.date) -> dt.date:
    return given.replace(day=1)


Day = Annotated[dt.date, Field(ge=DAY_MIN, le=DAY_MAX)]
Month = Annotated[dt.date, BeforeValidator(_first_of_month), Field(ge=DAY_MIN, le=DAY_MAX)]
"""Its first day; `2026-07` says it too."""
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
"""Of a student or a class: what people call it, or its id."""
Note = Annotated[str, Field(max_length=NOTE_CHARS_MAX)]
Phone = Annotated[str, BeforeValidator(_international), Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""With its country, as those want it who deliver messages; `010-…` is one of Korea."""
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]

STUDENT = Field(validation_alias=AliasChoices("student", "student_id", "student_name"))
CLASS = Field(validation_alias=AliasChoices("class_name", "class_id", "class"))
STUDENTS = Field(
    validation_alias=AliasChoices("students", "student", "student_id", "student_name"),
    min_length=1,
    max_length=STUDENTS_MAX,
)


class Asked(BaseModel):
    """The parameters of an intent, or of an operation: what is not known is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class OfStudent(Asked):
    """About one student. Example: `OfStudent(student="김하늘")`, `OfStudent(student_id="018f…")`."""

    student: Annotated[Name, STUDENT]


class OfStudents(Asked):
    """About one student or some. Example: `OfStudents(students=["김하늘", "이바다"])`, or `student="김하늘"`."""

    students: Annotated[tuple[Name, ...], STUDENTS]

    @field_validator("students", mode="before")
    @classmethod
    def _some(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given


class OfClass(Asked):
    """About one class. Example: `OfClass(class_name="중2 수학")`."""

    class_name: Annotated[Name, CLASS]


class OfDay(Asked):
    """About one day, of one class or of all. Example: `OfDay(date="2026-07-03")`."""

    date: Day | None = None
    """None is today."""
    class_name: Annotated[Name | None, CLASS] = None


class OfMonth(Asked):
    """About one month. Example: `OfMonth(month="2026-07")`."""

    month: Month | None = None
    """None is this month."""


def last_of_month(first: dt.date) -> dt.date:
    """Answer the last day of the month that begins so. Example: `last_of_month(date(2026, 2, 1)).day == 28`."""
    return _first(first + dt.timedelta(days=31)) - dt.timedelta(days=1)


def month_of(given: dt.date | None, today: dt.date) -> tuple[dt.date, dt.date]:
    """Answer the first and the last day of a month; None is the month of today."""
    first = _first(given or today)
    return first, last_of_month(first)
