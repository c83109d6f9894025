"""Operations that write down a student, with a guardian, and correct what was written."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal, Self
from uuid import NAMESPACE_OID, uuid5

from pydantic import Field, model_validator

import dure
from dure.apps.intents.naming import student
from dure.apps.intents.params import Asked, Day, Email, Name, Note, OfStudent, Phone
from dure.apps.intents.reading import PlanReader
from dure.db.sql import load
from dure.errors import Invalid
from dure.runs.model import Draft

STUDENT = dure.Table("academy.student")
GUARDIAN = dure.Table("academy.guardian")
LINK = dure.Table("academy.student_guardian")
Grade = Annotated[int, Field(ge=1, le=12)]

_SAME_NAME = load("dure.apps.intents.students", "same_name")


@dure.operation("student.register")
class Register:
    """Registers a student, and a guardian if one is named."""

    class Params(Asked):
        """Who it is, and who belongs to them."""

        name: Name
        grade: Grade | None = None
        birth_date: Day | None = None
        phone: Phone | None = None
        joined_on: Day | None = None
        """None is today."""
        note: Note = ""
        guardian_name: Name | None = None
        guardian_phone: Phone | None = None
        guardian_email: Email | None = None
        guardian_language: Literal["ko", "en"] = "ko"
        relation: Annotated[str, Field(max_length=50)] = ""
        same_name: bool = False
        """Whether it is somebody else than the student who has this name already."""

        @model_validator(mode="after")
        def _guardian_has_a_name(self) -> Self:
            if self.guardian_name is None and (self.guardian_phone or self.guardian_email):
                raise Invalid(field="params.guardian_name", reason="missing")
            return self

    stores = (STUDENT, GUARDIAN, LINK)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one student."""
        view = PlanReader(ctx)
        if not params.same_name and await view.one(_SAME_NAME, {"name": params.name}) is not None:
            raise Invalid(field="params.name", reason="academy.same_name", name=params.name)
        yield {"joined_on": (params.joined_on or view.today).isoformat()}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[tuple[Draft, ...]]:
        """Yield the student with the guardian, together or not at all."""
        params: Register.Params = ctx.params
        students, guardians, links = (ctx.store(one.name) for one in self.stores)
        student_id, guardian_id = (str(uuid5(NAMESPACE_OID, f"{ctx.run_id}/{who}")) for who in ("student", "guardian"))
        own = {"tenant_id": ctx.tenant_id}
        about = {"subject": params.name}
        known = params.model_dump(include={"name", "grade", "birth_date", "phone", "note"})
        for one in subjects:
            new = {**own, **known, "id": student_id, "joined_on": one["joined_on"], "updated_at": ctx.now}
            together = [students.create(new, **about)]
            if params.guardian_name is not None:
                guardian = {
                    "id": guardian_id,
                    "name": params.guardian_name,
                    "phone": params.guardian_phone,
                    "email": params.guardian_email,
                    "language": params.guardian_language,
                    "updated_at": ctx.now,
                }
                link = {"student_id": student_id, "guardian_id": guardian_id, "relation": params.relation}
                together += [guardians.create({**own, **guardian}, **about), links.create({**own, **link}, **about)]
            yield tuple(together)


@dure.operation("student.update")
class Update:
    """Changes what is known of a student: what is given, and nothing else."""

    class Params(OfStudent):
        """Who, and what is so now."""

        name: Name | None = None
        grade: Grade | None = None
        birth_date: Day | None = None
        phone: Phone | None = None
        note: Note | None = None

        @model_validator(mode="after")
        def _something_is_given(self) -> Self:
            if not self.given():
                raise Invalid(field="params", reason="missing")
            return self

        def given(self) -> dict[str, Any]:
            """Answer what is to be changed."""
            return self.model_dump(exclude={"student"}, exclude_none=True)

    stores = (STUDENT,)

    async def subjects(self, params: Params, ctx: dure.PlanContext) -> AsyncIterator[dict[str, Any]]:
        """Yield the one student."""
        who = await student(PlanReader(ctx), params.student)
        yield {"id": who.id, "name": who.name}

    async def plan(self, subjects: Sequence[Any], ctx: dure.PlanContext) -> AsyncIterator[Draft]:
        """Yield the change."""
        params: Update.Params = ctx.params
        store = ctx.store(STUDENT.name)
        for one in subjects:
            yield store.update(one["id"], {**params.given(), "updated_at": ctx.now}, subject=one["name"])
