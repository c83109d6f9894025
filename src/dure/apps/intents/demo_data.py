"""The example's rows: the same ones for the same day and tenant, whenever they are made."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5
from zlib import crc32
from zoneinfo import ZoneInfo

from dure.apps.intents import demo_people as people
from dure.apps.intents.demo_people import CLASSES, DemoClass
from dure.apps.intents.params import ZONE

STUDENTS = 40
DAYS_BEFORE = 30
DAYS_AHEAD = 7
ENROLLED_DAYS_BEFORE = 60
LATE_PERCENT, ABSENT_PERCENT, EXCUSED_PERCENT = 6, 4, 3
OFTEN_ABSENT_DAYS = 14
SIBLING_DISCOUNT_PERCENT = 10
DUE_DAY = 10

Row = dict[str, Any]


class Example:
    """All rows of one tenant, seen from one day. Example: `Example("default", date(2026, 7, 3)).tables()`."""

    def __init__(self, tenant: str, today: dt.date) -> None:
        self._tenant = tenant
        self._today = today
        self._began = today - dt.timedelta(days=ENROLLED_DAYS_BEFORE)
        self._zone = ZoneInfo(ZONE)

    def tables(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield each table with its rows, those that others refer to first."""
        yield "student", list(self._students())
        yield "guardian", list(self._guardians())
        yield "student_guardian", list(self._links())
        yield "class", list(self._classes())
        yield "enrolment", list(self._enrolments())
        yield "meeting", list(self._meetings())
        yield "attendance", list(self._attendance())
        yield "invoice", [row for row, _ in self._invoices()]
        yield "payment", [row for _, row in self._invoices() if row]
        yield "notice", list(self._notices())
        yield "consultation", list(self._consultations())

    def _id(self, *what: object) -> UUID:
        return uuid5(NAMESPACE_OID, "/".join(("academy", self._tenant, *map(str, what))))

    def _row(self, *what: object, **columns: Any) -> Row:
        return {"id": self._id(*what), "tenant_id": self._tenant, **columns}

    def _at(self, day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(hour, minute), self._zone)

    def _places(self) -> range:
        return range(1, STUDENTS + 1)

    def _students(self) -> Iterator[Row]:
        for place in self._places():
            left = place in people.LEFT
            born = dt.date(self._today.year - people.grade_of(place) - 6, 1 + place % 12, 1 + place % 28)
            yield self._row(
                "student", place,
                name=people.name_of(place),
                grade=people.grade_of(place),
                status="left" if left else "paused" if place in people.PAUSED else "enrolled",
                birth_date=born,
                phone=f"+8210000001{place:02}" if people.grade_of(place) > 6 else None,
                joined_on=self._began + dt.timedelta(days=2 * place % 75 if place % 4 == 0 else 0),
                left_on=self._today - dt.timedelta(days=9) if left else None,
                updated_at=self._at(self._began, 9),
            )  # fmt: skip

    def _guardians(self) -> Iterator[Row]:
        for place in self._places():
            for which in self._own_guardians(place):
                yield self._row(
                    "guardian", place, which,
                    name=people.SURNAMES[(place + which + 2) % len(people.SURNAMES)] + people.GIVEN[-place],
                    phone=None if place in people.NO_PHONE else f"+82100000{which + 2}0{place:02}",
                    email=f"guardian{place}-{which}@example.com" if place % 3 == 0 else None,
                    language="en" if place in people.ENGLISH else "ko",
                    wants_messages=place not in people.NO_MESSAGES,
                    updated_at=self._at(self._began, 9),
                )  # fmt: skip

    def _own_guardians(self, place: int) -> range:
        """Answer the numbers of the guardians that are a student's first."""
        if place in people.NO_GUARDIAN or place in people.SIBLINGS:
            return range(0)
        return range(2 if place in people.TWO_GUARDIANS else 1)

    def _links(self) -> Iterator[Row]:
        for place in self._places():
            whose = people.SIBLINGS.get(place, place)
            for which in self._own_guardians(whose):
                yield {
                    "student_id": self._id("student", place),
                    "guardian_id": self._id("guardian", whose, which),
                    "tenant_id": self._tenant,
                    "relation": people.RELATIONS[(place + which) % len(people.RELATIONS)],
                }

    def _classes(self) -> Iterator[Row]:
        for one in CLASSES:
            yield self._row(
                "class", one.name,
                name=one.name, subject=one.subject, teacher=one.teacher, capacity=one.capacity, fee_won=one.fee_won,
                weekdays=list(one.weekdays), starts_at=one.starts_at, ends_at=one.ends_at, opened_on=self._began,
                updated_at=self._at(self._began, 9),
            )  # fmt: skip

    def _enrolments(self) -> Iterator[Row]:
        for one in CLASSES:
            for place in self._in(one):
                left = place in people.LEFT
                yield self._row(
                    "enrolment", one.name, place,
                    student_id=self._id("student", place),
                    class_id=self._id("class", one.name),
                    from_on=self._began,
                    until_on=self._today - dt.timedelta(days=9) if left else None,
                    status="ended" if left else "active",
                )  # fmt: skip

    def _in(self, one: DemoClass) -> list[int]:
        return [place for place in self._places() if people.goes_to(place, one)]

    def _days_of(self, one: DemoClass) -> Iterator[dt.date]:
        for ahead in range(-DAYS_BEFORE, DAYS_AHEAD + 1):
            day = self._today + dt.timedelta(days=ahead)
            if day.isoweekday() in one.weekdays:
                yield day

    def _meetings(self) -> Iterator[Row]:
        for one in CLASSES:
            for day in self._days_of(one):
                yield self._row("meeting", one.name, day, class_id=self._id("class", one.name), held_on=day)

    def _attendance(self) -> Iterator[Row]:
        for one in CLASSES:
            there = [place for place in self._in(one) if place not in (*people.LEFT, *people.PAUSED)]
            for day in self._days_of(one):
                for nth, place in enumerate(there):
                    status = self._status(one, day, nth, place)
                    if status is None:
                        continue
                    minutes = 5 + self._chance(30, "minutes", one.name, day, place) if status == "late" else 0
                    yield self._row(
                        "attendance", one.name, day, place,
                        meeting_id=self._id("meeting", one.name, day),
                        student_id=self._id("student", place),
                        status=status,
                        minutes_late=minutes,
                        recorded_at=self._at(day, one.starts_at.hour, 10),
                    )  # fmt: skip

    def _status(self, one: DemoClass, day: dt.date, nth: int, place: int) -> str | None:
        """Answer how a student came; today the first is late, the second absent, and some are not marked yet."""
        if day > self._today:
            return None
        if place == people.OFTEN_ABSENT and (self._today - day).days < OFTEN_ABSENT_DAYS:
            return "absent"
        if day == self._today:
            return ("late", "absent", "present", None)[min(nth, 3)]
        chance = self._chance(100, "status", one.name, day, place)
        for status, percent in (
            ("late", LATE_PERCENT), ("absent", ABSENT_PERCENT), ("excused", EXCUSED_PERCENT),
        ):  # fmt: skip
            if chance < percent:
                return status
            chance -= percent
        return "present"

    def _invoices(self) -> Iterator[tuple[Row, Row | None]]:
        """Yield the invoices of last month and this one, each with its payment if there is one."""
        this = self._today.replace(day=1)
        for month in ((this - dt.timedelta(days=1)).replace(day=1), this):
            for place in self._places():
                fees = sum(one.fee_won for one in CLASSES if place in self._in(one))
                if fees and place not in (*people.LEFT, *people.PAUSED):
                    yield self._invoice(place, month, fees, is_last=month != this)

    def _invoice(self, place: int, month: dt.date, fees: int, *, is_last: bool) -> tuple[Row, Row | None]:
        discount = fees * SIBLING_DISCOUNT_PERCENT // 100 if place in people.SIBLINGS else 0
        due = month.replace(day=DUE_DAY)
        paid_on = month + dt.timedelta(days=self._chance(9, "day", month, place))
        paid = self._chance(100, "paid", month, place) < (90 if is_last else 40) and paid_on <= self._today
        paid_at = self._at(paid_on, 9)
        invoice = self._row(
            "invoice", month, place,
            student_id=self._id("student", place),
            month=month,
            amount_won=fees,
            discount_won=discount,
            status="paid" if paid else "overdue" if is_last else "open",
            due_on=due,
            issued_at=self._at(month, 9),
            paid_at=paid_at if paid else None,
        )  # fmt: skip
        if not paid:
            return invoice, None
        method = ("card", "transfer", "cash")[self._chance(3, "method", month, place)]
        payment = self._row(
            "payment", month, place,
            invoice_id=invoice["id"], amount_won=fees - discount, method=method, paid_at=paid_at,
        )  # fmt: skip
        return invoice, payment

    def _notices(self) -> Iterator[Row]:
        given = (
            ("방학 특강 안내", "다음 달부터 방학 특강을 엽니다. 신청은 데스크에서 받습니다.", "published", None),
            ("중2 수학 교재 변경", "다음 주부터 새 교재를 씁니다.", "published", "중2 수학"),
            ("주차장 공사", "공사 기간에는 정문 앞에 세워 주십시오.", "draft", None),
        )
        for nth, (title, body, status, class_name) in enumerate(given):
            at = self._at(self._today - dt.timedelta(days=12 - nth), 10)
            yield self._row(
                "notice", nth,
                class_id=class_name and self._id("class", class_name),
                title=title, body=body, status=status,
                published_at=at if status == "published" else None, created_at=at,
            )  # fmt: skip

    def _consultations(self) -> Iterator[Row]:
        for nth, place in enumerate((1, 10, 12, 20)):
            yield self._row(
                "consultation", place,
                student_id=self._id("student", place),
                guardian_id=self._id("guardian", place, 0),
                held_at=self._at(self._today - dt.timedelta(days=3 * nth + 2), 13),
                topic=("진도", "진로", "출결", "교재")[nth],
                note="",
            )  # fmt: skip

    def _chance(self, of: int, *what: object) -> int:
        return crc32("/".join(map(str, what)).encode()) % of
