"""The client of a skill server: ours, and others of that kind, by whichever face they have."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx

from dure.apps.knowledge.skills.errors import SkillConflict, SkillsDown, SkillsRefused
from dure.apps.knowledge.skills.face import Abilities, Face, Listed
from dure.apps.knowledge.skills.folder import Skill
from dure.apps.knowledge.skills.plain import PlainFace
from dure.errors import Invalid
from dure.runtime.web import is_loopback

TIMEOUT_S = 30.0
TRIES = 3
PAUSE_S = 0.2
PAUSE_MAX_S = 2.0
CONNECTIONS_MAX = 8
T = TypeVar("T")


class SkillClient:
    """Reads and writes whole skills. What a server cannot do in one step is compared first and read back after.

    `url` is the MCP endpoint, as in `MCP_SERVER_URL`; plain HTTP is looked for beside it. `builtin` names skills that
    are never touched on a server which does not say itself which those are; without it none there is touched.
    Example: `async with SkillClient("http://127.0.0.1:8765/mcp") as skills: await skills.list("acme")`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        builtin: Collection[str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(field="MCP_SERVER_URL", reason="wrong_format", expected="http://127.0.0.1:8765/mcp")
        base = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/").rpartition("/")[0], "", ""))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A proxy of the environment's knows nothing of this machine's own addresses.
        trust_env = not is_loopback(parts.hostname)
        self._http = httpx.AsyncClient(
            base_url=base,
            headers=headers,
            timeout=timeout_s,
            trust_env=trust_env,
            # A run's store is made anew for each of its jobs and closed by nobody, so nothing may stay open.
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=0),
        )
        self._plain = PlainFace(self._http)
        self._open_mcp = partial(_mcp_face, url, headers, timeout_s=timeout_s, trust_env=trust_env)
        self._tries = tries
        self._builtin = frozenset(builtin) if builtin is not None else None
        self._known: tuple[Face, Abilities] | None = None

    async def __aenter__(self) -> "SkillClient":
        """Answer itself; connections are made when they are needed."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connections."""
        await self.stop()

    async def stop(self) -> None:
        """Close the connections; may be called twice."""
        await self._http.aclose()

    async def abilities(self, tenant: str) -> Abilities:
        """Answer what the server can do; it is asked once."""
        return (await self._choose(tenant))[1]

    async def list(self, tenant: str) -> list[Listed]:
        """Answer the tenant's skills; one with a `problem`, or built in, is not to be changed."""
        face, _ = await self._choose(tenant)
        found = await self._again(partial(face.list, tenant))
        return [self._judge(entry, says_builtin=face is self._plain) for entry in found]

    async def read(self, tenant: str, name: str) -> Skill | None:
        """Answer a skill with all its files, or None."""
        face, _ = await self._choose(tenant)
        return await self._again(partial(face.read, tenant, name))

    async def write(self, tenant: str, skill: Skill, *, expected: str | None) -> Skill:
        """Write a skill in the place of the expected revision, None for a new one; answer it as the server has it.

        The same files there already are no conflict: then it has been done.
        """
        face, can = await self._choose(tenant)
        if can.revisions:
            await self._again(partial(face.write, tenant, skill, None, expected))
            return skill
        present = await self._again(partial(face.read, tenant, skill.name))
        if present is None or dict(present.files) != dict(skill.files):
            _compare(skill.name, present, expected)
            if present is not None:
                await self._touchable(tenant, skill.name)
            # Once only: after a lost answer nobody knows whose version a second call would replace.
            await face.write(tenant, skill, present, expected)
        written = await self._again(partial(face.read, tenant, skill.name))
        if written is None or _bytes(written) != _bytes(skill):
            raise SkillsRefused("not_exact", name=skill.name)
        return written

    async def delete(self, tenant: str, name: str, *, expected: str) -> None:
        """Remove a skill that still is at the expected revision; one that is gone already is no error."""
        face, can = await self._choose(tenant)
        if can.revisions:
            await self._again(partial(face.delete, tenant, name, expected))
            return
        present = await self._again(partial(face.read, tenant, name))
        if present is not None:
            _compare(name, present, expected)
            await self._touchable(tenant, name)
            await face.delete(tenant, name, expected)

    async def _choose(self, tenant: str) -> tuple[Face, Abilities]:
        if self._known is None:
            face: Face = self._plain
            can = await self._again(partial(face.abilities, tenant))
            if can is None:
                face = self._open_mcp()
                can = await self._again(partial(face.abilities, tenant))
            if can is None:
                raise SkillsRefused("no_skill_server")
            self._known = (face, can)
        return self._known

    async def _touchable(self, tenant: str, name: str) -> None:
        """Refuse what is built in, where the server itself may not."""
        entries = [entry for entry in await self.list(tenant) if entry.name == name]
        if not entries or any(entry.builtin or entry.problem for entry in entries):
            raise SkillsRefused("builtin", name=name)

    def _judge(self, entry: Listed, *, says_builtin: bool) -> Listed:
        """Plain lists hold built-in skills only where they say so; of MCP's we know it only if somebody says it."""
        if self._builtin is not None:
            return replace(entry, builtin=entry.builtin or entry.name in self._builtin)
        if says_builtin or entry.says_builtin:
            return entry
        return replace(entry, problem=entry.problem or "builtin_unknown")

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try a call that may be repeated a few times."""
        pause_s = PAUSE_S
        for _ in range(self._tries - 1):
            try:
                return await call()
            except SkillsDown as error:
                if (error.retry_after_s or 0) > PAUSE_MAX_S:
                    raise
                await asyncio.sleep(max(pause_s, error.retry_after_s or 0))
                pause_s *= 2
        return await call()


def _mcp_face(url: str, headers: Mapping[str, str], *, timeout_s: float, trust_env: bool) -> Face:
    # Half a second of imports, which a server with plain HTTP need not cost.
    from dure.apps.knowledge.skills.mcp_face import McpFace

    return McpFace(url, headers, timeout_s=timeout_s, trust_env=trust_env)


def _compare(name: str, present: Skill | None, expected: str | None) -> None:
    if present is None and expected is not None:
        raise SkillConflict("gone", name=name)
    if present is not None and expected is None:
        raise SkillConflict("exists", name=name)
    if present is not None and present.revision != expected:
        raise SkillConflict("changed", name=name)


def _bytes(skill: Skill) -> dict[str, bytes]:
    return {path: file.content for path, file in skill.files.items()}
