"""What the intents of attendance, classes and students answer, over the example."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from academy import Academy, academy
from dure.apps.intents.catalogue import CATALOGUE
from dure.db.pool import Database
from dure.errors import Invalid
from queueing import TENANT

READS: dict[str, dict[str, Any]] = {
    "attendance.get.day": {},
    "attendance.get.late": {},
    "attendance.get.absent": {"class_name": "중1 수학"},
    "attendance.get.student": {"student": "김하늘"},
    "attendance.get.class": {"class_name": "중2 수학", "month": "2026-06"},
    "attendance.get.rate": {"month": "2026-06"},
    "attendance.get.unmarked": {},
    "attendance.get.streaks": {},
    "class.get.list": {},
    "class.get.show": {"class_name": "중2 수학"},
    "class.get.roster": {"class_name": "중2 수학"},
    "class.get.timetable": {},
    "class.get.vacancies": {},
    "class.get.meetings": {"class_name": "중2 수학"},
    "student.get.list": {},
    "student.get.find": {"name": "한솔"},
    "student.get.show": {"student": "김하늘"},
    "student.get.guardians": {"student": "김하늘"},
    "student.get.birthdays": {},
    "student.get.new": {"month": "2026-05"},
    "student.get.without_class": {},
}
MORE = """
with c as (select id from academy.class where name = '중2 수학'),
     m as (select m.id from academy.meeting m, c where m.class_id = c.id and held_on < '2026-07-03'),
     s as (
         insert into academy.student (tenant_id, name, grade, birth_date, joined_on)
         select 'acme', '하나' || n, 8, '2012-07-01', '2026-05-15' from generate_series(1, 200) n returning id
     ),
     e as (
         insert into academy.enrolment (tenant_id, student_id, class_id, from_on)
         select 'acme', s.id, c.id, '2026-05-15' from s, c
     )
