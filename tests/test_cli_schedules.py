"""The commands about schedules, backfills and calendars, as a person at a terminal and a script use them."""

import asyncio
import io
import json
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from commands import Quick, Shell
from dure.cli.schedules_show import print_next
from dure.db.pool import Database
from dure.schedule.ahead import Ahead
from dure.schedule.ticker import Ticker
from dure.schedule.versions import zone_data_version
from queueing import settings

pytestmark = pytest.mark.own_server

NIGHTLY = ("schedules", "create", "nightly", "--daily", "02:00", "--zone", "Asia/Seoul", "--handler", "dure.demo.echo")
MISSING = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def shell(url, clock, tmp_path) -> Shell:
    clock.to("2026-03-02 12:00:00+00")
    return Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_DEMO="1", DURE_TENANT="acme")


def tick(url) -> int:
    """One look of a ticker."""

    async def look() -> int:
        async with Database(url) as database:
            return await Ticker(database, settings()).tick()

    return asyncio.run(look())


def test_a_schedule_from_create_to_delete(shell):
    made = shell.json(
        *NIGHTLY, "--params", '{"date": "{fire.date-1}"}', "--queue", "slow", "--tag", "a", "--jitter", "0"
    )
    assert (made["state"], made["next_fire_at"]) == ("active", "2026-03-02T17:00:00+00:00")
    assert (made["rule"], made["params"]) == ({"kind": "daily", "at": ["02:00"]}, {"date": "{fire.date-1}"})
    assert (made["options"], made["author"].split(":")[0]) == ({"queue": "slow", "tags": ["a"]}, "cli")
    assert shell.error(*NIGHTLY, code=6)["code"] == "conflict"
    text = shell.run("schedules", "list").stdout
    assert "nightly  active  daily at 02:00 (Asia/Seoul)  2026-03-02 17:00:00Z  dure.demo.echo" in text
    assert shell.json("schedules", "pause", "nightly")["state"] == "paused"
    assert "paused by cli:" in shell.run("schedules", "show", made["id"]).stdout
    assert shell.json("schedules", "resume", "nightly")["state"] == "active"
    put_off = shell.json("schedules", "snooze", "nightly", "--until", "2030-01-01")
    assert (put_off["state"], put_off["snoozed_until"]) == ("snoozed", "2029-12-31T15:00:00+00:00")
    assert shell.error("schedules", "snooze", "nightly", code=2)["errors"][0]["field"] == "until"
    fire = shell.json("schedules", "run", "nightly", "--params", '{"date": "today"}')
    assert (fire["cause"], fire["outcome"]) == ("manual", "made")
    assert shell.json("jobs", "show", fire["job_id"])["params"] == {"date": "today"}
    assert "By hand, by cli:" in shell.run("schedules", "history", "nightly").stdout
    assert shell.json("schedules", "delete", "nightly")["state"] == "deleted"
    assert shell.error("schedules", "show", "nightly", code=7)["code"] == "not_found"
    assert len(shell.json("schedules", "history", made["id"])["items"]) == 1


RULES = [
    (("--cron", "0 9 * * 1-5"), {"kind": "cron", "expr": "0 9 * * 1-5"}),
    (("--daily", "09:00,18:00"), {"kind": "daily", "at": ["09:00", "18:00"]}),
    (("--weekly", "Sun,wed@09:00"), {"kind": "weekly", "days": ["sun", "wed"], "at": ["09:00"]}),
    (("--monthly", "1,last@09:00"), {"kind": "monthly", "days": [1, -1], "at": ["09:00"]}),
    (("--monthly", "-1@09:00"), {"kind": "monthly", "days": [-1], "at": ["09:00"]}),
    (("--every", "15m"), {"kind": "interval", "every_s": 900, "anchor": "2026-03-02T12:00:00+00:00"}),
    (("--once", "2030-01-01T09:00", "--zone", "Asia/Seoul"), {"kind": "once", "at": "2030-01-01T00:00:00+00:00"}),
]


def test_every_kind_of_rule(shell):
    for number, (options, rule) in enumerate(RULES):
        assert shell.json("schedules", "create", f"n{number}", *options, "--handler", "dure.demo.echo")["rule"] == rule
    edited = shell.json("schedules", "edit", "n0", "--monthly", "15@10:00", "--catch-up", "all", "--overlap", "queue")
    assert (edited["rule"]["kind"], edited["catch_up"], edited["overlap"]) == ("monthly", "all", "queue")


