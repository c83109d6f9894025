"""The commands about windows: opened once, closed once, and an exit code that says which."""

import psycopg
import pytest

from commands import Quick, Shell
from test_cli_schedules import tick

pytestmark = pytest.mark.own_server

INBOX = ("windows", "start", "inbox", "--handler", "dure.demo.echo", "--every", "1m", "--for", "3m")


@pytest.fixture
def shell(url, clock, tmp_path) -> Shell:
    clock.to("2026-03-02 12:00:00+00")
    return Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_DEMO="1", DURE_TENANT="acme")


def test_a_window_is_opened_once_and_stopped_once(shell):
    window = shell.json(*INBOX, "--params", '{"page": 7}')
    assert (window["state"], window["ticks"], window["every_s"]) == ("open", 1, 60)
    assert window["ends_at"] == "2026-03-02T12:03:00+00:00"
    assert "A window of inbox is open already." in shell.error(*INBOX, code=6)["detail"]
    (job,) = shell.json("jobs", "list")["items"]
    assert job["params"] == {"page": 7, "window_id": window["id"]}
    text = shell.run("windows", "status", "inbox").stdout
    assert "1 minute" in text
    assert "inbox" in shell.run("windows", "list", "--open").stdout
    stopped = shell.json("windows", "stop", "inbox", "--reason", "enough")
    assert (stopped["state"], stopped["reason"]["code"]) == ("stopped", "stopped")
    assert stopped["reason"]["text"].endswith("stopped it: enough")
    assert shell.error("windows", "stop", "inbox", code=6)["code"] == "conflict"
    assert shell.error("windows", "stop", "other", code=7)["code"] == "not_found"
    assert shell.json("windows", "list", "--open")["items"] == []
    korean = shell.run("windows", "status", "inbox", "--lang", "ko").stdout
    assert "중지됨" in korean


def test_a_window_elapses_by_the_databases_clock(shell, url, clock):
    shell.run(*INBOX)
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(4):
            connection.execute("select dure.end_jobs(array(select id from dure.job), 'completed', null, null)")
            clock.advance(60)
            tick(url)
    over = shell.json("windows", "status", "inbox")
    assert (over["state"], over["ticks"], over["closed_by"]) == ("elapsed", 3, None)
    assert shell.json(*INBOX)["state"] == "open"
    assert [item["state"] for item in shell.json("windows", "list")["items"]] == ["open", "elapsed"]


def test_what_is_wrong_names_its_field(shell):
    for options, field in [
        (("--every", "often"), "every"), (("--every", "0"), "every_s"), (("--for", "2000d"), "for_s"),
        (("--params", "7"), "params"), (("--handler", "no.such"), "handler"),
    ]:  # fmt: skip
        assert shell.error(*INBOX, *options, code=2)["errors"][0]["field"] == field
    assert shell.run("windows", "start", "inbox", code=2).stdout == ""
    assert shell.json("windows", "list")["items"] == []
