"""The plain HTTP of a skill server: for programs that do not speak MCP, and the way to move whole skills exactly."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dure.apps.knowledge.skills.archive import ARCHIVE_BYTES_MAX, pack, unpack
from dure.apps.knowledge.skills.errors import SkillInvalid, SkillMissing, SkillsError
from dure.apps.knowledge.skills.folder import EXECUTABLE, PLAIN, File, Skill
from dure.apps.knowledge.skills.gate import problem
from dure.apps.knowledge.skills.shelf import Shelf, Shelved

TENANT_HEADER = "dure-tenant"
FIELD_BYTES_MAX = 1024
Endpoint = Callable[[Request], Awaitable[Response]]


class Routes:
    """The endpoints over one shelf. Example: `Starlette(routes=Routes(shelf, "default").table())`."""

    def __init__(self, shelf: Shelf, default_tenant: str) -> None:
        self._shelf = shelf
        self._default_tenant = default_tenant

    def table(self) -> list[Route]:
        """Answer all routes."""
        file = "/skills/{name}/files/{path:path}"
        return [
            Route("/health", self._guard(self._health), methods=["GET"]),
            Route("/skills/upload", self._guard(self._upload), methods=["POST"]),
            Route("/skills/list", self._guard(self._list), methods=["GET"]),
            Route("/skills/check", self._guard(self._check), methods=["GET"]),
            Route("/skills/download", self._guard(self._download), methods=["GET"]),
            Route("/skills/{name}/files", self._guard(self._files), methods=["GET"]),
            Route(file, self._guard(self._read), methods=["GET"]),
            Route(file, self._guard(self._write), methods=["PUT"]),
            Route(file, self._guard(self._remove), methods=["DELETE"]),
            Route("/skills/{name}", self._guard(self._delete), methods=["DELETE"]),
        ]

    def _guard(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            try:
                return await endpoint(request)
            except SkillMissing as error:
                return problem(error, request.headers, name=error.params.get("name"), exists=False)
            except SkillsError as error:
                return problem(error, request.headers)

        return guarded

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _upload(self, request: Request) -> Response:
        data, form = await _archive(request)
        tenant = self._tenant(request, form)
        # What a skill is called whose SKILL.md does not say it.
        named = request.query_params.get("name", "")
        skill = Skill.of(await run_in_threadpool(unpack, data), fallback_name=named)
        agent = form.get("agent_id") or request.query_params.get("agent_id")
        if agent and agent != skill.agent_id:
            raise SkillInvalid("agent", name=skill.name, agent_id=agent)
        changed = await run_in_threadpool(
            self._shelf.put,
            tenant,
            skill,
            expected=request.query_params.get("expected"),
            overwrite=request.query_params.get("replace", "").lower() in ("true", "1"),
        )
        return JSONResponse(
            {
                "status": "ok",
                "skills_added": [skill.name],
                "name": skill.name,
                "revision": skill.revision,
                "changed": changed,
                "tenant_id": tenant,
            }
        )

    async def _list(self, request: Request) -> Response:
        tenant, agent = self._tenant(request), request.query_params.get("agent_id")
        found = await run_in_threadpool(self._shelf.skills, tenant)
        skills = [listed(entry, tenant) for entry in found if agent is None or agent == entry.agent_id]
        return JSONResponse({"skills": skills, "count": len(skills), "tenant_id": tenant, "revisions": True})

    async def _check(self, request: Request) -> Response:
        skill = await self._skill(request, _named(request))
        return JSONResponse(
            {
                "name": skill.name,
                "description": skill.description,
                "document_count": len(skill.files) - 1,
                "revision": skill.revision,
                "exists": True,
            }
        )

    async def _download(self, request: Request) -> Response:
        skill = await self._skill(request, _named(request))
        data = await run_in_threadpool(pack, skill.files)
        headers = {
            "ETag": f'"{skill.revision}"',
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(skill.name, safe='')}.zip",
        }
        return Response(data, media_type="application/zip", headers=headers)

    async def _files(self, request: Request) -> Response:
        return JSONResponse(contents(await self._skill(request, request.path_params["name"])))

    async def _read(self, request: Request) -> Response:
        skill = await self._skill(request, request.path_params["name"])
        return JSONResponse(one_file(skill, request.path_params["path"]))

    async def _write(self, request: Request) -> Response:
        try:
            body = await request.json()
        except (ValueError, RecursionError) as error:
            raise SkillInvalid("content") from error
        if not isinstance(body, dict):
            raise SkillInvalid("content")
        file = read_content(body.get("content"), body.get("content_base64"), body.get("mode"))
        return await self._change(request, file)

    async def _remove(self, request: Request) -> Response:
        return await self._change(request, None)

    async def _change(self, request: Request, file: File | None) -> Response:
        name, path = request.path_params["name"], request.path_params["path"]
        skill = await run_in_threadpool(
            self._shelf.change, self._tenant(request), name, path, file, expected=request.query_params.get("expected")
        )
        return JSONResponse({"skill_name": name, "file_path": path, "revision": skill.revision})

    async def _delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        expected = request.query_params.get("expected")
        if not await run_in_threadpool(self._shelf.delete, self._tenant(request), name, expected=expected):
            raise SkillMissing("no_skill", name=name)
        return JSONResponse({"skill_name": name, "deleted": True})

    async def _skill(self, request: Request, name: str) -> Skill:
        return await run_in_threadpool(self._shelf.get, self._tenant(request), name)

    def _tenant(self, request: Request, form: Mapping[str, str] | None = None) -> str:
        return choose_tenant(
            self._default_tenant,
            request.headers.get(TENANT_HEADER),
            request.query_params.get("tenant_id"),
            (form or {}).get("tenant_id"),
        )


def choose_tenant(default: str, *named: str | None) -> str:
    """Answer whose skills are meant; two different answers to that are refused.

    Example: `choose_tenant("default", None, "acme")`.
    """
    tenants = {tenant for tenant in named if tenant}
    if len(tenants) > 1:
        raise SkillInvalid("two_tenants", one=min(tenants), other=max(tenants))
    return tenants.pop() if tenants else default


def listed(entry: Shelved, tenant: str) -> dict[str, Any]:
    """Answer what a list says of a skill. Example: `listed(shelf.skills("acme")[0], "acme")["revision"]`."""
    return {
        "name": entry.name,
        "description": entry.description,
        "tenant_id": None if entry.builtin else tenant,
        "agent_id": entry.agent_id,
        "builtin": entry.builtin,
        "revision": entry.revision,
        "file_count": entry.files,
        "size_bytes": entry.size_bytes,
        "problem": entry.problem,
    }


def contents(skill: Skill) -> dict[str, Any]:
    """Answer which files a skill has. Example: `contents(skill)["files"][0]["path"]`."""
    files = [{"path": path, "size": len(file.content), "mode": file.mode} for path, file in skill.files.items()]
    return {"skill_name": skill.name, "files": files, "count": len(files), "revision": skill.revision}


def one_file(skill: Skill, path: str, *, as_base64: bool = False) -> dict[str, Any]:
    """Answer one file, as text where it is text. Example: `one_file(skill, "SKILL.md")["content"]`."""
    file = skill.files.get(path)
    if file is None:
        raise SkillMissing("no_file", name=skill.name, path=path)
    answer: dict[str, Any] = {"skill_name": skill.name, "file_path": path, "size": len(file.content), "mode": file.mode}
    try:
        text = None if as_base64 else file.content.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None:
        return {**answer, "type": "text", "content": text}
    return {**answer, "type": "binary", "content_base64": base64.b64encode(file.content).decode("ascii")}


def read_content(text: object, encoded: object, mode: object) -> File:
    """Read a file that came as text or in base64. Example: `read_content("hello", None, None)`."""
    if mode not in (None, PLAIN, EXECUTABLE) or (text is None) == (encoded is None):
        raise SkillInvalid("content")
    try:
        content = base64.b64decode(str(encoded), validate=True) if text is None else str(text).encode()
    except (binascii.Error, ValueError) as error:
        raise SkillInvalid("content") from error
    return File(content, EXECUTABLE if mode == EXECUTABLE else PLAIN)


def _named(request: Request) -> str:
    name = request.query_params.get("name")
    if not name:
        raise SkillInvalid("no_name")
    return name


async def _archive(request: Request) -> tuple[bytes, dict[str, str]]:
    """Answer the zip of an upload and the fields beside it: a form's `file`, or the body itself."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await request.body(), {}
    async with request.form(max_files=1, max_fields=10, max_part_size=FIELD_BYTES_MAX) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise SkillInvalid("not_zip")
        data = await upload.read(ARCHIVE_BYTES_MAX + 1)
        return data, {name: value for name, value in form.items() if isinstance(value, str)}
