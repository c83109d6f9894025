"""`dure skills`."""

import asyncio
import signal
from importlib import import_module
from pathlib import Path

import typer

from dure.cli import session
from dure.cli.help import text
from dure.cli.up import ready

PORT = 8765


def build() -> typer.Typer:
    """Answer the noun's commands."""
    noun = typer.Typer(name="skills", help=text("skills"), no_args_is_help=True, rich_markup_mode=None)
    noun.callback()(_skills)
    noun.command("serve", help=text("skills_serve"))(serve)
    return noun


def _skills() -> None:
    """With a callback, a noun keeps its verb even while it has only one."""


def serve(
    host: str = typer.Option("127.0.0.1", "--host", help=text("opt_host")),
    port: int = typer.Option(PORT, "--port", min=0, max=65535, help=text("opt_port")),
    root: str = typer.Option("", "--root", metavar="DIR", help=text("opt_skills_root")),
) -> None:
    """Serve skills until Ctrl-C, over MCP and plain HTTP; `DURE_SKILLS_TOKEN` is asked of whoever comes."""
    chosen = session.settings(quiet=False)
    # Apps stand beside this layer, so they are found by name.
    known = import_module("dure.apps.knowledge.config").load()
    token = known.skills_token.get_secret_value() if known.skills_token is not None else None
    folder = Path(root) if root else chosen.home / "skills"
    server = import_module("dure.apps.knowledge.skills.server").serve(
        folder, host=host, port=port, token=token, default_tenant=known.tenant
    )

    async def work() -> None:
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await server.start()
        ready(server.url)
        await ended.wait()
        await server.stop()

    session.run(work)
