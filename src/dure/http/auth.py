"""Who may ask for what. Nothing is open but `/healthz` and `/readyz`, and where it is wanted the bare card of A2A.

A key comes as `Authorization: Bearer dure_…`. While no key was ever made and the server is bound to loopback,
a program on this machine needs none. A browser on this machine is another matter: any page it shows could
send requests here, so the Host must be a loopback name (a foreign name that resolves to 127.0.0.1 is an
attack), and a request that changes something must not come from a foreign page (Origin, Sec-Fetch-Site). A
header that a proxy adds means that the client is not where it seems to be.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dure.apps.ecosystem.a2a import config as a2a
from dure.apps.ecosystem.a2a.cards import CARD_PATH
from dure.errors import Invalid, Refused, Unauthorized
from dure.http.schemas import TENANT_SHAPE
from dure.http.services import Services
from dure.ids import is_tenant_id
from dure.queue.keys import Keys
from dure.queue.views import Principal
from dure.queue.views import Scope as KeyScope

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
TENANT_HEADER = "Dure-Tenant"

bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="A key made by `dure keys create` or `POST /v1/keys`."
)


class Authentication:
    """Middleware that puts the principal of each request into its state, or refuses it."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._door = Door(services.keys, services.host)
        self._shown = frozenset({CARD_PATH}) if a2a.load().public_card else frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its principal."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                scope["state"]["principal"] = await self._door.admit(scope)
            except Unauthorized:
                if not self._shows(scope):
                    raise
                scope["state"]["principal"] = None
        await self._app(scope, receive, send)

    def _shows(self, scope: Scope) -> bool:
        """Answer whether this may be read by somebody who shows no key; a wrong one is told of."""
        is_read = scope["path"] in self._shown and scope["method"] in READING
        return is_read and "authorization" not in Headers(scope=scope)


class Door:
    """Decides who a request comes from. Example: `principal = await Door(keys, "127.0.0.1").admit(scope)`."""

    def __init__(self, keys: Keys, host: str) -> None:
        self._keys = keys
        self._bound_to_loopback = is_loopback(host)
        self._keys_exist = False

    async def admit(self, scope: Scope) -> Principal:
        """Answer the principal of a request; raises `Unauthorized`, or `Refused` for a foreign page's."""
        headers = Headers(scope=scope)
        given = headers.getlist("authorization")
        if given:
            kind, _, secret = given[0].partition(" ")
            principal = (
                await self._keys.authenticate(secret.strip()) if kind.lower() == "bearer" and len(given) == 1 else None
            )
            if principal is None:
                raise Unauthorized
            return principal
        if not self._bound_to_loopback or not _from_loopback(scope, headers) or await self._any_key():
            raise Unauthorized
        _refuse_foreign_pages(scope["method"], headers)
        return Principal("loopback", "admin")

    async def _any_key(self) -> bool:
        # Once there was a key there always was one: only the answer no must be asked for again.
        self._keys_exist = self._keys_exist or await self._keys.any_exist()
        return self._keys_exist


def requires(scope: KeyScope, *, agents: bool = False, system: bool = False) -> Callable[..., Awaitable[Principal]]:
    """Answer a dependency that admits keys of `scope` or more: agents' too, or only those of no tenant.

    Example: `Annotated[Principal, Depends(requires("operator"))]`.
    """

    async def admit(
        request: Request, _key: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Principal:
        principal: Principal = request.state.principal
        if not (principal.may(scope) or (agents and principal.scope == "agent")):
            raise Refused("scope_missing", scope=scope)
        if system and principal.tenant_id is not None:
            raise Refused("system_only")
        return principal

    return admit


async def tenant_of(
    request: Request,
    dure_tenant: Annotated[
        str | None,
        Header(
            alias=TENANT_HEADER,
            description="Whose jobs, for a key of no single tenant. Or `tenant_id` in the query.",
            json_schema_extra=TENANT_SHAPE,
        ),
    ] = None,
    tenant_id: Annotated[
        str | None, Query(description="The same as the header Dure-Tenant.", json_schema_extra=TENANT_SHAPE)
    ] = None,
) -> str | None:
    """Answer for whom a request asks; None is for all, which only a key of no single tenant may."""
    return choose_tenant(request.state.principal, (TENANT_HEADER, dure_tenant), ("tenant_id", tenant_id))


def choose_tenant(principal: Principal, *named: tuple[str, str | None]) -> str | None:
    """Answer the tenant of the key, or the one that is named; `Refused` when a key names another's.

    Example: `choose_tenant(principal, ("tenant_id", body.tenant_id))`.
    """
    chosen = principal.tenant_id
    for field, tenant in named:
        if tenant is None:
            continue
        if not is_tenant_id(tenant):
            raise Invalid(field=field, reason="wrong_format", expected="acme-1")
        if chosen is not None and tenant != chosen:
            raise Refused("other_tenant", field=field)
        chosen = tenant
    return chosen


def require_tenant(tenant_id: str | None) -> str:
    """Answer the tenant; `Invalid` when none was named, for what must belong to one."""
    if tenant_id is None:
        raise Invalid(field="tenant_id", reason="missing")
    return tenant_id


def is_loopback(host: str) -> bool:
    """Answer whether a name or address can only be this machine. Example: `is_loopback("127.0.0.1")`."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _from_loopback(scope: Scope, headers: Headers) -> bool:
    client = scope.get("client")
    return client is not None and is_loopback(client[0]) and not any(name in headers for name in PROXY_HEADERS)


def _refuse_foreign_pages(method: str, headers: Headers) -> None:
    host = headers.get("host", "")
    if len(headers.getlist("host")) != 1 or not is_loopback(_without_port(host)):
        raise Refused("foreign_host")
    if method in READING:
        return
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        raise Refused("foreign_origin")
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Refused("foreign_origin")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


Tenant = Annotated[str | None, Depends(tenant_of)]
Viewer = Annotated[Principal, Depends(requires("viewer", agents=True))]
Person = Annotated[Principal, Depends(requires("viewer"))]
Submitter = Annotated[Principal, Depends(requires("operator", agents=True))]
Operator = Annotated[Principal, Depends(requires("operator"))]
SystemViewer = Annotated[Principal, Depends(requires("viewer", system=True))]
SystemOperator = Annotated[Principal, Depends(requires("operator", system=True))]
Admin = Annotated[Principal, Depends(requires("admin"))]
