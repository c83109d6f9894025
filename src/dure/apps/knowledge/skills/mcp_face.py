"""Talking to a skill server by its MCP tools alone, for servers that have nothing else.

Tools answer as their authors liked: what is not JSON of a shape we know is not guessed at, and whether a change was
made is seen by reading, not believed. A skill is read and written file by file, so a change is not one step here.
"""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from dure.apps.knowledge.skills.errors import SkillMissing, SkillsDown, SkillsError, SkillsRefused, SkillTooLarge
from dure.apps.knowledge.skills.face import (
    ANSWER_BYTES_MAX,
    Abilities,
    Listed,
    error_named,
    error_of,
    knows_tenants,
    read_list,
)
from dure.apps.knowledge.skills.folder import (
    DOCUMENT,
    EXECUTABLE,
    FILES_MAX,
    PLAIN,
    SKILL_BYTES_MAX,
    File,
    Skill,
    check_path,
)

NO_SUCH_FACE = frozenset({404, 405, 501})
NEEDED = frozenset({"list_skills", "read_skill_document", "delete_skill", "delete_skill_file", "update_skill_file"})
_OURS = re.compile(r"(skills?_[a-z_]+)/([a-z_]+): (.*)", re.DOTALL)


class McpFace:
    """The MCP tools at one URL.

    Example: `McpFace("http://127.0.0.1:8765/mcp", {}, timeout_s=30).read("acme", "tidy-up")`.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout_s: float, trust_env: bool = True) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._trust_env = trust_env

    async def abilities(self, tenant: str) -> Abilities | None:
        """Answer what the server's tools can do; None if it has not the tools of a skill server."""
        async with self._session(tenant) as session:
            if not session.tools.keys() >= NEEDED:
                return None
            answer = await session.call("list_skills")
            return Abilities(
                tenants=answer is not None and knows_tenants(answer, tenant),
                revisions=False,
                creates="create" in session.tools["update_skill_file"],
            )

    async def list(self, tenant: str) -> list[Listed]:
        """Answer the tenant's skills."""
        async with self._session(tenant) as session:
            answer = await session.call("list_skills")
            if answer is None:
                raise SkillsRefused("answer", what="list_skills")
            return read_list(answer, tenant)

    async def read(self, tenant: str, name: str) -> Skill | None:
        """Answer a skill, read file by file."""
        async with self._session(tenant) as session:
            return await _read(session, name)

    async def write(self, tenant: str, skill: Skill, present: Skill | None, expected: str | None) -> None:
        """Write what differs, SKILL.md before the rest of a new skill and after the rest of one that is there."""
        async with self._session(tenant) as session:
            old = present.files if present is not None else {}
            creates = "create" in session.tools["update_skill_file"]
            if present is None and not creates:
                raise SkillsRefused("cannot_create", name=skill.name)
            first = [DOCUMENT] if present is None else []
            for path in [*first, *(path for path in skill.files if path != DOCUMENT), *([] if first else [DOCUMENT])]:
                if old.get(path) != skill.files[path]:
                    await _write(session, skill.name, path, skill.files[path], create=path in first)
            for path in old.keys() - skill.files.keys():
                await session.call("delete_skill_file", skill_name=skill.name, file_path=path)

    async def delete(self, tenant: str, name: str, expected: str) -> None:
        """Remove a skill; whether it is gone is seen by looking."""
        async with self._session(tenant) as session:
            try:
                await session.call("delete_skill", skill_name=name, expected=expected)
            except SkillMissing:
                return
            answer = await session.call("list_skills")
            if answer is None or any(entry.name == name for entry in read_list(answer, tenant)):
                raise SkillsRefused("not_done", name=name)

    @asynccontextmanager
    async def _session(self, tenant: str) -> "AsyncIterator[_Session]":
        headers = {**self._headers, "Dure-Tenant": tenant} if tenant.isascii() else self._headers
        timeout = httpx2.Timeout(self._timeout_s)
        transport = _Bounded(trust_env=self._trust_env)
        try:
            async with (
                httpx2.AsyncClient(
                    headers=headers, timeout=timeout, transport=transport, trust_env=self._trust_env
                ) as http,
                Client(
                    streamable_http_client(self._url, http_client=http),
                    read_timeout_seconds=self._timeout_s,
                    cache=None,
                ) as client,
            ):
                listed = await client.list_tools()
                tools = {tool.name: frozenset(tool.input_schema.get("properties", {})) for tool in listed.tools}
                yield _Session(client, tools, tenant)
        except (BaseExceptionGroup, MCPError, httpx2.HTTPError, OSError) as error:
            found = _first(error) if isinstance(error, BaseExceptionGroup) else error
            if found is None:
                raise
            raise _plain(found, transport) from error


@dataclass(frozen=True, slots=True)
class _Session:
    client: Client
    tools: Mapping[str, frozenset[str]]
    tenant: str

    async def call(self, tool: str, **arguments: object) -> Mapping[str, Any] | None:
        """Call a tool with those arguments that it takes; None for an answer in prose."""
        takes = self.tools.get(tool)
        if takes is None:
            raise SkillsRefused("no_tool", tool=tool)
        given = {"tenant_id": self.tenant, **arguments}
        result = await self.client.call_tool(tool, {name: given[name] for name in given if name in takes})
        text = "\n".join(str(getattr(part, "text", "")) for part in result.content)
        if result.is_error:
            ours = _OURS.search(text)
            raise error_named(*ours.groups()) if ours else SkillsRefused("said", text[:500], text=text[:500])
        if isinstance(result.structured_content, dict):
            # A tool that answers text alone has it wrapped by its library.
            inner = result.structured_content.get("result")
            return inner if isinstance(inner, dict) else _json(inner) or result.structured_content
        return _json(text)


