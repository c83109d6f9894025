"""The commands about intents, as a person at a terminal and a script use them."""

import asyncio
import json

import pytest

from commands import Quick, Shell
from dure.db.pool import Database
from dure.lang import say
from queueing import rows

pytestmark = pytest.mark.own_server

MISSING = "00000000-0000-7000-8000-000000000000"
EACH = ("intents", "submit", "test.exec.each", "--params")


@pytest.fixture
def shell(url, tmp_path) -> Shell:
    # The commands work on what they wait for: no worker runs.
    return Quick(
        tmp_path / "h",
        DURE_DATABASE_URL=url,
        DURE_IMPORTS="intending",
        DURE_TENANT="acme",
        DURE_OUTBOX_CHANNELS=f"file=file://{tmp_path}/sent",
    )


def sql(url, *statements) -> list:
    async def do() -> list:
        async with Database(url) as database:
            return [await rows(database, statement) for statement in statements]

    return asyncio.run(do())


def test_the_catalogue_and_what_the_policies_say(shell):
    listed = shell.json("intents", "list")
    keys = [one["key"] for one in listed]
    assert keys == sorted(keys)
    assert {"test.get.double", "test.exec.each", "attendance.exec.notify_guardians_late"} <= set(keys)
    assert len(keys) >= 72
    double = next(one for one in listed if one["key"] == "test.get.double")
    assert (double["effect"], double["policy"]["code"]) == ("read", "no_policy")
    made = shell.json("intents", "policy", "set", "test.*", "--allow", "--cap", "2", "--approval")
    assert (made["key"], made["allowed"], made["cap_per_day"], made["approval"]) == ("test.*", True, 2, True)
    allowed = [one["key"] for one in shell.json("intents", "list", "--allowed")]
    assert allowed == [key for key in keys if key.startswith("test.")]
    assert "with approval" in shell.run("intents", "list", "--category", "test").stdout
    assert "test.*" in shell.run("intents", "policy", "list").stdout
    shell.run("intents", "policy", "set", "test.exec.*", "--deny", "--note", "not now")
    shown = shell.run("intents", "show", "test.exec.each").stdout
    assert "The policy test.exec.* does not allow test.exec.each." in shown
    assert "good: integer  = 0" in shown
    shell.run("intents", "policy", "delete", "test.exec.*")
    assert shell.error("intents", "policy", "delete", "test.exec.*", code=7)["code"] == "not_found"
    assert shell.error("intents", "policy", "set", "Test", code=2)["errors"][0]["field"] == "key"
    assert shell.error("intents", "show", "test.get.nothing", code=7)["code"] == "not_found"


def test_a_sentence_finds_its_intent_and_nothing_is_done(shell, url):
    for sentence in ("지각한 학생 보호자에게 알려줘", "tell the guardians of late students"):
        candidates = shell.json("intents", "ask", sentence)["candidates"]
        assert {"intent_key", "confidence", "reason"} <= candidates[0].keys()
        assert candidates[0]["intent_key"] == "attendance.exec.notify_guardians_late"
        assert len(candidates) <= 3
    done = shell.run("intents", "ask", "tell", "the", "guardians", "of", "late", "students")
    assert "attendance.exec.notify_guardians_late" in done.stdout
    assert "dure intents submit attendance.exec.notify_guardians_late" in done.stderr
    assert "보호자" in shell.run("intents", "ask", "지각한 학생 보호자에게 알려줘", "--lang", "ko").stdout
    for noise in ("ㅁ", "a", "qwxz vbnm"):
        assert shell.json("intents", "ask", noise) == {"candidates": []}
    assert "Nothing" in shell.run("intents", "ask", "a").stderr
    assert sql(url, "select from dure.job", "select from dure.intent_request") == [[], []]