WRONG = [
    ((), "--cron, --daily, --weekly, --monthly, --every, --once"),
    (("--daily", "09:00", "--every", "5m"), "--every"),
    (("--daily", "9"), "rule.at"),
    (("--weekly", "sunday"), "weekly"),
    (("--weekly", "sunday@09:00"), "rule.days"),
    (("--monthly", "first@09:00"), "monthly"),
    (("--every", "often"), "every"),
    (("--every", "500ms"), "every"),
    (("--once", "soon"), "once"),
    (("--cron", "* * *"), "rule.expr"),
    (("--daily", "09:00", "--zone", "Mars/Olympus"), "zone"),
    (("--daily", "09:00", "--params", "[1]"), "params"),
    (("--daily", "09:00", "--catch-up", "some"), "catch_up"),
    (("--daily", "09:00", "--mode", "apply"), "mode"),
]


def test_what_is_wrong_is_usage_and_names_its_field(shell):
    for options, field in WRONG:
        error = shell.error("schedules", "create", "n", "--handler", "dure.demo.echo", *options, code=2)
        assert [one["field"] for one in error["errors"]] == [field], options
    assert shell.error("schedules", "create", "n", "--daily", "09:00", "--handler", "no.such", code=2)["code"] == (
        "unknown_handler"
    )
    assert shell.json("schedules", "list")["items"] == []


def test_an_edit_changes_what_is_named(shell):
    shell.run(*NIGHTLY, "--ends", "2031-01-01", "--priority", "5", "--params", '{"a": 1}')
    edited = shell.json("schedules", "edit", "nightly", "--rename", "early", "--queue", "slow", "--ends", "")
    assert (edited["name"], edited["ends_at"], edited["revision"]) == ("early", None, 2)
    assert (edited["options"], edited["params"]) == ({"priority": 5, "queue": "slow"}, {"a": 1})
    error = shell.error("schedules", "edit", "early", "--daily", "03:00", "--revision", "1", code=6)
    assert "revision 1 was meant, 2 is there" in error["detail"]


def test_what_is_to_come_by_two_clocks(shell):
    holidays = '{"days": [{"date": "2026-03-04", "name": "the move"}]}'
    shell.run("calendars", "put", "holidays", holidays)
    shell.run(*NIGHTLY, "--calendar", "holidays")
    shown = shell.json("schedules", "next", "nightly", "--count", "3", "--zone", "America/New_York")
    assert [item["in_yours"] for item in shown["items"]] == [
        "2026-03-02T12:00:00-05:00", "2026-03-03T12:00:00-05:00", "2026-03-04T12:00:00-05:00",
    ]  # fmt: skip
    assert [item["blocked"] and item["blocked"]["code"] for item in shown["items"]] == [None, "day", None]
    lines = shell.run("schedules", "next", "nightly", "--zone", "Europe/Berlin").stdout.splitlines()
    assert lines[0].split() == ["Asia/Seoul", "Europe/Berlin", "WHY"]
    assert lines[1].split() == ["2026-03-03", "02:00:00+09:00", "2026-03-02", "18:00:00+01:00"]
    assert lines[2].startswith("✗")
    assert "The calendar leaves out this day: the move." in lines[2]
    assert len(lines) == 11
    shell.run("schedules", "pause", "nightly")
    paused = shell.run("schedules", "next", "nightly")
    assert len(paused.stdout.splitlines()) == 11
    assert "not active now (paused)" in paused.stderr
    korean = shell.run("schedules", "show", "nightly", "--lang", "ko").stdout
    assert "일시 정지" in korean


def test_a_blocked_fire_is_struck_out_on_a_terminal(shell):
    shell.run(*NIGHTLY)
    schedule = asyncio.run(_found(shell.environment["DURE_DATABASE_URL"]))
    at = datetime(2026, 3, 4, tzinfo=UTC)
    fires = [Ahead(at, None), Ahead(at, {"code": "weekday", "params": {"name": "wed"}})]

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with redirect_stdout(screen), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("COLUMNS", "160")
        patch.delenv("NO_COLOR", raising=False)
        print_next(schedule, fires, ZoneInfo("UTC"))
    first, second = screen.getvalue().splitlines()[1:3]
    assert "\x1b[" not in first
    assert "\x1b[2;9m" in second


async def _found(url):
    from dure.schedule.service import Schedules

    async with Database(url) as database:
        return await Schedules(database, settings()).get("acme", "nightly")


def test_history_says_what_was_not_made_and_why(shell, url, clock):
    shell.run("schedules", "create", "often", "--cron", "* * * * *", "--handler", "dure.demo.echo")
    for _ in range(2):
        clock.advance(60)
        tick(url)
    items = shell.json("schedules", "history", "often")["items"]
    assert [(item["outcome"], (item["reason"] or {}).get("code")) for item in items] == [
        ("skipped", "overlap"), ("made", None),
    ]  # fmt: skip
    assert "The job before it was still running." in shell.run("schedules", "history", "often").stdout
    skipped = shell.run("schedules", "history", "often", "--outcome", "skipped", "--lang", "ko").stdout
    assert "건너뜀" in skipped
    assert shell.error("schedules", "history", "often", "--outcome", "lost", code=2)["errors"][0]["field"] == "outcome"


