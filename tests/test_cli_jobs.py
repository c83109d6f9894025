"""The commands over one database, with a worker in this process where one is needed."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg.conninfo import conninfo_to_dict

from commands import Quick, Shell
from dure.db.pool import Database
from dure.queue.registry import Registry
from dure.queue.worker import Worker
from dure.settings import Settings

pytestmark = pytest.mark.own_server

TENANT = "default"


@pytest.fixture
def shell(url, tmp_path) -> Shell:
    return Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_DEMO="1")


@asynccontextmanager
async def worker(url: str) -> AsyncIterator[Worker]:
    settings = Settings(database_url=url, demo=True)
    async with Database(settings) as database:
        running = Worker(database, Registry.build([], demo=True), settings)
        await running.start()
        yield running
        await running.stop(0)


async def in_thread(function, *arguments, **options):
    import asyncio

    return await asyncio.to_thread(function, *arguments, **options)


async def test_enqueue_wait_show_logs(shell, url):
    async with worker(url):
        done = await in_thread(shell.run, "jobs", "enqueue", "dure.demo.echo", "--params", '{"가": 1}', "--wait")
        assert json.loads(done.stdout) == {"가": 1}
        assert "completed" in done.stderr
        listed = await in_thread(shell.json, "jobs", "list")
    assert [job["state"] for job in listed["items"]] == ["completed"]
    job_id = listed["items"][0]["id"]
    shown = await in_thread(shell.json, "jobs", "show", job_id)
    assert shown["why"]["code"]
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["completed"]
    assert await in_thread(shell.json, "jobs", "logs", job_id) == {"items": [], "next_cursor": None}
    text = (await in_thread(shell.run, "jobs", "show", job_id)).stdout
    assert "completed" in text
    assert job_id in text


async def test_exit_codes_of_watch(shell, url):
    async with worker(url):
        failed = (await in_thread(shell.json, "jobs", "enqueue", "dure.demo.flaky", "--params", '{"class": "final"}'))[
            "id"
        ]
        await in_thread(shell.run, "jobs", "watch", failed, code=1)
        sleeps = (await in_thread(shell.json, "jobs", "enqueue", "dure.demo.sleep", "--params", '{"seconds": 300}'))[
            "id"
        ]
        await in_thread(shell.run, "jobs", "watch", sleeps, "--timeout", "0.2", code=8)
        await in_thread(shell.run, "jobs", "cancel", sleeps, "--reason", "enough")
        await in_thread(shell.run, "jobs", "watch", sleeps, code=6)


def test_options_reach_the_job(shell):
    first = shell.json("jobs", "enqueue", "dure.demo.echo", "--delay", "1h")["id"]
    made = shell.json(
        "jobs", "enqueue", "dure.demo.echo", "--queue", "mail", "--priority", "7", "--delay", "2h", "--deadline", "1d",
        "--max-retries", "1", "--timeout", "5m", "--unique-key", "k", "--depends-on", first, "--parent", first,
        "--tag", "a", "--tag", "b", "--limit-key", "l",
    )  # fmt: skip
    shown = shell.json("jobs", "show", made["id"])
    wanted = {
        "queue": "mail", "priority": 7, "max_retries": 1, "timeout_s": 300.0, "unique_key": "k", "parent_id": first,
        "tags": ["a", "b"], "limit_key": "l", "blocked_by": 1, "state": "pending",
    }  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted
    assert shell.json("jobs", "show", first)["children"] == {"pending": 1}
    again = shell.json("jobs", "enqueue", "dure.demo.echo", "--unique-key", "k")
    assert again == {"id": made["id"], "created": False}


def test_tenants_do_not_see_each_other(shell):
    mine = shell.json("jobs", "enqueue", "dure.demo.echo", "--tenant", "acme")["id"]
    assert shell.json("jobs", "list")["items"] == []
    assert shell.error("jobs", "show", mine, code=7)["code"] == "not_found"
    assert len(shell.json("jobs", "list", DURE_TENANT="acme")["items"]) == 1


def test_bad_input_names_its_field(shell):
    assert shell.error("jobs", "enqueue", "dure.demo.sleep", "--params", '{"seconds": "x"}', code=2)["errors"] == [
        {"field": "params.seconds", "detail": "This must be number."}
    ]
    assert shell.error("jobs", "enqueue", "no.such", code=2)["code"] == "unknown_handler"
    assert shell.error("jobs", "list", "--state", "gone", code=2)["errors"][0]["field"] == "state"
    assert shell.error("jobs", "show", "not-an-id", code=7)["code"] == "not_found"


def test_many_at_once_are_partial(shell):
    good = shell.json("jobs", "enqueue", "dure.demo.echo")["id"]
    bad = "00000000-0000-7000-8000-000000000000"
    answer = shell.json("jobs", "cancel", good, bad, code=3)
    assert [job["id"] for job in answer["items"]] == [good]
    assert [error["id"] for error in answer["errors"]] == [bad]
    assert shell.error("jobs", "cancel", good, code=6)["code"] == "conflict"
    assert shell.json("jobs", "retry", good)["items"][0]["state"] == "pending"


def test_pages(shell):
    for _ in range(3):
        shell.run("jobs", "enqueue", "dure.demo.echo")
    first = shell.json("jobs", "list", "--limit", "2")
    rest = shell.json("jobs", "list", "--limit", "2", "--cursor", first["next_cursor"])
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (2, 1, None)


def test_handlers_and_queues(shell):
    shell.run("jobs", "enqueue", "dure.demo.echo")
    assert "dure.demo.echo" in shell.run("handlers", "list").stdout
    assert shell.json("handlers", "pause", "dure.demo.echo")["paused_by"] == "cli"
    assert shell.json("handlers", "show", "dure.demo.echo")["paused_at"]
    assert {item["check"]: item["level"] for item in shell.json("doctor")["items"]}["paused"] == "warn"
    assert shell.json("handlers", "resume", "dure.demo.echo")["paused_at"] is None
    assert shell.json("queues", "pause", "default")["paused_at"]
    assert shell.json("queues", "list")["items"][0]["counts"] == {"ready": 1}
    assert shell.json("queues", "resume", "default")["paused_at"] is None
    assert shell.error("handlers", "pause", "no.such", code=7)["code"] == "not_found"


def test_check_imports_every_handler_and_needs_no_database(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text('HANDLERS = {"a.good": "json:dumps", "a.bad": "no_such_module:run"}\n')
    shell = Shell(tmp_path / "h", PYTHONPATH=str(tmp_path), DURE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    answer = shell.json("handlers", "check", "--import", "mine", code=1)
    problems = {item["handler"]: item["error"] for item in answer["items"] if not item["ok"]}
    assert problems.keys() >= {"a.bad"}
    assert "no_such_module" in problems["a.bad"]
    assert not (tmp_path / "h").exists()


def test_keys(shell):
    made = shell.json("keys", "create", "--name", "ci", "--scope", "viewer", "--expires", "30d")
    assert made["secret"].startswith("dure_")
    listed = shell.json("keys", "list")["items"]
    assert [key["id"] for key in listed] == [made["id"]]
    assert made["secret"] not in json.dumps(listed)
    assert shell.json("keys", "revoke", made["id"])["revoked_at"]
    assert shell.error("keys", "create", "--name", "x", "--scope", "king", code=2)["errors"][0]["field"] == "scope"


def test_db(shell, url, empty_url):
    assert conninfo_to_dict(shell.run("db", "url").stdout.strip()) == conninfo_to_dict(url)
    assert shell.json("db", "check") == {"problems": []}
    assert shell.json("db", "migrate") == {"applied": []}
    assert all(state["applied_at"] for state in shell.json("db", "status")["items"])
    shell.run("db", "check", code=1, DURE_DATABASE_URL=empty_url)
    fresh = shell.run("jobs", "list", code=1, DURE_DATABASE_URL=empty_url)
    assert fresh.stderr.startswith("not_migrated: ")
    assert shell.run("worker", code=1, DURE_DATABASE_URL=empty_url).stderr.startswith("not_migrated: ")
    assert shell.json("db", "migrate", DURE_DATABASE_URL=empty_url)["applied"]
    shell.run("db", "check", DURE_DATABASE_URL=empty_url)
    assert "create table if not exists dure.job" in shell.run("db", "sql").stdout


def test_shell_runs_a_statement(url, tmp_path):
    own = Shell(tmp_path / "h", DURE_DATABASE_URL=url)
    assert own.run("db", "shell", "-At", "-c", "select 41 + 1").stdout == "42\n"


def test_our_own_prompt(url, monkeypatch, capsys):
    import io

    from dure.runtime import prompt

    monkeypatch.setattr(sys, "stdin", io.StringIO("select 41 + 1, null\nnonsense\n\\q\nselect 7\n"))
    assert prompt.read_statements(url) == 0
    captured = capsys.readouterr()
    assert captured.out == "42\t\n"
    assert "syntax error" in captured.err


def test_doctor_of_a_database_without_a_worker(shell):
    answer = shell.json("doctor")
    levels = {item["check"]: item["level"] for item in answer["items"]}
    assert answer["healthy"]
    assert levels["workers"] == "warn"
    assert levels["durability"] == "warn", "the tests' server has fsync off"
    assert {name for name, level in levels.items() if level == "ok"} >= {
        "python", "database", "migrations", "roles", "row_security", "clock", "listener", "queues", "trouble",
    }  # fmt: skip


def test_doctor_of_a_sick_database(shell, empty_url):
    answer = shell.json("doctor", code=1, DURE_DATABASE_URL=empty_url)
    failed = {item["check"]: item for item in answer["items"] if item["level"] == "fail"}
    assert "dure db migrate" in failed["migrations"]["mend"]
    gone = shell.json("doctor", code=1, DURE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert [item["check"] for item in gone["items"] if item["level"] == "fail"] == ["database"]
