"""An agent that works anywhere: it needs the address of a Dure server and a key, and no port of its own.

    agent = Agent("https://dure.example", key="dure_…", id="research-1", class_="research", version="1.9.0")

    @agent.task("search")
    async def search(params: dict, task: Task) -> dict: …

    agent.run()

The protocol is seven requests. The agent **registers** and is given an *epoch*: its session, which is a lease by the
server's clock. At a third of the lease it **renews**, and hears what it should know: which of its tasks to stop, which
version to become, whether it gets no work for now. It **claims** tasks by long poll, one request at a time, and tells
in it which tasks it holds: what the server gave and the network lost is given again. Each task ends by **complete**,
**fail** or **release**, which name the epoch and the claim. At the end it **deregisters**.

What goes wrong on the way has one answer each. The server is away: the work in hand goes on, everything is asked again,
with pauses that grow; an outcome is sent until it is answered. The lease is lost (`lease_lost`): others may have the
tasks by now, so the handlers are stopped, what they still say is dropped, and the agent registers anew. Somebody else
registered under the same id: this one ends, or the two would take turns for ever. The key holds no more: it ends.
SIGTERM: no new tasks, those in hand may end within `grace_s`, the rest goes back into line. A newer version is wanted:
the same, and the exit code is 10, for whatever starts it again.
"""

from dure.agent.client import UPGRADE_EXIT, Agent, Superseded
from dure.agent.task import Task
from dure.agent.wire import Away, Problem

__all__ = ["UPGRADE_EXIT", "Agent", "Away", "Problem", "Superseded", "Task"]
