"""What staff write to guardians: of some students, of a class, or all of them; each guardian once."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from dure.apps.intents.communication.notices import notice_of, notice_or_none
from dure.apps.intents.communication.reaching import NONE, PAGE_ROWS, to_guardian
from dure.apps.intents.declared_communication import DECLARED
from dure.apps.intents.naming import class_of, students
from dure.apps.intents.params import Asked, OfClass, OfStudents
from dure.apps.intents.reading import Reader
from dure.db.sql import load
from dure.errors import Invalid
from dure.intents import Changed, Outgoing, Target, intent
from dure.lang import say

TEXT_CHARS_MAX = 2_000
TITLE_CHARS_MAX = 200
Text = Annotated[str, Field(min_length=1, max_length=TEXT_CHARS_MAX)]
Title = Annotated[str, Field(min_length=1, max_length=TITLE_CHARS_MAX)]

_GUARDIANS = load("dure.apps.intents.communication", "guardians")


class Words(Asked):
    """What is said: a text of one's own, or a notice that is published. Example: `Words(text="…")`."""

    text: Text | None = None
    notice: Title | None = None
    """Its title, or its id."""
    subject: Annotated[str, Field(max_length=TITLE_CHARS_MAX)] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.notice is None):
            raise Invalid(field="params.text", reason="academy.text_or_notice")
        return self


class _Broadcast:
    """What they have in common."""

    async def targets(self, params: Any, ctx: Reader) -> AsyncIterator[Target]:
        """Yield each guardian."""
        notice = None if params.notice is None else await notice_of(ctx, params.notice, ["published"])
        whom = await self.whom(params, ctx, notice)
        known = {**whom, "notice": None if notice is None else str(notice["id"])}
        after = NONE
        while rows := await ctx.rows(_GUARDIANS, {**whom, "guardian": None, "after": after, "limit": PAGE_ROWS}):
            for row in rows:
                yield Target(f"guardian:{row['guardian_id']}", {**known, "guardian": str(row["guardian_id"])})
            after = rows[-1]["guardian_id"]

    async def each(self, params: Any, target: Target, ctx: Reader) -> Outgoing:
        """Answer the message to one guardian, if they are still among those whom it is for."""
        about = target.data
        row = await ctx.one(_GUARDIANS, {**about, "after": NONE, "limit": 1})
        if row is None:
            raise Changed(say("academy.skips.gone"))
        subject, body = params.subject, params.text
        if about["notice"] is not None:
            notice = await notice_or_none(ctx, about["notice"], ["published"])
            if notice is None:
                raise Changed(say("academy.skips.withdrawn"))
            subject, body = params.subject or notice["title"], f"{notice['title']}\n\n{notice['body']}"
        return to_guardian(row, subject=subject, body=body)

    async def whom(self, params: Any, ctx: Reader, notice: dict[str, Any] | None) -> dict[str, Any]:
        """Answer whose guardians, as the statement has it."""
        raise NotImplementedError


class ToStudents(OfStudents, Words):
    """To the guardians of some students. Example: `ToStudents(student="김하늘", text="…")`."""


@intent(DECLARED["communication.exec.message_students"])
class MessageStudents(_Broadcast):
    """Writes to the guardians of some students."""

    Params = ToStudents

    async def whom(self, params: ToStudents, ctx: Reader, notice: dict[str, Any] | None) -> dict[str, Any]:
        """Answer the students."""
        return {"students": [one.id for one in await students(ctx, params.students)], "class": None}


class ToClass(OfClass, Words):
    """To the guardians of a class. Example: `ToClass(class_name="중2 수학", notice="교재 변경")`."""


@intent(DECLARED["communication.exec.notify_class"])
class NotifyClass(_Broadcast):
    """Writes to the guardians of a class's students."""

    Params = ToClass

    async def whom(self, params: ToClass, ctx: Reader, notice: dict[str, Any] | None) -> dict[str, Any]:
        """Answer the class."""
        return {"students": None, "class": (await class_of(ctx, params.class_name)).id}


@intent(DECLARED["communication.exec.notify_all"])
class NotifyAll(_Broadcast):
    """Writes to the guardians of everyone who is here."""

    Params = Words

    async def whom(self, params: Words, ctx: Reader, notice: dict[str, Any] | None) -> dict[str, Any]:
        """Answer everyone; a notice of one class is not everyone's."""
        if notice is not None and notice["class_id"] is not None:
            raise Invalid(field="params.notice", reason="academy.notice_of_class", name=notice["title"])
        return {"students": None, "class": None}
