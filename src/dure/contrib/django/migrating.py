"""Dure's own migrations as Django's: one of each for each numbered file, so that `manage.py migrate` applies them.

Dure keeps its own record of what is applied (`dure.migration`), and both ways look there: what `dure db migrate` has
applied, Django only notes down, and the other way round. Nothing is taken back by migrating to zero: the schema holds
jobs, and the way to drop it is `drop schema dure cascade`.
"""

from typing import Any

from django.apps import apps as real_apps
from django.db import migrations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState

from dure.contrib.django.conf import conf, database_url
from dure.contrib.django.services import in_loop
from dure.db import migrate
from dure.db.pool import Database

LABEL = "dure"


class Apply(Operation):
    """Apply one file of `dure.db.migrations`, with all before it, unless the database has them already."""

    reduces_to_sql = True
    reversible = True

    def __init__(self, label: str) -> None:
        self.label = label

    def describe(self) -> str:
        """Say it for `migrate --plan`."""
        return f"Dure's {self.label}"

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Models are another operation's."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Apply it through Dure's own runner, which knows what is applied, waits for locks and refuses edited files."""
        alias = schema_editor.connection.alias
        if alias != conf().alias:
            return
        files = migrate.migrations()
        last = next(place for place, file in enumerate(files) if file.label == self.label)
        if schema_editor.collect_sql:
            schema_editor.collected_sql.append(files[last].text)
            return
        in_loop(lambda: _apply(database_url(alias), files[: last + 1]))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Leave everything as it is."""


class KnowModels(Operation):
    """Tell Django's record of models about the read-only ones as they are, so that it never finds them changed."""

    reduces_to_sql = False
    reversible = True

    def describe(self) -> str:
        """Say it for `migrate --plan`."""
        return "Dure's read-only models"

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Take them from the application itself."""
        for model in real_apps.get_app_config(LABEL).get_models():
            state.add_model(ModelState.from_model(model))

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Their tables are Dure's."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Their tables are Dure's."""


def migration(label: str, after: str | None) -> type[migrations.Migration]:
    """Answer the Django migration of one of Dure's files.

    Example: `Migration = migration("0002_queue.pre", after="0001_foundation")`.
    """
    operations: list[Operation] = [Apply(label)] if after else [Apply(label), KnowModels()]
    # Dure's runner has transactions of its own, and must not wait for locks that an open one of Django's holds.
    named = {
        "dependencies": [(LABEL, after)] if after else [],
        "operations": operations,
        "atomic": False,
    }
    return type("Migration", (migrations.Migration,), named)


async def _apply(url: str, files: Any) -> None:
    async with Database(url, max_size=1) as database:
        await migrate.migrate(database, wanted=files)
