"""What guardians are told, and what became of it: each once, in their language, with who was not and why."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from academy import NOON, TODAY, Academy, academy, intent_of
from academy_staff import staff
from dure.apps.intents.catalogue import CATALOGUE
from dure.apps.intents.communication import broadcasting, reminding
from dure.apps.intents.demo import fingerprint, load_demo
from dure.db.pool import Database
from dure.errors import Invalid
from dure.intents import Changed, Outgoing, Skip
from queueing import TENANT, one, rows, until
from sqlside import Clock

ALL = "communication.exec.notify_all"
CLASS = "communication.exec.notify_class"
SOME = "communication.exec.message_students"
REMIND = "communication.exec.remind_unpaid"
GREET = "communication.exec.greet_birthdays"
FOLLOW = "communication.exec.follow_up_absent"
READS: dict[str, dict[str, Any]] = {
    "communication.get.sent": {},
    "communication.get.undelivered": {},
    "communication.get.unreachable": {},
    "communication.get.notices": {},
}
WRITES = ("communication.exec.publish_notice", "communication.exec.withdraw_notice")
GUARDIANS = """
with s as (
    insert into academy.student (tenant_id, name, grade, joined_on)
    select 'acme', '하나' || n, 5, '2026-05-01' from generate_series(1, %s) n returning id, name
), g as (
    insert into academy.guardian (tenant_id, name, phone)
    select 'acme', '보호자' || n, '0100001' || to_char(n, 'FM0000') from generate_series(1, %s) n returning id, name
), i as (
    insert into academy.invoice (tenant_id, student_id, month, amount_won, due_on)
    select 'acme', id, '2026-07-01', 100000, '2026-07-10' from s
)
insert into academy.student_guardian (tenant_id, student_id, guardian_id)
select 'acme', s.id, g.id from s join g on substr(s.name, 3) = substr(g.name, 4)
"""


@pytest.fixture
async def made(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Academy]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    monkeypatch.setenv("DURE_LANG", "en")
    clock.to(NOON)
    async with academy(database, work=False) as found:
        yield found


@pytest.fixture
def channels(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for what goes out."""
    clock.to(NOON)
    monkeypatch.setenv("DURE_TENANT", TENANT)
    monkeypatch.setenv("DURE_LANG", "en")
    monkeypatch.setenv("DURE_OUTBOX_CHANNELS", f"sms=file://{tmp_path}/sms, email=file://{tmp_path}/email")
    for name in ("sms", "email"):
        (tmp_path / name).mkdir()
    return tmp_path


def went_out(folder: Path) -> Counter[str]:
    files = [*folder.glob("sms/*.json"), *folder.glob("email/*.json")]
    return Counter(json.loads(file.read_text(encoding="utf-8"))["to"] for file in files)


async def guardians_of(made: Academy, where: str) -> set[str]:
    found = await made.rows(
        "select distinct l.guardian_id::text from academy.student_guardian l"
        f" join academy.student s on s.id = l.student_id where {where}"
    )
    return {f"guardian:{id}" for (id,) in found}


def test_all_of_communication_is_here() -> None:
    ours = {key for key, one in CATALOGUE.items() if one.category == "communication"}
    assert ours == {*READS, *WRITES, ALL, CLASS, SOME, REMIND, GREET, FOLLOW}
    assert len(ours) == 12
    assert [key for key in ours if CATALOGUE[key].approval] == [ALL]


