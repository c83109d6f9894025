"""A model that writes the advice: one request a user, within its limits, and nobody's failure is another's."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from dure.apps.interventions.budget import Budget
from dure.apps.interventions.endpoint import Endpoint, Pace
from dure.apps.interventions.facts import Facts, Food
from dure.apps.interventions.generator import Allowance, Ask, Unwritten, Written
from dure.apps.interventions.params import What
from dure.db.pool import Database
from intervening import DAY, Interventions, ModelServer, codes, interventions, pieces
from queueing import TENANT, rows

MARK, SALT = 4817, 7793
"""Figures that nothing else has."""
SECRET = "sk-very-secret-key"

Given = Callable[..., Awaitable[ModelServer]]


@pytest.fixture
async def made(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Interventions]:
    monkeypatch.setenv("DURE_TENANT", TENANT)
    async with interventions(database) as found:
        yield found


def use(monkeypatch: pytest.MonkeyPatch, server: ModelServer, **more: Any) -> None:
    given = {"URL": server.url, "MODEL": "test-model", "KEY": SECRET, "REQUESTS_PER_S": "1000", **more}
    for name, value in given.items():
        monkeypatch.setenv(f"DURE_INTERVENTIONS_{name}", str(value))


async def errors(made: Interventions, run: Any) -> dict[str, str]:
    return {
        str(change.subject): str(change.reason["params"]["error"]["code"])
        for change in await made.changes(run, "keep")
        if change.reason is not None and change.reason["code"] == "generator_failed"
    }


def ask(user: str = "1", lang: str = "en") -> Ask:
    facts = Facts(food=Food(meals=3, days=1, calories=MARK))
    return Ask(user, lang, What.model_validate({"date": DAY}).span(), "diet", facts)


def endpoint(server: ModelServer, **given: Any) -> Endpoint:
    async def at_once(_seconds: float) -> None:
        """Waits for nothing; how often it is asked is what the server counts."""

    return Endpoint(base_url=server.url, model="m", pace=Pace(1000), **{"pause": at_once, **given})


async def test_a_model_writes_and_what_it_was_told_is_kept_beside(
    made: Interventions, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await made.user("food", "exercise", id=90210771)
    await made.user("food")
    async with ModelServer() as server:
        use(monkeypatch, server)
        run = await made.made(kind="diet")
    assert (run.state, run.applied) == ("applied", 2)
    assert (user, DAY, "day", "Eat a vegetable more today.\nDrink water with it.") in await made.stored()
    output = (await rows(made.database, "select output from interventions_intervention"))[0][0]
    assert (output["model"], output["advice"][0]["topic"]) == ("test-model", "diet")
    body = server.asked[0]
    assert user not in str(server.asked), "who it is, is not told"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert '"calories": 2000' in body["messages"][1]["content"]


async def test_one_that_fails_is_stored_with_its_error_and_the_others_are_done(
    made: Interventions, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [await made.user() for _ in range(4)]
    for at, user in enumerate(users):
        await made.food(user, calories=MARK if at == 1 else 2000, sodium_mg=1800)
    async with ModelServer(lambda facts, _: 500 if facts["food"]["calories"] == MARK else usual_pieces()) as server:
        use(monkeypatch, server)
        monkeypatch.setattr("dure.apps.interventions.endpoint.RETRY_AFTER_MAX_S", 0.0)
        run = await made.made(kind="diet")
        assert (run.state, run.applied) == ("applied", 3)
        assert await errors(made, run) == {users[1]: "endpoint_unavailable"}
        said = (await made.skipped(run))[users[1]]
        assert said == "No advice was written: the model did not answer. HTTP 500"
        assert {row[0] for row in await made.stored()} == {users[0], users[2], users[3]}
        assert all(row[3] for row in await made.stored()), "no empty recommendation"
    async with ModelServer() as server:
        use(monkeypatch, server)
        again = await made.made(kind="diet")
    assert (again.applied, len(server.asked)) == (1, 1), "only who failed is asked about again"


def usual_pieces() -> dict[str, Any]:
    return pieces("One.", "Two.")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("no JSON at all", "answer_unreadable"),
        ("{}", "answer_unreadable"),
        ("[" * 5000, "answer_unreadable"),
        ({"advice": []}, "answer_too_many"),
        (pieces("Only one."), "answer_too_many"),
        (pieces("a", "b", "c", "d"), "answer_too_many"),
        (pieces("Fine.", "  "), "answer_empty"),
        (pieces("Fine.", "x" * 401), "answer_too_long"),
        (pieces("Fine.", "bell \x07"), "answer_unreadable"),
        (pieces("Fine.", "nul \x00"), "answer_unreadable"),
        (pieces("Fine.", "Sleep more.", topic="sleep"), "answer_topic"),
        (pieces("Fine.", "This looks like diabetes."), "answer_medical"),
        (pieces("Fine.", "Ask for a prescription."), "answer_medical"),
        (pieces("좋습니다.", "고혈압이 의심됩니다."), "answer_medical"),
        (pieces("좋습니다.", "약을 하루 두 번 복용하십시오."), "answer_medical"),
        (400, "endpoint_refused"),
        (401, "endpoint_refused"),
        (429, "endpoint_unavailable"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_that_users_failure(said: Any, error: str) -> None:
    async with ModelServer(lambda _facts, _number: said) as server:
        (answer,) = await endpoint(server).write([ask()], Allowance())
    assert isinstance(answer, Unwritten)
    assert answer.error == error


async def test_a_code_fence_and_an_endpoint_without_schemas_are_no_obstacle() -> None:
    import json

    fenced = f"```json\n{json.dumps(usual_pieces())}\n```"
    async with ModelServer(lambda _facts, number: 400 if number == 1 else fenced) as server:
        (answer,) = await endpoint(server).write([ask()], Allowance())
        assert isinstance(answer, Written)
        assert ["response_format" in body for body in server.asked] == [True, False]


async def test_a_model_that_is_away_for_a_moment_is_asked_again() -> None:
    async with ModelServer(lambda _facts, number: 503 if number < 3 else usual_pieces()) as server:
        (answer,) = await endpoint(server).write([ask()], Allowance())
    assert (isinstance(answer, Written), len(server.asked)) == (True, 3)


async def test_a_model_that_is_gone_is_soon_left_alone() -> None:
    async with ModelServer(lambda _facts, _number: 503) as server:
        answers = await endpoint(server, concurrency=1).write([ask(str(n)) for n in range(50)], Allowance())
    assert {one.error for one in answers if isinstance(one, Unwritten)} == {"endpoint_unavailable"}
    assert (len(answers), len(server.asked)) == (50, 15), "five users in a row, each three times"


async def test_no_more_is_spent_than_a_slice_may() -> None:
    asks = [ask(str(n)) for n in range(10)]
    async with ModelServer(tokens=900) as server:
        answers = await endpoint(server).write(asks, Allowance(requests=4))
        assert (sum(isinstance(one, Written) for one in answers), len(server.asked)) == (4, 4)
        assert [one.error for one in answers if isinstance(one, Unwritten)] == ["endpoint_budget_used"] * 6
        answers = await endpoint(server, concurrency=1).write(asks, Allowance(tokens=5_000))
        assert 3 <= sum(isinstance(one, Written) for one in answers) <= 5
        assert (await endpoint(server).write(asks[:1], Allowance(tokens=100)))[0] == Unwritten("endpoint_budget_used")


async def test_no_more_are_open_at_a_time_than_allowed_and_they_begin_in_their_time() -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    async with ModelServer() as server:
        model = Endpoint(base_url=server.url, model="m", concurrency=3, pace=Pace(0.01), pause=pause)
        await model.write([ask(str(n)) for n in range(12)], Allowance())
    assert server.open_most <= 3
    assert len(waited) == 11
    assert [round(seconds, -2) for seconds in waited] == [100.0 * n for n in range(1, 12)]


def test_the_shares_of_a_budget_are_never_more_than_it() -> None:
    counts = [0, 1, 7, 200, 3]
    shares = Budget(100, 10_000_000).shares(counts)
    assert sum(one["requests"] for one in shares) == 100
    assert sum(one["tokens"] for one in shares) <= 10_000_000
    assert all(one["requests"] <= count for one, count in zip(shares, counts, strict=True))
    plenty = Budget(100_000, 10_000_000).shares(counts)
    assert [one["requests"] for one in plenty] == [count * 3 for count in counts], "each may be asked for three times"
    assert sum(one["requests"] for one in Budget(1_000, 17_000).shares(counts)) == 10, "as many as the tokens last for"
    assert Budget(5, 5).shares([]) == []
    assert Budget(5, 100_000).shares([0, 0]) == [{"requests": 0, "tokens": 0}] * 2


async def test_a_runs_budget_holds_over_all_its_slices(made: Interventions, monkeypatch: pytest.MonkeyPatch) -> None:
    users = [await made.user("food") for _ in range(9)]
    async with ModelServer() as server:
        use(monkeypatch, server, REQUESTS_MAX=5, SLICE_USERS=2)
        run = await made.plan(kind="diet")
    assert (run.counts["create"], len(server.asked)) == (5, 5)
    assert set((await errors(made, run)).values()) == {"endpoint_budget_used"}
    assert len(await errors(made, run)) == len(users) - 5
    assert codes(await made.changes(run, "keep")) == ["generator_failed"] * 4


async def test_what_somebody_ate_reaches_no_log_no_job_and_no_event(
    made: Interventions, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    for _ in range(2):
        user = await made.user("exercise")
        await made.food(user, calories=MARK, sodium_mg=SALT)
    answers = [pieces(f"You had {MARK} kcal.", "Drink water."), "not JSON: " + str(MARK)]
    async with ModelServer(lambda _facts, number: answers[number - 1]) as server:
        use(monkeypatch, server)
        run = await made.plan()
        assert run.counts["create"] == 1
        assert set((await errors(made, run)).values()) == {"answer_unreadable"}
    monkeypatch.delenv("DURE_INTERVENTIONS_URL")
    assert (await made.made()).applied == 2
    text = "".join(capfd.readouterr()) + caplog.text
    assert "HTTP Request" in text, "there is a log"
    for table in ("job", "attempt", "job_log", "event", "run", "slice"):
        text += "".join(row[0] for row in await rows(made.database, f"select t::text from dure.{table} t"))
    reasons = await rows(made.database, "select reason::text from dure.change where kind = 'keep'")
    text += "".join(str(row[0]) for row in reasons)
    for mark in (str(MARK), str(SALT), SECRET):
        assert mark not in text
    stored = await rows(made.database, "select content, inputs::text from interventions_intervention")
    assert all(str(MARK) in row[1] for row in stored), "where it belongs, it is"
