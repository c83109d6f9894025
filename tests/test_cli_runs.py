"""The commands about runs: with nothing else running, as a person at a terminal sees them, and as a script does."""

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import psycopg
import pytest

from commands import Quick, Shell
from dure.cli import output
from dure.cli.painted import excerpts, fitted, visible
from dure.cli.runs_diff import print_diff
from dure.cli.runs_show import Sight, print_sight
from dure.db.pool import Database
from dure.runs.model import Change, Run
from runs_by_hand import GUARDS, HASH, STORE, declare_runs, make_outcome, make_run

pytestmark = pytest.mark.own_server

MISSING = "00000000-0000-7000-8000-000000000000"
STUDENTS = """
create table public.student (id int primary key, name text not null, left_in int not null, owes boolean not null);
insert into public.student values
    (1, 'Kim', 2001, false), (2, '', 2002, false), (3, '이순신', 2003, true), (4, 'Lee', 2004, false),
    (5, 'Choi', 2031, false), (6, 'Jung', 2032, false)
"""
MORE_STUDENTS = """
insert into public.student values (11, 'Han', 2001, false), (12, 'Oh', 2030, false), (13, 'Seo', 2030, false)
"""
TIDY = ("runs", "plan", "students.tidy")


@pytest.fixture
def shell(url, tmp_path) -> Shell:
    return Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_IMPORTS="cli_batches")


@pytest.fixture
def students(url) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(STUDENTS)
        yield connection


def ids(students) -> list[int]:
    return [row[0] for row in students.execute("select id from public.student order by id")]


def picture(students) -> list[Any]:
    return students.execute("select s::text from public.student s order by id").fetchall()


def test_plan_apply_and_undo_with_nothing_else_running(shell, students):
    before = picture(students)
    run = shell.json(*TIDY, "--note", "spring")
    assert (run["state"], run["note"], run["author"].split(":")[0]) == ("planned", "spring", "cli")
    assert {kind: count for kind, count in run["counts"].items() if count} == {"update": 1, "delete": 2, "keep": 1}
    assert picture(students) == before
    done = shell.json("runs", "apply", run["id"], "--yes", "--plan-hash", run["plan_hash"])
    assert (done["id"], done["state"], done["applied"]) == (run["id"], "applied", 3)
    assert ids(students) == [2, 3, 5, 6]
    back = shell.json("runs", "rollback", run["id"], "--yes")
    assert (back["rollback_of"], back["state"], back["applied"]) == (run["id"], "applied", 3)
    assert picture(students) == before
    assert shell.json("runs", "show", run["id"])["rolled_back"] == "wholly"
    assert shell.error("runs", "rollback", run["id"], "--yes", code=6)["detail"].startswith("All changes of run")
    listed = shell.json("runs", "list", "--operation", "students.tidy")["items"]
    assert [item["id"] for item in listed] == [back["id"], run["id"]]


def test_a_plan_as_a_person_reads_it(shell, students):
    text = shell.run(*TIDY).stdout
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "1 update, 2 delete, 1 keep" in text
    assert "! Leaving: 33.3 %, 2 of 6 (limit: 70 %)." in lines
    wanted = "delete public.student 1 name Kim, left_in 2001, owes false left in 2001"
    assert any(line.endswith(wanted) for line in lines)
    assert any(line.endswith('update public.student 2 name: "" → 이름 없음 no name') for line in lines)
    assert text.index("What stays, and why (1):") < text.index("수업료 미납")
    assert "To apply it: dure runs apply " in text
    korean = shell.run(*TIDY, "--lang", "ko").stdout
    assert "1 수정, 2 삭제, 1 유지" in korean
    assert "그대로 두는 것과 그 이유(1개):" in korean


def test_apply_in_one_go_and_a_partial_way_back(shell, students):
    run = shell.json(*TIDY, "--apply", "--yes")
    assert run["state"] == "applied"
    preview = shell.json("runs", "rollback", run["id"], "--preview", "--subject", "Lee")
    assert (preview["state"], preview["counts"]["create"]) == ("planned", 1)
    assert ids(students) == [2, 3, 5, 6]
    shell.json("runs", "rollback", run["id"], "--yes", "--subject", "Lee")
    assert ids(students) == [2, 3, 4, 5, 6]
    assert shell.json("runs", "show", run["id"])["rolled_back"] == "partly"


