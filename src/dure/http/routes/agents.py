"""`/v1/agents`: who there is, and what an agent needs to work without a port of its own.

A session is named by the agent's id, in the address, and by its epoch, in the body. A key of the scope `agent` acts for
the sessions that were begun with it and for no other.
"""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request

from dure.agents.model import AgentFilter, AgentState, Kind
from dure.errors import LeaseLost
from dure.http.agent_paths import AgentId
from dure.http.agent_schemas import (
    AgentIn,
    AgentOut,
    CascadeIn,
    ClaimIn,
    ClaimOut,
    CompleteIn,
    EndedOut,
    FailIn,
    LeftOut,
    MovedOut,
    ParentIn,
    ProgressIn,
    RenewalOut,
    RenewIn,
    ResumeIn,
    SessionIn,
    SessionOut,
    TaskEndIn,
    TreeOut,
)
from dure.http.auth import Operator, Submitter, Tenant, Viewer, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.services import Services
from dure.http.waiting import ClientGone, while_there
from dure.queue.views import Principal

router = APIRouter(
    prefix="/v1/agents", tags=["agents"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

ClassName = Annotated[str | None, Query(alias="class", max_length=100)]
Capability = Annotated[str | None, Query(max_length=100, description="Only such as can do this.")]
Tree = Annotated[str | None, Query(max_length=200, description="Only this agent and those below it.")]
Gone = Annotated[bool, Query(description="Reaped and retired ones too.")]
CHANGING = problems(400, 404, 409, 413, 415)


@router.post(
    "",
    status_code=201,
    operation_id="registerAgent",
    response_model=SessionOut,
    responses=problems(400, 404, 409, 413, 415),
)
async def register(services: Given, who: Submitter, tenant: Tenant, body: AgentIn) -> SessionOut:
    """Register: begin a session. One that the agent had ends, and what that held goes back into line.

    An id belongs to the key that registered it. A version that is not admitted is answered with 409 and `upgrade_to`.
    """
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    return SessionOut.of(await services.agents.register(owner, body.to_new(), key_id=who.key_id))


@router.get("", operation_id="listAgents")
async def find(
    services: Given,
    _who: Viewer,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: AgentState | None = None,
    class_: ClassName = None,
    kind: Kind | None = None,
    capability: Capability = None,
    tree: Tree = None,
    gone: Gone = False,
) -> PageOut[AgentOut]:
    """List agents, by id."""
    where = AgentFilter(state=state, class_=class_, kind=kind, capability=capability, tree=tree, gone=gone)
    page = await services.agents.list(tenant, where, limit=limit, cursor=cursor)
    return PageOut(items=[AgentOut.of(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/tree", operation_id="getAgentTree")
async def forest(services: Given, _who: Viewer, tenant: Tenant) -> TreeOut:
    """Show who stands below whom: all agents that nobody is above, each with those below it."""
    return TreeOut.of(await services.agents.tree(require_tenant(tenant)))


@router.get("/{agent_id}", operation_id="getAgent", responses=problems(404))
async def show(services: Given, _who: Viewer, tenant: Tenant, agent_id: AgentId) -> AgentOut:
    """Show an agent. One whose id is `tree`, `log` or `performance` is found in the list."""
    return AgentOut.of(await services.agents.get(tenant, agent_id))


@router.get("/{agent_id}/tree", operation_id="getAgentBranch", responses=problems(404))
async def branch(services: Given, _who: Viewer, tenant: Tenant, agent_id: AgentId) -> TreeOut:
    """Show an agent with all below it."""
    return TreeOut.of(await services.agents.tree(require_tenant(tenant), agent_id))


@router.put("/{agent_id}/parent", operation_id="linkAgent", responses=CHANGING)
async def link(services: Given, _who: Operator, tenant: Tenant, agent_id: AgentId, body: ParentIn) -> AgentOut:
    """Make an agent another's child. A cycle, or a tree that is too deep, is refused."""
    owner = require_tenant(tenant)
    linked = await services.agents.link(owner, agent_id, body.parent_id, protocol=body.protocol, settings=body.settings)
    return AgentOut.of(linked)


@router.post("/{agent_id}/drain", operation_id="drainAgent", responses=CHANGING)
async def drain(
    services: Given, who: Operator, tenant: Tenant, agent_id: AgentId, body: CascadeIn | None = None
) -> MovedOut:
    """Give an agent, and all below it, no more work; what they have in hand they finish. Answers whom that changed."""
    cascade = body is None or body.cascade
    reached = await services.agents.drain(require_tenant(tenant), agent_id, cascade=cascade, actor=who.actor)
    return MovedOut(items=list(reached))


@router.post("/{agent_id}/resume", operation_id="resumeAgent", responses=CHANGING)
async def resume(
    services: Given, who: Operator, tenant: Tenant, agent_id: AgentId, body: ResumeIn | None = None
) -> MovedOut:
    """Take a drain or a retirement back; answers whom that changed."""
    cascade = body is not None and body.cascade
    reached = await services.agents.resume(require_tenant(tenant), agent_id, cascade=cascade, actor=who.actor)
    return MovedOut(items=list(reached))


@router.post("/{agent_id}/retire", operation_id="retireAgent", responses=problems(404, 409))
async def retire(services: Given, who: Operator, tenant: Tenant, agent_id: AgentId) -> AgentOut:
    """Let an agent go for good: its session ends now, and what it has in hand goes back into line."""
    return AgentOut.of(await services.agents.retire(require_tenant(tenant), agent_id, actor=who.actor))


@router.post("/{agent_id}/renew", operation_id="renewAgent", responses=CHANGING)
async def renew(services: Given, who: Submitter, tenant: Tenant, agent_id: AgentId, body: RenewIn) -> RenewalOut:
    """Keep the session; hear which tasks to stop, which version to become, and whether there is a hold."""
    owner = await _acting(services, who, tenant, agent_id, body)
    return RenewalOut.of(await services.agents.renew(owner, agent_id, body.epoch, load=body.load))


@router.post("/{agent_id}/claim", operation_id="claimTasks", responses=CHANGING)
async def claim(
    request: Request, services: Given, who: Submitter, tenant: Tenant, agent_id: AgentId, body: ClaimIn
) -> ClaimOut:
    """Take tasks; with `wait_s`, wait for one. A client that goes away while it waits takes nothing."""
    owner = await _acting(services, who, tenant, agent_id, body)
    agents = services.agents
    claiming = agents.claim(owner, agent_id, body.epoch, most=body.most, wait_s=body.wait_s, holding=body.holding)
    try:
        return ClaimOut.of(await while_there(request, services.stopping, claiming, ()))
    except ClientGone as gone:
        for one in gone.answer or ():
            with suppress(LeaseLost):
                await agents.release(owner, agent_id, body.epoch, one.task_id, one.claim_id)
        return ClaimOut(items=[])


@router.post("/{agent_id}/complete", operation_id="completeTask", responses=CHANGING)
async def complete(services: Given, who: Submitter, tenant: Tenant, agent_id: AgentId, body: CompleteIn) -> EndedOut:
    """Say that a task is done. 409 `lease_lost` when it is not this session's any more; that is on record."""
    owner = await _acting(services, who, tenant, agent_id, body)
    await services.agents.complete(owner, agent_id, body.epoch, body.task_id, body.claim_id, body.result)
    return EndedOut(task_id=body.task_id)


@router.post("/{agent_id}/fail", operation_id="failTask", responses=CHANGING)
async def fail(services: Given, who: Submitter, tenant: Tenant, agent_id: AgentId, body: FailIn) -> EndedOut:
    """Say that a task could not be done; it is tried again unless `retry` is false or its retries are used up."""
    owner = await _acting(services, who, tenant, agent_id, body)
    if body.cancelled:
        await services.agents.cancelled(
            owner, agent_id, body.epoch, body.task_id, body.claim_id, message=body.message or "cancelled"
        )
        return EndedOut(task_id=body.task_id)
    await services.agents.fail(
        owner,
        agent_id,
        body.epoch,
        body.task_id,
        body.claim_id,
        error_class=body.error_class,
        message=body.message,
        retry=body.retry,
        retry_after_s=body.retry_after_s,
    )
    return EndedOut(task_id=body.task_id)


@router.post("/{agent_id}/release", operation_id="releaseTask", responses=CHANGING)
async def release(services: Given, who: Submitter, tenant: Tenant, agent_id: AgentId, body: TaskEndIn) -> EndedOut:
    """Give a task back into line, as if it had not been taken."""
    owner = await _acting(services, who, tenant, agent_id, body)
    await services.agents.release(owner, agent_id, body.epoch, body.task_id, body.claim_id)
    return EndedOut(task_id=body.task_id)


@router.post("/{agent_id}/progress", operation_id="reportTaskProgress", responses=CHANGING)
async def progress(services: Given, who: Submitter, tenant: Tenant, agent_id: AgentId, body: ProgressIn) -> EndedOut:
    """Say how far a task is, and write lines into its log."""
    owner = await _acting(services, who, tenant, agent_id, body)
    await services.agents.note(
        owner,
        agent_id,
        body.epoch,
        body.task_id,
        body.claim_id,
        done=body.done,
        total=body.total,
        text=body.note,
        lines=[{"level": line.level, "message": line.message} for line in body.logs],
    )
    return EndedOut(task_id=body.task_id)


@router.post("/{agent_id}/deregister", operation_id="deregisterAgent", responses=CHANGING)
async def deregister(services: Given, who: Submitter, tenant: Tenant, agent_id: AgentId, body: SessionIn) -> LeftOut:
    """End the session in order; what it still has in hand goes back into line."""
    owner = await _acting(services, who, tenant, agent_id, body)
    await services.agents.leave(owner, agent_id, body.epoch)
    return LeftOut(agent_id=agent_id)


async def _acting(services: Services, who: Principal, tenant: str | None, agent_id: str, body: SessionIn) -> str:
    """Answer for which tenant an agent acts; refuse an agent's key for any session but its own."""
    owner = require_tenant(tenant)
    if who.scope == "agent":
        await services.agents.require_key(owner, agent_id, body.epoch, who.key_id)
    return owner
