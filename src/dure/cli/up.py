"""`dure up` and `dure down`."""

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say


def add_to(root: typer.Typer) -> None:
    """Add the commands."""
    root.command("up", help=text("up"), epilog=text("up_epilog"))(up)
    root.command("down", help=text("down"))(down)


def up(
    host: str = typer.Option(None, "--host", help=text("opt_host")),
    port: int = typer.Option(None, "--port", min=0, max=65535, help=text("opt_port")),
    processes: int = typer.Option(1, "--processes", min=1, max=256, help=text("opt_processes")),
    imports: list[str] = session.Imports,
    detach: bool = typer.Option(False, "--detach", help=text("opt_detach")),
) -> None:
    """Start everything; with `--detach` in the background."""
    chosen = session.settings(quiet=False, host=host, port=port, imports=tuple(imports or ()) or None)
    if detach:
        from dure.runtime import detach as background

        ready(background.start(chosen, processes=processes))
        return

    from dure.runtime.detach import Announcement
    from dure.runtime.up import Up, serve

    with Announcement(chosen.home) as announcement:

        def announce(started: Up) -> None:
            if started.open_to_all:
                output.note(say("cli.open_to_all"))
            ready(started.url)
            announcement.ready(started.url)

        session.run(lambda: serve(chosen, processes=processes, announce=announce))


def down() -> None:
    """Stop what `dure up --detach` started."""
    from dure.runtime import detach as background

    stopped = background.stop(session.settings())
    if output.wants_json():
        output.document({"stopped": stopped is not None, **(stopped or {})})
    elif stopped is None:
        output.note(say("cli.nothing_runs"))
    else:
        output.note(say("cli.stopped", pid=stopped.get("pid", "?")))


def ready(url: str) -> None:
    """Print the last line of a start; scripts wait for it."""
    if output.wants_json():
        output.document({"ready": url})
    else:
        output.line(f"ready: {url}")
