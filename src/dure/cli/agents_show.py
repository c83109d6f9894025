"""Agents on a screen: lists, one with all that is known of it, and the tree of who stands below whom."""

import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dure.cli import output
from dure.lang import say

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from dure.agents.model import Agent, Branch
    from dure.queue.views import Page

STYLES = {"alive": "green", "suspect": "yellow", "draining": "cyan", "dead": "red", "reaped": "dim", "retired": "dim"}
PIPE_COLUMNS = 10_000


def document(agent: "Agent") -> dict[str, Any]:
    """Answer an agent as JSON has it: the same names as over HTTP."""
    plain = output.plain(agent)
    return {("class" if name == "class_" else name): value for name, value in plain.items()}


def branch_document(branch: "Branch") -> dict[str, Any]:
    """Answer a branch as JSON has it."""
    return {"agent": document(branch.agent), "children": [branch_document(child) for child in branch.children]}


def print_page(page: "Page[Agent]") -> None:
    """Print some agents, one a line."""
    if output.wants_json():
        output.document({"items": [document(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    headings = [
        say(f"agents.head_{name}") for name in ("id", "state", "class", "version", "load", "capabilities", "parent")
    ]
    rows = [
        [
            one.agent_id,
            state_text(one),
            one.class_,
            one.version,
            load_text(one),
            ", ".join(one.capabilities) or "-",
            (one.link and one.link.parent_id) or "-",
        ]
        for one in page.items
    ]
    output.table(headings, rows)
    if page.next_cursor is not None:
        output.note(say("cli.more", cursor=page.next_cursor))


def print_one(agent: "Agent") -> None:
    """Print everything that is known of an agent; what was never set is left out."""
    if output.wants_json():
        output.document(document(agent))
        return
    link = agent.link
    facts = {
        "id": agent.agent_id,
        "state": state_text(agent),
        "kind": say(f"agents.kind_{agent.kind}"),
        "class": agent.class_,
        "version": agent.version,
        "target": agent.target_version,
        "hold": agent.hold,
        "capabilities": ", ".join(agent.capabilities),
        "load": load_text(agent),
        "reports": agent.load,
        "parent": link and link.parent_id,
        "link": link and say(f"agents.link_{link.state}"),
        "link_protocol": link and link.protocol,
        "depth": agent.depth,
        "location": agent.location,
        "protocol": agent.protocol,
        "endpoints": dict(agent.endpoints),
        "labels": dict(agent.labels),
        "on_death": agent.on_death,
        "lease": say("agents.seconds", seconds=f"{agent.lease_s:g}"),
        "lease_until": agent.lease_until,
        "epoch": agent.epoch,
        "first": agent.first_registered_at,
        "registered": agent.registered_at,
        "suspected": agent.suspected_at,
        "died": agent.died_at,
        "reaped": agent.reaped_at,
        "draining": agent.draining_at,
        "retired": agent.retired_at,
    }
    shown = {name: value for name, value in facts.items() if value not in (None, {}, "")}
    output.facts({say(f"agents.fact_{name}"): value for name, value in shown.items()})


def print_tree(branches: Sequence["Branch"]) -> None:
    """Draw who stands below whom; on a narrow terminal each agent has a second line, and nothing runs over the edge."""
    if output.wants_json():
        output.document({"items": [branch_document(branch) for branch in branches]})
        return
    if not branches:
        output.note(say("agents.nobody"))
        return
    from rich.console import Console

    columns = room()
    console = Console(width=columns, highlight=False, emoji=False)
    for branch in branches:
        console.print(_drawn(branch, columns), overflow="ellipsis", no_wrap=True)


def room() -> int:
    """Answer how many columns there are; in a pipe nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_COLUMNS


def state_text(agent: "Agent") -> str:
    """Answer how an agent stands, as one or two words."""
    state = say(f"agents.state_{agent.state}")
    return state if agent.hold is None or agent.state != "alive" else f"{state}, {say('agents.on_hold')}"


def load_text(agent: "Agent") -> str:
    """Answer how much of its capacity is in use. Example: `load_text(agent) == "2/4"`."""
    return f"{agent.in_hand}/{agent.capacity}"


def _drawn(branch: "Branch", columns: int) -> "Tree":
    from rich.tree import Tree

    tree = Tree(_label(branch.agent, columns), guide_style="dim")
    level = [(tree, branch)]
    while level:
        node, above = level.pop()
        for child in above.children:
            level.append((node.add(_label(child.agent, columns)), child))
    return tree


def _label(agent: "Agent", columns: int) -> "Text":
    from rich.text import Text

    style = "yellow" if agent.hold is not None and agent.state == "alive" else STYLES[agent.state]
    details = f"{agent.class_} {agent.version}  {load_text(agent)}"
    text = Text.assemble((agent.agent_id, "bold"), "  ", (state_text(agent), style))
    if agent.link is not None and agent.link.state == "orphaned":
        text.append(f"  {say('agents.link_orphaned')}", "red")
    # Beside its name there is no room for the rest, on a narrow terminal.
    text.append("\n" if columns < output.RECORD_BELOW_COLUMNS else "  ")
    return text.append(details, "dim")