class _Bounded(httpx2.AsyncHTTPTransport):
    """A transport that reads no more of an answer than agreed, and remembers what the SDK tells nobody."""

    exceeded = False
    status = 200
    """Of the last answer."""
    retry_after: str | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        self.status, self.retry_after = response.status_code, response.headers.get("retry-after")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Counted(self, response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, owner: _Bounded, stream: httpx2.AsyncByteStream) -> None:
        self._owner = owner
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read_bytes = 0
        async for chunk in self._stream:
            read_bytes += len(chunk)
            if read_bytes > ANSWER_BYTES_MAX:
                self._owner.exceeded = True
                raise httpx2.ReadError("the answer is larger than agreed")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _read(session: _Session, name: str) -> Skill | None:
    answer = await session.call("list_skills")
    if answer is None:
        raise SkillsRefused("answer", what="list_skills")
    if not any(entry.name == name for entry in read_list(answer, session.tenant)):
        return None
    try:
        contents = await session.call("read_skill_document", skill_name=name)
        modes = _paths(contents, name)
        files: dict[str, File] = {}
        size = 0
        for path, mode in modes.items():
            said = await session.call("read_skill_document", skill_name=name, document_path=path, include_base64=True)
            files[path] = File(_content(said, path), mode)
            size += len(files[path].content)
            if size > SKILL_BYTES_MAX:
                raise SkillTooLarge("skill_too_large", size_bytes=size, max_bytes=SKILL_BYTES_MAX)
    except SkillMissing:
        return None
    skill = Skill.of(files, fallback_name=name)
    stated = (contents or {}).get("revision")
    if isinstance(stated, str) and stated != skill.revision:
        raise SkillsDown("changed_meanwhile", name=name)
    if skill.name != name:
        raise SkillsRefused("other_skill", name=name, other=skill.name)
    return skill


async def _write(session: _Session, name: str, path: str, file: File, *, create: bool) -> None:
    """Write one file, in base64 where the server takes that: common libraries take text that is JSON for JSON."""
    if "content_base64" in session.tools["update_skill_file"]:
        content = {"content_base64": base64.b64encode(file.content).decode("ascii")}
    else:
        try:
            content = {"content": file.content.decode()}
        except UnicodeDecodeError as error:
            raise SkillsRefused("text_only", path=path) from error
    await session.call("update_skill_file", skill_name=name, file_path=path, mode=file.mode, create=create, **content)


def _paths(answer: Mapping[str, Any] | None, name: str) -> dict[str, str]:
    """Read which files a skill has, with their modes as far as the server knows them."""
    entries = (answer or {}).get("files")
    if not isinstance(entries, list) or len(entries) > FILES_MAX:
        raise SkillsRefused("answer", what="read_skill_document")
    found: dict[str, str] = {}
    for entry in entries:
        path = entry.get("path") if isinstance(entry, dict) else entry
        if not isinstance(path, str):
            raise SkillsRefused("answer", what="read_skill_document")
        mode = entry.get("mode") if isinstance(entry, dict) else None
        found[check_path(path)] = EXECUTABLE if mode == EXECUTABLE else PLAIN
    # Some list the other documents only.
    return {DOCUMENT: PLAIN, **found}


def _content(answer: Mapping[str, Any] | None, path: str) -> bytes:
    """Read one file. An answer that does not name it may as well be the file's own text, so it is not taken."""
    said = answer or {}
    if path not in (said.get("file_path"), said.get("path"), said.get("document_path")):
        raise SkillsRefused("answer", what="read_skill_document")
    encoded, text = said.get("content_base64"), said.get("content")
    try:
        if isinstance(encoded, str):
            return base64.b64decode(encoded, validate=True)
        if isinstance(text, str):
            return text.encode()
    except (binascii.Error, ValueError) as error:
        raise SkillsRefused("answer", what="read_skill_document") from error
    raise SkillsRefused("answer", what="read_skill_document")


def _json(text: object) -> Mapping[str, Any] | None:
    if not isinstance(text, str):
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else {"skills": said} if isinstance(said, list) else None


def _first(group: BaseExceptionGroup[BaseException]) -> Exception | None:
    """Answer what a task group failed of, if it is of the kinds that we name; a refusal of ours comes first."""
    leaves = [*_leaves(group)]
    kinds = (SkillsError, httpx2.HTTPError, MCPError, OSError)
    named = [leaf for leaf in leaves if isinstance(leaf, kinds)]
    return next((leaf for kind in kinds for leaf in named if isinstance(leaf, kind)), None) if named == leaves else None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _plain(error: BaseException, transport: _Bounded) -> SkillsError:
    """Answer the error as one of ours, by what came over the wire where the SDK says only that something failed."""
    if isinstance(error, SkillsError):
        return error
    if transport.exceeded:
        return SkillsRefused("answer_too_large", max_bytes=ANSWER_BYTES_MAX)
    if transport.status in NO_SUCH_FACE:
        return SkillsRefused("no_skill_server")
    if transport.status >= 400:
        return error_of(transport.status, None, transport.retry_after)
    return SkillsDown("down", cause=str(error) or type(error).__name__)