def test_what_changed_since_is_a_conflict(shell, students):
    run = shell.json(*TIDY)
    students.execute("update public.student set name = 'Kim jr.' where id = 1")
    done = shell.json("runs", "apply", run["id"], "--yes", code=3)
    assert (done["state"], done["applied"], done["conflicts"]) == ("partial", 2, 1)
    assert [(change["key"], change["state"]) for change in done["wrong"]] == [(["1"], "conflict")]
    assert "name" in done["wrong"][0]["outcome"]["text"]
    text = shell.run("runs", "show", run["id"]).stdout
    assert text.index("What did not go as planned:") < text.index("delete, conflict")
    again = shell.json("runs", "retry", run["id"], "--conflicts", code=3)
    assert again["conflicts"] == 1
    assert shell.error("runs", "retry", run["id"], code=6)["code"] == "conflict"
    # Somebody else has taken what is to come back: strict does nothing, clean_only does the rest.
    students.execute("insert into public.student values (4, 'new', 2040, false)")
    strict = shell.json("runs", "rollback", run["id"], "--yes", code=6)
    assert (strict["state"], strict["reason"]["code"]) == ("refused", "strict_conflict")
    clean = shell.json("runs", "rollback", run["id"], "--yes", "--mode", "clean_only")
    assert clean["applied"] == 1
    assert students.execute("select name from public.student where id in (2, 4) order by id").fetchall() == [
        ("",),
        ("new",),
    ]


def test_exit_codes(shell, students):
    assert shell.error("runs", "show", MISSING, code=7)["code"] == "not_found"
    assert shell.error("runs", "plan", "no.such", code=7)["code"] == "not_found"
    assert shell.error(*TIDY, "--params", '{"before": "x"}', code=2)["errors"][0]["field"] == "params.before"
    empty = shell.json(*TIDY, "--params", '{"before": 1900}')
    assert empty["state"] == "empty"
    assert shell.error("runs", "rollback", empty["id"], "--preview", code=6)["code"] == "conflict"
    students.execute("update public.student set owes = false, name = 'x' where id < 4")
    refused = shell.json(*TIDY, "--params", '{"before": 3000}', code=4)
    assert refused["state"] == "refused"
    said = {guard["guard"] for guard in refused["guards"] if guard["verdict"] == "refused"}
    assert said == {"leaving_share", "scope_emptied"}
    assert shell.error("runs", "apply", refused["id"], "--yes", code=4)["code"] == "refused"
    assert shell.error("runs", "approve", refused["id"], "--override", code=4)["code"] == "refused"
    shell.json("runs", "approve", refused["id"], "--override", "--reason", "the school closes")
    assert shell.json("runs", "apply", refused["id"], "--yes")["state"] == "applied"
    students.execute(MORE_STUDENTS)
    rejected = shell.json(*TIDY)
    assert rejected["state"] == "planned", rejected["reason"]
    shell.json("runs", "reject", rejected["id"], "--reason", "no")
    assert shell.error("runs", "apply", rejected["id"], "--yes", code=6)["code"] == "conflict"
    shell.json("runs", "watch", rejected["id"], code=6)


def test_questions_and_approvals(shell, students):
    careful = ("runs", "plan", "students.tidy_carefully", "--params", '{"before": 2004}')
    assert shell.error(*careful, "--apply", "--yes", code=5)["code"] == "approval_needed"
    run = shell.json(*careful)
    assert (run["counts"]["delete"], run["counts"]["ask"], run["approval"]) == (2, 1, "one")
    assert "delete ?" in shell.run("runs", "changes", run["id"], "--state", "asked").stdout
    assert shell.error("runs", "approve", run["id"], "--yes-to", "1", code=2)["errors"][0]["field"] == "seqs"
    shell.run("runs", "approve", run["id"])
    shell.run("runs", "apply", run["id"], "--yes")
    assert ids(students) == [3, 4, 5, 6]
    second = shell.json(*careful)
    shell.json("runs", "approve", second["id"], "--yes-to-all")
    assert shell.json("runs", "apply", second["id"], "--yes")["applied"] == 1
    assert ids(students) == [4, 5, 6]


def test_nothing_is_applied_unasked(shell, students):
    run = shell.json(*TIDY)
    before = picture(students)
    for command in (
        ("runs", "apply", run["id"]), (*TIDY, "--apply"), ("runs", "rollback", run["id"]),
        ("sql", "delete from student", "--apply"),
    ):  # fmt: skip
        assert shell.error(*command, code=2)["errors"][0]["field"] == "--yes"
    assert picture(students) == before
    assert len(shell.json("runs", "list")["items"]) == 1


