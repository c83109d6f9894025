"""An operation for the commands to plan: what a user's own module would hold."""

from collections.abc import AsyncIterator, Sequence

from pydantic import BaseModel

import dure


class Years(BaseModel):
    """Who is looked at."""

    before: int = 2020


@dure.operation("students.tidy", guards=dure.Guards(leaving_share_max=0.7))
class Tidy:
    """Deletes who left, renames who has no name, and keeps who owes."""

    Params = Years
    stores = (dure.Table("public.student"),)

    async def subjects(self, params: Years, ctx: dure.PlanContext) -> AsyncIterator[int]:
        statement = "select id from public.student where left_in < %s order by id"
        async for row in ctx.rows(statement, (params.before,)):
            yield row.id

    async def plan(self, subjects: Sequence[int], ctx: dure.PlanContext) -> AsyncIterator[object]:
        students = ctx.store("public.student")
        for row in await students.get(subjects):
            if row["owes"]:
                yield students.keep(row, reason="수업료 미납")
            elif row["name"] == "":
                yield students.update(row, {"name": "이름 없음"}, reason="no name")
            else:
                yield students.delete(row, reason=f"left in {row['left_in']}", subject=row["name"])


@dure.operation("students.tidy_carefully", approval="one")
class TidyCarefully(Tidy):
    """The same, once somebody has approved it; who is unsure is asked about."""

    async def plan(self, subjects: Sequence[int], ctx: dure.PlanContext) -> AsyncIterator[object]:
        students = ctx.store("public.student")
        for row in await students.get(subjects):
            yield students.delete(row, ask=row["owes"], reason="left")