insert into academy.attendance (tenant_id, meeting_id, student_id, status) select 'acme', m.id, s.id, 'absent' from s, m
"""


@pytest.fixture
async def made(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Academy]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    async with academy(database, work=False) as found:
        yield found


def test_all_that_read_are_here() -> None:
    ours = ("attendance", "class", "student")
    assert {key for key, one in CATALOGUE.items() if one.category in ours and one.effect == "read"} == READS.keys()


async def test_each_answers_json_with_as_many_statements_for_many_rows_as_for_few(made: Academy) -> None:
    before = {key: await made.answered(key, **params) for key, params in READS.items()}
    assert max(statements for _, statements in before.values()) <= 2
    await made.rows("update academy.class set capacity = 1000")
    await made.rows(MORE)
    for key, params in READS.items():
        answer, statements = await made.answered(key, **params)
        assert answer, key
        assert statements == before[key][1], key


async def test_the_day_adds_up(made: Academy) -> None:
    day = await made.answer("attendance.get.day")
    assert day["date"] == "2026-07-03"
    assert [one["class"] for one in day["classes"]] == ["초등 수학", "중1 수학", "고1 국어"]
    assert {"late": 3, "absent": 3}.items() <= day["totals"].items()
    assert day["classes"][0]["starts_at"] == "15:00"
    only = await made.answer("attendance.get.day", class_name="중1 수학")
    assert [one["class"] for one in only["classes"]] == ["중1 수학"]
    assert sum(only["totals"].values()) == 5
    assert await made.answer("attendance.get.day", date="2026-09-01") == {
        "date": "2026-09-01", "totals": dict.fromkeys(("present", "late", "absent", "excused", "unmarked"), 0),
        "classes": [],
    }  # fmt: skip


async def test_who_was_late_and_who_did_not_come(made: Academy) -> None:
    late = await made.answer("attendance.get.late")
    assert late["count"] == len(late["items"]) == 3
    assert all(one["minutes_late"] > 0 and one["status"] == "late" for one in late["items"])
    await made.rows("update academy.attendance set status = 'excused', note = 'ill' where status = 'absent'")
    absent = await made.answer("attendance.get.absent")
    assert {(one["status"], one["note"]) for one in absent["items"]} == {("excused", "ill")}


async def test_a_months_rates(made: Academy) -> None:
    rates = await made.answer("attendance.get.rate", month="2026-06")
    assert rates["month"] == "2026-06"
    percents = [one["came_percent"] for one in rates["items"]]
    assert percents == sorted(percents)
    assert 50 < rates["came_percent"] < 100
    assert (await made.answer("attendance.get.rate", month="2020-01"))["came_percent"] is None
    marked = (await made.answer("attendance.get.class", class_name="중2 수학", month="2026-06-17"))["items"]
    assert {"student", "marked", "present", "late", "absent", "excused", "came_percent"} <= marked[0].keys()


async def test_a_students_month(made: Academy) -> None:
    month = await made.answer("attendance.get.student", student="김하늘", month="2026-06")
    assert month["count"] == sum(month["totals"].values()) > 8
    dates = [one["date"] for one in month["items"]]
    assert dates == sorted(dates, reverse=True)


async def test_what_is_not_marked_and_who_stays_away(made: Academy) -> None:
    unmarked = await made.answer("attendance.get.unmarked")
    assert {one["date"] for one in unmarked["items"]} == {"2026-07-03"}
    assert all(one["unmarked"] == len(one["students"]) for one in unmarked["items"])
    streaks = await made.answer("attendance.get.streaks")
    assert streaks["items"][0]["absences"] >= 3
    assert streaks["items"][0]["student"] == "이빛나"
    assert (await made.answer("attendance.get.streaks", least=50))["count"] == 0


async def test_classes_and_their_seats(made: Academy) -> None:
    assert (await made.answer("class.get.list"))["count"] == 8
    assert {one["teacher"] for one in (await made.answer("class.get.list", subject="영어"))["items"]} == {"윤보라"}
    shown = await made.answer("class.get.show", class_name="중1 수학")
    assert (shown["capacity"], shown["students"], shown["free"]) == (5, 5, 0)
    assert (shown["weekdays"], shown["starts_at"]) == (["mon", "wed", "fri"], "17:00")
    free = await made.answer("class.get.vacancies")
    assert "중1 수학" not in {one["name"] for one in free["items"]}
    assert (await made.answer("class.get.roster", class_name="중1 수학"))["count"] == 5
    friday = await made.answer("class.get.timetable", weekday=5)
    assert [one["class"] for one in friday["items"]] == ["초등 수학", "중1 수학", "고1 국어"]
    await made.rows("update academy.meeting set cancelled = true where held_on = '2026-07-02'")
    meetings = await made.answer("class.get.meetings", class_name="중2 수학")
    assert (meetings["cancelled"], meetings["items"][0]) == (1, {"date": "2026-07-02", "cancelled": True, "note": ""})


async def test_students_are_found(made: Academy) -> None:
    assert (await made.answer("student.get.list"))["count"] == 38
    assert (await made.answer("student.get.list", status="left"))["count"] == 2
    assert {one["grade"] for one in (await made.answer("student.get.list", grade=7))["items"]} == {7}
    assert [one["name"] for one in (await made.answer("student.get.find", name="한솔"))["items"]] == [
        "강한솔",
        "강한솔",
    ]
    assert (await made.answer("student.get.find", name="0000-0104"))["items"][0]["name"] == "최보라"
    shown = await made.answer("student.get.show", student="박가람")
    assert shown["classes"] == ["초등 영어"]
    assert len(shown["guardians"]) == 1
    (guardian,) = (await made.answer("student.get.guardians", student="박가람"))["items"]
    assert guardian["phone"].startswith("+8210000")
    days = [one["day"] for one in (await made.answer("student.get.birthdays"))["items"]]
    assert days == sorted(days) != []
    assert (await made.answer("student.get.without_class"))["items"][0]["name"] == "임한결"
    assert all(one["joined_on"] < "2026-06" for one in (await made.answer("student.get.new", month="2026-05"))["items"])


async def test_names_that_are_nobodys_or_several_peoples(made: Academy) -> None:
    with pytest.raises(Invalid) as unknown:
        await made.answer("student.get.show", student="없는사람")
    assert unknown.value.text("ko") == "params.student: 없는사람 학생이 없습니다."
    with pytest.raises(Invalid) as several:
        await made.answer("student.get.show", student="강한솔")
    ids = [row[0] for row in await made.rows("select id::text from academy.student where name = '강한솔' order by id")]
    assert all(id in several.value.text("en") for id in ids)
    assert (await made.answer("student.get.show", student_id=ids[0]))["name"] == "강한솔"
    await made.rows("update academy.student set status = 'left', left_on = '2026-07-01' where id::text = %s", ids[:1])
    assert (await made.answer("student.get.show", student="강한솔"))["id"] == ids[1], "who is here comes first"
    with pytest.raises(Invalid):
        await made.answer("class.get.show", class_name="없는 반")


async def test_another_tenant_sees_nobody(made: Academy) -> None:
    for table in ("student", "class", "meeting"):
        assert await made.rows(f"select from academy.{table} where tenant_id = 'acme' limit 1")
    await made.rows("insert into academy.student (tenant_id, name) values ('other', '남의학생')")
    assert (await made.answer("student.get.find", name="남의"))["count"] == 0
    (id,) = (await made.rows("select id::text from academy.student where tenant_id = 'other'"))[0]
    with pytest.raises(Invalid):
        await made.answer("student.get.show", student_id=id)
