"""`manage.py dure_worker`."""

import asyncio
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dure import logs
from dure.contrib.django.conf import conf, dure_settings
from dure.contrib.django.words import language, tell
from dure.contrib.django.working import work
from dure.errors import DureError


class Command(BaseCommand):
    """Run one worker until told to stop; start it as often as there are processor cores to use."""

    help = "Runs the jobs of this project. SIGTERM lets those that run finish; a second signal hurries."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the queues to work on."""
        parser.add_argument("--queue", action="append", default=[], dest="queues", metavar="NAME")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Work."""
        try:
            settings = dure_settings()
            # Apps whose tables name no tenant take it from there.
            os.environ.setdefault("DURE_TENANT", conf().tenant)
            logs.configure(log_format=settings.log_format, log_level=settings.log_level)
            asyncio.run(work(options["queues"], self._announce))
        except DureError as error:
            raise CommandError(error.text(language()), returncode=error.exit_code) from None

    def _announce(self, worker_id: int) -> None:
        self.stdout.write(tell("worker_ready", id=worker_id))
        self.stdout.flush()
