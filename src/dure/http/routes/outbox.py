"""`/v1/outbox`: messages to people outside: what was sent, what was not, and of which nobody knows."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from dure.http.auth import Operator, Person, Tenant
from dure.http.bodies import StrictRoute
from dure.http.intent_schemas import MessageOut
from dure.http.openapi import problems
from dure.http.paging import Cursor, Limit, PageOut
from dure.http.routes import Given
from dure.intents.outbox.store import State

router = APIRouter(
    prefix="/v1/outbox", tags=["outbox"], route_class=StrictRoute, responses=problems(401, 403, 422, 500, 503)
)

MessageId = Annotated[str, Path(description="The message's id.", max_length=200, json_schema_extra={"format": "uuid"})]
RequestId = Annotated[str | None, Query(max_length=36, description="Only of this request.")]


@router.get("", operation_id="listOutbox")
async def find(
    services: Given,
    _who: Person,
    tenant: Tenant,
    state: State | None = None,
    request_id: RequestId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOut[MessageOut]:
    """List messages, newest first."""
    page = await services.outbox.list(tenant, state=state, request_id=request_id, limit=limit, cursor=cursor)
    return PageOut[MessageOut].model_validate(page)


@router.get("/{message_id}", operation_id="getOutboxMessage", responses=problems(404))
async def show(services: Given, _who: Person, tenant: Tenant, message_id: MessageId) -> MessageOut:
    """Show a message."""
    return MessageOut.model_validate(await services.outbox.get(tenant, message_id))


@router.post("/{message_id}/cancel", operation_id="cancelOutboxMessage", responses=problems(404, 409))
async def cancel(services: Given, who: Operator, tenant: Tenant, message_id: MessageId) -> MessageOut:
    """Take back a message that was not sent yet."""
    return MessageOut.model_validate(await services.outbox.cancel(tenant, message_id, actor=who.actor))


@router.post("/{message_id}/was-sent", operation_id="outboxMessageWasSent", responses=problems(404, 409))
async def was_sent(services: Given, who: Operator, tenant: Tenant, message_id: MessageId) -> MessageOut:
    """Say of a message of which nobody knew that it went out."""
    return MessageOut.model_validate(await services.outbox.was_sent(tenant, message_id, actor=who.actor))


@router.post(
    "/{message_id}/again", status_code=202, operation_id="sendOutboxMessageAgain", responses=problems(404, 409)
)
async def again(services: Given, who: Operator, tenant: Tenant, message_id: MessageId) -> MessageOut:
    """Send a message again that failed, or of which a person knows that it did not go out."""
    return MessageOut.model_validate(await services.outbox.again(tenant, message_id, actor=who.actor))