def test_a_backfill_is_shown_before_it_is_made(shell, url):
    shell.run(*NIGHTLY)
    wanted = ("schedules", "backfill", "nightly", "--from", "2026-02-25", "--until", "2026-02-28")
    assert shell.error(*wanted, code=2)["errors"][0]["field"] == "--yes"
    preview = shell.run(*wanted, "--preview")
    assert preview.stdout.splitlines() == [f"2026-02-{day} 02:00:00+09:00" for day in (25, 26, 27)]
    assert shell.json(*wanted, "--preview")["count"] == 3
    backfill = shell.json(*wanted, "--at-once", "2", "--yes")
    assert (backfill["state"], backfill["counts"]) == ("running", {"pending": 3})
    assert tick(url) == 2
    assert shell.json("backfills", "pause", backfill["id"])["state"] == "paused"
    assert shell.json("backfills", "resume", backfill["id"])["state"] == "running"
    shown = shell.json("backfills", "show", backfill["id"], "--state", "made")
    assert [fire["fire_at"] for fire in shown["fires"]] == ["2026-02-24T17:00:00+00:00", "2026-02-25T17:00:00+00:00"]
    assert shell.json("backfills", "cancel", backfill["id"])["state"] == "cancelled"
    assert shell.error("backfills", "pause", backfill["id"], code=6)["code"] == "conflict"
    assert shell.json("backfills", "retry", backfill["id"])["counts"]["pending"] == 1
    assert "1 pending" in shell.run("backfills", "list", "nightly").stdout
    assert shell.error("backfills", "show", MISSING, code=7)["code"] == "not_found"
    nothing = ("schedules", "backfill", "nightly", "--from", "2026-02-25T03:00", "--until", "2026-02-25T04:00", "--yes")
    assert "nothing to do" in shell.error(*nothing, code=6)["detail"]


def test_a_long_backfill_shows_its_ends(shell):
    shell.run(*NIGHTLY)
    wanted = ("schedules", "backfill", "nightly", "--from", "2026-01-01", "--until", "2026-02-01", "--preview")
    lines = shell.run(*wanted).stdout.splitlines()
    assert (lines[0], lines[10], lines[-1]) == (
        "2026-01-01 02:00:00+09:00", "… 11 more …", "2026-01-31 02:00:00+09:00",
    )  # fmt: skip


def test_check_shows_what_an_upgrade_moves(shell, url):
    shell.run(*NIGHTLY)
    checked = shell.run("schedules", "check").stdout
    assert checked.startswith("tzdata ")
    assert "Schedules whose next fire would move: 0." in checked
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update dure.schedule set next_fire_at = next_fire_at + '1 hour'")
    found = shell.json("schedules", "check", code=3)
    assert [(item["name"], item["expected_at"]) for item in found["items"]] == [
        ("nightly", "2026-03-02T17:00:00+00:00")
    ]
    assert "2026-03-02 18:00:00Z" in shell.run("schedules", "check", code=3).stdout
    assert shell.json("schedules", "check", "--repair")["repaired"]
    assert shell.json("schedules", "check")["items"] == []


def test_the_version_of_the_zones_is_that_of_the_files_in_use(tmp_path):
    (tmp_path / "UTC").touch()
    assert zone_data_version((str(tmp_path),)) == f"? ({tmp_path})"
    (tmp_path / "tzdata.zi").write_text("# version 2031c\nR d 1916 o - Jun 14 23s 1 S\n")
    assert zone_data_version(("/nowhere", str(tmp_path))) == "2031c"
    assert zone_data_version(("/nowhere",))[:2] == "20"


TOML = """
[[schedules]]
name = "nightly"
rule = {kind = "daily", at = ["02:00"]}
zone = "Asia/Seoul"
handler = "dure.demo.echo"
params = {date = "{fire.date-1}"}

[[schedules]]
name = "tick"
rule = {kind = "interval", every_s = 900}
handler = "dure.demo.echo"
starts_at = 2026-03-03T00:00:00+09:00
"""


