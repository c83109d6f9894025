"""Talking to a skill server by its plain HTTP: whole skills as zips, exact to the byte."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from dure.apps.knowledge.skills.archive import pack, unpack
from dure.apps.knowledge.skills.errors import SkillsDown, SkillsError, SkillsRefused
from dure.apps.knowledge.skills.face import ANSWER_BYTES_MAX, Abilities, Listed, error_of, knows_tenants, read_list
from dure.apps.knowledge.skills.folder import Skill

NO_SUCH_FACE = frozenset({404, 405, 501})
ROUTE_MISSING = "Not Found"
"""What common frameworks say of an address that they do not have."""


class PlainFace:
    """The endpoints under `/skills`, of our own server and of others of that kind.

    Example: `PlainFace(httpx.AsyncClient(base_url="http://127.0.0.1:8765"))`.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._compares = False

    async def abilities(self, tenant: str) -> Abilities | None:
        """Answer what the server can do this way, None if it has no plain HTTP."""
        answer = await self._ask("GET", "/skills/list", tenant)
        if answer.status in NO_SUCH_FACE:
            return None
        said = answer.json() if answer.ok else None
        if answer.ok and not (isinstance(said, dict) and isinstance(said.get("skills"), list)):
            return None
        checked = answer.checked("list")
        self._compares = checked.get("revisions") is True
        return Abilities(tenants=knows_tenants(checked, tenant), revisions=self._compares, creates=True)

    async def list(self, tenant: str) -> list[Listed]:
        """Answer the tenant's skills."""
        answer = await self._ask("GET", "/skills/list", tenant)
        return read_list(answer.checked("list"), tenant)

    async def read(self, tenant: str, name: str) -> Skill | None:
        """Answer a skill with all its files."""
        answer = await self._ask("GET", "/skills/download", tenant, params={"name": name})
        if answer.status == 404:
            said = answer.json()
            if not isinstance(said, dict) or said.get("detail") == ROUTE_MISSING:
                # No such address at all, which must not look as if every skill were gone.
                raise SkillsRefused("no_download")
            return None
        if not answer.ok:
            raise answer.error()
        skill = Skill.of(unpack(answer.body), fallback_name=name)
        if skill.name != name:
            raise SkillsRefused("other_skill", name=name, other=skill.name)
        return skill

    async def write(self, tenant: str, skill: Skill, present: Skill | None, expected: str | None) -> None:
        """Upload a skill, in one step with the comparison where the server can do that."""
        files = {"file": (f"{quote(skill.name, safe='')}.zip", pack(skill.files), "application/zip")}
        params = {"name": skill.name} if skill.is_nameless else {}
        if expected is not None and self._compares:
            params["expected"] = expected
        answer = await self._ask(
            "POST", "/skills/upload", tenant, params=params, files=files, data={"tenant_id": tenant}
        )
        answer.checked("upload")

    async def delete(self, tenant: str, name: str, expected: str) -> None:
        """Remove a skill."""
        params = {"expected": expected} if self._compares else {}
        answer = await self._ask("DELETE", f"/skills/{quote(name, safe='')}", tenant, params=params)
        if answer.status != 404:
            answer.checked("delete")

    async def _ask(
        self,
        method: str,
        path: str,
        tenant: str,
        *,
        params: Mapping[str, str] | None = None,
        files: Any = None,
        data: Mapping[str, str] | None = None,
    ) -> "_Answer":
        query = {**(params or {}), "tenant_id": tenant}
        headers = {"Dure-Tenant": quote(tenant, safe=" .:@+-_")}
        if headers["Dure-Tenant"] != tenant:
            # A header holds ASCII alone; the query names any tenant.
            del headers["Dure-Tenant"]
        try:
            async with self._http.stream(
                method, path, params=query, headers=headers, files=files, data=data
            ) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise SkillsRefused("answer_too_large", max_bytes=ANSWER_BYTES_MAX)
                return _Answer(response.status_code, bytes(body), response.headers.get("retry-after"))
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise SkillsDown("down", cause=str(error) or type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str | None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def checked(self, what: str) -> Mapping[str, Any]:
        if not self.ok:
            raise self.error()
        said = self.json()
        if not isinstance(said, dict):
            raise SkillsRefused("answer", what=what)
        return said

    def error(self) -> SkillsError:
        return error_of(self.status, self.json(), self.retry_after)
