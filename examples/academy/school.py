"""Intents of a school of your own: one that answers, one that writes to people, one that changes data."""

import datetime as dt
from collections.abc import AsyncIterator

from pydantic import BaseModel, Field

import dure
from dure.intents import Changed, Outgoing, Skip, Target, intent

LOCKERS = dure.Table("public.locker")

FREE = "select number from public.locker where tenant_id = %(tenant)s and holder is null order by number"
LATE = """
select number, holder, phone, paid_until from public.locker
where tenant_id = %(tenant)s and paid_until < %(day)s and (%(number)s::int is null or number = %(number)s)
order by number
"""


class Days(BaseModel):
    days: int = Field(default=0, ge=0, le=3650)
    """For how many days nobody has paid."""


@intent(
    "school.get.free_lockers",
    title={"en": "Free lockers", "ko": "빈 사물함"},
    ask="viewer",
    agents=True,
    reads=("public.locker",),
    examples={
        "en": ("which lockers are free", "show the free lockers", "is there a locker left"),
        "ko": ("빈 사물함 알려줘", "남은 사물함 있어", "사물함 비어 있는 번호 조회"),
    },
)
class FreeLockers:
    """The lockers that nobody has. The form `answer`: it reads, and what it returns is the answer."""

    async def answer(self, params, ctx):
        return {"free": [row["number"] for row in await ctx.rows(FREE)]}


@intent(
    "school.exec.remind_lockers",
    title={"en": "Remind of unpaid lockers", "ko": "사물함 연체 안내"},
    effect="send",
    risk="medium",
    cap_per_day=5,
    reads=("public.locker",),
    sends=("holder",),
    examples={
        "en": ("remind everyone whose locker is not paid", "send locker reminders", "text the holders of late lockers"),
        "ko": ("사물함 연체 안내 보내줘", "사물함 요금 안 낸 사람에게 문자", "사물함 독촉 문자 발송"),
    },
)
class RemindLockers:
    """Texts each holder. The form `targets` and `each`: found once, then done one by one, each on its own."""

    Params = Days

    async def targets(self, params: Days, ctx) -> AsyncIterator[Target]:
        for row in await ctx.rows(LATE, {"day": ctx.today - dt.timedelta(days=params.days), "number": None}):
            yield Target(f"locker:{row['number']}", {"number": row["number"]}, version=row["holder"])

    async def each(self, params: Days, target: Target, ctx) -> Outgoing:
        row = await ctx.one(LATE, {"day": ctx.today, "number": target.data["number"]})
        if row is None or row["holder"] != target.version:
            raise Changed("it was paid, or somebody else has it")  # told apart from a failure
        if not row["phone"]:
            raise Skip(f"{row['holder']} has no phone number")
        body = f"{row['holder']} 님, {row['number']}번 사물함 사용 기간이 {row['paid_until']}에 끝났습니다."
        return Outgoing(
            channel="sms", to=row["phone"], body=body
        )  # into the outbox; the same text goes to nobody twice


@dure.operation("school.free_lockers")
class FreeThem:
    """Frees the lockers that nobody has paid for some days."""

    Params = Days
    stores = (LOCKERS,)

    async def subjects(self, params: Days, ctx) -> AsyncIterator[int]:
        day = ctx.now.date() - dt.timedelta(days=params.days)
        async for row in ctx.rows(LATE, {"tenant": ctx.tenant_id, "day": day, "number": None}):
            yield row.number

    async def plan(self, subjects, ctx):
        for number in subjects:
            yield ctx.store(LOCKERS.name).update(number, {"holder": None, "phone": None, "paid_until": None})


@intent(
    "school.exec.free_lockers",
    title={"en": "Free unpaid lockers", "ko": "연체 사물함 회수"},
    effect="write",
    risk="high",
    approval=True,
    reads=("public.locker",),
    writes=("public.locker",),
    examples={
        "en": ("free the lockers that are not paid", "clear the unpaid lockers", "take back late lockers"),
        "ko": ("연체된 사물함 회수해줘", "사물함 연체 정리", "돈 안 낸 사물함 비워줘"),
    },
)
class FreeUnpaidLockers:
    """The form `operation`: it begins a run, which is shown before it is done and can be undone."""

    Params = Days
    operation = "school.free_lockers"
