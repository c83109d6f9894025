"""Messages to the guardians of students who came late, or did not come: for each student and day once.

targets   a student and a guardian each, with what was seen then
each      looked at again: gone or changed since is a conflict; who wants no messages is skipped
"""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, model_validator

from dure.apps.intents.declared_attendance import DECLARED
from dure.apps.intents.naming import class_id_of, student
from dure.apps.intents.params import STUDENT, ZONE, Name, OfDay
from dure.apps.intents.reading import Reader
from dure.db.sql import load
from dure.intents import Changed, Outgoing, Skip, Target, intent
from dure.lang import say

PACKAGE = "dure.apps.intents.attendance"
PAGE_ROWS = 1_000
NONE = "00000000-0000-0000-0000-000000000000"
"""In the place of a guardian of whom there is none; before all others."""
Sort = Literal["late", "absent"]

_TO_NOTIFY = load(PACKAGE, "to_notify")
_NOTIFIED = load(PACKAGE, "notified")


class OfWhom(OfDay):
    """Whose guardians: of one student or all, of a day. Example: `OfWhom(student="김하늘", date="2026-07-03")`."""

    student: Annotated[Name | None, STUDENT] = None
    notify_time: AwareDatetime | None = None
    """A moment of the day, for programs that say it so."""

    @model_validator(mode="after")
    def _day_of_the_time(self) -> Self:
        if self.date is None and self.notify_time is not None:
            self.date = self.notify_time.astimezone(ZoneInfo(ZONE)).date()
        return self


class _Notify:
    """What both have in common."""

    sort: Sort

    async def targets(self, params: OfWhom, ctx: Reader) -> AsyncIterator[Target]:
        """Yield each guardian of each student."""
        who = None if params.student is None else (await student(ctx, params.student)).id
        day = params.date or ctx.today
        which = await class_id_of(ctx, params.class_name)
        values = {"day": day, "class": which, "student": who, "status": self.sort, "none": NONE, "limit": PAGE_ROWS}
        after = {"after_student": NONE, "after_guardian": NONE}
        while rows := await ctx.rows(_TO_NOTIFY, {**values, **after}):
            for row in rows:
                yield _target(row, day, which)
            after = {"after_student": rows[-1]["student_id"], "after_guardian": rows[-1]["guardian_id"] or NONE}

    async def each(self, params: OfWhom, target: Target, ctx: Reader) -> Outgoing:
        """Answer the message to one guardian about one student."""
        about = target.data
        if about["guardian"] is None:
            raise Skip(say("academy.skips.no_guardian", student=about["name"]))
        row = await ctx.one(_NOTIFIED, {**about, "status": self.sort})
        if row is None or row["seen"] != target.version:
            raise Changed(say("academy.skips.changed", student=about["name"]))
        if not row["wants_messages"]:
            raise Skip(say("academy.skips.no_messages", guardian=row["guardian"]))
        return self._message(row, about)

    def _message(self, row: dict[str, Any], about: Any) -> Outgoing:
        channel = "sms" if row["phone"] else "email"
        to = row["phone"] or row["email"]
        if not to:
            raise Skip(say("academy.skips.no_address", guardian=row["guardian"]))
        lang = row["language"]
        day = dt.date.fromisoformat(about["day"])
        body = say(
            f"academy.messages.{self.sort}", lang,
            student=row["student"], classes=row["classes"], minutes=row["minutes_late"], month=day.month, day=day.day,
        )  # fmt: skip
        return Outgoing(
            channel=channel,
            to=to,
            subject=say(f"academy.messages.{self.sort}_subject", lang, student=row["student"]),
            body=body,
            # Whatever is corrected later, a guardian is told of a student's day once.
            dedupe=f"attendance.{self.sort}/{about['student']}/{about['day']}",
        )


def _target(row: dict[str, Any], day: dt.date, which: str | None) -> Target:
    who, guardian = str(row["student_id"]), row["guardian_id"]
    id = f"student:{who}" if guardian is None else f"guardian:{guardian}/student:{who}"
    data = {
        "student": who,
        "name": row["student"],
        "guardian": None if guardian is None else str(guardian),
        "day": day.isoformat(),
        "class": which,
    }
    return Target(id, data, row["seen"])


@intent(DECLARED["attendance.exec.notify_guardians_late"])
class NotifyGuardiansLate(_Notify):
    """Tells the guardians of the students who came late on a day."""

    Params = OfWhom
    sort = "late"


@intent(DECLARED["attendance.exec.notify_guardians_absent"])
class NotifyGuardiansAbsent(_Notify):
    """Tells the guardians of the students who did not come on a day, and were not excused."""

    Params = OfWhom
    sort = "absent"