def test_submit_and_wait(shell):
    refused = shell.error("intents", "submit", "test.get.double", code=4)
    assert (refused["code"], refused["errors"][0]["field"]) == ("refused", "intent")
    shell.run("intents", "policy", "set", "*", "--cap", "2")
    found = shell.json("intents", "submit", "test.get.double", "--params", '{"n": 4}', "--wait")
    assert (found["state"], found["result"]["twice"], found["source"]) == ("completed", 8, "cli")
    assert shell.json("intents", "result", found["id"])["result"] == found["result"]
    assert "twice  8" in shell.run("intents", "result", found["id"]).stdout
    first = shell.run("intents", "submit", "test.get.double", "--params", '{"n": 5}').stdout.strip()
    again = shell.run("intents", "submit", "test.get.double", "--params", '{"n": 5}')
    assert (again.stdout.strip(), "already" in again.stderr) == (first, True)
    over = shell.error("intents", "submit", "test.get.double", "--params", '{"n": 6}', code=4)
    assert (over["code"], "2 times a day" in over["detail"]) == ("rate_limited", True)
    wrong = shell.error("intents", "submit", "test.get.double", "--params", '{"n": "x"}', code=2)
    assert wrong["errors"][0]["field"] == "params.n"
    failed = shell.run("intents", "submit", "test.get.swallows", "--wait", code=1)
    assert "ReturnedError" in failed.stdout


def test_partial_says_who_and_why(shell):
    shell.run("intents", "policy", "set", "*")
    text = shell.run(*EACH, '{"good": 2, "bad": 1, "gone": 1, "idle": 1}', "--wait", code=3)
    assert "done 2, skipped 1, changed since 1, failed 1" in text.stdout
    assert "bad:0  bad:0 is bad" in text.stdout
    assert "dure intents retry" in text.stderr
    (listed,) = shell.json("intents", "requests", "--state", "partial")["items"]
    failed = shell.json("intents", "targets", listed["id"], "--outcome", "failed")["items"]
    assert [one["target"]["id"] for one in failed] == ["bad:0"]
    assert "changed since" in shell.run("intents", "targets", listed["id"]).stdout
    again = shell.json("intents", "retry", listed["id"], "--wait", code=1)
    assert again["retry_of"] == listed["id"]


def test_approval(shell, url):
    sql(url, "create table public.thing (id int primary key, name text)", "insert into public.thing values (1, 'a')")
    shell.run("intents", "policy", "set", "*")
    made = shell.run("intents", "submit", "test.exec.rename", "--params", '{"name": "z"}', code=5)
    request_id = made.stdout.strip()
    assert f"dure intents approve {request_id}" in made.stderr
    assert shell.json("intents", "result", request_id, code=5)["state"] == "waiting"
    found = shell.run("intents", "approve", request_id, "--note", "fine", "--wait")
    assert "dure runs rollback" in found.stderr
    assert sql(url, "select name from public.thing") == [[("z",)]]
    other = shell.run("intents", "submit", "test.exec.rename", "--params", '{"name": "y"}', code=5).stdout.strip()
    both = shell.json("intents", "reject", other, MISSING, code=3)
    assert ([one["state"] for one in both["items"]], both["errors"][0]["code"]) == (["rejected"], "not_found")
    assert shell.error("intents", "approve", other, code=6)["code"] == "conflict"
    assert shell.error("intents", "cancel", MISSING, code=7)["code"] == "not_found"


def test_waiting_has_an_end(shell, url):
    shell.run("intents", "policy", "set", "*")
    shell.run("intents", "disable")
    slow = shell.run("intents", "submit", "test.get.double", "--wait", "--wait-timeout", "1s", code=8)
    assert "It goes on" in slow.stderr
    assert "dure intents result" in slow.stderr


def test_a_report_goes_into_a_file(shell, url, tmp_path):
    shell.run("intents", "policy", "set", "*")
    found = shell.json("intents", "submit", "test.get.double", "--wait")
    assert shell.error("intents", "result", found["id"], "--out", str(tmp_path / "r.md"), code=6)["code"] == "conflict"
    report = {"report": {"kind": "weekly", "title": "주간", "format": "markdown", "body": "# 이번 주\n"}, "data": {}}
    done = json.dumps(report, ensure_ascii=False)
    sql(url, f"update dure.job set result = '{done}' where id = '{found['job_id']}'")
    assert "# 이번 주" in shell.run("intents", "result", found["id"]).stdout
    shell.run("intents", "result", found["id"], "--out", str(tmp_path / "r.md"))
    assert (tmp_path / "r.md").read_text(encoding="utf-8") == "# 이번 주\n"
    assert shell.error("intents", "result", found["id"], "--out", str(tmp_path / "no" / "r.md"), code=2)


