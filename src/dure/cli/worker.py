"""`dure worker`."""

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say

Queues = typer.Option(None, "--queue", metavar="NAME", help=text("opt_worker_queue"))


def add_to(root: typer.Typer) -> None:
    """Add the command."""
    root.command("worker", help=text("worker"), epilog=text("worker_epilog"))(worker)


def worker(
    queues: list[str] = Queues,
    processes: int = typer.Option(1, "--processes", min=1, max=256, help=text("opt_processes")),
    imports: list[str] = session.Imports,
    poll: bool = typer.Option(False, "--poll", help=text("opt_poll")),
) -> None:
    """Run workers until told to stop."""
    from dure.runtime.up import work

    chosen = session.settings(
        quiet=False,
        queues=tuple(queues or ()) or None,
        imports=tuple(imports or ()) or None,
        notify=False if poll else None,
    )

    def announce(worker_ids: list[int]) -> None:
        if output.wants_json():
            output.document({"ready": worker_ids})
        else:
            output.line(say("cli.worker_ready", ids=", ".join(map(str, worker_ids))))

    session.run(lambda: work(chosen, processes=processes, announce=announce))
