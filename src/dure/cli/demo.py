"""`dure demo`."""

from importlib import import_module
from typing import Any

import typer

from dure.cli import output, session
from dure.cli.help import text


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="demo", help=text("demo"), no_args_is_help=True, rich_markup_mode=None)
    noun.command("run", help=text("demo_run"))(run)
    noun.command("queue", help=text("demo_queue"))(queue)
    noun.command("agents", help=text("demo_agents"))(agents)
    noun.command("load", help=text("demo_load"))(load)
    noun.command("fingerprint", help=text("demo_fingerprint"))(fingerprint)
    return noun


def run() -> None:
    """Show a run that is planned, applied and undone, in a database of its own, and stop all that was started."""
    _tell(import_module("dure.apps.knowledge.story").Story)


def queue() -> None:
    """Show the queue at work, in a database of its own, and stop everything that was started."""
    from dure.runtime.demo import Demo

    _tell(Demo)


def agents() -> None:
    """Show agents as processes of their own, one killed, a bad release taken back; and stop all that was started."""
    _tell(import_module("dure.apps.ecosystem.demo_story").Story)


def load(app: str = typer.Argument(..., metavar="APP", help=text("arg_app"))) -> None:
    """Put an app's example data into the database in use; what is there already stays."""
    part = _demo_of(app)

    async def work() -> Any:
        async with session.runtime() as runtime:
            say_line = output.note if output.wants_json() else output.line
            return await part.load_demo(runtime.database, say_line)

    facts = session.run(work)
    if output.wants_json():
        output.document(facts)


def fingerprint(app: str = typer.Argument(..., metavar="APP", help=text("arg_app"))) -> None:
    """Print one hash over every record of an app's stores."""
    part = _demo_of(app)

    async def work() -> str:
        async with session.runtime() as runtime:
            return str(await part.fingerprint(runtime.database))

    found = session.run(work)
    if output.wants_json():
        output.document({"fingerprint": found})
    else:
        output.line(found)


def _demo_of(app: str) -> Any:
    # Apps stand beside this layer, so they are found by their name in a constant table.
    return import_module("dure.apps.registry").demo_of(app)


def _tell(story: Any) -> None:
    chosen = session.settings()
    facts = session.run(story(chosen, say_line=output.note if output.wants_json() else output.line).run)
    if output.wants_json():
        output.document(facts)