def test_a_restore_brings_the_switch_back_as_it_was(shell, url, tmp_path):
    shell.run("intents", "enable")
    shell.run("db", "backup", "--dir", str(tmp_path))
    shell.run("intents", "disable")
    shell.run("db", "restore", str(tmp_path / "latest_schema_backup.sql"), "--yes")
    assert sql(url, "select active from cron.job where jobname = 'worker-process-job'") == [[(True,)]]
    assert shell.json("intents", "status") == {"ticking": True, "running": True}


def test_the_switch(shell, url):
    assert shell.json("intents", "status") == {"ticking": False, "running": True}
    assert shell.json("intents", "enable") == {"ticking": True, "running": True}
    assert sql(url, "select active from cron.job where jobname = 'worker-process-job'") == [[(True,)]]
    assert "wait" in shell.run("intents", "disable").stdout
    assert "기다립니다" in shell.run("intents", "status", "--lang", "ko").stdout


def test_patterns_are_learned_and_switched_off(shell):
    learned = [shell.json("intents", "patterns", "learn", "double that", "test.get.double") for _ in range(2)]
    assert [round(one["confidence"], 6) for one in learned] == [0.8, 0.9]
    assert shell.json("intents", "ask", "double that")["candidates"][0]["intent_key"] == "test.get.double"
    pattern_id = learned[0]["id"]
    assert "double that" in shell.run("intents", "patterns", "list", "--holding", "double").stdout
    assert shell.json("intents", "patterns", "edit", pattern_id, "--off")["is_active"] is False
    keys = [one["intent_key"] for one in shell.json("intents", "ask", "double that")["candidates"]]
    assert "test.get.double" not in keys
    shell.run("intents", "patterns", "delete", pattern_id)
    assert shell.error("intents", "patterns", "delete", pattern_id, code=7)["code"] == "not_found"
    assert (
        shell.error("intents", "patterns", "learn", "a", "test.get.double", code=2)["errors"][0]["field"] == "pattern"
    )


def test_the_outbox(shell, url, tmp_path):
    shell.run("intents", "policy", "set", "*")
    params = json.dumps({"to": ["+820000", "+820001"], "text": "두레"}, ensure_ascii=False)
    shell.run("intents", "submit", "test.exec.say", "--params", params, "--wait")
    listed = shell.json("intents", "outbox", "list")["items"]
    assert sorted(one["to"] for one in listed) == ["+820000", "+820001"]
    sql(url, "update dure.outbox_message set state = 'unknown', sent_at = null where recipient = '+820000'")
    (unknown,) = shell.json("intents", "outbox", "list", "--state", "unknown")["items"]
    assert "nobody knows" in shell.run("intents", "outbox", "show", unknown["id"]).stdout
    both = shell.json("intents", "outbox", "was-sent", unknown["id"], MISSING, code=3)
    assert (both["items"][0]["state"], both["errors"][0]["code"]) == ("sent", "not_found")
    assert shell.error("intents", "outbox", "cancel", unknown["id"], code=6)["code"] == "conflict"
    sql(url, "update dure.outbox_message set state = 'failed', sent_at = null where recipient = '+820001'")
    (failed,) = shell.json("intents", "outbox", "list", "--state", "failed")["items"]
    assert shell.json("intents", "outbox", "again", failed["id"])["items"][0]["state"] == "planned"


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_narrow_terminal(shell, lang, monkeypatch, capsys):
    from dure.cli import output
    from dure.cli.intents_show import print_candidates
    from dure.intents.patterns import Candidate

    monkeypatch.setenv("DURE_LANG", lang)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    one = Candidate("a.b", 0.8, say("intents.allowed"), {"n": 1}, ("m",), MISSING, "x")
    print_candidates([one])
    lines = capsys.readouterr().out.splitlines()
    assert f"{say('intents.head_confidence')}" in lines[1]
    assert "80%" in lines[1]
    assert output.columns(lines[0]) <= 40
