"""`dure demo agents`, which nothing outlives, and the example agents, which are in nobody's way."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Shell, eventually
from dure.agents.model import AgentFilter
from dure.agents.rollouts import Rollouts
from dure.apps.ecosystem.demo import CHANNEL, PARENT, fingerprint, load_demo
from dure.db import embedded
from dure.db.pool import Database
from dure.lang import say
from queueing import rows
from registering import agents_of, join, submit, tasks_of

TENANT = "default"
MODULE = b"dure.apps.ecosystem.demo_agent"


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(prefix="dure-demo-") as place:
        found = Shell(Path(place) / "h")
        with embedded.acquire(found.home):
            yield found
        embedded.stop(found.home)


def processes_of(url: bytes) -> list[int]:
    """The demo's agents that speak to a server."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if MODULE in words and url in words:
            found.append(int(place.name))
    return found


def started(process: "subprocess.Popen[str]") -> bytes:
    """Read until the first agent is there; answer the server's address."""
    url = b""
    for line in process.stdout or ():
        if "http://" in line:
            url = line.split("http://")[1].split(",")[0].strip().encode()
        if "orchestrator-1" in line:
            break
    return url


@pytest.mark.own_server
@pytest.mark.timeout(110)
@pytest.mark.xdist_group("demo_agents")
def test_the_story_ends_well_and_leaves_nothing_behind(shell: Shell) -> None:
    done = shell.run("demo", "agents", "--json", DURE_LANG="ko")
    facts = json.loads(done.stdout)
    assert (facts["agents"], facts["tasks"], facts["attempts"], facts["rollout"]) == (8, 10, 11, "reverted")
    assert facts["killed"].startswith("research-")
    assert facts["failed_attempts"] >= 6
    assert say("ecosystem.demo.event_reverted", "ko", new="1.9.0") in done.stderr
    assert not processes_of(b"127.0.0.1:" + done.stderr.split("127.0.0.1:")[1][:5].encode())


@pytest.mark.own_server
@pytest.mark.timeout(60)
@pytest.mark.xdist_group("demo_agents")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_agent_outlives_a_story_that_is_broken_off(shell: Shell, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dure", "demo", "agents"],
        env=shell.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        # Whoever is started in the background of a script begins with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    with process:
        url = started(process)
        eventually(lambda: len(processes_of(url)) >= 2)
        process.send_signal(number)
        process.wait(30)
    eventually(lambda: not processes_of(url))
    assert process.returncode != 0


async def test_the_example_is_there_once(database: Database) -> None:
    lines: list[str] = []
    assert await load_demo(database, lines.append) == {"agents": 8, "tasks": 10, "messages": 2, "rollouts": 1}
    before = await fingerprint(database)
    assert await load_demo(database, lines.append) == {"agents": 0, "tasks": 0, "messages": 0, "rollouts": 0}
    assert await fingerprint(database) == before
    (tree,) = await agents_of(database).tree(TENANT)
    assert (tree.agent.agent_id, len(tree.children)) == (PARENT, 7)
    classes = {branch.agent.class_ for branch in (tree, *tree.children)}
    assert classes == {"orchestrator", "test-system", "indexing", "research", "executor"}
    states = {task.state for task in (await tasks_of(database).list(TENANT, limit=1_000)).items}
    assert states == {"completed", "processing", "pending", "failed", "cancelled"}
    (rollout,) = (await Rollouts(database).list(TENANT)).items
    assert (rollout.state, (rollout.reason or {})["code"]) == ("reverted", "gate_failed")
    executors = (await agents_of(database).list(TENANT, AgentFilter(class_="executor"))).items
    assert {(one.state, one.version, one.target_version) for one in executors} == {("alive", "1.8.3", None)}
    assert await rows(database, "select count(*) from dure.message where channel = %s", [CHANNEL]) == [(2,)]


async def test_the_example_stays_out_of_others_way(database: Database) -> None:
    mine = await join(database, "mine", tenant=TENANT, class_="executor", version="1.8.3")
    urgent = await submit(database, tenant=TENANT, class_="research", priority=900)
    lines: list[str] = []
    assert (await load_demo(database, lines.append))["rollouts"] == 0
    assert say("ecosystem.demo.no_rollout", version="1.9.0") in lines
    # No example agent takes, or is chosen for, what is not the example's; and the other way round.
    assert (await tasks_of(database).get(TENANT, urgent.id)).state == "pending"
    chosen = await submit(database, tenant=TENANT, class_="executor", strategy="least_loaded")
    assert chosen.agent_id == "mine"
    (taken,) = await agents_of(database).claim(TENANT, "mine", mine.epoch, most=10)
    assert taken.task_id == chosen.id


async def test_one_that_is_dead_is_brought_back(database: Database) -> None:
    await load_demo(database, lambda _line: None)
    await rows(database, "select dure.bury(array(select epoch from dure.agent where agent_id = 'demo-indexing'))")
    assert await load_demo(database, lambda _line: None) == {"agents": 1, "tasks": 0, "messages": 0, "rollouts": 0}
    assert (await agents_of(database).get(TENANT, "demo-indexing")).state == "alive"
