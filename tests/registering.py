"""Agents in tests: registered with few words, with a clock that can be moved."""

from typing import Any

from dure.agents.model import Need, NewAgent, NewTask, Session, Task
from dure.agents.tasks import Tasks
from dure.agents.tender import Tender
from dure.agents.work import Agents
from dure.db.pool import Database
from queueing import TENANT, rows, settings

ACTOR = "kim"


def agents_of(database: Database) -> Agents:
    return Agents(database, settings())


def tasks_of(database: Database) -> Tasks:
    return Tasks(database, settings())


async def join(database: Database, agent_id: str = "r1", *, tenant: str = TENANT, **given: Any) -> Session:
    """Register an agent of the class research that can search."""
    said = {"class_": "research", "version": "1.9.0", "capabilities": ("search",), **given}
    return await agents_of(database).register(tenant, NewAgent(agent_id=agent_id, **said))


async def submit(database: Database, *, tenant: str = TENANT, **given: Any) -> Task:
    """Ask for a task; what it needs by the names of `Need`."""
    needs = {name: given.pop(name) for name in ("class_", "capabilities", "agent", "tree") if name in given}
    return await tasks_of(database).submit(tenant, NewTask(needs=Need(**needs), **given), actor=ACTOR)


async def silent(database: Database, agent_id: str, leases: float = 5.0) -> None:
    """Let so many leases pass without a word of this agent, and none for the others."""
    await rows(
        database,
        "update dure.worker set lease_until = dure.now() - make_interval(secs => lease_s * %s)"
        " where agent_id = %s and ended_at is null",
        [leases - 1, agent_id],
    )


async def sweep(database: Database) -> int:
    """Bury those whose lease is over; `dure.sweep` waits until the server has been up for a lease."""
    dead = "array(select worker_id from dure.worker where ended_at is null and lease_until < dure.now())"
    return int((await rows(database, f"select dure.bury({dead})"))[0][0])


async def tend(database: Database) -> dict[str, int]:
    found = await Tender(database, settings()).tend()
    assert found is not None
    return found


async def work_once(database: Database, session: Session, *, tenant: str = TENANT, result: Any = None) -> str:
    """Take one task and complete it; answer its id."""
    (taken,) = await agents_of(database).claim(tenant, session.agent_id, session.epoch)
    await agents_of(database).complete(tenant, session.agent_id, session.epoch, taken.task_id, taken.claim_id, result)
    return taken.task_id
