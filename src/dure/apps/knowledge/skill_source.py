"""Where this process finds skills: at the server of `MCP_SERVER_URL`, or without one in a folder of this machine."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dure.apps.knowledge.config import KnowledgeSettings
from dure.apps.knowledge.skills.client import SkillClient
from dure.apps.knowledge.skills.errors import SkillMissing, SkillsDown
from dure.apps.knowledge.skills.face import Abilities, Listed
from dure.apps.knowledge.skills.folder import Skill
from dure.apps.knowledge.skills.shelf import Shelf
from dure.runs.stores.protocol import StoreDown

FOLDER = "skills"
"""Below `DURE_HOME`; the skill server keeps its skills there too."""


class LocalSkills:
    """The skills in a folder, with the verbs of a server's client.

    Example: `SkillStore(LocalSkills(Path(".dure/skills")))`.
    """

    def __init__(self, root: Path) -> None:
        self._shelf = Shelf(root)

    async def abilities(self, _tenant: str) -> Abilities:
        """Answer what can be done: everything."""
        return Abilities(tenants=True, revisions=True, creates=True)

    async def list(self, tenant: str) -> list[Listed]:
        """Answer the tenant's skills."""
        found = await asyncio.to_thread(self._shelf.skills, tenant)
        return [Listed(one.name, one.description, one.agent_id, one.builtin, one.problem, True) for one in found]

    async def read(self, tenant: str, name: str) -> Skill | None:
        """Answer a skill with all its files, or None."""
        try:
            return await asyncio.to_thread(self._shelf.get, tenant, name)
        except SkillMissing:
            return None

    async def write(self, tenant: str, skill: Skill, *, expected: str | None) -> Skill:
        """Write a skill in the place of the expected revision, None for a new one."""
        await asyncio.to_thread(self._shelf.put, tenant, skill, expected=expected)
        return skill

    async def delete(self, tenant: str, name: str, *, expected: str) -> None:
        """Remove a skill that still is at the expected revision; one that is gone already is no error."""
        await asyncio.to_thread(self._shelf.delete, tenant, name, expected=expected)

    async def stop(self) -> None:
        """Do nothing: nothing is open."""


Skills = SkillClient | LocalSkills


def skills_of(settings: KnowledgeSettings) -> Skills | None:
    """Answer where skills are; None when there is neither a server nor a folder. Example: `skills_of(load())`."""
    if settings.skills_url is not None:
        token = settings.skills_token.get_secret_value() if settings.skills_token is not None else None
        return SkillClient(settings.skills_url, token=token)
    folder = settings.home / FOLDER
    return LocalSkills(folder) if folder.is_dir() else None


@contextmanager
def down_means_later() -> Iterator[None]:
    """Say of a server that is down what the runs understand: it is tried again."""
    try:
        yield
    except SkillsDown as error:
        raise StoreDown(error.text(), after_s=error.retry_after_s) from error
