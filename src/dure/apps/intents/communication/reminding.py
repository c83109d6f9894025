"""What guardians are told about their student: what is owed, a birthday, that nobody came for days.

The same thing is not said twice: each message has a name of what it is about, and the outbox takes it once.
"""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Annotated, Any, LiteralString

from pydantic import Field

from dure.apps.intents.communication.reaching import NONE, PAGE_ROWS, to_guardian
from dure.apps.intents.declared_communication import DECLARED
from dure.apps.intents.params import DAY_MAX, Asked, Day, Month
from dure.apps.intents.reading import Reader, plain
from dure.db.sql import load
from dure.intents import Changed, Outgoing, Skip, Target, intent
from dure.lang import say

PACKAGE = "dure.apps.intents.communication"
STREAK_DAYS = 60
"""How far back a row of absences is looked for."""
DAY = dt.timedelta(days=1)
SOON = dt.timedelta(days=7)
"""Of what is to be paid later nobody is reminded, unless its month is named."""


class _About:
    """What they have in common: a message to each guardian of each student whom a statement finds."""

    statement: LiteralString
    words: str

    def wanted(self, params: Any, today: dt.date) -> dict[str, Any]:
        """Answer the values of the statement."""
        raise NotImplementedError

    def about(self, row: dict[str, Any], asked: dict[str, Any]) -> str:
        """Answer what the message is about: the same is not said twice."""
        raise NotImplementedError

    async def targets(self, params: Any, ctx: Reader) -> AsyncIterator[Target]:
        """Yield each guardian of each student."""
        asked = plain(self.wanted(params, ctx.today))
        values = {**asked, "student": None, "guardian": None, "none": NONE, "limit": PAGE_ROWS}
        after = {"after_student": NONE, "after_guardian": NONE}
        while rows := await ctx.rows(self.statement, {**values, **after}):
            for row in rows:
                yield _target(row, asked)
            after = {"after_student": rows[-1]["student_id"], "after_guardian": rows[-1]["guardian_id"] or NONE}

    async def each(self, params: Any, target: Target, ctx: Reader) -> Outgoing:
        """Answer the message to one guardian about one student."""
        known = target.data
        if known["guardian"] is None:
            raise Skip(say("academy.skips.no_guardian", student=known["name"]))
        ends = {"none": NONE, "after_student": NONE, "after_guardian": NONE, "limit": 1}
        pair = {"student": known["student"], "guardian": known["guardian"]}
        row = await ctx.one(self.statement, {**known["asked"], **pair, **ends})
        if row is None or row["seen"] != target.version:
            raise Changed(say("academy.skips.not_so_any_more", student=known["name"]))
        lang = row["language"]
        return to_guardian(
            row,
            subject=say(f"academy.messages.{self.words}_subject", lang, **row),
            body=say(f"academy.messages.{self.words}", lang, **row),
            dedupe=self.about(row, known["asked"]),
        )


def _target(row: dict[str, Any], asked: dict[str, Any]) -> Target:
    who, guardian = str(row["student_id"]), row["guardian_id"] and str(row["guardian_id"])
    id = f"guardian:{guardian}/student:{who}" if guardian else f"student:{who}"
    return Target(id, {"student": who, "name": row["student"], "guardian": guardian, "asked": asked}, row["seen"])


class OfUnpaid(Asked):
    """Which invoices. Example: `OfUnpaid(month="2026-07", overdue_only=True)`."""

    month: Month | None = None
    """None is every invoice that is to be paid within a week, or should have been paid."""
    overdue_only: bool = False
    """Whether only of those that should have been paid by now."""


@intent(DECLARED["communication.exec.remind_unpaid"])
class RemindUnpaid(_About):
    """Reminds guardians of what is not paid, each once a week at most."""

    Params = OfUnpaid
    statement = load(PACKAGE, "to_remind")
    words = "unpaid"

    def wanted(self, params: OfUnpaid, today: dt.date) -> dict[str, Any]:
        """Answer the values of the statement."""
        month = params.month and params.month.replace(day=1)
        soon = DAY_MAX if month else today + SOON
        return {"month": month, "until": today - DAY if params.overdue_only else soon, "today": today}

    def about(self, row: dict[str, Any], asked: dict[str, Any]) -> str:
        """Answer the student and the week."""
        year, week, _ = dt.date.fromisoformat(asked["today"]).isocalendar()
        return f"billing.unpaid/{row['student_id']}/{year}-{week}"


class OfBirthday(Asked):
    """Whose birthday. Example: `OfBirthday(date="2026-07-03")`."""

    date: Day | None = None
    """None is today."""


@intent(DECLARED["communication.exec.greet_birthdays"])
class GreetBirthdays(_About):
    """Wishes a happy birthday to those who have one, by their guardians."""

    Params = OfBirthday
    statement = load(PACKAGE, "to_greet")
    words = "birthday"

    def wanted(self, params: OfBirthday, today: dt.date) -> dict[str, Any]:
        """Answer the values of the statement."""
        return {"day": params.date or today}

    def about(self, row: dict[str, Any], asked: dict[str, Any]) -> str:
        """Answer the student and the day."""
        return f"student.birthday/{row['student_id']}/{asked['day']}"


class OfAbsent(Asked):
    """After how many absences. Example: `OfAbsent(least=3)`."""

    least: Annotated[int, Field(ge=1, le=100)] = 3


@intent(DECLARED["communication.exec.follow_up_absent"])
class FollowUpAbsent(_About):
    """Asks the guardians of students who did not come several times in a row how they are."""

    Params = OfAbsent
    statement = load(PACKAGE, "to_follow_up")
    words = "follow_up"

    def wanted(self, params: OfAbsent, today: dt.date) -> dict[str, Any]:
        """Answer the values of the statement."""
        return {"first": today - dt.timedelta(days=STREAK_DAYS), "last": today, "least": params.least}

    def about(self, row: dict[str, Any], asked: dict[str, Any]) -> str:
        """Answer the student and the last absence."""
        return f"attendance.streak/{row['student_id']}/{row['seen']}"
