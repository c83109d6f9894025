"""`/v1/tasks`: work for agents: ask for it, ask whom it would go to, find it, learn why it stands where it stands."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from dure.agents.model import NewTask, Strategy, TaskFilter
from dure.db.pool import Connection
from dure.errors import LeaseLost
from dure.http.auth import Operator, Submitter, Tenant, Viewer, choose_tenant, require_tenant
from dure.http.bodies import StrictRoute
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.http.routes.jobs import IdempotencyKey
from dure.http.schemas import CancelIn
from dure.http.services import Services
from dure.http.task_schemas import (
    ChoiceOut,
    TaskCreate,
    TaskCreatedOut,
    TaskOut,
    TasksCreatedOut,
    TaskWhyOut,
    TaskWish,
)
from dure.queue.idempotency import Answer, Once
from dure.queue.model import State
from dure.queue.views import Principal

router = APIRouter(
    prefix="/v1/tasks", tags=["tasks"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

TaskId = Annotated[str, Path(description="The task's id.", max_length=200, json_schema_extra={"format": "uuid"})]
ClassName = Annotated[str | None, Query(alias="class", max_length=100, description="Only such as ask for this class.")]
AgentName = Annotated[str | None, Query(max_length=200, description="Only of this agent.")]
Root = Annotated[str | None, Query(max_length=36, description="Only this task and those below it.")]
CHANGING = problems(400, 404, 409, 413, 415)


@router.post(
    "",
    status_code=201,
    operation_id="createTasks",
    response_model=TaskCreatedOut | TasksCreatedOut,
    responses={
        200: {"model": TaskCreatedOut, "description": "An earlier task holds the unique key."},
        **CHANGING,
    },
)
async def create(
    request: Request,
    services: Given,
    who: Submitter,
    tenant: Tenant,
    body: TaskCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for a task, or for many at once, all or none."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    wanted = body.wanted()
    await _require_own(services, who, owner, wanted)
    once = None
    if idempotency_key is not None:
        once = Once.of(idempotency_key, f"{request.method} {request.url.path}", await request.body())

    async def work(tx: Connection) -> Answer:
        made = await services.tasks.submit_on(tx, owner, wanted, actor=who.actor)
        items = [{**TaskOut.of(one).model_dump(mode="json", by_alias=True), "created": one.is_new} for one in made]
        if body.tasks is not None:
            return Answer(201, {"items": items})
        return Answer(201 if made[0].is_new else 200, items[0])

    answer = await services.idempotency.run(owner, once, work, system=True)
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    if body.tasks is None:
        headers["Location"] = f"/v1/tasks/{answer.body['id']}"
    return JSONResponse(answer.body, answer.status, headers)


@router.post("/preview", operation_id="previewTask", responses=CHANGING)
async def preview(request: Request, services: Given, who: Submitter, tenant: Tenant, body: TaskWish) -> ChoiceOut:
    """Say whom a task would go to now, from which candidates, and why. Nothing is asked for."""
    owner = require_tenant(choose_tenant(who, ("Dure-Tenant", tenant), ("tenant_id", body.tenant_id)))
    return ChoiceOut.of(await services.tasks.preview(owner, body.to_new()), request.state.lang)


@router.get("", operation_id="listTasks")
async def find(
    services: Given,
    _who: Viewer,
    tenant: Tenant,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: State | None = None,
    agent: AgentName = None,
    class_: ClassName = None,
    strategy: Strategy | None = None,
    root: Root = None,
    parent: Annotated[str | None, Query(max_length=36, description="Only such as this task has handed on.")] = None,
) -> PageOut[TaskOut]:
    """Find tasks, newest first."""
    where = TaskFilter(state=state, agent=agent, class_=class_, strategy=strategy, root=root, parent=parent)
    page = await services.tasks.list(tenant, where, limit=limit, cursor=cursor)
    return PageOut(items=[TaskOut.of(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/{task_id}", operation_id="getTask", responses=problems(404))
async def show(services: Given, _who: Viewer, tenant: Tenant, task_id: TaskId) -> TaskOut:
    """Show a task. Its progress, log and attempts are those of the job with its id."""
    return TaskOut.of(await services.tasks.get(tenant, task_id))


@router.get("/{task_id}/why", operation_id="explainTask", responses=problems(404))
async def why(request: Request, services: Given, _who: Viewer, tenant: Tenant, task_id: TaskId) -> TaskWhyOut:
    """Say who was chosen, from which candidates and why, each time; and what a pending task waits for."""
    return TaskWhyOut.of(await services.tasks.why(tenant, task_id), request.state.lang)


@router.post("/{task_id}/cancel", status_code=202, operation_id="cancelTask", responses=CHANGING)
async def cancel(
    services: Given, who: Operator, tenant: Tenant, task_id: TaskId, body: CancelIn | None = None
) -> TaskOut:
    """Cancel a task and all that it handed on. One in an agent's hands is asked to stop."""
    reason = (body or CancelIn()).reason
    return TaskOut.of(await services.tasks.cancel(tenant, task_id, reason=reason, actor=who.actor))


@router.post("/{task_id}/retry", status_code=202, operation_id="retryTask", responses=problems(404, 409))
async def retry(services: Given, who: Operator, tenant: Tenant, task_id: TaskId) -> TaskOut:
    """Give a task that failed, was cancelled or is quarantined a new life under its old id."""
    return TaskOut.of(await services.tasks.retry(tenant, task_id, actor=who.actor))


async def _require_own(services: Services, who: Principal, tenant: str, wanted: list[NewTask]) -> None:
    """Let a key of agents speak only for agents that were registered with it."""
    if who.scope == "agent":
        for agent_id in {one.from_agent for one in wanted if one.from_agent is not None}:
            known = await services.agents.get(tenant, agent_id)
            if known.epoch is None:
                raise LeaseLost(id=agent_id)
            await services.agents.require_key(tenant, agent_id, known.epoch, who.key_id)
