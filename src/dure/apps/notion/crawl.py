"""Finding the to-dos of a page: in its order, however deep they lie, and however many there are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dure.apps.notion.client import Notion
from dure.apps.notion.errors import Gone, Rejected
from dure.apps.notion.texts import text_of

DEPTH_MAX = 10
BLOCKS_MAX = 10_000
TODOS_MAX = 2_000
OTHER_PAGES = frozenset({"child_page", "child_database", "template"})
"""What lies in them is not this page's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A to-do as Notion shows it."""

    block_id: str
    text: str
    checked: bool
    last_edited_at: str
    position: int
    path: tuple[str, ...]
    """The ids of the blocks around it, the outermost first."""


@dataclass(slots=True)
class Look:
    """What a look at a page found."""

    todos: list[Seen] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    """Blocks whose inside was not looked at."""
    cut: str | None = None
    """The limit that ended the look before the page did: depth, blocks or todos."""
    blocks: int = 0


async def crawl(notion: Notion, page_id: str, *, whole: bool) -> Look:
    """Answer the to-dos of a page. Without `whole`, nothing is looked for beneath ticked ones, whose results lie there.

    Example: `look = await crawl(notion, page_id, whole=True)`.
    """
    look = Look()
    await _below(notion, page_id, (), look, whole, set())
    return look


def is_todo(block: Mapping[str, Any]) -> bool:
    """Answer whether a block is a to-do that is there. Example: `is_todo(await notion.block(id))`."""
    return block.get("type") == "to_do" and not (block.get("archived") or block.get("in_trash"))


def seen_of(block: Mapping[str, Any], position: int, path: tuple[str, ...]) -> Seen:
    """Read a to-do. Example: `seen_of(block, 0, ()).checked`."""
    return Seen(
        block_id=str(block["id"]),
        text=text_of(block),
        checked=bool(block["to_do"].get("checked")),
        last_edited_at=str(block["last_edited_time"]),
        position=position,
        path=path,
    )


async def _below(notion: Notion, block_id: str, path: tuple[str, ...], look: Look, whole: bool, met: set[str]) -> None:
    async for block in notion.children(block_id):
        if block["id"] in met or block.get("archived") or block.get("in_trash"):
            continue
        met.add(block["id"])
        look.blocks += 1
        if look.blocks > BLOCKS_MAX or len(look.todos) >= TODOS_MAX:
            look.cut = "blocks" if look.blocks > BLOCKS_MAX else "todos"
            return
        ticked = False
        if is_todo(block):
            look.todos.append(seen := seen_of(block, len(look.todos), path))
            ticked = seen.checked
        if block.get("has_children") and block.get("type") not in OTHER_PAGES:
            await _inside(notion, block["id"], path, look, whole, met, ticked)
        if look.cut in ("blocks", "todos"):
            return


async def _inside(
    notion: Notion, block_id: str, path: tuple[str, ...], look: Look, whole: bool, met: set[str], ticked: bool
) -> None:
    if ticked and not whole:
        look.passed.append(block_id)
    elif len(path) + 1 >= DEPTH_MAX:
        look.cut = "depth"
        look.passed.append(block_id)
    else:
        try:
            await _below(notion, block_id, (*path, block_id), look, whole, met)
        except (Gone, Rejected):
            # A copy of a block that is not shared, or a kind that the API does not show: the rest of the page is.
            look.passed.append(block_id)
