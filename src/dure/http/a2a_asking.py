"""A request of A2A, before and after its operation: who asks, and how answers, streams and errors are written."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse

from dure.apps.ecosystem.a2a import config
from dure.apps.ecosystem.a2a.cards import A2A_TYPE, PROTOCOL_VERSION, Cards, Reader, etag
from dure.apps.ecosystem.a2a.errors import A2aError, Reason, a2a_error
from dure.apps.ecosystem.a2a.messages import Plain
from dure.apps.ecosystem.a2a.service import Caller, Face
from dure.errors import DureError, Refused
from dure.http import sse
from dure.http.a2a_paths import place_of
from dure.http.auth import TENANT_HEADER, Submitter, Tenant, Viewer, choose_tenant, tenant_of
from dure.http.bodies import loads, require_json
from dure.http.problems import Unreadable, WrongMediaType
from dure.http.routes import Given
from dure.http.services import Services
from dure.queue.views import Principal

VERSION_HEADER = "A2A-Version"
ASSUMED_VERSION = "0.3"
"""What a client speaks that does not say so."""
CACHED = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Language, Dure-Tenant"}

Stream = AsyncIterator[Plain]
Wrap = Callable[[Plain], Plain]
Answer = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Asker:
    """A request, and what is known of it before it is read."""

    request: Request
    services: Services
    settings: config.A2aSettings
    principal: Principal
    tenant: str | None

    @property
    def lang(self) -> str:
        """The language of the request."""
        return str(self.request.state.lang)

    @property
    def agent_id(self) -> str | None:
        """The agent whose address this is; None is whichever can."""
        return place_of(self.request).agent_id

    @property
    def face(self) -> Face:
        """What a client may do."""
        return Face(self.services.database, self.services.tasks, self.services.jobs)

    @property
    def cards(self) -> Cards:
        """What a client may know."""
        return Cards(self.services.database, self.settings.name)

    def caller(self, named: str | None = None) -> Caller:
        """Answer who asks; `named` is the tenant as the request has it. Raises when versions do not fit."""
        _require_version(self.request)
        tenant_id, is_agent = self.tenant_id(named), self.principal.scope == "agent"
        return Caller(tenant_id, self.principal.actor, is_agent, self.agent_id, self.lang)

    def tenant_id(self, named: str | None = None) -> str:
        """Answer whose tasks and agents these are."""
        given = (("tenant", self.tenant), ("tenant", place_of(self.request).tenant), ("tenant", named))
        if len({name for _, name in given if name is not None}) > 1:
            raise Refused("other_tenant", field="tenant")
        return choose_tenant(self.principal, *given) or self.settings.tenant

    def reader(self, tenant_id: str) -> Reader:
        """Answer for whom a card is written; it names the tenant where neither the key nor the settings do."""
        known = self.principal.tenant_id is not None or tenant_id == self.settings.tenant
        return Reader(base_url(self.request, self.services), None if known else tenant_id, self.lang)

    def require_submitter(self) -> None:
        """Refuse who may only look."""
        if not (self.principal.may("operator") or self.principal.scope == "agent"):
            raise Refused("scope_missing", scope="operator")


def _asker(request: Request, services: Given, who: Viewer, tenant: Tenant) -> Asker:
    return Asker(request, services, settings_of(request), who, tenant)


def _sender(request: Request, services: Given, who: Submitter, tenant: Tenant) -> Asker:
    return Asker(request, services, settings_of(request), who, tenant)


Anyone = Annotated[Asker, Depends(_asker)]
Sender = Annotated[Asker, Depends(_sender)]


async def asker_of(request: Request, services: Services, principal: Principal) -> Asker:
    """Answer the asker of a request that may also come from somebody unknown."""
    tenant = await tenant_of(request, request.headers.get(TENANT_HEADER), request.query_params.get("tenant_id"))
    return Asker(request, services, settings_of(request), principal, tenant)


def settings_of(request: Request) -> config.A2aSettings:
    """Answer the settings, read once by each app."""
    state = request.app.state
    if not hasattr(state, "a2a"):
        state.a2a = config.load()
    settings: config.A2aSettings = state.a2a
    return settings


def base_url(request: Request, services: Services) -> str:
    """Answer where this server is, as the client sees it."""
    return services.settings.public_url or str(request.base_url).rstrip("/")


def told(answer: Answer) -> Answer:
    """Let a route tell what is wrong as A2A does over plain HTTP."""

    @wraps(answer)
    async def tell(asker: Asker) -> Response:
        try:
            return await answer(asker)
        except DureError as error:
            known = _known(error, asker.lang)
            return JSONResponse(known.over_http(asker.lang), known.spelling.http_status, media_type=A2A_TYPE)

    return tell


def rpc_error(error: DureError, asker: Asker, request_id: object) -> Response:
    """Tell what is wrong as JSON-RPC does."""
    return JSONResponse(_known(error, asker.lang).over_rpc(request_id, asker.lang))


def answered(content: Plain) -> Response:
    """Answer a document of A2A."""
    return JSONResponse(content, media_type=A2A_TYPE)


def streamed(asker: Asker, events: Stream, wrap: Wrap = lambda event: event) -> Response:
    """Answer a stream of events, each of them bare data."""

    def write(event: Plain) -> bytes:
        return f"data: {json.dumps(wrap(event), ensure_ascii=False, separators=(',', ':'))}\n\n".encode()

    return sse.respond(events, asker.services.stopping, write=write)


def card_answer(request: Request, content: Plain, media_type: str = "application/json") -> Response:
    """Answer a card or a catalog, or that it is as the client has it."""
    tag = etag(content)
    headers = {**CACHED, "ETag": tag}
    if tag in (part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return JSONResponse(content, headers=headers, media_type=media_type)


async def body_of(request: Request, unreadable: Reason = "INVALID_REQUEST") -> Any:
    """Read the JSON of a request; none at all is an empty object."""
    body = await request.body()
    if not body:
        return {}
    require_json(request.headers.get("content-type"))
    try:
        return loads(body)
    except Unreadable:
        raise A2aError(unreadable) from None


def call_id(call: Any) -> str | int | None:
    """Answer the id of a call of JSON-RPC, None when it has none that may be repeated."""
    request_id = call.get("id") if isinstance(call, dict) else None
    return request_id if isinstance(request_id, str | int) and not isinstance(request_id, bool) else None


def call_of(call: Any) -> tuple[str, Any]:
    """Answer the method and parameters of a call of JSON-RPC."""
    match call:
        case {"jsonrpc": "2.0", "method": str(method), **rest} if call_id(call) == rest.get("id"):
            return method, rest.get("params", {})
        case _:
            raise A2aError("INVALID_REQUEST")


def _known(error: DureError, lang: str) -> A2aError:
    return A2aError("CONTENT_TYPE_NOT_SUPPORTED") if isinstance(error, WrongMediaType) else a2a_error(error, lang)


def _require_version(request: Request) -> None:
    given = request.headers.get(VERSION_HEADER) or request.query_params.get(VERSION_HEADER) or ASSUMED_VERSION
    if ".".join(given.split(".")[:2]) != PROTOCOL_VERSION:
        raise A2aError("VERSION_NOT_SUPPORTED", given=given)
