"""What the two ways to talk to a skill server have in common: plain HTTP, and MCP alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dure.apps.knowledge.skills.errors import KINDS, SkillsDown, SkillsError, SkillsRefused
from dure.apps.knowledge.skills.folder import Skill

LISTED_MAX = 20_000
"""More skills than this in one list are not believed."""
ANSWER_BYTES_MAX = 32 * 1024 * 1024
RETRY_AFTER_MAX_S = 3600.0
TRANSIENT_STATUS = frozenset({408, 425, 429})
_BY_CODE = {kind.code: kind for kind in KINDS}
_BY_STATUS = {kind.status: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do, as its answers show it."""

    tenants: bool
    """It keeps the skills of tenants apart."""
    revisions: bool
    """It compares a revision and writes in one step; with others we compare first, and somebody may come between."""
    creates: bool
    """It takes a whole new skill, so that a deleted one can be put back."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A skill as a list names it. `problem` says why one is left alone; empty for one that may be changed."""

    name: str
    description: str = ""
    agent_id: str | None = None
    builtin: bool = False
    problem: str = ""
    says_builtin: bool = False
    """The list says of it whether it is built in."""


class Face(Protocol):
    """One way to talk to a server; every answer is checked, none is trusted."""

    async def abilities(self, tenant: str) -> Abilities | None:
        """Answer what the server can do this way, None if it does not talk this way at all."""

    async def list(self, tenant: str) -> list[Listed]:
        """Answer the tenant's skills."""

    async def read(self, tenant: str, name: str) -> Skill | None:
        """Answer a skill with all its files."""

    async def write(self, tenant: str, skill: Skill, present: Skill | None, expected: str | None) -> None:
        """Write a skill; `present` is what it replaces, as far as we know."""

    async def delete(self, tenant: str, name: str, expected: str) -> None:
        """Remove a skill; one that is gone already is no error."""


def read_list(answer: Mapping[str, Any], tenant: str) -> list[Listed]:
    """Read a list of skills; what says that it is another tenant's is not even looked at.

    Example: `read_list({"skills": [{"name": "tidy-up", "builtin": False}]}, "acme")`.
    """
    entries = answer.get("skills")
    if not isinstance(entries, list) or len(entries) > LISTED_MAX:
        raise SkillsRefused("answer", what="list")
    return [
        _listed(entry)
        for entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and (entry.get("builtin") or entry.get("tenant_id") in (None, tenant))
    ]


def knows_tenants(answer: Mapping[str, Any], tenant: str) -> bool:
    """Answer whether a list says whose it is. Example: `knows_tenants({"tenant_id": "acme"}, "acme")`."""
    return answer.get("tenant_id") == tenant


def error_of(status: int, body: object, retry_after: str | None = None) -> SkillsError:
    """Answer the error that an HTTP answer means. Example: `error_of(404, {"code": "no_skill"})`."""
    said = body if isinstance(body, dict) else {}
    detail = said.get("detail")
    message = detail[:500] if isinstance(detail, str) else ""
    if status in TRANSIENT_STATUS or status >= 500:
        return SkillsDown("busy", message, status=status, **_wait(retry_after))
    kind = _BY_STATUS.get(status, SkillsRefused)
    reason = said.get("code")
    known = isinstance(reason, str) and reason.isidentifier()
    return kind(str(reason) if known else "said", message, status=status, text=message)


def error_named(code: str, reason: str, message: str) -> SkillsError:
    """Answer the error that a server of ours names. Example: `error_named("skill_not_found", "no_skill", "…")`."""
    return _BY_CODE.get(code, SkillsRefused)(reason, message[:500], text=message[:500])


def _listed(entry: Mapping[str, Any]) -> Listed:
    agent, description = entry.get("agent_id"), entry.get("description")
    return Listed(
        name=entry["name"],
        description=description if isinstance(description, str) else "",
        agent_id=agent if isinstance(agent, str) else None,
        builtin=bool(entry.get("builtin")),
        problem=str(entry.get("problem") or "")[:500],
        says_builtin=isinstance(entry.get("builtin"), bool),
    )


def _wait(retry_after: str | None) -> dict[str, float]:
    try:
        return {"retry_after_s": max(0.0, min(float(retry_after or ""), RETRY_AFTER_MAX_S))}
    except ValueError:
        return {}