def test_a_command_need_not_wait(shell, students):
    run = shell.json(*TIDY, "--no-wait")
    assert run["state"] == "planning"
    assert shell.error("runs", "watch", run["id"], "--timeout", "0", code=8)["code"] == "timed_out"
    assert shell.json("runs", "watch", run["id"])["state"] == "planned"


def test_a_statement_becomes_a_run(shell, students):
    before = picture(students)
    run = shell.json("sql", "delete from public.student where owes", "--note", "forgiven")
    assert (run["operation"], run["state"], run["note"]) == ("dure.sql", "planned", "forgiven")
    assert [(change["kind"], change["before"]["name"]) for change in run["changes"]] == [("delete", "이순신")]
    assert picture(students) == before
    shell.json("runs", "apply", run["id"], "--yes")
    assert ids(students) == [1, 2, 4, 5, 6]
    shell.json("runs", "rollback", run["id"], "--yes")
    assert picture(students) == before
    piped = shell.run(
        "sql", "-", "--apply", "--yes", "--json", given="update student set name = upper(name) where id = 1"
    )
    assert json.loads(piped.stdout)["state"] == "applied"
    bad = shell.json("sql", "delete from public.student; drop table public.student", code=4)
    assert bad["state"] == "refused"
    assert bad["reason"]["text"]


def test_operations(shell):
    items = {item["operation"]: item for item in shell.json("operations", "list")["items"]}
    assert {"students.tidy", "students.tidy_carefully"} <= items.keys()
    assert "students.tidy" in shell.run("operations", "list").stdout


@pytest.fixture
def made(url):
    """Makes runs by hand: `made(make_run, state="partial")`."""

    def make(function, *arguments, **given):
        async def work():
            async with Database(url) as database:
                return await function(database, *arguments, **given)

        return asyncio.run(work())

    return make


def test_changes_and_diffs(shell, made):
    run_id = made(make_run, tenant="default", state="partial")
    made(make_outcome, run_id, 2, "failed", {"code": "said", "params": {"text": "the disk was full"}})
    page = shell.json("runs", "changes", run_id, "--limit", "2")
    rest = shell.json("runs", "changes", run_id, "--cursor", page["next_cursor"])
    assert [change["seq"] for change in [*page["items"], *rest["items"]]] == [1, 2, 3, 4, 5]
    assert [change["seq"] for change in shell.json("runs", "changes", run_id, "--subject", "class 3")["items"]] == [3]
    assert shell.error("runs", "changes", run_id, "--kind", "gone", code=2)["errors"][0]["field"] == "kind"
    (one,) = shell.json("runs", "diff", run_id, "1")["items"]
    assert one["columns"] == [{"column": "note", "before": None, "after": "moved"}]
    text = shell.run("runs", "diff", run_id).stdout
    assert "note  - ∅\n        + moved\n  2 more columns stay as they are\n" in text
    assert "the disk was full" in text
    assert "failed" in shell.run("runs", "show", run_id).stdout
    assert shell.error("runs", "diff", run_id, "6", code=7)["code"] == "not_found"


def test_pause_and_cancel(shell, made):
    made(declare_runs)
    run_id = made(make_run, tenant="default", state="applying")
    assert shell.error("runs", "resume", run_id, "--no-wait", code=6)["code"] == "conflict"
    assert shell.json("runs", "pause", run_id)["paused_at"]
    assert "paused" in shell.run("runs", "show", run_id).stdout
    assert shell.json("runs", "resume", run_id, "--no-wait")["paused_at"] is None
    planned = made(make_run, tenant="default")
    cancelled = shell.json("runs", "cancel", planned, "--reason", "too early")
    assert (cancelled["state"], cancelled["reason"]["params"]["text"]) == ("cancelled", "too early")
    assert "too early" in shell.run("runs", "show", planned).stdout


class Terminal(io.StringIO):
    """What is written, as if to a terminal."""

    def isatty(self) -> bool:
        return True


LONG = "가나다라마바사아자차카타파하" * 200
RUN = Run(
    id=MISSING, tenant_id="acme", operation="students.tidy", rollback_of=None, mode=None, params={}, author="kim",
    note="", state="planned", reason=None, stores=[], counts={"update": 1, "delete": 60, "create": 1, "keep": 12},
    guards=GUARDS, notes=[],
    population=100, plan_hash=HASH, job_id=None, paused_at=None, created_at=None, planned_at=None, expires_at=None,
    started_at=None, finished_at=None, applied=0, conflicts=0, failed=0, skipped=0, to_do=0, rolled_back="no",
)  # fmt: skip


