"""What the intents of attendance, classes and students change: planned, shown, applied, and taken back to the byte."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from academy import Academy, academy
from dure.apps.intents.catalogue import CATALOGUE
from dure.db.pool import Database
from dure.errors import Invalid
from queueing import TENANT
from sqlside import Clock

DAY = {"date": "2026-07-03"}
WRITES: dict[str, dict[str, Any]] = {
    "attendance.exec.mark": {"student": "김하늘", "status": "late", "minutes_late": 10, **DAY},
    "attendance.exec.mark_rest": DAY,
    "attendance.exec.excuse": {"student": "이빛나", "from_on": "2026-06-20", "until_on": "2026-07-03"},
    "class.exec.open": {
        "name": "중3 과학", "subject": "과학", "teacher": "문한별", "capacity": 8, "fee_won": 200_000,
        "weekdays": [4, 2], "starts_at": "17:00", "ends_at": "18:30",
    },
    "class.exec.close": {"class_name": "중2 수학", **DAY},
    "class.exec.enrol": {"students": ["임한결"], "class_name": "고등 과학", **DAY},
    "class.exec.transfer": {"student": "박가람", "from_class": "초등 영어", "to_class": "중2 수학", **DAY},
    "class.exec.withdraw": {"student": "박가람", "class_name": "초등 영어", **DAY},
    "class.exec.plan_meetings": {"month": "2026-08"},
    "class.exec.cancel_meeting": {"date": "2026-07-06", "note": "태풍"},
    "student.exec.register": {
        "name": "신바람", "grade": 7, "phone": "010-0000-0099", "guardian_name": "신구름",
        "guardian_phone": "010-0000-0098", "relation": "아버지",
    },
    "student.exec.update": {"student": "김하늘", "phone": "010 0000 0097", "note": "오른손을 다침"},
    "student.exec.pause": {"student": "김하늘", **DAY},
    "student.exec.resume": {"student": "장아라"},
    "student.exec.leave": {"students": ["김하늘", "박가람"], **DAY},
    "student.exec.promote": {},
}  # fmt: skip


@pytest.fixture
async def made(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Academy]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    async with academy(database) as found:
        yield found


def test_all_that_write_are_here() -> None:
    ours = ("attendance", "class", "student")
    assert {key for key, one in CATALOGUE.items() if one.category in ours and one.effect == "write"} == WRITES.keys()


@pytest.mark.parametrize("category", ["attendance", "class", "student"])
async def test_each_is_planned_applied_and_taken_back_to_the_byte(made: Academy, category: str) -> None:
    before = await made.fingerprint()
    for key in (key for key in WRITES if key.startswith(category)):
        params = WRITES[key]
        planned = await made.plan(key, **params)
        assert planned.state == "planned", (key, planned.reason)
        assert await made.fingerprint() == before, f"a plan of {key} changes nothing"
        done = await made.runs.apply(planned)
        assert (done.state, done.conflicts) == ("applied", 0), (key, done.reason)
        assert await made.fingerprint() != before, key
        back = await made.runs.undo(done)
        assert back.state == "applied", (key, back.reason)
        assert await made.fingerprint() == before, key


async def test_marking_makes_a_row_once_and_then_changes_it(made: Academy) -> None:
    who = {"student": "김하늘", **DAY}
    first = await made.do("attendance.exec.mark", **who, status="late", minutes_late=12)
    counts = first.counts["create"] + first.counts["update"]
    assert counts == 1
    again = await made.plan("attendance.exec.mark", **who, status="excused", note="병원")
    assert (again.counts["create"], again.counts["update"]) == (0, 1)
    assert (await made.runs.apply(again)).state == "applied"
    (row,) = await made.rows(
        "select a.status, a.minutes_late, a.note from academy.attendance a"
        " join academy.meeting m on m.id = a.meeting_id join academy.student s on s.id = a.student_id"
        " where s.name = '김하늘' and m.held_on = '2026-07-03'"
    )
    assert row == ("excused", 0, "병원")
    with pytest.raises(Invalid):
        await made.plan("attendance.exec.mark", **who, status="present", minutes_late=5)


async def test_two_who_mark_the_same_students_at_once_make_one_row_each(made: Academy) -> None:
    first, second = (
        await made.plan("attendance.exec.mark_rest", **DAY),
        await made.plan("attendance.exec.mark_rest", **DAY),
    )
    count = first.counts["create"]
    assert (await made.runs.apply(first)).applied == count > 5
    late = await made.runs.apply(second)
    assert (late.applied, late.conflicts) == (0, count)
    assert (await made.answer("attendance.get.unmarked"))["count"] == 0
    assert (await made.plan("attendance.exec.mark_rest", **DAY)).state == "empty"


async def test_today_is_the_day_that_it_is_where_the_academy_is(made: Academy, clock: Clock) -> None:
    clock.to("2026-07-02 14:00:00+00")
    thursday = await made.plan("attendance.exec.mark", student="이빛나", status="excused")
    assert (thursday.state, (thursday.reason or {})["params"]["date"]) == ("refused", "2026-07-02")
    clock.to("2026-07-02 16:00:00+00")
    friday = await made.plan("attendance.exec.mark", student="이빛나", status="excused")
    (change,) = await made.changes(friday, "update")
    held = await made.rows("select held_on::text from academy.meeting where id::text = %s", change.key[:1])
    assert held == [("2026-07-03",)]


async def test_a_day_without_a_lesson_is_said(made: Academy) -> None:
    run = await made.plan("attendance.exec.mark", student="김하늘", status="present", date="2026-07-05")
    assert (run.state, (run.reason or {})["code"]) == ("refused", "academy.no_meeting")
    assert "김하늘" in str((run.reason or {})["params"])


async def test_a_class_that_is_full_takes_nobody_and_the_others_are_moved(made: Academy) -> None:
    full = await made.plan("class.exec.transfer", student="박가람", from_class="초등 영어", to_class="중1 수학", **DAY)
    assert full.state == "empty"
    assert await made.kept(full) == {"박가람": "No seat is free in 중1 수학."}
    some = {"students": ["박가람", "강새롬", "정나래"], "from_class": "초등 영어", "to_class": "중2 수학"}
    await made.rows(
        "update academy.class set capacity = (select count(*) + 1 from academy.enrolment e where e.class_id = class.id"
        " and e.status = 'active') where name = '중2 수학'"
    )
    names = [one["student"] for one in (await made.answer("class.get.roster", class_name="초등 영어"))["items"]]
    some["students"] = [*names[:2], "임한결"]
    run = await made.do("class.exec.transfer", **some, **DAY)
    assert await made.kept(run) == {
        names[1]: "No seat is free in 중2 수학.",
        "임한결": "Is not in 초등 영어.",
    }
    moved = await made.rows(
        "select c.name, e.status, e.from_on::text, e.until_on::text from academy.enrolment e"
        " join academy.class c on c.id = e.class_id join academy.student s on s.id = e.student_id"
        " where s.name = %s and c.name in ('초등 영어', '중2 수학') order by e.status desc",
        [names[0]],
    )
    assert moved == [("초등 영어", "ended", "2026-05-04", "2026-07-02"), ("중2 수학", "active", "2026-07-03", None)]
    again = await made.plan("class.exec.enrol", students=[names[0]], class_name="중2 수학", **DAY)
    assert list((await made.kept(again)).values()) == ["Is in 중2 수학 already."]


async def test_two_who_take_the_last_seat_at_once(made: Academy) -> None:
    await made.rows("update academy.class set capacity = 6 where name = '중1 수학'")
    wanted = {"class_name": "중1 수학", **DAY}
    first = await made.plan("class.exec.enrol", student="박가람", **wanted)
    second = await made.plan("class.exec.enrol", student="김하늘", **wanted)
    assert (first.state, second.state) == ("planned", "planned")
    assert (await made.runs.apply(first)).state == "applied"
    late = await made.runs.apply(second)
    assert (late.state, late.applied) == ("failed", 0)
    outcomes = [change.outcome for change in await made.changes(late, "create")]
    assert "the class is full" in str(outcomes)
    assert (await made.answer("class.get.show", class_name="중1 수학"))["free"] == 0
    assert (await made.runs.undo(first)).state == "applied"


async def test_two_transfers_of_one_student_move_once(made: Academy) -> None:
    wanted = {"student": "박가람", "from_class": "초등 영어", **DAY}
    first = await made.plan("class.exec.transfer", **wanted, to_class="중2 수학")
    second = await made.plan("class.exec.transfer", **wanted, to_class="초등 수학")
    assert (await made.runs.apply(first)).state == "applied"
    late = await made.runs.apply(second)
    assert (late.applied, late.conflicts > 0) == (0, True), "neither half of it is done"
    assert (await made.answer("student.get.show", student="박가람"))["classes"] == ["중2 수학"]


async def test_closing_ends_what_belongs_to_the_class_and_nothing_else(made: Academy) -> None:
    others = await made.rows("select count(*) from academy.enrolment where status = 'active'")
    own = (await made.answer("class.get.roster", class_name="중2 수학"))["count"]
    run = await made.do("class.exec.close", class_name="중2 수학", note="폐강", **DAY)
    shown = await made.answer("class.get.show", class_name="중2 수학")
    assert (shown["closed_on"], shown["students"]) == ("2026-07-03", 0)
    left = await made.rows("select count(*) from academy.enrolment where status = 'active'")
    assert left[0][0] == others[0][0] - own
    after = "select count(*), count(*) filter (where cancelled) from academy.meeting m join academy.class c"
    (ahead,) = await made.rows(f"{after} on c.id = m.class_id where c.name = '중2 수학' and held_on > '2026-07-03'")
    assert ahead[0] == ahead[1] > 0
    closed = await made.plan("class.exec.close", class_name="중2 수학", **DAY)
    assert (closed.reason or {})["code"] == "academy.class_closed"
    full = await made.plan("class.exec.enrol", student="임한결", class_name="중2 수학", **DAY)
    assert (full.reason or {})["code"] == "academy.class_closed"
    assert (await made.runs.undo(run)).state == "applied"
    assert (await made.answer("class.get.roster", class_name="중2 수학"))["count"] == own


async def test_a_class_of_the_same_name_is_refused(made: Academy) -> None:
    run = await made.plan("class.exec.open", **{**WRITES["class.exec.open"], "name": "중2 수학"})
    assert (run.state, (run.reason or {})["code"]) == ("refused", "academy.class_exists")
    with pytest.raises(Invalid):
        await made.plan("class.exec.open", **{**WRITES["class.exec.open"], "ends_at": "16:00"})
    with pytest.raises(ValidationError):
        await made.plan("class.exec.open", **{**WRITES["class.exec.open"], "weekdays": [8]})


async def test_a_months_lessons_are_made_once(made: Academy) -> None:
    run = await made.do("class.exec.plan_meetings", month="2026-08", class_name="중2 수학")
    dates = (await made.answer("class.get.meetings", class_name="중2 수학", month="2026-08"))["items"]
    assert [one["date"][-2:] for one in dates] == ["04", "06", "11", "13", "18", "20", "25", "27"]
    assert run.counts["create"] == 8
    assert (await made.plan("class.exec.plan_meetings", month="2026-08", class_name="중2 수학")).state == "empty"


async def test_a_lesson_that_was_held_is_not_cancelled(made: Academy) -> None:
    run = await made.plan("class.exec.cancel_meeting", **DAY)
    assert run.state == "empty"
    assert set((await made.kept(run)).keys()) == {"초등 수학", "중1 수학", "고1 국어"}
    ahead = await made.do("class.exec.cancel_meeting", date="2026-07-06", class_name="중1 수학", note="태풍")
    assert ahead.counts["update"] == 1


async def test_a_student_is_registered_with_a_guardian_or_not_at_all(made: Academy) -> None:
    run = await made.do("student.exec.register", **WRITES["student.exec.register"])
    assert run.counts["create"] == 3
    (guardian,) = (await made.answer("student.get.guardians", student="신바람"))["items"]
    assert (guardian["name"], guardian["phone"], guardian["relation"]) == ("신구름", "+821000000098", "아버지")
    twice = await made.plan("student.exec.register", **WRITES["student.exec.register"])
    assert (twice.state, (twice.reason or {})["code"]) == ("refused", "academy.same_name")
    other = await made.do("student.exec.register", name="신바람", same_name=True)
    assert other.counts["create"] == 1
    with pytest.raises(Invalid):
        await made.plan("student.exec.register", name="남바람", guardian_phone="010-0000-0098")


async def test_what_is_not_given_stays_as_it_is(made: Academy) -> None:
    before = await made.answer("student.get.show", student="정나래")
    await made.do("student.exec.update", student="정나래", phone="010-0000-0001")
    after = await made.answer("student.get.show", student="정나래")
    assert after == {**before, "phone": "+821000000001"}
    with pytest.raises(Invalid):
        await made.plan("student.exec.update", student="정나래")


async def test_who_leaves_leaves_the_classes_and_who_pauses_keeps_the_seat(made: Academy) -> None:
    await made.do("student.exec.pause", student="박가람", **DAY)
    paused = await made.answer("student.get.show", student="박가람")
    assert (paused["status"], paused["classes"]) == ("paused", ["초등 영어"])
    again = await made.plan("student.exec.pause", student="박가람", **DAY)
    assert await made.kept(again) == {"박가람": "Is so already: paused."}
    await made.do("student.exec.leave", student="박가람", **DAY)
    left = await made.answer("student.get.show", student="박가람")
    assert (left["status"], left["left_on"], left["classes"]) == ("left", "2026-07-03", [])
    enrol = await made.plan("class.exec.enrol", student="박가람", class_name="초등 영어", **DAY)
    assert await made.kept(enrol) == {"박가람": "Has left the academy."}
    await made.do("student.exec.resume", student="박가람")
    back = await made.answer("student.get.show", student="박가람")
    assert (back["status"], back["left_on"]) == ("enrolled", None)


async def test_everyone_goes_up_but_who_is_in_the_last_grade(made: Academy) -> None:
    before = dict(await made.rows("select name || id, grade from academy.student where status <> 'left'"))
    run = await made.do("student.exec.promote")
    assert await made.kept(run) == {"임한결": "Is in the last grade."}
    after = dict(await made.rows("select name || id, grade from academy.student where status <> 'left'"))
    assert after == {name: min(grade + 1, 12) for name, grade in before.items()}


async def test_a_plan_that_others_overtook_is_a_conflict_for_one_and_done_for_the_rest(made: Academy) -> None:
    run = await made.plan("student.exec.leave", students=["김하늘", "박가람"], **DAY)
    await made.rows("update academy.student set note = '방금 바뀜' where name = '김하늘'")
    done = await made.runs.apply(run)
    assert (done.state, done.conflicts > 0, done.applied > 0) == ("partial", True, True)
    assert (await made.answer("student.get.show", student="김하늘"))["status"] == "enrolled"
    assert (await made.answer("student.get.show", student="박가람"))["status"] == "left"
