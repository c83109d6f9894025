"""Agent cards and the catalog of them: what a client may know before it sends a message. Pure, but for `Cards`.

The card of this server stands for all agents of a tenant: its skills are what they can do. Each agent has a card of its
own too, and the catalog names them. Who shows no key sees none of that; where the operator allows it, a bare card.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlsplit

from dure.apps.ecosystem.a2a.messages import JSON_TYPE, Plain, stamp
from dure.apps.ecosystem.a2a.requests import NEEDS
from dure.apps.ecosystem.a2a.store import Store
from dure.db.pool import Database
from dure.errors import NotFound
from dure.lang import say

PROTOCOL_VERSION = "1.0"
CARD_PATH = "/.well-known/agent-card.json"
CATALOG_PATH = "/.well-known/ai-catalog.json"
CARD_TYPE = "application/a2a-agent-card+json"
CATALOG_TYPE = "application/ai-catalog+json"
A2A_TYPE = "application/a2a+json"
CATALOG_VERSION = "1.0"
MODES = ["text/plain", JSON_TYPE]
SCHEME = "key"


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a card is written: where this server is, the tenant to name (None: the key does), the language."""

    base_url: str
    tenant_id: str | None = None
    lang: str | None = None


class Cards:
    """The cards of a database. Example: `await Cards(database, "Dure").of_all("acme", reader)`."""

    def __init__(self, database: Database, name: str) -> None:
        self._store = Store(database)
        self._name = name

    def bare(self, reader: Reader) -> Plain:
        """Answer the card for those who show no key."""
        return card(self._name, say("a2a.card", reader.lang), version("dure"), [any_task(reader.lang)], reader)

    async def of_all(self, tenant_id: str, reader: Reader) -> Plain:
        """Answer the card that stands for all agents of a tenant."""
        skills = [skill(name, classes, reader.lang) for name, classes in await self._store.skills(tenant_id)]
        text = say("a2a.card", reader.lang)
        return card(self._name, text, version("dure"), [any_task(reader.lang), *skills], reader)

    async def of_agent(self, tenant_id: str, agent_id: str, reader: Reader) -> Plain:
        """Answer the card of one agent; `NotFound` when there is none, or it is retired."""
        agent = await self._store.agent(tenant_id, agent_id)
        if agent is None:
            raise NotFound("agent", agent_id)
        able = [skill(name, classes, reader.lang) for name, classes in await self._store.skills(tenant_id, agent_id)]
        text = say("a2a.agent_card", reader.lang, class_=agent.class_)
        return card(agent_id, text, agent.version, able or [any_task(reader.lang)], reader, agent_id)

    async def catalog(self, tenant_id: str, reader: Reader) -> Plain:
        """Answer the catalog: the card of all, and that of each agent."""
        entries = [_entry(reader, "server:dure", CARD_PATH)]
        for agent, registered_at in await self._store.agents(tenant_id):
            path = f"{agent_path(agent.agent_id)}/agent-card.json"
            entry = _entry(reader, f"agent:{quote(agent.agent_id, safe='')}", path)
            entries.append({**entry, "tags": [agent.class_], "updatedAt": stamp(registered_at)})
        return {"specVersion": CATALOG_VERSION, "host": {"displayName": self._name}, "entries": entries}


def card(
    name: str, description: str, release: str, skills: Sequence[Plain], reader: Reader, agent_id: str | None = None
) -> Plain:
    """Answer a card. Example: `card("Dure", "…", "1.0.0", [any_task()], reader)["skills"]`."""
    at = f"{reader.base_url}{'/a2a' if agent_id is None else agent_path(agent_id)}/v1"
    needs = {"uri": NEEDS, "description": say("a2a.needs", reader.lang), "required": False}
    return {
        "name": name,
        "description": description,
        "version": release,
        "supportedInterfaces": [
            _interface(at, "HTTP+JSON", reader.tenant_id),
            _interface(f"{at}/rpc", "JSONRPC", reader.tenant_id),
        ],
        "capabilities": {
            "streaming": True,
            "pushNotifications": False,
            "extendedAgentCard": True,
            "extensions": [needs],
        },
        "securitySchemes": {
            SCHEME: {"httpAuthSecurityScheme": {"scheme": "Bearer", "description": say("a2a.key", reader.lang)}}
        },
        "securityRequirements": [{"schemes": {SCHEME: {"list": []}}}],
        "defaultInputModes": MODES,
        "defaultOutputModes": MODES,
        "skills": list(skills),
    }


def skill(name: str, classes: Sequence[str], lang: str | None = None) -> Plain:
    """Answer a capability as a skill. Example: `skill("search.web", ["research"])["tags"] == ["research"]`."""
    text = say("a2a.skill", lang, name=name, classes=", ".join(classes))
    return {"id": name, "name": name, "description": text, "tags": list(classes)}


def any_task(lang: str | None = None) -> Plain:
    """Answer the skill that every server has: to find an agent for a task."""
    return {
        "id": "task",
        "name": say("a2a.any_task", lang),
        "description": say("a2a.any_task_text", lang),
        "tags": ["task"],
    }


def agent_path(agent_id: str) -> str:
    """Answer where an agent's interfaces are. Example: `agent_path("research-1") == "/a2a/agents/research-1"`."""
    return f"/a2a/agents/{quote(agent_id, safe='')}"


def etag(content: Any) -> str:
    """Answer the tag by which a client knows that a card is as it was."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _interface(url: str, binding: str, tenant_id: str | None) -> Plain:
    interface: Plain = {"url": url, "protocolBinding": binding, "protocolVersion": PROTOCOL_VERSION}
    return interface if tenant_id is None else {**interface, "tenant": tenant_id}


def _entry(reader: Reader, name: str, path: str) -> Plain:
    host = urlsplit(reader.base_url).hostname
    return {"identifier": f"urn:air:{host}:{name}", "type": CARD_TYPE, "url": f"{reader.base_url}{path}"}
