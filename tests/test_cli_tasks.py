"""The commands about tasks: asked for, previewed, explained, followed, stopped, tried again."""

import asyncio

import pytest

from commands import Quick, Shell
from dure.agents.model import NewAgent
from dure.agents.work import Agents
from dure.db.pool import Database
from dure.settings import Settings

pytestmark = pytest.mark.own_server

SEARCH = ("--capability", "search")
MISSING = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def shell(url, tmp_path) -> Shell:
    return Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_TENANT="acme")


def with_agent(url, work):
    """Do something as an agent that can search."""

    async def go():
        settings = Settings(database_url=url)
        async with Database(settings) as database:
            agents = Agents(database, settings)
            new = NewAgent(agent_id="r1", class_="research", version="1.9.0", capabilities=("search",), capacity=9)
            session = await agents.register("acme", new)
            await work(agents, session)

    asyncio.run(go())


def end(url, *, well=True):
    """Take all tasks that wait, and end them."""

    async def work(agents, session):
        for task in await agents.claim("acme", "r1", session.epoch, most=9):
            at = ("acme", "r1", session.epoch, task.task_id, task.claim_id)
            await (
                agents.complete(*at, {"found": 3})
                if well
                else agents.fail(*at, error_class="Wrong", message="no page", retry=False)
            )

    with_agent(url, work)


def test_submit_show_list_watch(shell, url):
    made = shell.json("tasks", "submit", *SEARCH, "--params", '{"q": "조석"}', "--title", "tides", "--tag", "sea")
    assert (made["created"], made["params"], made["needs"]["capabilities"]) == (True, {"q": "조석"}, ["search"])
    plain = shell.run("tasks", "submit", "--class", "index", "--unique-key", "day-1").stdout.strip()
    again = shell.run("tasks", "submit", "--class", "index", "--unique-key", "day-1")
    assert again.stdout.strip() == plain
    assert "exists already" in again.stderr
    end(url)
    assert shell.json("tasks", "watch", made["id"])["result"] == {"found": 3}
    assert shell.run("tasks", "watch", made["id"]).stdout.strip() == '{"found": 3}'
    shown = shell.json("tasks", "show", made["id"])
    assert (shown["state"], shown["agent_id"]) == ("completed", "r1")
    text = shell.run("tasks", "show", made["id"], "--lang", "ko").stdout
    assert "할 수 있는 에이전트 가운데 먼저 청하는 쪽이 맡습니다." in text
    listed = shell.json("tasks", "list")
    assert [one["id"] for one in listed["items"]] == [plain, made["id"]]
    assert [one["id"] for one in shell.json("tasks", "list", "--agent", "r1")["items"]] == [made["id"]]
    assert [one["id"] for one in shell.json("tasks", "list", "--class", "index", "--state", "pending")["items"]] == [
        plain
    ]
    assert shell.json("tasks", "list", "--strategy", "direct")["items"] == []
    assert [one["id"] for one in shell.json("tasks", "list", "--root", plain)["items"]] == [plain]
    assert "index:" in shell.run("tasks", "list").stdout
    assert shell.run("tasks", "submit", "--class", "index", "--wait", "--wait-timeout", "50ms", code=8).stdout == ""


def test_preview_and_why(shell, url):
    nobody = shell.json("tasks", "preview", *SEARCH, "--strategy", "least_loaded")
    assert (nobody["chosen"], nobody["reason"]["code"]) == (None, "no_candidate")
    task_id = shell.run("tasks", "submit", *SEARCH, "--strategy", "least_loaded").stdout.strip()
    waits = shell.json("tasks", "why", task_id)
    assert (waits["waits_for"]["code"], waits["choices"][0]["reason"]["code"]) == ("no_agent_can", "no_candidate")

    async def nothing(_agents, _session):
        pass

    with_agent(url, nothing)
    chosen = shell.json("tasks", "preview", *SEARCH, "--strategy", "round_robin")
    assert (chosen["chosen"], chosen["reason"]["text"]) == ("r1", "It is the turn of r1.")
    text = shell.run("tasks", "preview", *SEARCH, "--strategy", "least_loaded").stdout
    assert "r1 has the most room." in text
    assert text.splitlines()[-1].split()[:4] == ["r1", "alive", "0.00", "0/9"]
    named = shell.run("tasks", "submit", "--agent", "r1").stdout.strip()
    text = shell.run("tasks", "why", named).stdout
    assert "r1 was named." in text
    korean = shell.run("tasks", "why", named, "--lang", "ko").stdout
    assert "r1을(를) 지정했습니다." in korean
    assert len(shell.json("tasks", "list")["items"]) == 2


def test_cancel_and_retry(shell, url):
    one, two = (shell.run("tasks", "submit", *SEARCH).stdout.strip() for _ in range(2))
    done = shell.json("tasks", "cancel", one, MISSING, "--reason", "enough", code=3)
    assert ([task["state"] for task in done["items"]], done["errors"][0]["code"]) == (["cancelled"], "not_found")
    assert shell.run("tasks", "watch", one, code=6).stdout == ""
    end(url, well=False)
    assert shell.run("tasks", "watch", two, code=1).stdout == ""
    assert shell.json("tasks", "show", two)["error"] == "no page"
    again = shell.run("tasks", "retry", one, two).stdout.split()
    assert again == [one, "pending", two, "pending"]
    assert shell.error("tasks", "retry", one, code=6)["code"] == "conflict"


def test_what_is_wrong_has_its_exit_code(shell):
    for arguments, field in (
        (("--strategy", "guess"), "strategy"), (("--strategy", "direct"), "agent"), (("--params", "7"), "params"),
        (("--strategy", "sticky"), "sticky_key"), (("--deadline", "soon"), "deadline"),
    ):  # fmt: skip
        assert shell.error("tasks", "submit", *arguments, code=2)["errors"][0]["field"] == field
    assert shell.error("tasks", "submit", "--agent", "nobody", code=7)["code"] == "not_found"
    assert shell.error("tasks", "submit", "--handler", "no.such", code=2)["code"] == "unknown_handler"
    for verb in ("show", "why", "watch"):
        assert shell.error("tasks", verb, MISSING, code=7)["code"] == "not_found"
    assert shell.json("tasks", "list")["items"] == []
