"""The example's handler, asked by a window, with a model that is a test's own."""

import importlib.util
from pathlib import Path

from judging import JudgeServer
from notioning import configure, fake, working

EXAMPLE = Path(__file__).parents[1] / "examples" / "notion" / "answers.py"


def handler_of_the_example():
    spec = importlib.util.spec_from_file_location("answers", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.answer


async def test_a_model_works_the_todos(database, clock, monkeypatch):
    async with fake() as (person, page, _notion), JudgeServer(raw="우유 두 팩을 적어 두었습니다.\n") as model:
        configure(monkeypatch, person, DURE_NOTION_HANDLER="example.answer", MODEL_URL=model.url, MODEL_KEY="sk-1")
        todo = await person.todo(page, "우유 사기")
        async with working(database, clock, extra=[handler_of_the_example()]) as office:
            await office.run(page)
        assert await person.answer(todo) == "우유 두 팩을 적어 두었습니다."
        assert model.asked[0]["messages"][-1] == {"role": "user", "content": "우유 사기"}


async def test_a_model_that_answers_nothing_or_is_away_is_a_failure_of_the_todo(database, clock, monkeypatch):
    async with (
        fake() as (person, page, _notion),
        JudgeServer(raw="  ") as silent,
        JudgeServer(raw="", status=503) as away,
    ):
        configure(monkeypatch, person, DURE_NOTION_HANDLER="example.answer", MODEL_URL=silent.url)
        todo = await person.todo(page, "우유 사기")
        async with working(database, clock, extra=[handler_of_the_example()]) as office:
            await office.run(page)
            assert (await office.todo(todo))["reason"]["params"]["text"] == "the model answered nothing"
            monkeypatch.setenv("MODEL_URL", away.url)
            await office.tick()
            found = await office.todo(todo)
        assert (found["status"], found["attempts"]) == ("pending", 2)
        assert "503" in found["reason"]["params"]["text"]
        assert await person.beneath(todo) == []
