"""Looking after all schedules at once: are they right, and are they as a file says?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.cli.runs_do import actor
from dure.cli.session import Tenant
from dure.lang import say

if TYPE_CHECKING:
    from dure.schedule.files import Applied
    from dure.schedule.model import Moved

EXIT_DIFFERS = 3


def check(
    repair: bool = typer.Option(False, "--repair", help=text("opt_repair")),
    tenant: str = typer.Option(None, "--tenant", envvar="DURE_TENANT", metavar="ID", help=text("opt_tenant_all")),
) -> None:
    """Compute the next fire of every schedule anew and print those that would move."""
    from dure.schedule.versions import versions

    async def work() -> "Sequence[Moved]":
        async with session.runtime() as runtime:
            return await runtime.schedules.check(tenant, repair=repair, actor=actor())

    moved, known = session.run(work), versions()
    if output.wants_json():
        items = [
            {
                "id": one.schedule.id,
                "tenant_id": one.schedule.tenant_id,
                "name": one.schedule.name,
                "stored_at": one.schedule.next_fire_at,
                "expected_at": one.expected_at,
            }
            for one in moved
        ]
        output.document({"versions": known, "repaired": repair, "items": items})
    else:
        output.line(say("schedules.versions", **known))
        _print_moved(moved)
        output.line(say("schedules.repaired" if repair else "schedules.moved", count=len(moved)))
    raise typer.Exit(EXIT_DIFFERS if moved and not repair else 0)


def apply(
    file: Path = typer.Option(..., "--file", "-f", metavar="FILE", help=text("opt_schedules_file")),  # noqa: B008
    preview: bool = typer.Option(False, "--preview", help=text("opt_apply_preview")),
    prune: bool = typer.Option(False, "--prune", help=text("opt_prune")),
    imports: list[str] = session.Imports,
    tenant: str = Tenant,
) -> None:
    """Make schedules be as a file says."""
    from dure.cli.declaring import with_handlers
    from dure.schedule.files import apply as apply_file
    from dure.schedule.files import read_file

    wanted = read_file(_read(file), toml=file.suffix.lower() == ".toml")

    async def work() -> "list[Applied]":
        async with session.runtime(imports=tuple(imports or ()) or None) as runtime:
            return await with_handlers(
                runtime,
                lambda: apply_file(
                    runtime.database, runtime.schedules, tenant, wanted, actor=actor(), preview=preview, prune=prune
                ),
            )

    done = session.run(work)
    if output.wants_json():
        output.document({"preview": preview, "items": done})
        return
    rows = [[one.name, say(f"schedules.action_{one.action}"), ", ".join(one.fields)] for one in done]
    output.table([say("cli.head_name"), say("schedules.head_action"), say("schedules.head_fields")], rows)
    if preview:
        output.note(say("schedules.previewed"))


def _print_moved(moved: "Sequence[Moved]") -> None:
    if not moved:
        return
    names = ("cli.head_tenant_id", "cli.head_name", "schedules.head_stored", "schedules.head_expected")
    rows = [[one.schedule.tenant_id, one.schedule.name, one.schedule.next_fire_at, one.expected_at] for one in moved]
    output.table([say(name) for name in names], rows)


def _read(file: Path) -> str:
    from dure.errors import Invalid

    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}", field="file", reason="unreadable") from error
    except UnicodeDecodeError as error:
        raise Invalid(field="file", reason="not_utf8") from error
