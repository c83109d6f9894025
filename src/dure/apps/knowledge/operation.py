"""`knowledge.deduplicate`: what an agent knows twice, or keeps in the wrong store, becomes a plan.

subjects   the agents that have a record in any store, and `*` for the tenant's own skills
plan       the three stores of some agents read in one snapshot, compared, and drafted

Applying and undoing is Dure's. Whatever store cannot be read fails the plan with its reason.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from dure.apps.knowledge import memories, rules
from dure.apps.knowledge.comparing import Compared, compare
from dure.apps.knowledge.config import KnowledgeSettings, load
from dure.apps.knowledge.drafting import Drafting, Tables
from dure.apps.knowledge.finding import Judge, MemoryCache
from dure.apps.knowledge.layouts import Layout, layouts, required
from dure.apps.knowledge.memories import ENTITIES, Memory, Mending
from dure.apps.knowledge.moving import Move, Targets, moves
from dure.apps.knowledge.picture import SHARED, Gathering, Picture, SkillRecord
from dure.apps.knowledge.skill_source import down_means_later, skills_of
from dure.apps.knowledge.skills.client import SkillClient
from dure.apps.knowledge.skills.store import NAME as SKILLS
from dure.apps.knowledge.skills.store import SkillStore, skill_of
from dure.runs.context import PlanContext
from dure.runs.model import Draft
from dure.runs.operation import Store, operation
from dure.runs.stores.table import Table

NAME = "knowledge.deduplicate"
AGENTS_A_SLICE = 20
"""A slice's knowledge is in memory at once, vectors too."""


class Whose(BaseModel):
    """Whose knowledge to look at."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str | None = Field(default=None, min_length=1, max_length=500)
    """One agent; None for all of the tenant's."""


@operation(NAME, slice_subjects=AGENTS_A_SLICE)
class Deduplicate:
    """Finds what agents know twice or keep in the wrong place, among their memories, decision rules and skills."""

    Params = Whose

    def __init__(self) -> None:
        self._verdicts = MemoryCache()

    def stores(self, _params: Whose, _tenant_id: str) -> list[Store]:
        """Answer the tables of memories with their entities, those of rules, and the skills behind their server."""
        settings = load()
        found: list[Store] = []
        for name in settings.memories:
            found += [Table(name), Table(_entities_of(name), optional=True)]
        found += [Table(name) for name in settings.rules]
        skills = skills_of(settings)
        if skills is not None:
            found.append(SkillStore(cast(SkillClient, skills), only_tenant=settings.tenant))
        return found

    async def subjects(self, params: Whose, ctx: PlanContext) -> AsyncIterator[str]:
        """Yield the agents that know anything, by name."""
        settings = load()
        whose = _whose(ctx, settings)
        found: set[str] = set()
        for layout in await required(ctx.tx, settings.memories):
            found |= await memories.agents(ctx.tx, layout, whose, params.agent_id)
        for layout in await required(ctx.tx, settings.rules):
            found |= await rules.agents(ctx.tx, layout, whose, params.agent_id)
        found |= await _skilled(settings, ctx, params.agent_id)
        for agent in sorted(found):
            yield agent

    async def plan(self, subjects: Sequence[str], ctx: PlanContext) -> AsyncIterator[tuple[Draft, ...]]:
        """Yield the changes of some agents."""
        settings = load()
        gathered = await _gather(ctx, settings, subjects)
        judge = self._judge(settings)
        entities = await layouts(ctx.tx, [_entities_of(name) for name in settings.memories])
        rule_tables = await required(ctx.tx, settings.rules)
        tables = Tables(rule_tables[0] if rule_tables else None)
        with_skills = skills_of(settings) is not None
        for picture in gathered.pictures(subjects):
            ctx.population(picture.population, picture.agent)
            compared = await compare(picture, settings.options, judge)
            moved = [] if picture.agent == SHARED else _moves(picture, compared, tables, with_skills=with_skills)
            mended = await _mendings(ctx, entities, compared, moved, picture)
            for note in compared.notes:
                ctx.log(f"{picture.agent}: {note.reason} {dict(note.params)}")
            for unit in Drafting(picture, tables, ctx.tenant_id).units(compared, moved, mended):
                yield unit

    def _judge(self, settings: KnowledgeSettings) -> Judge | None:
        if settings.judge_url is None:
            return None
        key = settings.judge_key.get_secret_value() if settings.judge_key is not None else ""
        return Judge(base_url=settings.judge_url, model=settings.judge_model or "", api_key=key, cache=self._verdicts)


