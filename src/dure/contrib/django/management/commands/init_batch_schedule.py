"""`manage.py init_batch_schedule`."""

from argparse import ArgumentParser
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError

from dure.contrib.django.batch import init_schedule
from dure.contrib.django.words import language, tell
from dure.errors import DureError


class Command(BaseCommand):
    """Make the daily schedule of the interventions batch; what is there already is left alone."""

    help = "Makes the daily schedule of interventions.generate. With --force it is made anew; its history stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether to make it anew."""
        parser.add_argument("--force", action="store_true", help="make it anew when it is there")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Make it."""
        try:
            schedule, made = init_schedule(force=options["force"])
        except DureError as error:
            raise CommandError(error.text(language()), returncode=error.exit_code) from None
        key = "schedule_made" if made else "schedule_there"
        at = schedule.next_fire_at and schedule.next_fire_at.astimezone(ZoneInfo(schedule.zone))
        self.stdout.write(tell(key, name=schedule.name, at=at.isoformat(timespec="minutes") if at else "-"))