async def test_each_guardian_of_all_of_a_class_or_of_some_once(made: Academy, monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = await made.targets(ALL, text="내일 휴원합니다")
    ids = [target.id for target in everyone]
    assert set(ids) == await guardians_of(made, "s.status <> 'left'")
    assert len(set(ids)) == len(ids), "brothers and sisters have one guardian"
    for page in (1, 7):
        monkeypatch.setattr(broadcasting, "PAGE_ROWS", page)
        assert [target.id for target in await made.targets(ALL, text="x")] == ids
    of_class = {target.id for target in await made.targets(CLASS, class_name="중2 수학", text="x")}
    assert of_class == await guardians_of(
        made,
        "exists (select from academy.enrolment e join academy.class c on c.id = e.class_id"
        " where e.student_id = s.id and e.status = 'active' and c.name = '중2 수학')",
    )
    both = await made.targets(SOME, students=["박가람", "이바다"], text="x")
    assert len(both) == 1
    assert (await made.each(SOME, both[0], students=["박가람", "이바다"], text="x")).body == "x"


async def test_a_notice_is_sent_as_it_is_when_it_goes(made: Academy) -> None:
    asked = {"class_name": "중2 수학", "notice": "중2 수학 교재 변경"}
    targets = await made.targets(CLASS, **asked)
    await made.rows("update academy.guardian set wants_messages = true")
    message = await made.each(CLASS, targets[0], **asked)
    assert (message.subject, message.body) == (
        "중2 수학 교재 변경",
        "중2 수학 교재 변경\n\n다음 주부터 새 교재를 씁니다.",
    )
    await made.rows("update academy.notice set status = 'withdrawn' where title = '중2 수학 교재 변경'")
    with pytest.raises(Changed, match="withdrawn"):
        await made.each(CLASS, targets[0], **asked)
    for wrong in ({"notice": "주차장 공사"}, {"notice": "없는 공지"}):
        with pytest.raises(Invalid, match="no such notice"):
            await made.targets(ALL, **wrong)
    for wrong in ({}, {"text": "x", "notice": "방학 특강 안내"}):
        with pytest.raises(Invalid, match="one of both"):
            intent_of(ALL).params.model_validate(wrong)
    await made.rows("update academy.notice set status = 'published' where title = '중2 수학 교재 변경'")
    with pytest.raises(Invalid, match="not everyone's"):
        await made.targets(ALL, notice="중2 수학 교재 변경")


async def test_who_is_gone_wants_none_or_cannot_be_reached(made: Academy) -> None:
    (target,) = await made.targets(SOME, student="박가람", text="x")
    given = {"student": "박가람", "text": "x"}
    for change, error, said in (
        ("phone = '02', wants_messages = true", Invalid, "no address that a message can be sent to: 02"),
        ("phone = null, email = 'nowhere'", Invalid, "nowhere"),
        ("phone = null, email = null", Skip, "neither a phone number"),
        ("wants_messages = false", Skip, "wants no messages"),
    ):
        await made.rows(f"update academy.guardian set {change}")
        with pytest.raises(error, match=said):
            await made.each(SOME, target, **given)
    await made.rows("delete from academy.student_guardian")
    with pytest.raises(Changed):
        await made.each(SOME, target, **given)


async def test_reminders_say_how_much_in_the_guardians_language(made: Academy, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = await made.targets(REMIND, overdue_only=True)
    assert [target.data["name"] for target in targets if target.data["name"] == "김다온"] == ["김다온"]
    assert len(targets) == 2
    (daon,) = (target for target in targets if target.data["name"] == "김다온")
    message = await made.each(REMIND, daon, overdue_only=True)
    assert isinstance(message, Outgoing)
    assert "460,000 won" in message.body, "an English guardian"
    await made.rows("update academy.guardian set language = 'ko'")
    korean = await made.each(REMIND, daon, overdue_only=True)
    assert "460,000원이 아직 납부되지 않았습니다(2026-06, 납부 기한 2026-06-10)" in korean.body
    assert korean.dedupe == message.dedupe
    await made.rows("update academy.invoice set due_on = '2026-07-11' where month = '2026-07-01' and student_id = ("
                    "select id from academy.student where name = '박가람')")  # fmt: skip
    later = {target.data["name"] for target in await made.targets(REMIND, month="2026-07")}
    assert later - {target.data["name"] for target in await made.targets(REMIND)} == {"박가람"}, "it is not due yet"
    whole = await made.targets(REMIND)
    monkeypatch.setattr(reminding, "PAGE_ROWS", 3)
    assert await made.targets(REMIND) == whole
    assert len(whole) > 10
    # Paid meanwhile, or charged something else: this is not so any more.
    await made.rows("update academy.invoice set status = 'paid', paid_at = now() where month = '2026-06-01'")
    with pytest.raises(Changed):
        await made.each(REMIND, daon, overdue_only=True)


async def test_greetings_and_those_who_stay_away(made: Academy) -> None:
    await made.rows("update academy.student set birth_date = '2016-07-03' where name = '김하늘'")
    await made.rows("update academy.student set birth_date = '2016-02-29' where name = '박가람'")
    assert {target.data["name"] for target in await made.targets(GREET)} >= {"김하늘"}
    assert {target.data["name"] for target in await made.targets(GREET, date="2027-02-28")} >= {"박가람"}
    assert "박가람" not in {target.data["name"] for target in await made.targets(GREET, date="2028-02-28")}
    (target,) = (target for target in await made.targets(GREET) if target.data["name"] == "김하늘")
    assert "김하늘 학생의 생일" in (await made.each(GREET, target)).body
    (away,) = await made.targets(FOLLOW)
    assert away.data["name"] == "이빛나"
    assert "6회 연속" in (await made.each(FOLLOW, away)).body
    assert await made.targets(FOLLOW, least=50) == []
    await made.rows("update academy.attendance set status = 'present' where status = 'absent'")
    with pytest.raises(Changed):
        await made.each(FOLLOW, away)


async def test_who_cannot_be_written_to_and_why(made: Academy) -> None:
    await made.rows("update academy.guardian set wants_messages = true, email = null where phone is not null")
    (alone,) = (await made.answer("communication.get.unreachable"))["items"]
    assert (alone["why"], alone["guardians"]) == ("no_guardian", None)
    await made.rows("update academy.guardian set wants_messages = false, phone = '' where name = '최한결'")
    await made.rows("update academy.guardian set email = '' where phone is null")
    found = (await made.answer("communication.get.unreachable"))["items"]
    assert Counter(item["why"] for item in found) == {"no_guardian": 1, "no_messages": 1, "no_address": 4}


async def test_a_guardian_of_a_hundred_three_of_whom_cannot_be_reached(database: Database, channels: Path) -> None:
    """Partial: who was told and who not is listed; corrected, only those three are tried again."""
    await load_demo(database, lambda _line: None, today=TODAY)
    await rows(database, "update academy.student set status = 'left', left_on = '2026-07-01' where status <> 'left'")
    await rows(database, GUARDIANS, [100, 100])
    await rows(database, "update academy.guardian set phone = '12' where name in ('보호자7', '보호자50', '보호자99')")
    await rows(database, "update academy.guardian set wants_messages = false where name = '보호자8'")
    async with staff(database) as desk:
        words = {"notice": "방학 특강 안내"}
        found = await desk.ask(ALL, words)
        assert found.state == "partial"
        assert [found.result[name] for name in ("done", "skipped", "conflicts", "failed")] == [96, 1, 0, 3]
        assert len(found.result["items"]["failed"]) == 3
        assert all("no address" in item["reason"] for item in found.result["items"]["failed"])
        assert "wants no messages" in found.result["items"]["skipped"][0]["reason"]
        await until(lambda: _sent(database, 96))
        await rows(
            database,
            "update academy.guardian set phone = '010-0000-2' || substr(name || '00', 4, 3) where phone = '12'",
        )
        done = await desk.retry(found)
        assert (done.state, done.result["done"], done.result["failed"]) == ("completed", 3, 0)
        await until(lambda: _sent(database, 99))
        assert set(went_out(channels).values()) == {1}
        # The same to all once more: everybody has it already.
        assert (await desk.ask(ALL, {**words, "subject": "방학 특강 안내"})).result["done"] == 99
        assert await one(database, "select count(*) from dure.outbox_message") == 99
        told = await desk.ask("communication.get.sent")
        assert (told.result["states"], told.result["items"][0]["asked_by"]) == ({"sent": 99}, ALL)


async def test_reminded_twice_nobody_gets_two(database: Database, channels: Path) -> None:
    await load_demo(database, lambda _line: None, today=TODAY)
    await rows(database, "update academy.invoice set status = 'paid', paid_at = now() where status = 'open'")
    await rows(database, GUARDIANS, [5, 5])
    async with staff(database) as desk:
        first = await desk.ask(REMIND, {"month": "2026-07"})
        assert (first.state, first.result["done"]) == ("completed", 5)
        await until(lambda: _sent(database, 5))
        assert (await desk.ask(REMIND, {"month": "2026-07"})).result["done"] == 5
        # Asked in other words, with a number that is written otherwise, and less to pay: still nobody gets two.
        spelled = "update academy.guardian set phone = '+82 10-0001-000' || right(phone, 1) where name like '보호자_'"
        await rows(database, spelled)
        await rows(database, "update academy.invoice set discount_won = 1000 where status = 'open'")
        assert (await desk.ask(REMIND, {"month": "2026-07-01", "overdue_only": False})).result["done"] == 5
        assert await one(database, "select count(*) from dure.outbox_message") == 5
    assert (len(went_out(channels)), set(went_out(channels).values())) == (5, {1})


async def test_notices_are_published_withdrawn_and_taken_back_to_the_byte(database: Database, channels: Path) -> None:
    await load_demo(database, lambda _line: None, today=TODAY)
    before = await fingerprint(database)
    async with staff(database) as desk:
        draft = await desk.ask("communication.exec.publish_notice", {"title": "주차장 공사"})
        new = await desk.ask(
            "communication.exec.publish_notice", {"title": "휴원", "body": "쉽니다.", "class_name": "중2 수학"}
        )
        gone = await desk.ask("communication.exec.withdraw_notice", {"title": "방학 특강 안내"})
        listed = (await desk.ask("communication.get.notices")).result["items"]
        assert {item["title"]: item["status"] for item in listed} == {
            "휴원": "published", "주차장 공사": "published", "방학 특강 안내": "withdrawn",
            "중2 수학 교재 변경": "published",
        }  # fmt: skip
        mine = (await desk.ask("communication.get.notices", {"class_name": "중2 수학"})).result["items"]
        assert {item["title"] for item in mine} == {"휴원", "중2 수학 교재 변경"}
        missing = await desk.ask("communication.exec.publish_notice", {"title": "없는 초안"})
        assert (missing.state, "no such notice" in str(missing.error)) == ("failed", True)
        for request in (gone, new, draft):
            await desk.undo(request)
    assert await fingerprint(database) == before


async def _sent(database: Database, count: int) -> bool:
    return await one(database, "select count(*) from dure.outbox_message where state = 'sent'") == count
