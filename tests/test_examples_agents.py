"""The example agents, as people start them: one in Python, one in Node without a package."""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agenting import Faces, asked, state_of
from queueing import TENANT
from registering import silent, sweep

EXAMPLES = Path(__file__).parent.parent / "examples" / "agents"
WORKERS = {
    "python": ([sys.executable, str(EXAMPLES / "worker.py")], "count", {"text": "many hands"}, {"words": 2}),
    "node": (["node", str(EXAMPLES / "worker.mjs")], "shout", {"text": "hello"}, {"text": "HELLO"}),
}
PATIENCE_S = 40.0

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
both = pytest.mark.parametrize("name", ["python", pytest.param("node", marks=needs_node)])


@pytest.fixture
def faces(database):
    return Faces(database)


@asynccontextmanager
async def started(name, url, key):
    """The program, registered as `w1`; killed at the end if it still runs."""
    variables = {"DURE_URL": url, "DURE_KEY": key, "AGENT": "w1"}
    program = await asyncio.create_subprocess_exec(
        *WORKERS[name][0],
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()


async def until(happened):
    async with asyncio.timeout(PATIENCE_S):
        while not await happened():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def is_there(http):
    answer = await http.get("/v1/agents/w1")
    return answer.status_code == 200 and answer.json()["epoch"] is not None


@both
async def test_an_example_works_comes_back_and_leaves(faces, database, name):
    _, capability, params, result = WORKERS[name]
    key, _ = await faces.services.keys.create(TENANT, "workers", "agent")
    boss, _ = await faces.services.keys.create(TENANT, "boss", "operator")
    async with faces.serving(boss) as (url, http), started(name, url, key) as program:
        await until(lambda: is_there(http))
        first = (await http.get("/v1/agents/w1")).json()["epoch"]
        good = await asked(http, capabilities=[capability], params=params)
        bad = await asked(http, capabilities=[capability], params={}, max_retries=0)
        await until(lambda: has_state(http, good, "completed"))
        assert (await http.get(f"/v1/tasks/{good}")).json()["result"] == result
        await until(lambda: has_state(http, bad, "failed"))
        # Nobody hears of it for long: it is taken for dead, finds out, and registers anew.
        await silent(database, "w1", 5)
        await sweep(database)
        again = await asked(http, capabilities=[capability], params=params)
        await until(lambda: has_state(http, again, "completed"))
        assert (await http.get("/v1/agents/w1")).json()["epoch"] > first
        program.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(program.wait(), PATIENCE_S) == 0
        assert (await http.get("/v1/agents/w1")).json()["epoch"] is None


async def test_the_python_example_ends_with_its_own_exit_code_when_an_upgrade_is_wanted(faces):
    async with faces.serving() as (url, http), started("python", url, "") as program:
        http.headers["Dure-Tenant"] = "default"
        await until(lambda: is_there(http))
        await faces.sql("update dure.agent set target_version = '2.0.0'")
        assert await asyncio.wait_for(program.wait(), PATIENCE_S) == 10


async def has_state(http, task_id, wanted):
    return await state_of(http, task_id) == wanted
