"""Example data of three agents, and one hash over all that their stores hold."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import escape, quoteattr

from psycopg import sql

from dure.apps.knowledge.config import KnowledgeSettings, load
from dure.apps.knowledge.layouts import Layout, layouts
from dure.apps.knowledge.memories import ENTITIES
from dure.apps.knowledge.skill_source import FOLDER, LocalSkills, skills_of
from dure.apps.knowledge.skills.folder import DOCUMENT, EXECUTABLE, PLAIN, File, Skill, document
from dure.db.pool import Connection, Database
from dure.db.sql import load as statement
from dure.errors import Conflict, Refused
from dure.lang import say

DIMENSIONS = 32
BEGAN_AT = datetime(2026, 1, 5, tzinfo=UTC)
OTHER_TENANTS = ("other-shop",)
ROWS_A_FETCH = 2_000
SCRIPTS = "scripts/"
"""What is below it may be executed."""

_PACKAGE = "dure.apps.knowledge"


async def load_demo(database: Database, say_line: Callable[[str], None]) -> dict[str, int]:
    """Put the example data into the database in use, and the skills where this process finds skills; as often as one
    likes, what is there already stays.

    Example: `await load_demo(database, print)`.
    """
    settings = load()
    counts = {"memories": 0, "rules": 0, "skills": 0}
    async with database.owner_tx() as tx:
        await _make_tables(tx, settings)
        counts["memories"] = await _load_memories(tx, settings)
        counts["rules"] = await _load_rules(tx, settings)
    counts["skills"] = await _load_skills(settings)
    say_line(say("knowledge.demo.loaded", **counts))
    return counts


async def fingerprint(database: Database) -> str:
    """Answer one sha256 over every record of the three stores, of all tenants, files included.

    Example: `assert await fingerprint(database) == before`.
    """
    settings = load()
    digest = sha256()
    names = [*settings.memories, *(_entities(name) for name in settings.memories), *settings.rules]
    async with database.owner_tx() as tx:
        await tx.execute("set local row_security = off")
        found = await layouts(tx, names)
        for name in names:
            if name in found:
                _add(digest, f"table {name}")
                async for row in _rows(tx, found[name]):
                    _add(digest, row)
    async for line in _skill_lines(settings):
        _add(digest, line)
    return digest.hexdigest()


async def _rows(tx: Connection, layout: Layout) -> Any:
    async with tx.cursor(f"dure_{layout.table}") as cursor:
        cursor.itersize = ROWS_A_FETCH
        await cursor.execute(sql.SQL(statement(_PACKAGE, "table_rows")).format(table=layout.identifier))
        async for (text,) in cursor:
            yield text


async def _skill_lines(settings: KnowledgeSettings) -> Any:
    """Yield what tells all skills: of a folder every file that is in it, of a server what it says of the tenants."""
    skills = skills_of(settings)
    if skills is None:
        return
    if isinstance(skills, LocalSkills):
        for line in _files(settings.home / FOLDER):
            yield line
        return
    try:
        for tenant in sorted({settings.tenant, *OTHER_TENANTS}):
            for listed in sorted(await skills.list(tenant), key=lambda one: one.name):
                skill = None if listed.builtin or listed.problem else await skills.read(tenant, listed.name)
                yield f"skill {tenant} {listed.name} {skill.revision if skill else listed.problem}"
    finally:
        await skills.stop()


def _files(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part.startswith(".") for part in parts):
            mode = EXECUTABLE if path.stat().st_mode & 0o111 else PLAIN
            yield f"file {'/'.join(parts)} {mode} {sha256(path.read_bytes()).hexdigest()}"


async def _make_tables(tx: Connection, settings: KnowledgeSettings) -> None:
    if not settings.memories or not settings.rules:
        raise Refused("knowledge_demo_stores")
    row = await (
        await tx.execute("select exists (select from pg_available_extensions where name = 'vector')")
    ).fetchone()
    if row is None or not row[0]:
        raise Conflict("knowledge_no_vector")
    await tx.execute("create extension if not exists vector")
    for name in (settings.memories[0], _entities(settings.memories[0])):
        await _run(tx, "demo_memories_table", name)
    await _run(tx, "demo_rules_table", settings.rules[0])


async def _load_memories(tx: Connection, settings: KnowledgeSettings) -> int:
    count = 0
    linked: list[str] = []
    for tenant, agent, text in _memories(settings):
        id = str(uuid5(NAMESPACE_URL, f"dure:demo:memory:{agent}:{count}"))
        at = (BEGAN_AT + timedelta(hours=count)).isoformat()
        payload = {
            "data": text, "hash": sha256(text.encode()).hexdigest()[:32], "created_at": at, "updated_at": at,
            "agent_id": agent, "tenant_id": tenant,
        }  # fmt: skip
        await _insert_memory(tx, settings.memories[0], id, text, payload)
        linked += [id] if "7일" in text and agent == "cs-agent" else []
        count += 1
    entity = str(uuid5(NAMESPACE_URL, "dure:demo:entity:refund"))
    entity_payload: dict[str, Any] = {
        "data": "환불",
        "entity_type": "topic",
        "agent_id": "cs-agent",
        "linked_memory_ids": linked,
    }
    await _insert_memory(tx, _entities(settings.memories[0]), entity, "환불", entity_payload)
    return count


async def _insert_memory(tx: Connection, table: str, id: str, text: str, payload: Mapping[str, Any]) -> None:
    values = {"id": id, "vector": vector_of(text), "payload": json.dumps(payload, ensure_ascii=False)}
    await _run(tx, "demo_memory_insert", table, values)


async def _load_rules(tx: Connection, settings: KnowledgeSettings) -> int:
    count = 0
    for agent in _data()["agents"]:
        for rule in agent.get("rules", ()):
            id = f"{agent['id']}-rule-{count}"
            values = {
                "id": id, "name": rule["name"], "owner": agent["id"], "bpmn": dmn_of(id, rule),
                "tenant": settings.tenant, "at": BEGAN_AT + timedelta(hours=count),
            }  # fmt: skip
            await _run(tx, "demo_rule_insert", settings.rules[0], values)
            count += 1
    return count


async def _load_skills(settings: KnowledgeSettings) -> int:
    skills = skills_of(settings) or LocalSkills(settings.home / FOLDER)
    wanted = [(settings.tenant, agent["id"], skill) for agent in _data()["agents"] for skill in agent.get("skills", ())]
    wanted += [(settings.tenant, None, skill) for skill in _data()["shared"]]
    wanted += [(other["tenant"], other["agent"], other["skill"]) for other in _data()["others"]]
    try:
        for tenant, agent, given in wanted:
            skill = skill_of(given, agent)
            if await skills.read(tenant, skill.name) is None:
                await skills.write(tenant, skill, expected=None)
    finally:
        await skills.stop()
    return len(wanted)


def _memories(settings: KnowledgeSettings) -> Iterator[tuple[str, str, str]]:
    for agent in _data()["agents"]:
        yield from ((settings.tenant, agent["id"], text) for text in agent["memories"])
    for other in _data()["others"]:
        yield from ((other["tenant"], other["agent"], text) for text in other["memories"])


def vector_of(text: str) -> str:
    """Answer numbers for a text that are alike for texts with the same pieces; the same on every machine.

    Example: `vector_of("환불은 7일 이내")` begins with `[`.
    """
    numbers = [0.0] * DIMENSIONS
    for at in range(max(1, len(text) - 2)):
        piece = sha256(text[at : at + 3].encode()).digest()
        numbers[piece[0] % DIMENSIONS] += 1.0 if piece[1] % 2 else -1.0
    length = sum(number * number for number in numbers) ** 0.5 or 1.0
    return "[" + ",".join(f"{number / length:.6f}" for number in numbers) + "]"


def skill_of(given: Mapping[str, Any], agent: str | None) -> Skill:
    """Answer a skill of the example data.

    Example: `skill_of({"name": "tidy", "description": "Tidies.", "body": "1. Go."}, None)`.
    """
    files = {DOCUMENT: File(document(given["name"], given["description"], given["body"], agent_id=agent))}
    for path, content in given.get("files", {}).items():
        files[path] = File(content.encode(), EXECUTABLE if path.startswith(SCRIPTS) else PLAIN)
    return Skill.of(files)


def dmn_of(id: str, given: Mapping[str, Any]) -> str:
    """Answer a decision table as DMN.

    Example: `dmn_of("r", {"name": "x", "inputs": ["a"], "output": "b", "rows": [["1", "2"]]})`.
    """
    columns = [*given["inputs"], given["output"]]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id={quoteattr(id)} '
        f'name={quoteattr(given["name"])} namespace="urn:example">',
        f'  <decision id="{id}_d" name={quoteattr(given["name"])}>',
        f'    <decisionTable id="{id}_t" hitPolicy="{given.get("policy", "UNIQUE")}">',
    ]
    for at, name in enumerate(given["inputs"]):
        lines.append(
            f'      <input id="{id}_i{at}"><inputExpression id="{id}_e{at}"><text>{escape(name)}</text>'
            "</inputExpression></input>"
        )
    lines.append(f'      <output id="{id}_o" name={quoteattr(columns[-1])}/>')
    for at, row in enumerate(given["rows"]):
        lines += [f'      <rule id="{id}_r{at}">', *_entries(id, at, row), "      </rule>"]
    return "\n".join([*lines, "    </decisionTable>", "  </decision>", "</definitions>", ""])


def _entries(id: str, rule: int, row: Sequence[str]) -> Iterator[str]:
    for at, text in enumerate(row):
        tag = "outputEntry" if at == len(row) - 1 else "inputEntry"
        yield f'        <{tag} id="{id}_r{rule}_{at}"><text>{escape(text)}</text></{tag}>'


async def _run(tx: Connection, name: str, table: str, values: Mapping[str, Any] | None = None) -> None:
    parts = [part.strip('"') for part in table.split(".", 1)]
    await tx.execute(sql.SQL(statement(_PACKAGE, name)).format(table=sql.Identifier(*parts)), values)


def _entities(table: str) -> str:
    return f'{table[:-1]}{ENTITIES}"' if table.endswith('"') else table + ENTITIES


def _add(digest: Any, line: str) -> None:
    text = line.encode()
    digest.update(len(text).to_bytes(8) + text)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((resources.files(_PACKAGE) / "demo_data.toml").read_text(encoding="utf-8"))
