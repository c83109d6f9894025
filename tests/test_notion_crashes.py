"""Crashes, stops and lost calls while a result is written: nothing is asked or written twice, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from dure import faults
from dure.db.pool import Database
from dure.queue.registry import Registry
from dure.queue.worker import Worker
from notioning import World, appends, opened
from queueing import TENANT, bury, one, settings, until
from sqlside import Clock


@pytest.fixture
async def world(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with opened(database, clock, monkeypatch) as made:
        yield made


class Crash(Exception):
    """As the end of a process would be: nothing after it happens in this start of the job."""


@contextmanager
def crashing(point: str, times: int = 1) -> Iterator[list[int]]:
    left = [times]

    def crash() -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise Crash

    with faults.armed(point, crash):
        yield left


POINTS = ("notion.answer_stored", "notion.write_began", "notion.appended", "notion.ticked")


@pytest.mark.parametrize("point", POINTS)
async def test_after_a_crash_nothing_is_asked_or_written_twice_and_nothing_is_lost(world: World, point: str) -> None:
    first, second = await world.todos("first", "second")
    with crashing(point) as left:
        await world.office.start(world.page)
        await _come_back(world)
        assert left == [0]
        await world.office.settle()
    assert world.office.answers.asked == ["first", "second"]
    assert await world.office.statuses(first, second) == ["done", "done"]
    assert await world.person.answer(first) == "answer to first"
    assert len(await world.person.beneath(first)) == 2
    assert await world.person.is_checked(first)


@pytest.mark.parametrize("point", POINTS)
async def test_a_window_that_ended_in_a_crash_is_continued_by_the_next(world: World, point: str) -> None:
    (todo,) = await world.todos("first")
    with crashing(point, times=1_000) as left:
        await world.office.start(world.page)
        await until(lambda: left[0] < 1_000)
        await world.office.pages.stop(TENANT, world.page, actor="kim")
        await world.office.settle()
    assert world.notion.answers(todo) in ([], ["answer to first"])
    await world.office.run(world.page)
    assert world.office.answers.asked == ["first"]
    assert await world.person.answer(todo) == "answer to first"
    assert len(await world.person.beneath(todo)) == 2
    assert await world.office.statuses(todo) == ["done"]


async def test_a_long_answer_that_was_half_written_is_written_to_its_end(world: World) -> None:
    (todo,) = await world.todos("much")
    long = "x" * 450_000
    world.office.answers.say = lambda params: long
    with crashing("notion.appended", times=1):
        await world.office.start(world.page)
        await _come_back(world)
        assert len(world.notion.below[todo]) < 200
        await world.office.settle()
    assert await world.person.answer(todo) == long
    assert [text for text in await world.person.beneath(todo) if text.startswith("dure:")] == [
        f"{_marker(world, todo)} {no}/3" for no in (1, 2, 3)
    ]


async def test_an_append_that_timed_out_but_was_done_is_not_done_again(world: World, monkeypatch) -> None:
    monkeypatch.setenv("DURE_NOTION_CALL_TIMEOUT_S", "0.3")
    (todo,) = await world.todos("first")
    world.notion.trouble(fits=appends, done_anyway=True, silent=True)
    await world.office.run(world.page)
    assert await world.state() == "open"
    await world.office.tick()
    assert (world.office.answers.asked, await world.person.answer(todo)) == (["first"], "answer to first")
    assert await world.office.statuses(todo) == ["done"]


@pytest.mark.parametrize("done_anyway", [False, True])
async def test_an_append_that_failed_is_looked_for_before_it_is_tried_again(world: World, done_anyway: bool) -> None:
    (todo,) = await world.todos("first")
    world.notion.trouble(503, fits=appends, done_anyway=done_anyway)
    await world.office.run(world.page)
    await world.office.tick()
    assert world.notion.answers(todo) == ["answer to first"]
    assert await world.office.statuses(todo) == ["done"]


async def test_a_stop_lets_what_is_being_written_come_to_its_end(world: World) -> None:
    first, second = await world.todos("first", "second")
    world.notion.hold = asyncio.Event()
    await world.office.start(world.page)
    await until(lambda: any(appends(call) for call in world.notion.calls))
    stopping = asyncio.create_task(world.office.pages.stop(TENANT, world.page, actor="kim"))
    await stopping
    world.notion.hold.set()
    await world.office.settle()
    await until(lambda: world.notion.checked(first))
    await until(lambda: _is(world, first, "done"))
    assert (world.notion.answers(first), world.notion.checked(second)) == (["answer to first"], False)


async def test_another_worker_takes_over_from_one_that_is_lost_while_it_writes(world: World) -> None:
    (todo,) = await world.todos("first")
    world.notion.hold = asyncio.Event()
    await world.office.start(world.page)
    await until(lambda: any(appends(call) for call in world.notion.calls))
    worker_id = await one(world.office.database, "select worker_id from dure.job where state = 'processing' limit 1")
    await bury(world.office.database, worker_id)
    world.notion.hold.set()
    other = Worker(world.office.database, Registry(world.office.answers.handlers()), settings(lease_s=3_000))
    await other.start()
    try:
        await world.office.settle()
    finally:
        await other.stop(0)
    assert (world.notion.answers(todo), world.notion.checked(todo)) == (["answer to first"], True)


async def _come_back(world: World) -> None:
    """Wait until a job waits to be tried again, and let its time come."""
    await until(lambda: one(world.office.database, "select count(*) from dure.job where run_at > dure.now()"))
    world.office.clock.advance(5)


def _marker(world: World, todo: str) -> str:
    last = world.notion.texts(todo)[-1]
    return last.partition(" ")[0]


async def _is(world: World, todo: str, status: str) -> bool:
    return await world.office.statuses(todo) == [status]