def test_schedules_from_a_file(shell, tmp_path):
    file = tmp_path / "schedules.toml"
    file.write_text(TOML)
    shell.run("schedules", "create", "old", "--daily", "02:00", "--handler", "dure.demo.echo")
    preview = shell.json("schedules", "apply", "-f", str(file), "--preview", "--prune")
    actions = [("nightly", "create"), ("tick", "create"), ("old", "delete")]
    assert [(item["name"], item["action"]) for item in preview["items"]] == actions
    assert len(shell.json("schedules", "list")["items"]) == 1
    assert "create" in shell.run("schedules", "apply", "-f", str(file)).stdout
    file.write_text(TOML.replace("every_s = 900", "every_s = 600"))
    again = shell.json("schedules", "apply", "-f", str(file))["items"]
    assert [(item["action"], item["fields"]) for item in again] == [("keep", []), ("edit", ["rule"])]
    other = tmp_path / "schedules.json"
    other.write_text(json.dumps({"schedules": [{"name": "x", "rule": {"kind": "daily", "at": ["2"]}}]}))
    error = shell.error("schedules", "apply", "-f", str(other), code=2)
    assert error["errors"][0]["field"] == "schedules[0].rule.at"
    for text, field in [
        ("nonsense", "file"), ('{"schedules": {}}', "schedules"),
        ('{"schedules": [{"name": "x"}]}', "schedules[0].rule"),
        ('{"schedules": [{"name": "x", "rule": {}, "zone": 5}]}', "schedules[0].zone"),
        ('{"schedules": [{"name": ["x"], "rule": {}}]}', "schedules[0].name"),
        ('{"schedules": [{"name": "x", "rule": {}, "options": []}]}', "schedules[0].options"),
    ]:  # fmt: skip
        other.write_text(text)
        assert shell.error("schedules", "apply", "-f", str(other), code=2)["errors"][0]["field"] == field
    assert shell.error("schedules", "apply", "-f", "/nowhere.toml", code=2)["errors"][0]["field"] == "file"


def test_the_example_file_is_as_it_says_at_once_and_stays_so(shell):
    file = str(Path(__file__).parent.parent / "examples" / "schedules.toml")
    assert [item["action"] for item in shell.json("schedules", "apply", "-f", file)["items"]] == ["create"] * 4
    assert [item["action"] for item in shell.json("schedules", "apply", "-f", file)["items"]] == ["keep"] * 4


def test_calendars(shell, tmp_path):
    file = tmp_path / "night.json"
    file.write_text('{"weekdays": ["sun"], "blackouts": [{"daily": ["22:00", "06:00"], "name": "night"}]}')
    shell.run("calendars", "put", "night", f"@{file}")
    assert shell.run("calendars", "show", "night").stdout.splitlines() == ["Sunday", "22:00 – 06:00  night"]
    assert shell.json("calendars", "list")["items"][0]["weekdays"] == ["sun"]
    shell.run(*NIGHTLY, "--calendar", "night")
    assert shell.error("calendars", "delete", "night", code=6)["code"] == "conflict"
    shell.run("schedules", "edit", "nightly", "--calendar", "")
    shell.run("calendars", "delete", "night")
    assert shell.error("calendars", "show", "night", code=7)["code"] == "not_found"


def test_doctor_names_schedules_that_nobody_lets_fire_and_those_that_cannot(shell, url, clock):
    shell.run(*NIGHTLY)
    shell.run("schedules", "create", "often", "--cron", "* * * * *", "--handler", "dure.demo.echo")
    levels = {item["check"]: item["code"] for item in shell.json("doctor")["items"]}
    assert (levels["schedules"], levels["fires"]) == ("schedules", "fires")
    clock.advance(300)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            """update dure.schedule set disabled_at = dure.now(), disabled_reason = '{"code": "error"}'
               where name = 'nightly'"""
        )
    found = {item["check"]: item for item in shell.json("doctor")["items"]}
    assert (found["schedules"]["level"], found["schedules"]["params"]) == ("warn", {"count": 1, "names": "nightly"})
    assert (found["fires"]["level"], found["fires"]["params"]) == ("warn", {"count": 1, "late_s": "240"})
    assert "dure worker" in found["fires"]["mend"]
    assert "disabled since" in shell.run("schedules", "show", "nightly").stdout


@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York"])
def test_the_machines_zone_decides_only_what_is_shown_beside(shell, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    shell.environment["TZ"] = zone
    time.tzset()
    try:
        made = shell.json(*NIGHTLY, "--ends", "2026-03-10T03:00")
        (first,) = shell.json("schedules", "next", "nightly", "--count", "1")["items"]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (made["next_fire_at"], made["ends_at"]) == ("2026-03-02T17:00:00+00:00", "2026-03-09T18:00:00+00:00")
    assert first["in_zone"] == "2026-03-03T02:00:00+09:00"
    assert datetime.fromisoformat(first["in_yours"]) == datetime.fromisoformat(first["at"])
    assert first["in_yours"][-6:] == {"Asia/Seoul": "+09:00", "America/New_York": "-05:00"}[zone]
