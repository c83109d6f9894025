"""Messages to guardians: who gets one, who does not and why, and that nobody gets the same one twice."""

from collections.abc import AsyncIterator

import pytest

from academy import TODAY, Academy, academy
from dure.apps.intents.attendance import sending
from dure.apps.intents.catalogue import CATALOGUE
from dure.db.pool import Database
from dure.intents import Changed, Outgoing, Skip
from queueing import TENANT

LATE, ABSENT = "attendance.exec.notify_guardians_late", "attendance.exec.notify_guardians_absent"
ALL_LATE = """
update academy.attendance a set status = 'late', minutes_late = 7 from academy.meeting m
where m.id = a.meeting_id and m.held_on = '2026-07-03'
"""
IN_TWO = """
insert into academy.attendance (tenant_id, meeting_id, student_id, status, minutes_late)
select 'acme', m.id, s.id, 'late', n * 10
from academy.student s, (
    select m.id, row_number() over (order by c.starts_at) as n
    from academy.meeting m join academy.class c on c.id = m.class_id where m.held_on = '2026-07-03'
) m
where s.name = %s
on conflict (meeting_id, student_id) do update set status = 'late', minutes_late = excluded.minutes_late
"""


@pytest.fixture
async def made(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Academy]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    async with academy(database, work=False) as found:
        yield found


def test_all_that_send_are_here() -> None:
    ours = ("attendance", "class", "student")
    assert {key for key, one in CATALOGUE.items() if one.category in ours and one.effect == "send"} == {LATE, ABSENT}


@pytest.mark.parametrize(("key", "status"), [(LATE, "late"), (ABSENT, "absent")])
async def test_guardians_of_those_of_the_day_are_told(made: Academy, key: str, status: str) -> None:
    expected = await made.rows(
        "select l.guardian_id::text, l.student_id::text from academy.attendance a"
        " join academy.meeting m on m.id = a.meeting_id"
        " join academy.student_guardian l on l.student_id = a.student_id"
        " where a.status = %s and m.held_on = %s",
        [status, TODAY],
    )
    targets = await made.targets(key)
    assert {t.id for t in targets} == {f"guardian:{g}/student:{s}" for g, s in expected} != set()
    for target in targets:
        message = await made.each(key, target)
        assert isinstance(message, Outgoing)
        assert (message.channel == "sms") == message.to.startswith("+82")
        assert target.data["name"] in message.body


async def test_what_is_written_is_in_the_guardians_language_and_on_the_guardians_channel(made: Academy) -> None:
    await made.rows(IN_TWO, ["임한결"])
    await made.rows(
        "update academy.guardian g set phone = null, email = 'a@example.com', language = 'en' from academy.student s,"
        " academy.student_guardian l where l.student_id = s.id and l.guardian_id = g.id and s.name = '임한결'"
    )
    (target,) = await made.targets(LATE, student="임한결")
    message = await made.each(LATE, target)
    assert message.channel == "email"
    assert message.to == "a@example.com"
    assert message.subject == "임한결 came late"
    assert message.body == "임한결 came late to class on 7/3: 초등 수학, 중1 수학, 고1 국어, up to 30 minutes."
    await made.rows("update academy.guardian set phone = '+821000000123', language = 'ko'")
    in_korean = await made.each(LATE, target)
    assert (in_korean.channel, in_korean.to) == ("sms", "+821000000123")
    assert in_korean.body == "임한결 학생이 7월 3일 수업에 최대 30분 늦게 왔습니다: 초등 수학, 중1 수학, 고1 국어."


async def test_a_student_late_twice_a_day_is_one_message(made: Academy) -> None:
    await made.rows(IN_TWO, ["임한결"])
    (target,) = await made.targets(LATE, student="임한결")
    first = await made.each(LATE, target)
    await made.rows("update academy.attendance set minutes_late = 99 where status = 'late'")
    (later,) = await made.targets(LATE, student="임한결")
    second = await made.each(LATE, later)
    assert first.body != second.body
    assert first.dedupe == second.dedupe, "what is corrected later makes no second message"
    (other_day,) = await made.targets(LATE, student="임한결", class_name="중1 수학")
    assert (await made.each(LATE, other_day)).dedupe == first.dedupe


async def test_what_changed_since_is_a_conflict(made: Academy) -> None:
    target = (await made.targets(LATE))[0]
    await made.rows("update academy.attendance set minutes_late = minutes_late + 1 where status = 'late'")
    with pytest.raises(Changed):
        await made.each(LATE, target)
    await made.rows(
        "update academy.attendance set status = 'present', minutes_late = 0 where student_id::text = %s",
        [target.data["student"]],
    )
    with pytest.raises(Changed):
        await made.each(LATE, target)
    other = (await made.targets(ABSENT))[0]
    await made.rows("delete from academy.student_guardian")
    with pytest.raises(Changed):
        await made.each(ABSENT, other)


async def test_who_wants_none_has_no_address_or_nobody_is_skipped_with_the_reason(made: Academy) -> None:
    await made.rows("update academy.guardian set wants_messages = false")
    target = (await made.targets(LATE))[0]
    with pytest.raises(Skip, match="wants no messages"):
        await made.each(LATE, target)
    await made.rows("update academy.guardian set wants_messages = true, phone = null, email = null")
    with pytest.raises(Skip, match="neither a phone number nor"):
        await made.each(LATE, target)
    await made.rows("delete from academy.student_guardian")
    alone = await made.targets(LATE)
    assert all(t.id.startswith("student:") for t in alone)
    assert len(alone) == 3
    with pytest.raises(Skip, match="No guardian"):
        await made.each(LATE, alone[0])


async def test_many_are_found_page_by_page_each_once(made: Academy, monkeypatch: pytest.MonkeyPatch) -> None:
    await made.rows(ALL_LATE)
    whole = [target.id for target in await made.targets(LATE)]
    for rows in (1, 2, 3):
        monkeypatch.setattr(sending, "PAGE_ROWS", rows)
        assert [target.id for target in await made.targets(LATE)] == whole
    assert len(set(whole)) == len(whole) > 5


async def test_of_one_class_one_student_or_a_moment_of_the_day(made: Academy) -> None:
    assert len(await made.targets(LATE, class_name="중1 수학")) == 1
    assert await made.targets(LATE, date="2026-07-05") == await made.targets(LATE, date="2026-09-01") == []
    by_moment = await made.targets(LATE, notify_time="2026-07-02T23:30:00Z")
    assert by_moment == await made.targets(LATE), "half past eight in the morning of the third, where the academy is"
    student = by_moment[0].data["student"]
    assert await made.targets(LATE, student_id=student) == [t for t in by_moment if t.data["student"] == student]
