"""The commands about agents: lists, one of them, the tree on wide and narrow terminals, and who gets work."""

import pytest

from commands import Quick, Shell
from dure.cli import agents_show, output

pytestmark = pytest.mark.own_server


@pytest.fixture
def shell(url, tmp_path) -> Shell:
    return Quick(tmp_path / "h", DURE_DATABASE_URL=url, DURE_TENANT="acme")


def register(shell, agent_id, *more):
    return shell.json(
        "agents", "register", agent_id, "--class", "research", "--version", "1.9.0", "--lease", "1h", *more
    )


@pytest.fixture
def family(shell):
    """A parent, a child and a grandchild."""
    register(shell, "boss", "--kind", "parent", "--capability", "plan")
    register(shell, "left", "--parent", "boss", "--capability", "search", "--capability", "count", "--capacity", "4")
    register(shell, "team/leaf", "--parent", "left", "--label", "team=a", "--endpoint", "http=https://leaf.example")
    return shell


def test_register_show_and_list(family):
    again = register(family, "left", "--parent", "boss")
    assert (again["lease_s"], again["state"], again["hold"]) == (3600.0, "alive", None)
    shown = family.json("agents", "show", "team/leaf")
    assert (shown["class"], shown["labels"], shown["endpoints"]) == (
        "research",
        {"team": "a"},
        {"http": "https://leaf.example"},
    )
    assert (shown["link"]["parent_id"], shown["trees"]) == ("left", ["team/leaf", "left", "boss"])
    listed = family.json("agents", "list")
    assert [one["agent_id"] for one in listed["items"]] == ["boss", "left", "team/leaf"]
    first = family.json("agents", "list", "--limit", "2")
    assert [one["agent_id"] for one in family.json("agents", "list", "--cursor", first["next_cursor"])["items"]] == [
        "team/leaf"
    ]
    assert [one["agent_id"] for one in family.json("agents", "list", "--kind", "parent")["items"]] == ["boss"]
    assert family.json("agents", "list", "--capability", "nothing")["items"] == []
    text = family.run("agents", "list").stdout
    assert text.splitlines()[0].split() == ["AGENT", "STATE", "CLASS", "VERSION", "LOAD", "CAN", "PARENT"]
    text = family.run("agents", "show", "team/leaf", "--lang", "ko").stdout
    assert "살아 있음" in text
    assert "https://leaf.example" in text


def test_what_is_wrong_has_its_exit_code(family):
    assert family.error("agents", "show", "nobody", code=7)["code"] == "not_found"
    assert family.error("agents", "tree", "nobody", code=7)["code"] == "not_found"
    assert family.error("agents", "list", "--state", "asleep", code=2)["errors"][0]["field"] == "state"
    bad = ("agents", "register", "x", "--class", "Research", "--version", "1.0.0")
    assert family.error(*bad, code=2)["errors"][0]["field"] == "class"
    assert (
        family.error(*bad[:4], "research", "--version", "1.0.0", "--label", "team", code=2)["errors"][0]["field"]
        == "label"
    )
    cycle = ("agents", "register", "boss", "--class", "research", "--version", "1.0.0", "--parent", "team/leaf")
    assert family.error(*cycle, code=6)["code"] == "conflict"


def test_drain_resume_retire(family):
    assert family.json("agents", "drain", "boss") == {"items": ["boss", "left", "team/leaf"], "errors": []}
    assert "Nothing had to be changed." in family.run("agents", "drain", "boss").stderr
    assert family.json("agents", "resume", "boss")["items"] == ["boss"]
    assert family.json("agents", "resume", "left", "--cascade")["items"] == ["left", "team/leaf"]
    assert family.json("agents", "drain", "left", "--alone")["items"] == ["left"]
    partly = family.json("agents", "retire", "team/leaf", "nobody", code=3)
    assert (partly["items"], partly["errors"][0]["code"]) == (["team/leaf"], "not_found")
    assert [one["agent_id"] for one in family.json("agents", "list")["items"]] == ["boss", "left"]
    assert family.json("agents", "list", "--state", "retired")["items"][0]["epoch"] is None
    again = ("agents", "register", "team/leaf", "--class", "research", "--version", "1.9.0")
    assert "retired" in family.error(*again, code=6)["detail"]


def test_the_tree(family):
    (root,) = family.json("agents", "tree")["items"]
    assert root["children"][0]["children"][0]["agent"]["agent_id"] == "team/leaf"
    assert family.run("agents", "tree").stdout.splitlines() == [
        "boss  alive  research 1.9.0  0/1",
        "└── left  alive  research 1.9.0  0/4",
        "    └── team/leaf  alive  research 1.9.0  0/1",
    ]
    family.run("agents", "drain", "left", "--alone")
    (branch,) = family.json("agents", "tree", "left")["items"]
    assert branch["agent"]["state"] == "draining"
    korean = family.run("agents", "tree", "left", "--lang", "ko").stdout
    assert "left  비우는 중" in korean


def test_no_agents_is_said(shell):
    done = shell.run("agents", "tree")
    assert (done.stdout, done.stderr) == ("", "There are no agents.\n")


def test_the_tree_on_a_narrow_terminal(family, monkeypatch):
    monkeypatch.setattr(agents_show, "room", lambda: 24)
    lines = family.run("agents", "tree").stdout.splitlines()
    assert lines == [
        "boss  alive",
        "research 1.9.0  0/1",
        "└── left  alive",
        "    research 1.9.0  0/4",
        "    └── team/leaf  alive",
        "        research 1.9.0 …",
    ]
    assert max(map(output.columns, lines)) <= 24
