"""The MCP tools of a skill server: what agents use to look at skills and to keep them up."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import WrapValidator
from starlette.concurrency import run_in_threadpool

from dure.apps.knowledge.skills.errors import SkillMissing, SkillsError
from dure.apps.knowledge.skills.folder import DOCUMENT, File, Skill
from dure.apps.knowledge.skills.routes import TENANT_HEADER, choose_tenant, contents, listed, one_file, read_content
from dure.apps.knowledge.skills.shelf import Shelf

SERVER_NAME = "dure-skills"
Answer = dict[str, Any]
NOTHING: Any = None
Text = Annotated[str, WrapValidator(lambda given, check: None if given is None else check(given))]
"""Text or nothing. Its type is plain `str` because the SDK reads any other as JSON first, which would turn a file that
holds JSON, or the word null, into something else."""
T = TypeVar("T")


def build(shelf: Shelf, default_tenant: str) -> MCPServer:
    """Answer an MCP server with the five tools over a shelf. Example: `build(shelf, "default")`."""
    server = MCPServer(SERVER_NAME, log_level="WARNING")
    tools = _Tools(shelf, default_tenant)
    server.add_tool(tools.list_skills, description="List all skills: names, descriptions, revisions.")
    server.add_tool(tools.read_skill_document, description="List the files of a skill, or read one of them.")
    server.add_tool(tools.delete_skill, description="Delete a skill with all its files.")
    server.add_tool(tools.delete_skill_file, description="Delete one file of a skill; SKILL.md stays.")
    server.add_tool(tools.update_skill_file, description="Write one file of a skill, as text or in base64.")
    return server


class _Tools:
    def __init__(self, shelf: Shelf, default_tenant: str) -> None:
        self._shelf = shelf
        self._default_tenant = default_tenant

    async def list_skills(self, ctx: Context, tenant_id: Text = NOTHING, agent_id: Text = NOTHING) -> Answer:
        tenant = self._tenant(ctx, tenant_id)
        found = await _do(self._shelf.skills, tenant)
        skills = [listed(entry, tenant) for entry in found if agent_id is None or agent_id == entry.agent_id]
        return {"skills": skills, "count": len(skills), "tenant_id": tenant, "revisions": True}

    async def read_skill_document(
        self,
        ctx: Context,
        skill_name: str,
        document_path: Text = NOTHING,
        include_base64: bool = False,
        tenant_id: Text = NOTHING,
    ) -> Answer:
        skill = await _do(self._shelf.get, self._tenant(ctx, tenant_id), skill_name)
        if document_path is None:
            return contents(skill)
        return await _do(one_file, skill, document_path, as_base64=include_base64)

    async def delete_skill(
        self, ctx: Context, skill_name: str, tenant_id: Text = NOTHING, expected: Text = NOTHING
    ) -> Answer:
        tenant = self._tenant(ctx, tenant_id)
        if not await _do(self._shelf.delete, tenant, skill_name, expected=expected):
            raise _tool_error(SkillMissing("no_skill", name=skill_name))
        return {"skill_name": skill_name, "deleted": True}

    async def delete_skill_file(
        self,
        ctx: Context,
        skill_name: str,
        file_path: str,
        tenant_id: Text = NOTHING,
        expected: Text = NOTHING,
    ) -> Answer:
        tenant = self._tenant(ctx, tenant_id)
        return _changed(
            await _do(self._shelf.change, tenant, skill_name, file_path, None, expected=expected), file_path
        )

    async def update_skill_file(
        self,
        ctx: Context,
        skill_name: str,
        file_path: str,
        content: Text = NOTHING,
        content_base64: Text = NOTHING,
        mode: Text = NOTHING,
        create: bool = False,
        tenant_id: Text = NOTHING,
        expected: Text = NOTHING,
    ) -> Answer:
        tenant = self._tenant(ctx, tenant_id)
        file = await _do(read_content, content, content_base64, mode)
        if create and file_path == DOCUMENT:
            skill = await _do(self._create, tenant, skill_name, file)
        else:
            skill = await _do(self._shelf.change, tenant, skill_name, file_path, file, expected=expected)
        return _changed(skill, file_path)

    def _create(self, tenant: str, name: str, file: File) -> Skill:
        skill = Skill.of({DOCUMENT: file}, fallback_name=name)
        if skill.name != name:
            raise SkillMissing("no_skill", name=name)
        self._shelf.put(tenant, skill, expected=None)
        return skill

    def _tenant(self, ctx: Context, argument: str | None) -> str:
        headers: Mapping[str, str] = ctx.headers or {}
        try:
            return choose_tenant(self._default_tenant, headers.get(TENANT_HEADER), argument)
        except SkillsError as error:
            raise _tool_error(error) from error


async def _do(work: Callable[..., T], *given: Any, **named: Any) -> T:
    """Run blocking work in a thread; an agent, and our own client, gets the reason first and then the sentence."""
    try:
        return await run_in_threadpool(work, *given, **named)
    except SkillsError as error:
        raise _tool_error(error) from error


def _tool_error(error: SkillsError) -> ToolError:
    return ToolError(f"{error.code}/{error.reason}: {error.text('en')}")


def _changed(skill: Skill, path: str) -> Answer:
    return {"skill_name": skill.name, "file_path": path, "revision": skill.revision}
