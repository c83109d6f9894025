"""A window over a page: what it finds, works and writes. On our Notion, and on the real one if it is given."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

import notion_server
from dure.db.pool import Database
from notioning import REAL_KEY, REAL_PAGE, Answers, Office, Person, configure, fake, real, working
from sqlside import Clock

NEEDS_REAL = pytest.mark.skipif(not (REAL_KEY and REAL_PAGE), reason="NOTION_API_KEY and NOTION_TEST_PAGE are not set")


@dataclass
class World:
    office: Office
    person: Person
    page: str
    notion: notion_server.Notion | None

    @property
    def answers(self) -> Answers:
        return self.office.answers


@pytest.fixture(params=["ours", pytest.param("real", marks=[NEEDS_REAL, pytest.mark.timeout(600)])])
async def world(
    request: pytest.FixtureRequest, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    async with fake() if request.param == "ours" else real() as (person, page, notion):
        configure(monkeypatch, person)
        async with working(database, clock) as office:
            yield World(office, person, page, notion)


async def test_todos_are_worked_in_the_pages_order_answered_beneath_and_ticked(world: World) -> None:
    person, page = world.person, world.page
    await person.add(page, "paragraph", "Not a to-do")
    ids = [await person.todo(page, text) for text in ("first", "두 번째", "third")]
    await world.office.run(page)
    assert world.answers.asked == ["first", "두 번째", "third"]
    assert [await person.is_checked(block_id) for block_id in ids] == [True] * 3
    assert [await person.answer(block_id) for block_id in ids] == [
        "answer to first",
        "answer to 두 번째",
        "answer to third",
    ]
    assert await world.office.statuses(*ids) == ["done"] * 3
    # What the app did itself is no news to it.
    await world.office.tick()
    assert len(world.answers.asked) == 3
    assert [len(await person.beneath(block_id)) for block_id in ids] == [2] * 3


async def test_nested_ones_and_those_beyond_the_first_hundred_are_found(world: World) -> None:
    person, page = world.person, world.page
    many = await person.add(page, "to_do", *[f"one of many {n}" for n in range(130)], checked=True)
    [toggle] = await person.add(page, "toggle", "a list")
    [bullet] = await person.add(toggle, "bulleted_list_item", "a point")
    deep = await person.todo(bullet, "deep")
    deeper = await person.todo(deep, "deeper")
    below_ticked = await person.todo(many[120], "below a ticked one")
    await world.office.run(page)
    assert sorted(world.answers.asked) == ["below a ticked one", "deep", "deeper"]
    assert await world.office.statuses(deep, deeper, below_ticked, many[129]) == ["done"] * 4
    assert (await world.office.todo(many[129]))["reason"] == {"code": "ticked"}
    assert await person.answer(deeper) == "answer to deeper"


async def test_a_long_answer_is_split_to_the_limits_and_reads_as_it_was(world: World) -> None:
    long = "".join(f"{n}번째 줄입니다.\n" for n in range(600))[:5_000]
    world.answers.say = lambda params: long
    todo = await world.person.todo(world.page, "write much")
    await world.office.run(world.page)
    texts = await world.person.beneath(todo)
    assert len(texts) == 4
    assert "".join(texts[:-1]) == long
    assert max(map(len, texts)) <= 2_000


async def test_what_a_person_does_between_two_ticks_is_noticed(world: World) -> None:
    person, page, office = world.person, world.page, world.office
    kept, edited, ticked, removed = [await person.todo(page, text) for text in ("kept", "edited", "ticked", "removed")]
    await office.run(page)
    await person.check(kept, False)
    await person.check(edited, False)
    await person.edit(edited, "edited anew")
    await person.remove(removed)
    later = await person.todo(page, "later")
    world.answers.asked.clear()
    await office.tick()
    assert world.answers.asked == ["kept", "edited anew", "later"]
    assert await person.answer(kept) == "answer to kept" * 2
    assert await person.answer(edited) == "answer to editedanswer to edited anew"
    assert await office.statuses(kept, edited, ticked, later) == ["done"] * 4
    gone = await office.todo(removed)
    assert (gone["status"], gone["removed_at"] is not None) == ("done", True)


async def test_what_a_person_does_while_another_is_worked_is_noticed(world: World) -> None:
    person, page, office = world.person, world.page, world.office
    first, ticked, edited, removed = [
        await person.todo(page, text) for text in ("first", "ticked", "edited", "removed")
    ]

    async def meanwhile(params: dict) -> str:
        if params["text"] == "first":
            await person.check(ticked)
            await person.edit(edited, "edited anew")
            await person.remove(removed)
        return f"answer to {params['text']}"

    world.answers.say = meanwhile
    await office.run(page)
    assert world.answers.asked == ["first", "edited anew"]
    assert await person.beneath(ticked) == []
    assert (await office.todo(ticked))["reason"] == {"code": "ticked"}
    assert await person.answer(edited) == "answer to edited anew"
    gone = await office.todo(removed)
    assert (gone["status"], gone["reason"]) == ("skipped", {"code": "removed"})
    assert await person.is_checked(first)


async def test_an_answer_to_what_the_todo_no_longer_says_is_not_written(world: World) -> None:
    person, page, office = world.person, world.page, world.office
    edited, ticked = [await person.todo(page, text) for text in ("edit me", "tick me")]

    async def meanwhile(params: dict) -> str:
        if params["text"] == "edit me":
            await person.edit(edited, "edited")
        elif params["text"] == "tick me":
            await person.check(ticked)
        return f"answer to {params['text']}"

    world.answers.say = meanwhile
    await office.run(page)
    assert world.answers.asked == ["edit me", "edited", "tick me"]
    assert await person.answer(edited) == "answer to edited"
    assert await person.beneath(ticked) == []
    assert await office.statuses(edited, ticked) == ["done", "done"]