def change(seq: int, kind: str, **given: Any) -> Change:
    plain = {
        "run_id": MISSING, "seq": seq, "store": STORE, "kind": kind, "state": "planned", "ask": False, "accepted": None,
        "unit": None, "subject": None, "scope": "", "key": (str(seq),), "to_key": None, "before": None, "after": None,
        "reason": None, "outcome": None,
    }  # fmt: skip
    return Change(**{**plain, **given})


def on_terminal(monkeypatch, columns: int, show, **environment: str) -> list[str]:
    for name, value in {"COLUMNS": str(columns), "TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    written = Terminal()
    with redirect_stdout(written):
        show()
    return written.getvalue().splitlines()


SIGHT = Sight(
    RUN,
    "none",
    [],
    [
        change(1, "update", before={"id": "1", "memo": LONG + "하나"}, after={"id": "1", "memo": LONG + "둘"}),
        change(2, "delete", before={"id": "2", "name": "이\x1b[2J순\n신"}),
        change(3, "create", after={"id": "3", "name": "Park"}),
    ],
    [change(9, "keep", state="kept", reason={"code": "said", "params": {"text": "paid"}})],
    [],
)


def test_colours_on_a_terminal_and_none_where_they_are_not_wanted(monkeypatch):
    lines = on_terminal(monkeypatch, 100, lambda: print_sight(SIGHT))
    colours = {"\x1b[33m1 ": "update", "\x1b[31m2 ": "delete", "\x1b[32m3 ": "create"}
    for begin, kind in colours.items():
        assert any(line.startswith(begin) and kind in line for line in lines), (begin, lines)
    # What a record holds never reaches the terminal as a command.
    assert not any("\x1b[2J" in line for line in lines)
    assert any("이\\x1b[2J순⏎신" in line for line in lines)
    plain = on_terminal(monkeypatch, 100, lambda: print_sight(SIGHT), NO_COLOR="1")
    assert not any(f"\x1b[{colour}m" in line for line in plain for colour in (31, 32, 33))
    assert any("59 more: dure runs changes" in line for line in plain)
    assert any("--kind keep" in line for line in plain)


@pytest.mark.parametrize("columns", [30, 59, 60, 100, 200])
def test_every_line_of_changes_fits_and_shows_what_differs(monkeypatch, columns):
    def show() -> None:
        print_diff(SIGHT.changes[0])
        from dure.cli.runs_show import print_changes

        print_changes(SIGHT.changes)

    lines = on_terminal(monkeypatch, columns, show, TERM="dumb")
    _, old, new, *_ = lines
    assert "하나" in old
    assert "둘" in new
    assert max(output.columns(line) for line in lines[1:]) <= max(columns, 40)
    if columns >= 60:
        (heading,) = [line for line in lines if line.startswith("SEQ")]
        kind, store = heading.index("CHANGE"), heading.index("STORE")
        (row,) = [line for line in lines if line.startswith("3 ")]
        assert row[kind:].startswith("create")
        assert row[store:].startswith(STORE)


def test_excerpts():
    assert excerpts("a", "b", 20) == ("a", "b")
    assert excerpts(None, "", 20) == ("∅", '""')
    old, new = excerpts("x" * 5000 + "A" + "y" * 5000, "x" * 5000 + "B" + "y" * 5000, 20)
    assert "A" in old
    assert "B" in new
    assert len(old) == len(new) == 20
    assert excerpts(LONG + "끝", LONG, None) == (visible(LONG + "끝"), visible(LONG))
    assert fitted("두레두레", 5) == "두레…"
    assert fitted("두레", 4) == "두레"
    assert fitted("", 4) == ""
    assert visible("a\tb\u202ec\x7f") == "a⇥b\\x202ec\\x7f"


def test_a_person_is_asked(monkeypatch, shell, students):
    """The question is on stderr, and no is an answer."""
    asked: list[str] = []

    def answer(question: str, *, err: bool) -> bool:
        assert err
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr("typer.confirm", answer)
    run = shell.json(*TIDY)
    monkeypatch.setattr("io.StringIO", Terminal)
    declined = shell.run("runs", "apply", run["id"], code=1)
    assert "Nothing was applied." in declined.stderr
    assert ids(students) == [1, 2, 3, 4, 5, 6]
    assert "applied" in shell.run("runs", "apply", run["id"]).stdout
    assert asked == ["Apply these 3 changes?"] * 2
    assert ids(students) == [2, 3, 5, 6]
