"""Skill servers for tests: ours, one in a process of its own that can be killed, and two of other people's kinds."""

import asyncio
import base64
import json
import signal
import sys
from contextlib import asynccontextmanager

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dure.apps.knowledge.skills.archive import pack, unpack
from dure.apps.knowledge.skills.folder import File, Skill, document
from dure.apps.knowledge.skills.server import SkillServer, serve
from dure.runtime.web import HttpServer, bind, url_of


def skill(name="tidy-up", steps="1. Look.\n2. Sort.", agent_id=None, files=None):
    content = {"SKILL.md": File(document(name, f"About {name}.", steps, agent_id=agent_id))}
    return Skill.of({**content, **(files or {})})


BINARY = {
    "bin/all": File(bytes(range(256)) * 40, "755"),
    "참고/빈 파일": File(b""),
    "crlf.txt": File(b"a\r\nb\rc\n\xef\xbb\xbf"),
    "cafe\u0301.json": File(b'{"content": "not an answer", "file_path": "SKILL.md"}'),
}


@asynccontextmanager
async def running(root, **options):
    server = serve(root, port=0, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def browsing(server, **headers):
    base = server.url.removesuffix("/mcp")
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as http:
        yield http


@asynccontextmanager
async def tools(server, tenant=None):
    """One MCP session, by the official client."""
    headers = {"Dure-Tenant": tenant} if tenant else {}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(server.url, http_client=http)) as client,
    ):

        async def call(name, **arguments):
            return await client.call_tool(name, arguments)

        yield call


async def upload(http, made, **params):
    return await http.post("/skills/upload", params=params, files={"file": ("skill.zip", pack(made.files))})


class Killable:
    """Our server in a process of its own, on a port that it keeps when it is started again."""

    PROGRAM = """
import asyncio, pathlib, sys
from dure.apps.knowledge.skills.server import serve
async def main():
    server = serve(pathlib.Path(sys.argv[1]), port=int(sys.argv[2]))
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

    def __init__(self, root):
        self._root = root
        self._process = None
        self.url = "http://127.0.0.1:0/mcp"

    async def start(self):
        port = self.url.removesuffix("/mcp").rpartition(":")[2]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", self.PROGRAM, str(self._root), port, stdout=asyncio.subprocess.PIPE
        )
        self.url = (await self._process.stdout.readline()).decode().strip()

    async def kill(self):
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(signal.SIGKILL)
            await process.wait()
            process._transport.close()


@asynccontextmanager
async def serving(app):
    listener = bind("127.0.0.1", 0)
    server = SkillServer(app, HttpServer(app, listener), url_of(listener, "127.0.0.1") + "/mcp")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class OtherPlain:
    """A server with plain HTTP that knows tenants, but neither revisions nor modes; an upload always replaces."""

    def __init__(self):
        self.kept = {}
        self.calls = []
        self.changes_files = False

    def app(self):
        return Starlette(
            routes=[
                Route("/skills/list", self._list),
                Route("/skills/download", self._download),
                Route("/skills/upload", self._upload, methods=["POST"]),
                Route("/skills/{name}", self._delete, methods=["DELETE"]),
            ]
        )

    async def _list(self, request):
        tenant = request.query_params["tenant_id"]
        names = [name for kept, name in self.kept if kept == tenant]
        skills = [{"name": name, "description": "", "directory": name, "tenant_id": tenant} for name in names]
        return JSONResponse({"skills": skills, "count": len(skills), "tenant_id": tenant})

    async def _download(self, request):
        key = (request.query_params["tenant_id"], request.query_params["name"])
        if key not in self.kept:
            return JSONResponse({"detail": f"Skill '{key[1]}' not found in local storage"}, 404)
        return Response(pack(self.kept[key]), media_type="application/zip")

    async def _upload(self, request):
        async with request.form() as form:
            files = unpack(await form["file"].read())
            tenant = form["tenant_id"]
        name = Skill.of(files).name
        self.calls.append(("upload", tenant, name))
        stored = {path: File(file.content) for path, file in files.items()}
        if self.changes_files:
            stored["SKILL.md"] = File(stored["SKILL.md"].content + b"\n")
        self.kept[tenant, name] = stored
        return JSONResponse({"status": "ok", "skills_added": [name]})

    async def _delete(self, request):
        key = (request.query_params["tenant_id"], request.path_params["name"])
        self.calls.append(("delete", *key))
        if self.kept.pop(key, None) is None:
            return JSONResponse({"detail": "not found"}, 404)
        return JSONResponse({"message": "Skill deleted successfully"})


class OtherMcp:
    """A server with the MCP tools alone, that answers JSON as text; it knows no tenants and cannot create a skill."""

    def __init__(self, *, prose=False, says_builtin=False):
        self.kept = {}
        self.prose = prose
        self.says_builtin = says_builtin
        self.calls = []

    @asynccontextmanager
    async def running(self):
        server = MCPServer("other")
        for tool in (
            self.list_skills,
            self.read_skill_document,
            self.delete_skill,
            self.delete_skill_file,
            self.update_skill_file,
        ):
            server.add_tool(tool)
        async with serving(server.streamable_http_app()) as running:
            yield running

    def list_skills(self) -> str:
        """List skills."""
        entries = [{"name": name, **({"builtin": name == "pdf"} if self.says_builtin else {})} for name in self.kept]
        return f"There are {len(entries)} skills." if self.prose else json.dumps({"skills": entries})

    def read_skill_document(self, skill_name: str, document_path: str | None = None) -> str:
        """Read."""
        files = self._files(skill_name)
        if document_path is None:
            return json.dumps({"files": [path for path in files if path != "SKILL.md"]})
        content = files[document_path]
        try:
            body = {"content": content.decode()}
        except UnicodeDecodeError:
            body = {"content_base64": base64.b64encode(content).decode()}
        return json.dumps({"path": document_path, **body})

    def delete_skill(self, skill_name: str) -> str:
        """Delete."""
        self._files(skill_name)
        self.calls.append(("delete", skill_name))
        del self.kept[skill_name]
        return "Successfully deleted."

    def delete_skill_file(self, skill_name: str, file_path: str) -> str:
        """Delete a file."""
        self.calls.append(("delete file", skill_name, file_path))
        del self._files(skill_name)[file_path]
        return "Successfully deleted."

    def update_skill_file(
        self, skill_name: str, file_path: str, content: str | None = None, content_base64: str | None = None
    ) -> str:
        """Write a file."""
        self.calls.append(("update", skill_name, file_path))
        self._files(skill_name)[file_path] = (
            content.encode() if content is not None else base64.b64decode(content_base64)
        )
        return "Successfully updated."

    def _files(self, name):
        if name not in self.kept:
            raise ToolError(f"Skill '{name}' not found")
        return self.kept[name]
