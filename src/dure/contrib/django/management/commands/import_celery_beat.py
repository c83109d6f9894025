"""`manage.py import_celery_beat`."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError

from dure.contrib.celery.beat import BeatImport, Item, counted
from dure.contrib.django import services
from dure.contrib.django.conf import conf
from dure.contrib.django.words import language
from dure.errors import DureError
from dure.lang import say


class Command(BaseCommand):
    """Show what the periodic tasks of django-celery-beat would be as schedules, and with `--apply` make them."""

    help = "Imports the periodic tasks of django-celery-beat. Without --apply it only shows what would be made."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what is to be done, and which handlers run which tasks."""
        parser.add_argument("--apply", action="store_true", help="make the schedules")
        parser.add_argument(
            "--handler", action="append", default=[], metavar="TASK=HANDLER", help="which handler runs a task"
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Show or make."""
        handlers = dict(_pair(text) for text in options["handler"])
        try:
            items = services.call(lambda dure: self._import(dure, handlers, make=options["apply"]))
        except DureError as error:
            raise CommandError(error.text(language()), returncode=error.exit_code) from None
        for item in items:
            self._show(item)
        key = "applied" if options["apply"] else "shown"
        self.stdout.write(say(f"celery.beat.{key}", language(), **counted(items)))

    async def _import(self, dure: Any, handlers: dict[str, str], *, make: bool) -> list[Item]:
        beat = BeatImport(dure.database, dure.settings, conf().tenant, handlers=handlers)
        return await (beat.apply(actor="import_celery_beat") if make else beat.preview())

    def _show(self, item: Item) -> None:
        lang = language()
        self.stdout.write(f"{item.name} ({item.task}): {item.why(lang)}")
        for note in item.notes:
            self.stdout.write("  " + say(f"celery.beat.left_{note}", lang))
        if item.wanted is not None:
            self.stdout.write(f"  Celery  {_times(item.theirs, item.wanted.zone)}")
            self.stdout.write(f"  Dure    {_times(item.ours, item.wanted.zone)}")


def _pair(text: str) -> tuple[str, str]:
    task, equals, handler = text.partition("=")
    if not (task and equals and handler):
        raise CommandError(f"--handler TASK=HANDLER: {text}", returncode=2)
    return task, handler


def _times(moments: tuple[datetime, ...], zone: str) -> str:
    return "  ".join(at.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes") for at in moments) or "-"
