"""`dure db backup`, `restore` and `verify`: the schema saved into a file, put back, and both proved."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dure.cli import output, session
from dure.cli.help import text
from dure.lang import say

if TYPE_CHECKING:
    from dure.db.backup import Backup, Head, Names, Proof, Restored
    from dure.db.backup.names import Thing

DIRECTORY = Path("backups/schema")
EXIT_PROBLEM = 1
EXIT_DECLINED = 1

Directory = typer.Option(DIRECTORY, "--dir", metavar="DIRECTORY", help=text("opt_backup_dir"))
File = typer.Argument(..., metavar="FILE", help=text("arg_backup_file"))
SaveTo = typer.Option(None, "--dir", metavar="DIRECTORY", help=text("opt_restore_dir"))
Given = typer.Option(None, "--backup", metavar="FILE", help=text("opt_verify_backup"))


def add_to(noun: typer.Typer) -> None:
    """Add the commands to the noun `db`."""
    noun.command("backup", help=text("db_backup"))(backup)
    noun.command("restore", help=text("db_restore"), epilog=text("db_restore_epilog"))(restore)
    noun.command("verify", help=text("db_verify"))(verify)


def backup(
    directory: Path = Directory,
    schema_only: bool = typer.Option(False, "--schema-only", help=text("opt_schema_only")),
) -> None:
    """Save the schema of the database in use."""
    from dure.db.backup import dump

    async def work() -> "Backup":
        async with _database() as database:
            return await dump(database, directory, rows=not schema_only)

    made = session.run(work)
    if output.wants_json():
        output.document({"path": made.path, "link": made.link, "size_bytes": made.size_bytes, **_facts(made.head)})
        return
    key = "backup.made" if made.head.has_rows else "backup.made_schema"
    output.line(say(key, tables=len(made.head.tables), rows=made.head.rows, path=made.path))


def restore(
    file: Path = File,
    yes: bool = typer.Option(False, "--yes", "-y", help=text("opt_restore_yes")),
    directory: Path | None = SaveTo,
) -> None:
    """Put a backup in place of what is there, which is saved first."""
    from dure.db.backup import inspect
    from dure.db.backup.restoring import has_schema
    from dure.db.backup.restoring import restore as bring_back

    head = inspect(file)
    save_to = directory if directory is not None else file.parent

    async def look() -> bool:
        async with _database() as database:
            return await has_schema(database)

    async def work() -> "Restored":
        async with _database() as database:
            return await bring_back(database, file, save_to=save_to)

    if not yes:
        _confirm(file, head, save_to, is_over=session.run(look))
    restored = session.run(work)
    if output.wants_json():
        output.document(
            {
                "path": file,
                "saved_before": restored.saved.path if restored.saved else None,
                "sessions_ended": restored.sessions,
                "pending": restored.pending,
                **_facts(head),
            }
        )
    else:
        _print_restored(restored)


def verify(
    given: Path | None = Given,
    directory: Path = Directory,
    no_backup: bool = typer.Option(False, "--no-backup", help=text("opt_verify_no_backup")),
    tenant: str = session.Tenant,
) -> None:
    """Say whether all is there by name, and whether the newest backup can be restored; exit code 1 if not."""
    from dure.db.backup import LATEST, BackupError, look, prove

    latest = directory / LATEST
    path = given if given is not None else (latest if latest.is_symlink() or latest.exists() else None)

    async def work() -> "tuple[Names | None, Proof | BackupError | None]":
        async with _database() as database:
            names = await look(database, tenant)
            if no_backup or path is None:
                return names, None
            try:
                return names, await prove(database, path)
            except BackupError as error:
                return names, error

    names, proof = session.run(work)
    ok = names is not None and names.ok and not isinstance(proof, BackupError)
    if output.wants_json():
        output.document({"ok": ok, **_names_document(names), "backup": _proof_document(path, proof)})
    else:
        _print_names(names, tenant)
        _print_proof(path, proof, directory, is_wanted=not no_backup)
    raise typer.Exit(0 if ok else EXIT_PROBLEM)


def _confirm(file: Path, head: "Head", save_to: Path, *, is_over: bool) -> None:
    from dure.cli.runs_do import require_terminal

    require_terminal()
    key = "backup.confirm_over" if is_over else "backup.confirm"
    given: dict[str, object] = {"path": file, "made_at": output.cell(head.made_at)}
    if is_over:
        given["directory"] = save_to
    if not typer.confirm(say(key, **given), err=True):
        output.note(say("backup.declined"))
        raise typer.Exit(EXIT_DECLINED)


def _print_restored(restored: "Restored") -> None:
    head = restored.head
    if restored.saved is not None:
        output.line(say("backup.saved_before", path=restored.saved.path))
    if head.has_rows:
        output.line(say("backup.restored", tables=len(head.tables), rows=head.rows, number=head.migration))
    else:
        output.line(say("backup.restored_schema", number=head.migration))
    if restored.sessions:
        output.line(say("backup.sessions_ended", count=restored.sessions))
    if restored.pending:
        output.line(say("backup.pending", count=len(restored.pending)))


def _print_names(names: "Names | None", tenant: str) -> None:
    if names is None:
        output.line(say("backup.names.no_schema"))
        return
    from dure.db.migrate import migrations

    for problem in names.problems or (say("backup.names.migrations_ok", number=migrations()[-1].number),):
        output.line(problem)
    _print_things("tables", names.tables)
    if missing := _in_state(names.indexes, "missing"):
        output.line(say("backup.names.indexes_missing", names=missing))
    if invalid := _in_state(names.indexes, "invalid"):
        output.line(say("backup.names.indexes_invalid", names=invalid))
    if not missing and not invalid:
        output.line(say("backup.names.indexes_ok", count=names.index_count, named=len(names.indexes)))
    _print_things("channels", names.channels, tenant=tenant)
    _print_things("releases", names.releases, tenant=tenant)
    said = [say(f"backup.names.extension_{thing.state}", name=thing.name) for thing in names.extensions]
    output.line(say("backup.names.extensions", names=", ".join(said)))


def _print_things(kind: str, things: "tuple[Thing, ...]", **more: object) -> None:
    """Print those that are there, then those that are not, each with what to do about it."""
    if there := _in_state(things, "ok"):
        output.line(say(f"backup.names.{kind}_ok", names=there))
    for state in ("missing", "taken"):
        if concerned := _in_state(things, state):
            output.line(say(f"backup.names.{kind}_{state}", names=concerned, **more))


def _in_state(things: "tuple[Thing, ...]", state: str) -> str:
    return ", ".join(thing.name for thing in things if thing.state == state)


def _print_proof(path: Path | None, proof: Any, directory: Path, *, is_wanted: bool) -> None:
    from dure.db.backup import Proof

    if not is_wanted:
        return
    if path is None:
        output.line(say("backup.no_backup", directory=directory))
    elif isinstance(proof, Proof):
        head = proof.head
        given: dict[str, object] = {"path": path, "made_at": output.cell(head.made_at)}
        if head.has_rows:
            given |= {"tables": len(head.tables), "rows": head.rows}
        output.line(say("backup.proved" if head.has_rows else "backup.proved_schema", **given))
    else:
        output.line(proof.text())


def _facts(head: "Head") -> dict[str, object]:
    return {
        "made_at": head.made_at,
        "version": head.version,
        "server": head.server,
        "database": head.database,
        "migration": head.migration,
        "has_rows": head.has_rows,
        "rows": head.rows,
        "tables": head.tables,
    }


def _names_document(names: "Names | None") -> dict[str, object]:
    if names is None:
        return {"problems": [say("backup.names.no_schema")]}
    return {
        "problems": names.problems,
        "tables": names.tables,
        "indexes": {"count": names.index_count, "named": names.indexes},
        "channels": names.channels,
        "releases": names.releases,
        "extensions": names.extensions,
    }


def _proof_document(path: Path | None, proof: Any) -> dict[str, object] | None:
    from dure.db.backup import Proof

    if path is None or proof is None:
        return None
    if isinstance(proof, Proof):
        return {"path": path, "ok": True, **_facts(proof.head)}
    return {"path": path, "ok": False, "reason": proof.reason, "detail": proof.text()}


def _database() -> "session.OpenDatabase":
    return session.OpenDatabase(session.settings())
