"""What may go wrong with a page's window, each a test; the to-dos and pages that it does not concern go on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import structlog

import notion_server
from dure.apps.notion.client import reached
from dure.apps.notion.config import load
from dure.db.pool import Database
from dure.errors import Conflict
from notioning import Answers, Office, World, appends, configure, fake, opened, working
from queueing import TENANT, one, rows, until
from sqlside import Clock


@pytest.fixture
async def world(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with opened(database, clock, monkeypatch) as made:
        yield made


async def test_one_of_three_fails_is_retried_by_later_ticks_and_skipped_with_its_reason(world, monkeypatch) -> None:
    monkeypatch.setenv("DURE_NOTION_RETRIES", "2")
    first, second, third = await world.todos("first", "second", "third")

    def say(params: dict) -> str:
        if params["text"] == "second":
            raise ValueError(f"attempt {params['attempt']} failed")
        return "done"

    world.office.answers.say = say
    await world.office.run(world.page)
    assert await world.office.statuses(first, second, third) == ["done", "pending", "done"]
    for _ in range(3):
        await world.office.tick()
    todo = await world.office.todo(second)
    assert (todo["status"], todo["attempts"]) == ("skipped", 3)
    assert todo["reason"] == {"code": "work_failed", "params": {"text": "attempt 3 failed"}}
    assert world.office.answers.asked.count("second") == 3
    assert not await world.person.is_checked(second)
    assert "worked: 2, skipped: 1" in await world.message()
    # Another text is another to-do.
    await world.person.edit(second, "second, but easier")
    await world.office.tick()
    assert await world.office.statuses(second) == ["done"]


async def test_a_handler_that_nobody_knows_is_said(world: World, monkeypatch) -> None:
    monkeypatch.setenv("DURE_NOTION_HANDLER", "no.such.handler")
    (todo,) = await world.todos("first")
    await world.office.run(world.page)
    found = await world.office.todo(todo)
    assert (found["status"], found["attempts"]) == ("pending", 1)
    assert "no.such.handler" in found["reason"]["params"]["text"]


async def test_an_answer_that_notion_refuses_is_a_failure_of_the_todo_and_asked_for_once(world, monkeypatch) -> None:
    monkeypatch.setenv("DURE_NOTION_RETRIES", "1")
    first, second = await world.todos("first", "second")
    world.notion.trouble(400, times=2, fits=lambda call: appends(call) and first in call.path)
    await world.office.run(world.page)
    assert await world.office.statuses(first, second) == ["pending", "done"]
    await world.office.tick()
    found = await world.office.todo(first)
    assert (found["status"], found["reason"]["code"], found["attempts"]) == ("skipped", "rejected", 2)
    assert (world.office.answers.asked, await world.state()) == (["first", "second"], "open")


async def test_a_stop_in_the_middle_of_an_item_ends_and_nothing_runs_again(world: World) -> None:
    first, second = await world.todos("first", "second")
    never = asyncio.Event()

    async def wait(params: dict) -> str:
        await never.wait()
        return "too late"

    world.office.answers.say = wait
    await world.office.start(world.page)
    await until(lambda: world.office.answers.asked == ["first"])
    window = await world.office.pages.stop(TENANT, world.page, actor="kim")
    await world.office.settle()
    never.set()
    for _ in range(3):
        await world.office.tick()
    assert window.state == await world.state() == "stopped"
    status = await world.office.pages.status(TENANT, world.page)
    assert (status.status, status.is_running) == ("idle", False)
    assert await world.office.statuses(first, second) == ["pending", "pending"]
    assert [(await world.office.todo(first))["attempts"], world.notion.answers(first)] == [0, []]
    assert world.office.answers.asked == ["first"]
    with pytest.raises(Conflict):
        await world.office.pages.stop(TENANT, world.page, actor="kim")


async def test_a_window_whose_time_is_over_in_the_middle_of_an_item_is_completed(world: World) -> None:
    (todo,) = await world.todos("first")
    never = asyncio.Event()
    world.office.answers.say = lambda params: never.wait()
    # A handler is interrupted by its worker's own count of seconds, so these are real ones.
    await _let_time_pass(world)
    await world.office.start(world.page, for_s=2)
    await until(lambda: world.office.answers.asked == ["first"])
    await world.office.settle()
    status = await world.office.pages.status(TENANT, world.page)
    assert (status.status, status.is_running) == ("completed", False)
    found = await world.office.todo(todo)
    assert (found["status"], found["attempts"], world.notion.answers(todo)) == ("pending", 0, [])
    # The next window takes it up.
    world.office.answers.say = lambda params: "done"
    await world.office.run(world.page)
    assert await world.office.statuses(todo) == ["done"]


async def test_a_block_whose_inside_is_not_shared_hides_nothing_else(world: World) -> None:
    (before,) = await world.todos("before")
    copy = world.notion.add(world.page, "synced_block")
    inside = world.notion.todo(copy, "inside")
    (behind,) = await world.todos("behind")
    await world.office.run(world.page)
    assert await world.office.statuses(before, inside, behind) == ["done"] * 3
    hidden = world.notion.trouble(404, times=100, fits=lambda call: copy in call.path)
    await world.office.tick()
    assert (await world.state(), (await world.office.todo(inside))["removed_at"]) == ("open", None)
    assert hidden.times < 100


async def test_a_restart_at_minute_seven_goes_on_and_ends_at_fifteen(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake() as (person, page, _notion):
        configure(monkeypatch, person)
        async with working(database, clock) as office:
            window = await office.run(page)
            assert window.ends_at - window.started_at == timedelta(minutes=15)
            for _ in range(7):
                await office.tick()
        todo = await person.todo(page, "asked while nothing ran")
        # A new process: a worker, a ticker, nothing in memory; and the machine stands in another zone.
        monkeypatch.setenv("TZ", "America/New_York")
        async with working(database, clock) as office:
            await office.tick()
            assert await office.statuses(todo) == ["done"]
            assert (await office.pages.status(TENANT, page)).status == "running"
            for _ in range(6):
                await office.tick()
            assert (await office.pages.status(TENANT, page)).is_running
            late = await person.todo(page, "too late")
            for _ in range(3):
                await office.tick()
            status = await office.pages.status(TENANT, page)
            assert status.window is not None
            assert (status.status, status.window.state, status.window.ticks) == ("completed", "elapsed", 15)
            assert (office.answers.asked, await person.is_checked(late)) == (["asked while nothing ran"], False)


async def test_two_machines_that_start_at_once_open_one_window(world: World, url: str) -> None:
    await world.todos("first")
    async with Database(url) as other:
        machines = [Office(database, world.office.clock, Answers()) for database in (world.office.database, other)] * 3
        ended = await asyncio.gather(*(one.start(world.page) for one in machines), return_exceptions=True)
    conflicts = [error for error in ended if isinstance(error, Conflict)]
    assert (len(conflicts), {error.reason for error in conflicts}) == (5, {"window_open"})
    await world.office.settle()
    assert world.office.answers.asked == ["first"]


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "refuses the key"), (403, "refuses the key"), (404, "has no such page")]
)
async def test_a_page_that_is_gone_or_a_key_that_is_refused_ends_the_window_with_the_reason(
    world: World, status: int, reason: str
) -> None:
    world.notion.trouble(status, times=100)
    await world.office.run(world.page)
    assert await world.state() == "failed"
    found = await world.office.pages.status(TENANT, world.page, lang="en")
    assert (found.status, reason in found.message) == ("failed", True)
    calls = len(world.notion.calls)
    await world.office.tick()
    assert len(world.notion.calls) == calls


async def test_a_page_that_never_was_ends_the_window(world: World) -> None:
    await world.office.run("page-1")
    assert (await world.office.pages.status(TENANT, "page-1")).status == "failed"
    await world.office.run("1429989f-e8ac-4eff-bc8f-57f56486db54")
    assert (
        "no such page"
        in (await world.office.pages.status(TENANT, "1429989fe8ac4effbc8f57f56486db54", lang="en")).message
    )


async def test_a_key_that_is_refused_while_a_todo_is_worked_ends_the_window(world: World) -> None:
    first, second = await world.todos("first", "second")
    world.notion.trouble(401, times=100, fits=appends)
    await world.office.run(world.page)
    assert await world.state() == "failed"
    assert world.office.answers.asked == ["first"]
    assert await world.office.statuses(first, second) == ["pending", "pending"]


async def test_an_outage_for_a_tick_is_survived(world: World) -> None:
    (todo,) = await world.todos("first")
    outage = world.notion.trouble(500, times=1_000)
    await world.office.run(world.page)
    assert await world.state() == "open"
    assert "cannot be reached now" in await world.message()
    assert await rows(world.office.database, "select state from dure.job") == [("completed",)]
    outage.times = 0
    await world.office.tick()
    assert await world.office.statuses(todo) == ["done"]
    assert "cannot be reached" not in await world.message()


async def test_an_outage_in_the_middle_of_a_tick_counts_against_no_todo(world: World) -> None:
    first, second = await world.todos("first", "second")
    outage = world.notion.trouble(503, times=1_000, fits=appends)
    await world.office.run(world.page)
    assert (world.office.answers.asked, await world.state()) == (["first"], "open")
    assert (await world.office.todo(first))["attempts"] == 0
    outage.times = 0
    await world.office.tick()
    assert await world.office.statuses(first, second) == ["done", "done"]
    assert world.office.answers.asked == ["first", "second"]


async def test_nobody_listens_where_notion_should_be(world: World, monkeypatch) -> None:
    monkeypatch.setenv("NOTION_BASE_URL", "http://127.0.0.1:9")
    await world.office.run(world.page)
    assert await world.state() == "open"
    assert "ConnectError" in await world.message()


async def test_a_hiccup_is_not_noticed(world: World) -> None:
    (todo,) = await world.todos("first")
    world.notion.trouble(502, times=2, fits=lambda call: call.method == "GET")
    await world.office.run(world.page)
    assert await world.office.statuses(todo) == ["done"]


@pytest.mark.parametrize("status", [429, 529])
async def test_retry_after_is_obeyed_by_everyone_and_holds_no_worker(world: World, status: int) -> None:
    (todo,) = await world.todos("first")
    (other_page,) = [world.notion.page()]
    other = await world.person.todo(other_page, "of another page")
    world.notion.trouble(status, headers={"Retry-After": "30"}, fits=appends)
    await world.office.start(world.page)
    await until(lambda: any(call.status == status for call in world.notion.calls))
    calls = len(world.notion.calls)
    await world.office.start(other_page)
    await until(lambda: _nobody_runs(world))
    world.office.clock.advance(20)
    await until(lambda: _nobody_runs(world))
    assert len(world.notion.calls) == calls
    assert world.notion.checked(other) is False
    world.office.clock.advance(11)
    await world.office.settle()
    assert await world.office.statuses(todo, other) == ["done", "done"]
    assert world.notion.answers(todo) == ["answer to first"]


async def test_a_short_pause_is_waited_for(world: World, monkeypatch) -> None:
    (todo,) = await world.todos("first")
    await _let_time_pass(world)
    world.notion.trouble(429, headers={"Retry-After": "0.2"}, fits=appends)
    await world.office.run(world.page)
    assert await world.office.statuses(todo) == ["done"]
    first, second = [call.at for call in world.notion.calls if appends(call)]
    assert second - first >= 0.2
    assert await one(world.office.database, "select max(retry_count) from dure.job") == 0


async def test_all_workers_together_keep_the_rate(database: Database, url: str, monkeypatch) -> None:
    async with fake() as (person, page, notion), Database(url) as second:
        configure(monkeypatch, person, DURE_NOTION_REQUESTS_PER_S=25)

        async def ask(of: Database) -> None:
            async with reached(load(), of) as reader:
                for _ in range(5):
                    await reader.block(page)

        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(ask(one) for one in (database, second) * 2))
        times = [call.at for call in notion.calls]
    assert len(times) == 20
    # The twentieth has nineteen before it. Each may come later than its turn, and none sooner.
    assert all(at - began >= n / 25 for n, at in enumerate(sorted(times)))


async def test_the_key_is_in_no_row_and_no_log(world: World) -> None:
    await world.todos("first")
    world.notion.trouble(401, times=1, fits=appends)
    with structlog.testing.capture_logs() as logs:
        await world.office.run(world.page)
    tables = await rows(
        world.office.database,
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'dure'",
    )
    kept = [await rows(world.office.database, f"select t::text from {name} t") for (name,) in tables]
    assert logs
    assert "trouble was asked for" in str(kept)
    assert notion_server.KEY not in f"{kept}{logs}"
    assert notion_server.KEY not in repr(load())


async def test_an_empty_todo_and_another_page_are_left_alone(world: World) -> None:
    empty = world.notion.todo(world.page, "")
    inner = world.notion.add(world.page, "child_page", title="Another page")
    elsewhere = world.notion.todo(inner, "of another page")
    await world.office.run(world.page)
    found = await world.office.todo(empty)
    assert (found["status"], found["reason"]) == ("skipped", {"code": "empty"})
    assert world.office.answers.asked == []
    assert world.notion.checked(elsewhere) is False
    await world.person.edit(empty, "now it says something")
    await world.office.tick()
    assert world.office.answers.asked == ["now it says something"]


async def test_a_page_that_is_too_deep_is_looked_at_as_far_as_the_limit(world: World) -> None:
    below = world.page
    for _ in range(12):
        below = world.notion.add(below, "toggle", "deeper")
        world.notion.todo(below, "here", checked=True)
    await world.office.run(world.page)
    assert await one(world.office.database, "select cut from dure.notion_page") == "depth"
    assert await one(world.office.database, "select count(*) from dure.notion_todo") == 9


async def test_results_of_ticked_todos_are_not_read_again_at_each_tick(world: World) -> None:
    await world.todos(*[f"todo {n}" for n in range(3)])
    await world.office.run(world.page)
    await world.office.tick()
    before = len(world.notion.calls)
    await world.office.tick()
    assert len(world.notion.calls) - before == 1


async def _let_time_pass(world: World) -> None:
    await rows(world.office.database, "update dure.clock set fake_now = null")


async def _nobody_runs(world: World) -> bool:
    statement = """select count(*) from dure.job
        where state = 'processing' or (state = 'pending' and run_at is null and blocked_by = 0)"""
    return await one(world.office.database, statement) == 0