async def _gather(ctx: PlanContext, settings: KnowledgeSettings, agents: Sequence[str]) -> Gathering:
    gathered = Gathering()
    whose = _whose(ctx, settings)
    named = [agent for agent in agents if agent != SHARED]
    for layout in await required(ctx.tx, settings.memories):
        async for memory in memories.read(ctx.tx, layout, whose, named):
            gathered.memories.setdefault(memory.agent, []).append(memory)
    for layout in await required(ctx.tx, settings.rules):
        for document in await rules.read(ctx.tx, layout, whose, named):
            gathered.rules.setdefault(document.agent, []).append(document)
    if skills_of(settings) is not None:
        wanted = {*agents, SHARED}
        async for record in ctx.store(SKILLS).list():
            skill = skill_of(record)
            owner = skill.agent_id or SHARED
            if owner in wanted:
                gathered.skills.setdefault(owner, []).append(SkillRecord(skill, record))
    return gathered


def _moves(picture: Picture, compared: Compared, tables: Tables, *, with_skills: bool) -> list[Move]:
    """Answer which of the records that stay are in the wrong store."""
    gone = {(each.item.store, each.item.id) for each in compared.removals}
    left = [memory for memory in picture.memories if ("memories", memory.id) not in gone]
    skills = [each for each in picture.skills if ("skills", each.skill.name) not in gone]
    names = [each.skill.name for each in (*picture.skills, *picture.shared)]
    targets = Targets(rules=tables.rules is not None, skills=with_skills, names=names)
    return moves(left, skills, picture.agent, targets)


async def _mendings(
    ctx: PlanContext,
    entities: dict[str, Layout],
    compared: Compared,
    moved: Sequence[Move],
    picture: Picture,
) -> list[Mending]:
    """Answer the entities that name memories which may leave."""
    by_id = {memory.id: memory for memory in picture.memories}
    leaving = [by_id[each.item.id] for each in compared.removals if each.item.store == "memories"]
    leaving += [move.source for move in moved if isinstance(move.source, Memory)]
    by_table: dict[str, list[Memory]] = {}
    for memory in leaving:
        by_table.setdefault(_entities_of(memory.table), []).append(memory)
    found: list[Mending] = []
    for name, some in by_table.items():
        if name in entities:
            found += await memories.mendings(ctx.tx, entities[name], [memory.key[-1] for memory in some])
    return found


async def _skilled(settings: KnowledgeSettings, ctx: PlanContext, agent: str | None) -> set[str]:
    """Answer whose skills there are."""
    skills = skills_of(settings)
    if skills is None:
        ctx.log("MCP_SERVER_URL is not set and there is no folder of skills: none are looked at")
        return set()
    try:
        with down_means_later():
            listed = await skills.list(ctx.tenant_id)
    finally:
        await skills.stop()
    owners = {each.agent_id or SHARED for each in listed if not (each.builtin or each.problem)}
    return owners if agent is None else owners & {agent}


def _entities_of(name: str) -> str:
    if name.endswith('"'):
        return f'{name[:-1]}{ENTITIES}"'
    return name + ENTITIES


def _whose(ctx: PlanContext, settings: KnowledgeSettings) -> dict[str, Any]:
    return {"tenant": ctx.tenant_id, "untagged": settings.tenant}
