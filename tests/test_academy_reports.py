"""Reports that a person reads: their figures are those of the database, in both languages, kept and taken back."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from academy import NOON, TODAY, Academy, Surroundings, academy, intent_of
from academy_staff import staff
from dure.apps.intents.catalogue import CATALOGUE
from dure.apps.intents.demo import fingerprint, load_demo
from dure.apps.intents.reports import comma
from dure.apps.intents.reports.params import before, week_of
from dure.db.pool import Database
from dure.errors import Invalid
from dure.intents import Report
from queueing import TENANT
from sqlside import Clock

WRITTEN: dict[str, dict[str, Any]] = {
    "report.get.daily": {},
    "report.get.weekly": {},
    "report.get.monthly": {"month": "2026-06"},
    "report.get.class": {"class_name": "중2 수학", "month": "2026-06"},
    "report.get.student": {"student": "김하늘", "month": "2026-06"},
    "report.get.attendance_csv": {},
    "report.get.revenue_csv": {"month": "2026-06"},
    "report.get.unpaid_csv": {},
    "report.get.students_csv": {},
}
OTHERS = {"report.get.archived", "report.get.stored", "report.exec.archive"}


@pytest.fixture
async def made(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Academy]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    monkeypatch.setenv("DURE_LANG", "en")
    clock.to(NOON)
    async with academy(database) as found:
        yield found


async def written(made: Academy, key: str, **params: Any) -> Report:
    found, ctx = intent_of(key), Surroundings(made.database)
    report = await found.make().answer(found.params.model_validate(params), ctx)
    assert isinstance(report, Report)
    assert ctx.statements <= 10, "as many for many students as for few"
    return report


def rows_of(report: Report) -> list[list[str]]:
    return list(csv.reader(io.StringIO(report.body)))


def table(body: str, first: str) -> dict[str, list[str]]:
    """The rows of the table that begins with a head, by their first cell."""
    lines = body[body.index(f"| {first} |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_all_reports_are_here() -> None:
    ours = {key for key, one in CATALOGUE.items() if one.category == "report"}
    assert ours == {*WRITTEN, *OTHERS}
    assert len(ours) == 12


async def test_each_is_written_wholly_in_the_language_that_is_asked_for(made: Academy) -> None:
    await made.rows("update academy.student set name = 'Pupil ' || left(id::text, 8)")
    await made.rows(
        "update academy.student set name = 'Sky' where id = (select min(id::text)::uuid from academy.student)"
    )
    await made.rows("update academy.class set name = 'Class ' || left(id::text, 8), teacher = 'Han'")
    await made.rows(
        "update academy.class set name = 'Maths' where id = (select min(id::text)::uuid from academy.class)"
    )
    await made.rows("update academy.guardian set name = 'Guardian'")
    await made.rows("update academy.notice set title = 'News'")
    await made.rows("update academy.consultation set topic = 'Progress'")
    for key, params in WRITTEN.items():
        named = {"class_name": {"class_name": "Maths"}, "student": {"student": "Sky"}}
        given = {**params, **next((named[name] for name in named if name in params), {})}
        english, korean = [await written(made, key, **given, lang=lang) for lang in ("en", "ko")]
        assert not any("가" <= letter <= "힣" for letter in english.title + english.body), key
        assert any("가" <= letter <= "힣" for letter in korean.title), key
        assert english.format == korean.format == ("csv" if key.endswith("csv") else "markdown")
        assert english.data == korean.data
        if english.format == "markdown":
            assert english.body.startswith(f"# {english.title}\n")
            assert english.body.count("\n## ") == korean.body.count("\n## ") >= 1


async def test_the_week_is_told_as_the_database_has_it(made: Academy) -> None:
    report = await written(made, "report.get.weekly", week="2026-06-26", lang="en")
    assert report.title == "Weekly report, 2026-06-22 to 2026-06-28"
    marks = await made.rows(
        "select count(*) filter (where a.status in ('present', 'late')), count(*),"
        " count(*) filter (where a.status = 'late')"
        " from academy.meeting m join academy.attendance a on a.meeting_id = m.id"
        " where m.held_on between '2026-06-22' and '2026-06-28'"
    )
    came, marked, late = marks[0]
    figures = table(report.body, "Figure")
    assert figures["Attendance rate"][0] == f"{100 * came / marked:.1f}%"
    assert figures["Late"][0] == str(late)
    assert f"The attendance rate was {100 * came / marked:.1f}%, " in report.body
    before_it = await written(made, "report.get.weekly", week="2026-06-15", lang="en")
    assert [row[0] for row in table(before_it.body, "Figure").values()] == [row[1] for row in figures.values()]
    (received,) = (
        await made.rows("select coalesce(sum(amount_won), 0) from academy.payment"
                        " where (paid_at at time zone 'Asia/Seoul')::date between '2026-06-22' and '2026-06-28'")
    )[0]  # fmt: skip
    assert table(report.body, "Method")["Total"] == [f"{received:,} won"]
    owed = await made.answer("billing.get.overdue")
    assert len(table(report.body, "Student | Month")) == owed["count"] == report.data["overdue"]
    by_class = table(report.body, "Class")
    assert len(by_class) == 8
    assert "김다온" in report.body
    assert report.data["from_on"] == "2026-06-22"


async def test_of_days_without_anything_it_says_so(made: Academy) -> None:
    for key, params in (("report.get.weekly", {"week": "2020-01-01"}), ("report.get.monthly", {"month": "2020-01"})):
        report = await written(made, key, **params, lang="en")
        assert "No attendance was marked." in report.body
        assert "Nothing." in report.body
    empty = await written(made, "report.get.attendance_csv", from_on="2020-01-01", lang="en")
    assert len(rows_of(empty)) == 1


def test_days_that_are_compared() -> None:
    monday, sunday = week_of(TODAY)
    assert (monday.isoformat(), sunday.isoformat()) == ("2026-06-29", "2026-07-05")
    assert [day.isoformat() for day in before(monday, sunday)] == ["2026-06-22", "2026-06-28"]
    assert [day.isoformat() for day in before(TODAY.replace(day=1), TODAY.replace(day=31))] == [
        "2026-06-01", "2026-06-30",
    ]  # fmt: skip


async def test_tables_hold_every_row_and_no_formula(made: Academy, monkeypatch: pytest.MonkeyPatch) -> None:
    await made.rows("update academy.attendance set note = '=1+1' where minutes_late > 0")
    report = await written(made, "report.get.attendance_csv", from_on="2026-06-01", lang="en")
    heads, *body = rows_of(report)
    count = await made.rows(
        "select count(*) from academy.attendance a join academy.meeting m on m.id = a.meeting_id"
        " where m.held_on between '2026-06-01' and '2026-06-30'"
    )
    assert [(len(body),)] == count
    assert {row[heads.index("Note")] for row in body} == {"", "'=1+1"}
    one_class = await written(made, "report.get.attendance_csv", from_on="2026-06-01", class_name="중2 수학")
    assert 0 < len(rows_of(one_class)) < len(body)
    revenue = await written(made, "report.get.revenue_csv", month="2026-06", lang="en")
    heads, *body = rows_of(revenue)
    month = await made.answer("billing.get.month", month="2026-06")
    assert sum(int(row[heads.index("Amount")]) for row in body) == month["paid_won"]
    students = await written(made, "report.get.students_csv", lang="ko")
    assert "+821000000136" in students.body
    monkeypatch.setattr(comma, "ROWS_MAX", 3)
    with pytest.raises(Invalid, match="more than 3 rows"):
        await written(made, "report.get.unpaid_csv")


async def test_what_people_wrote_does_not_mark_up_the_report(made: Academy) -> None:
    await made.rows("update academy.notice set title = 'a | b' || chr(10) || '# c <img>', published_at = '2026-07-01'"
                    " where status = 'published'")  # fmt: skip
    report = await written(made, "report.get.weekly", lang="en")
    assert r"a \| b # c \<img\>" in report.body
    assert "\n# c" not in report.body


async def test_a_report_card_holds_no_notes_of_the_staff(made: Academy) -> None:
    await made.rows("update academy.attendance set note = 'SECRET'")
    await made.rows("update academy.consultation set note = 'SECRET', held_at = '2026-06-20'")
    await made.rows("update academy.student set note = 'SECRET'")
    report = await written(made, "report.get.student", student="김하늘", month="2026-06", lang="en")
    assert "SECRET" not in report.body
    assert "## Consultations" in report.body
    assert report.data["present"] + report.data["late"] > 5


async def test_a_report_is_kept_once(made: Academy) -> None:
    for kind in ("daily", "weekly", "monthly", "attendance", "revenue", "unpaid", "students"):
        await made.do("report.exec.archive", kind=kind, date="2026-07-03", lang="ko")
    kept = (await made.answer("report.get.archived"))["items"]
    assert len(kept) == 7
    assert {(one["from_on"], one["until_on"]) for one in kept if one["kind"] == "weekly"} == {
        ("2026-06-29", "2026-07-05")
    }
    weekly = await written(made, "report.get.weekly", lang="ko")
    stored = await written(made, "report.get.stored", title=weekly.title)
    assert (stored.body, stored.format, stored.data["made_by"]) == (weekly.body, "markdown", "kim")
    # Made again it takes the other's place.
    await made.rows("update academy.attendance set status = 'absent', minutes_late = 0")
    again = await made.do("report.exec.archive", kind="weekly", date="2026-06-29", lang="ko")
    assert (again.applied, (await made.answer("report.get.archived"))["count"]) == (1, 7)
    assert (await written(made, "report.get.stored", title=weekly.title)).body != weekly.body
    with pytest.raises(Invalid, match="no report"):
        await written(made, "report.get.stored", title="없는 보고서")


async def test_staff_get_the_weekly_report_and_keep_it(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.to(NOON)
    monkeypatch.setenv("DURE_TENANT", TENANT)
    await load_demo(database, lambda _line: None, today=TODAY)
    before_it = await fingerprint(database)
    async with staff(database) as desk:
        found = await desk.ask("report.get.weekly", {"week": TODAY.isoformat(), "lang": "ko"})
        report = found.result["report"]
        assert (report["title"], report["format"]) == ("주간 보고서 2026-06-29 ~ 2026-07-05", "markdown")
        assert "## 한눈에 보기" in report["body"]
        assert found.result["data"]["lessons"] > 0
        kept = await desk.ask("report.exec.archive", {"kind": "weekly", "date": TODAY.isoformat(), "lang": "ko"})
        assert kept.result["state"] == "applied"
        read = await desk.ask("report.get.stored", {"title": report["title"]})
        assert read.result["report"]["body"] == report["body"]
        await desk.undo(kept)
    assert await fingerprint(database) == before_it
