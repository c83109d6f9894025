"""`dure operations`: the kinds of batches there are."""

from typing import Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="operations", help=text("operations"), no_args_is_help=True, rich_markup_mode=None)
    noun.callback()(_noun)
    noun.command("list", help=text("operations_list"))(list_operations)
    return noun


def _noun() -> None:
    """Keeps a noun with one command a noun."""


def list_operations(imports: list[str] = session.Imports) -> None:
    """List the operations that the database knows, and those of the modules that may be imported."""

    async def work() -> list[dict[str, Any]]:
        async with session.runtime(imports=tuple(imports or ()) or None) as runtime:
            known = {one.operation: output.plain(one) for one in await runtime.runs.operations()}
            for name in runtime.operations.names():
                known.setdefault(name, {"operation": name, "description": "", "approval": None})
            return [known[name] for name in sorted(known)]

    session.import_from_here()
    items = session.run(work)
    if output.wants_json():
        output.document({"items": items, "next_cursor": None})
        return
    headings = [say(f"cli.head_{name}") for name in ("operation", "approval", "description")]
    output.table(headings, [[item["operation"], item["approval"], item["description"]] for item in items])
