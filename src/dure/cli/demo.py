"""`dure demo`."""

import typer

from dure.cli import output, session
from dure.cli.help import text


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="demo", help=text("demo"), no_args_is_help=True, rich_markup_mode=None)
    noun.callback()(_demo)
    noun.command("run", help=text("demo_run"))(run)
    return noun


def _demo() -> None:
    """With a callback, a noun keeps its verb even while it has only one."""


def run() -> None:
    """Show the engine at work, in a database of its own, and stop everything that was started."""
    from dure.runtime.demo import Demo

    chosen = session.settings()
    facts = session.run(Demo(chosen, say_line=output.note if output.wants_json() else output.line).run)
    if output.wants_json():
        output.document(facts)
