"""What students are charged and pay: issued once, paid, given back, closed, and each taken back to the byte."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from academy import NOON, TODAY, Academy, Surroundings, academy, intent_of
from academy_staff import staff
from dure.apps.intents.catalogue import CATALOGUE
from dure.apps.intents.demo import fingerprint, load_demo
from dure.db.pool import Database
from dure.errors import Invalid
from dure.runs.wording import sentence
from intending import KIM
from queueing import TENANT, one
from sqlside import Clock

NEXT = {"month": "2026-08", "due_on": "2026-08-10"}
READS: dict[str, dict[str, Any]] = {
    "billing.get.unpaid": {},
    "billing.get.overdue": {},
    "billing.get.month": {},
    "billing.get.student": {"student": "김하늘"},
    "billing.get.revenue": {"months": 3},
    "billing.get.payments": {"from_on": "2026-06-01"},
    "billing.get.missing": {"month": "2026-08"},
}
WRITES: dict[str, dict[str, Any]] = {
    "billing.exec.issue_invoices": NEXT,
    "billing.exec.close_month": {"month": "2026-06", "lang": "ko"},
    "billing.exec.record_payment": {"student": "박가람", "method": "card", "date": "2026-07-03"},
    "billing.exec.refund": {"student": "김하늘", "month": "2026-07", "amount_won": 60_000},
    "billing.exec.discount": {"students": ["이바다", "박가람"], "month": "2026-07", "percent": 10, "note": "장학"},
    "billing.exec.void_invoice": {"student": "윤우리", "month": "2026-07", "note": "잘못 발행"},
}
OF = "select i.amount_won, i.discount_won, i.status, i.note from academy.invoice i join academy.student s"
WHOSE = " on s.id = i.student_id where s.name = %s and i.month = %s"


@pytest.fixture
async def made(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Academy]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    monkeypatch.setenv("DURE_LANG", "en")
    clock.to(NOON)
    async with academy(database) as found:
        yield found


async def refused(made: Academy, key: str, **params: Any) -> str:
    """Answer what a run that cannot be planned says."""
    run = await made.plan(key, **params)
    assert run.state == "refused", run.state
    return sentence(run.reason, "en")


def test_all_of_billing_is_here() -> None:
    ours = {key for key, one in CATALOGUE.items() if one.category == "billing"}
    assert ours == {*READS, *WRITES}
    assert len(ours) == 13
    assert {key for key in WRITES if not CATALOGUE[key].approval} == {"billing.exec.record_payment"}


async def test_each_answers_with_one_statement_or_two(made: Academy) -> None:
    for key, params in READS.items():
        answer, statements = await made.answered(key, **params)
        assert answer, key
        assert statements <= 2, key


async def test_each_is_shown_applied_and_taken_back_to_the_byte(made: Academy) -> None:
    before = await made.fingerprint()
    for key, params in WRITES.items():
        planned = await made.plan(key, **params)
        assert planned.state == "planned", (key, planned.reason)
        assert await made.fingerprint() == before, "a plan changes nothing"
        done = await made.runs.apply(planned)
        assert (done.state, await made.fingerprint() != before) == ("applied", True), key
        assert (await made.runs.undo(done)).state == "applied", key
        assert await made.fingerprint() == before, key


async def test_everyone_is_charged_once_for_all_their_classes(made: Academy) -> None:
    missing = await made.answer("billing.get.missing", month="2026-08")
    run = await made.do("billing.exec.issue_invoices", **NEXT)
    assert run.applied == missing["count"] > 30
    assert await made.rows(OF + WHOSE, ["김다온", "2026-08-01"]) == [(460_000, 0, "open", "고1 국어, 고등 과학")]
    assert await made.rows(OF + WHOSE, ["박가람", "2026-08-01"]) == [(150_000, 15_000, "open", "초등 영어")]
    why = {str(change.subject): sentence(change.reason, "en") for change in await made.changes(run)}
    assert why["김다온"] == "Fees of 고1 국어, 고등 과학: 460,000 won."
    assert why["박가람"].endswith("less 15,000 won for a brother or sister.")
    assert (await made.answer("billing.get.missing", month="2026-08"))["count"] == 0
    again = await made.plan("billing.exec.issue_invoices", **NEXT)
    assert again.state == "empty", "nobody is charged twice"
    gone = await made.rows("select count(*) from academy.invoice i join academy.student s on s.id = i.student_id"
                           " where i.month = '2026-08-01' and s.status <> 'enrolled'")  # fmt: skip
    assert gone == [(0,)]


async def test_of_brothers_and_sisters_all_but_the_first_pay_less(made: Academy) -> None:
    await made.do("billing.exec.issue_invoices", **NEXT, sibling_percent=15)
    found = await made.rows(
        "select i.student_id, i.amount_won, i.discount_won from academy.invoice i"
        " where i.month = '2026-08-01' and i.discount_won > 0"
    )
    assert len(found) == 2
    assert all(discount == amount * 15 // 100 for _, amount, discount in found)
    shared = await made.rows("select count(*) from academy.student_guardian group by guardian_id having count(*) > 1")
    assert len(shared) == len(found), "one of each two"


async def test_two_runs_at_a_time_charge_nobody_twice(made: Academy) -> None:
    first = await made.plan("billing.exec.issue_invoices", **NEXT)
    second = await made.plan("billing.exec.issue_invoices", **NEXT)
    done = await made.runs.apply(first)
    assert done.state == "applied"
    late = await made.runs.apply(second)
    assert (late.applied, late.failed) == (0, done.applied)
    doubled = await made.rows(
        "select count(*) from academy.invoice where status <> 'void' group by student_id, month having count(*) > 1"
    )
    assert doubled == []


async def test_some_are_charged_alone_and_a_void_one_anew(made: Academy) -> None:
    await made.do("billing.exec.issue_invoices", students="박가람", **NEXT)
    assert await made.rows("select count(*) from academy.invoice where month = '2026-08-01'") == [(1,)]
    await made.do("billing.exec.void_invoice", student="박가람", month="2026-08")
    await made.do("billing.exec.issue_invoices", students=["박가람"], **NEXT)
    states = await made.rows("select status from academy.invoice where month = '2026-08-01' order by status")
    assert states == [("open",), ("void",)]


async def test_there_is_time_to_pay(made: Academy, clock: Clock) -> None:
    due = "select due_on::text from academy.invoice where month = %s"
    await made.do("billing.exec.issue_invoices", students="박가람", month="2026-09")
    assert await made.rows(due, ["2026-09-01"]) == [("2026-09-10",)]
    clock.to("2026-10-07 03:00:00+00")
    await made.do("billing.exec.issue_invoices", students="박가람")
    assert await made.rows(due, ["2026-10-01"]) == [("2026-10-14",)]


async def test_a_payment_in_parts_and_no_more_than_is_owed(made: Academy) -> None:
    part = {"student": "박가람", "month": "2026-07", "method": "cash"}
    await made.do("billing.exec.record_payment", **part, amount_won=35_000)
    assert await made.rows(OF + WHOSE, ["박가람", "2026-07-01"]) == [
        (150_000, 15_000, "open", "35,000 of 135,000 won are paid")
    ]
    assert "100,000" in await refused(made, "billing.exec.record_payment", **part, amount_won=100_001)
    account = await made.answer("billing.get.student", student="박가람")
    assert account["balance_won"] == 100_000
    await made.do("billing.exec.record_payment", **part)
    (row,) = await made.rows(OF + WHOSE, ["박가람", "2026-07-01"])
    assert row[2] == "paid"
    assert (await made.answer("billing.get.student", student="박가람"))["balance_won"] == 0
    assert "owes nothing" in await refused(made, "billing.exec.record_payment", student="박가람", method="card")


async def test_the_same_money_is_not_written_down_twice(made: Academy) -> None:
    """Two desks note the same payment, each having seen that it is owed."""
    params = {"student": "박가람", "method": "transfer"}
    desks = [await made.plan("billing.exec.record_payment", **params) for _ in range(2)]
    first, second = [await made.runs.apply(run) for run in desks]
    assert (first.state, second.applied) == ("applied", 0)
    (paid,) = await made.rows(
        "select sum(p.amount_won) from academy.payment p join academy.invoice i on i.id = p.invoice_id"
        " join academy.student s on s.id = i.student_id where s.name = '박가람' and i.month = '2026-07-01'"
    )
    assert paid == (135_000,)


async def test_what_is_given_back_is_not_owed_anew(made: Academy) -> None:
    await made.do("billing.exec.refund", student="김하늘", month="2026-07", amount_won=60_000)
    account = await made.answer("billing.get.student", student="김하늘")
    july = next(one for one in account["items"] if one["month"] == "2026-07")
    assert (july["paid_won"], july["discount_won"], july["status"], account["balance_won"]) == (
        100_000, 60_000, "paid", 0,
    )  # fmt: skip
    assert "100,000 won were paid" in await refused(
        made, "billing.exec.refund", student="김하늘", month="2026-07", amount_won=100_001
    )
    await made.do("billing.exec.refund", student="김하늘", month="2026-07")
    assert (await made.answer("billing.get.student", student="김하늘"))["balance_won"] == 0
    revenue = await made.answer("billing.get.revenue", month="2026-07")
    assert revenue["received_won"] == revenue["items"][0]["received_won"]


async def test_a_discount_is_not_more_than_is_owed(made: Academy) -> None:
    run = await made.do("billing.exec.discount", students=["박가람", "김하늘"], month="2026-07", discount_won=35_000)
    assert await made.kept(run) == {"김하늘": "So much is not owed: 0 won are left."}
    assert (await made.answer("billing.get.student", student="박가람"))["balance_won"] == 100_000
    await made.do("billing.exec.discount", student="박가람", month="2026-07", discount_won=100_000)
    (row,) = await made.rows(OF + WHOSE, ["박가람", "2026-07-01"])
    assert row[:3] == (150_000, 150_000, "paid")
    for wrong in ({}, {"discount_won": 1, "percent": 1}, {"percent": 101}, {"discount_won": 0}):
        with pytest.raises((ValidationError, Invalid)):
            intent_of("billing.exec.discount").params.model_validate({"student": "박가람", **wrong})


async def test_an_invoice_on_which_something_was_paid_is_not_made_void(made: Academy) -> None:
    assert "give that back first" in await refused(made, "billing.exec.void_invoice", student="김하늘", month="2026-07")
    assert "No invoice for 2026-07" in await refused(
        made, "billing.exec.void_invoice", student="임한결", month="2026-07"
    )


async def test_a_month_is_closed_and_closed_again(made: Academy) -> None:
    await made.rows("update academy.invoice set status = 'open' where status = 'overdue'")
    june = {"month": "2026-06", "lang": "en"}
    run = await made.do("billing.exec.close_month", **june)
    assert (
        (await made.rows("select count(*) from academy.invoice where status = 'overdue'"))[0][0] == run.applied - 1 > 0
    )
    ((title, body),) = await made.rows("select title, body from academy.report where kind = 'month_close'")
    figures = await made.answer("billing.get.month", month="2026-06")
    assert title == "Close of 2026-06"
    assert f"| Owed | {figures['balance_won']:,} won |" in body
    assert f"| overdue | {figures['overdue']} |" in body
    assert "김다온" in body
    await made.do("billing.exec.record_payment", student="김다온", method="card", month="2026-06")
    again = await made.do("billing.exec.close_month", **june)
    assert again.applied == 1, "the report alone"
    ((later,),) = await made.rows("select body from academy.report where kind = 'month_close'")
    assert later != body
    assert "김다온" not in later
    assert "has not begun" in await refused(made, "billing.exec.close_month", month="2190-01")


async def test_figures_agree(made: Academy) -> None:
    month = await made.answer("billing.get.month", month="2026-06")
    unpaid = await made.answer("billing.get.unpaid", month="2026-06")
    assert month["balance_won"] == unpaid["balance_won"]
    assert month["amount_won"] - month["discount_won"] - month["paid_won"] == month["balance_won"]
    assert month["overdue"] == unpaid["count"] == (await made.answer("billing.get.overdue"))["count"]
    assert all(one["days_overdue"] == 23 for one in unpaid["items"])
    revenue = await made.answer("billing.get.revenue", month="2026-06", months=3)
    assert [one["month"] for one in revenue["items"]] == ["2026-04", "2026-05", "2026-06"]
    june = revenue["items"][-1]
    assert june["card_won"] + june["transfer_won"] + june["cash_won"] == june["received_won"] == month["paid_won"]
    payments = await made.answer("billing.get.payments", from_on="2026-06-01", until_on="2026-06-30", method="card")
    assert payments["received_won"] == june["card_won"]


async def test_another_tenants_money_is_not_seen(made: Academy) -> None:
    await made.rows("insert into academy.student (tenant_id, name) values ('other', '남의학생')")
    await made.rows(
        "insert into academy.invoice (tenant_id, student_id, month, amount_won, due_on)"
        " select 'other', id, '2026-07-01', 999, '2026-07-10' from academy.student where tenant_id = 'other'"
    )
    unpaid = await made.answer("billing.get.unpaid")
    assert "남의학생" not in {one["student"] for one in unpaid["items"]}
    ctx = Surroundings(made.database)
    ctx.tenant_id = "other"
    found = intent_of("billing.get.unpaid")
    answer = await found.make().answer(found.params(), ctx)
    assert (answer["count"], answer["balance_won"]) == (1, 999)


async def test_a_run_of_invoices_waits_for_approval_and_is_undone_to_the_byte(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through requests, policies and a worker."""
    clock.to(NOON)
    monkeypatch.setenv("DURE_TENANT", TENANT)
    await load_demo(database, lambda _line: None, today=TODAY)
    before = await fingerprint(database)
    async with staff(database) as desk:
        waiting = await desk.intents.submit(TENANT, "billing.exec.issue_invoices", NEXT, KIM)
        assert waiting.state == "waiting"
        assert await fingerprint(database) == before
        found = await desk.ask("billing.exec.issue_invoices", NEXT)
        assert (found.id, found.state, found.result["state"]) == (waiting.id, "completed", "applied")
        assert await one(database, "select count(*) from academy.invoice where month = '2026-08-01'") > 30
        await desk.undo(found)
    assert await fingerprint(database) == before


async def test_what_was_paid_meanwhile_is_not_taken_back(made: Academy) -> None:
    run = await made.do("billing.exec.issue_invoices", **NEXT)
    await made.do("billing.exec.record_payment", student="박가람", month="2026-08", method="card")
    assert (await made.runs.rollback(run)).state == "refused", "strictly, it is all or nothing"
    rest = await made.runs.undo(run, mode="clean_only")
    assert (rest.applied, rest.state) == (run.applied - 1, "applied")
    left = await made.rows(
        "select s.name, i.status from academy.invoice i join academy.student s on s.id = i.student_id"
        " where i.month = '2026-08-01'"
    )
    assert left == [("박가람", "paid")]
