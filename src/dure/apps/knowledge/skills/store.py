"""Skills as a store of records: what a run plans over, changes, and puts back exactly.

A record's key is the skill's name, its values are its name, its description and all of its files as one text. The
revision is the hash over the files, computed here, so that it means the same whatever the server.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dure.apps.knowledge.skills.client import SkillClient
from dure.apps.knowledge.skills.errors import SkillConflict, SkillInvalid, SkillMissing, SkillsDown, SkillsRefused
from dure.apps.knowledge.skills.face import Abilities, Listed
from dure.apps.knowledge.skills.folder import Skill, files_text, read_files
from dure.lang import say
from dure.queue.registry import Rate
from dure.runs.model import Key
from dure.runs.stores.protocol import Record, Scope, StoreConflict, StoreDown, Undo

NAME = "skills"
KEY_FIELDS = ("name",)
FIELDS = ("name", "description", "files")
RATE = Rate(50, per_s=1.0)


def agent_in(scope: Scope) -> str | None:
    """Answer the agent of a scope: its `agent_id`, or the `scope` that a change was planned with; None for all agents.

    Example: `agent_in({"tenant_id": "acme", "scope": "agent-1"})`.
    """
    return scope.get("agent_id") or scope.get("scope") or None


class SkillStore:
    """The skills of a tenant, or of one agent, behind a skill server.

    Whose a skill is, its front matter says (`metadata.agent_id`), or `owners`, a list of names for each agent. One
    of no agent's is the whole tenant's: a run for one agent leaves it alone unless `shared`. Which agent a scope
    means, `agent_of` answers. A server that does not keep tenants apart serves only the one that `only_tenant` names.
    Example: `SkillStore(SkillClient(url)).list({"tenant_id": "acme", "agent_id": "agent-1"})`.
    """

    def __init__(
        self,
        client: SkillClient,
        *,
        owners: Mapping[str, Collection[str]] | None = None,
        shared: bool = False,
        only_tenant: str | None = None,
        rate: Rate | None = RATE,
        agent_of: Callable[[Scope], str | None] = agent_in,
    ) -> None:
        self._client = client
        self._owners = owners
        self._shared = shared
        self._only_tenant = only_tenant
        self._rate = rate
        self._agent_of = agent_of
        self._abilities: Abilities | None = None

    @property
    def name(self) -> str:
        """What operations and people call it."""
        return NAME

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The names of the parts of a key."""
        return KEY_FIELDS

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a record's values."""
        return FIELDS

    @property
    def rate(self) -> Rate | None:
        """How many calls the server bears."""
        return self._rate

    @property
    def undo(self) -> Undo:
        """What can be taken back; nothing, until the server has answered once."""
        if self._abilities is None:
            why = say("knowledge.skills.not_asked")
            return Undo(creates=False, updates=False, deletes=False, moves=False, why_not=why)
        if not self._abilities.creates:
            return Undo(deletes=False, moves=False, why_not=say("knowledge.skills.undo_cannot_create"))
        return Undo()

    async def ask(self, scope: Scope) -> Undo:
        """Ask the server what it can do, and answer what can be taken back there."""
        with _translated():
            await self._tenant(scope)
        return self.undo

    async def list(self, scope: Scope) -> AsyncIterator[Record]:
        """Answer every skill of the scope that may be changed; `untouched` answers the others."""
        with _translated():
            tenant = await self._tenant(scope)
            listed = await self._client.list(tenant)
        for entry in listed:
            if entry.builtin or entry.problem:
                continue
            with _translated():
                skill = await self._client.read(tenant, entry.name)
            if skill is not None and self._is_owned(skill, scope):
                yield record_of(skill)

    async def untouched(self, scope: Scope) -> Sequence[Listed]:
        """Answer the skills that are built in, or cannot be read or told apart, and so are left alone."""
        with _translated():
            listed = await self._client.list(await self._tenant(scope))
        return [entry for entry in listed if entry.builtin or entry.problem]

    async def get(self, scope: Scope, keys: Sequence[Key]) -> dict[Key, Record]:
        """Answer those of these skills that are there and of the scope."""
        found: dict[Key, Record] = {}
        with _translated():
            tenant = await self._tenant(scope)
            for key in keys:
                skill = await self._client.read(tenant, _name(key))
                if skill is not None and self._is_owned(skill, scope):
                    found[tuple(key)] = record_of(skill)
        return found

    async def put(self, scope: Scope, record: Record, *, expected: str | None, idempotency_key: str) -> Record:
        """Write a skill with all its files; a repeated call finds them there and changes nothing."""
        skill = skill_of(record)
        if self._owners is None and not self._is_owned(skill, scope):
            raise SkillsRefused("not_of_scope", name=skill.name, agent_id=self._agent_of(scope))
        with _translated():
            tenant = await self._tenant(scope)
            if expected is not None:
                await self._check_owner(tenant, skill.name, scope)
            try:
                return record_of(await self._client.write(tenant, skill, expected=expected))
            except (SkillConflict, SkillMissing) as error:
                raise await self._conflict(tenant, skill.name, error) from error

    async def delete(self, scope: Scope, key: Key, *, expected: str, idempotency_key: str) -> None:
        """Remove a skill that still is at the expected revision."""
        with _translated():
            tenant = await self._tenant(scope)
            await self._check_owner(tenant, _name(key), scope)
            try:
                await self._client.delete(tenant, _name(key), expected=expected)
            except SkillConflict as error:
                raise await self._conflict(tenant, _name(key), error) from error

    async def move(self, scope: Scope, key: Key, to_key: Key, *, expected: str, idempotency_key: str) -> Record:
        """Refuse: a name stands in the files, so another is another skill. Leaving for another store is a delete."""
        raise SkillsRefused("no_move")

    async def _tenant(self, scope: Scope) -> str:
        tenant = scope["tenant_id"]
        self._abilities = await self._client.abilities(tenant)
        if not self._abilities.tenants and tenant != self._only_tenant:
            raise SkillsRefused("tenants_unknown", tenant=tenant)
        return tenant

    def _is_owned(self, skill: Skill, scope: Scope) -> bool:
        agent = self._agent_of(scope)
        if agent is None:
            return True
        if self._owners is not None:
            return skill.name in self._owners.get(agent, ())
        return skill.agent_id == agent or (skill.agent_id is None and self._shared)

    async def _check_owner(self, tenant: str, name: str, scope: Scope) -> None:
        agent = self._agent_of(scope)
        if agent is not None:
            present = await self._client.read(tenant, name)
            if present is not None and not self._is_owned(present, scope):
                raise SkillsRefused("not_of_scope", name=name, agent_id=agent)

    async def _conflict(self, tenant: str, name: str, error: SkillConflict | SkillMissing) -> StoreConflict:
        present = await self._client.read(tenant, name) if error.reason != "ambiguous" else None
        reason = error.reason if isinstance(error, SkillConflict) else "gone"
        return StoreConflict(reason, record_of(present) if present is not None else None)


def record_of(skill: Skill) -> Record:
    """Answer a skill as a record. Example: `record_of(skill).key == (skill.name,)`."""
    return Record((skill.name,), (skill.name, skill.description, files_text(skill.files)), skill.revision)


def skill_of(record: Record) -> Skill:
    """Answer the skill of a record; its files decide, and what is said beside them must agree.

    Example: `skill_of(record_of(skill)) == skill`.
    """
    name, description, files = record.values
    skill = Skill.of(read_files(files or ""), fallback_name=_name(record.key))
    if (skill.name, skill.name, skill.description) != (_name(record.key), name, description):
        raise SkillInvalid("record", name=_name(record.key))
    return skill


def _name(key: Key) -> str:
    (name,) = key
    return name


@contextmanager
def _translated() -> Iterator[None]:
    """Say of a server that is down what the runs understand; every other error is final as it is."""
    try:
        yield
    except SkillsDown as error:
        raise StoreDown(error.text(), after_s=error.retry_after_s) from error
