"""The application that `INSTALLED_APPS` names."""

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate


class DureConfig(AppConfig):
    """Dure's models, admin pages and commands. Example: `INSTALLED_APPS += ["dure.contrib.django"]`."""

    name = "dure.contrib.django"
    label = "dure"
    verbose_name = "Dure"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Check the settings with `manage.py check`, and tell the database of the handlers with `manage.py migrate`."""
        checks.register(check_settings, "dure")
        post_migrate.connect(_after_migrate, sender=self)


def check_settings(**_given: Any) -> list[checks.CheckMessage]:
    """Answer what is wrong with `DURE`, and with the database that it names."""
    from dure.contrib.django.conf import dure_settings
    from dure.errors import DureError

    try:
        dure_settings()
    except DureError as error:
        return [checks.Error(error.text(), id="dure.E001")]
    return []


def _after_migrate(*, using: str = DEFAULT_DB_ALIAS, plan: Any = (), **_given: Any) -> None:
    from dure.contrib.django.conf import conf
    from dure.contrib.django.handling import declare_handlers

    # Not before our own migrations: another app may be migrated alone.
    if using == conf().alias:
        declare_handlers()
