"""What a Django project says of Dure: the dictionary `DURE` of its settings, and one of its databases.

    DURE = {"TENANT": "shop", "IMPORTS": ["shop.jobs"], "TASKS": ["shop.tasks"], "THREADS": 4}

`ALIAS`, `TENANT` and `TASKS` are read here; every other key is a setting of Dure without its prefix `DURE_`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from django.conf import settings as django_settings
from django.db import connections
from pydantic import ValidationError

from dure.errors import Invalid
from dure.ids import is_tenant_id
from dure.settings import Settings

ALIAS = "default"
TENANT = "default"
OWN = frozenset({"ALIAS", "TENANT", "TASKS"})


@dataclass(frozen=True, slots=True)
class Conf:
    """The dictionary `DURE`, checked. Example: `conf().tenant`."""

    alias: str = ALIAS
    """Which of `DATABASES` holds Dure's schema."""
    tenant: str = TENANT
    """For whom this project works: what it enqueues, and all that its admin shows."""
    tasks: tuple[str, ...] = ()
    """The modules whose functions marked with Django's `@task` may be run."""
    rest: tuple[tuple[str, Any], ...] = ()
    """Settings of Dure, by their names in `dure.settings`."""


def conf() -> Conf:
    """Read `DURE`; raises `Invalid` that names the key at fault."""
    given = getattr(django_settings, "DURE", {})
    if not isinstance(given, Mapping):
        raise Invalid(field="DURE", reason="wrong_type", expected="dict")
    known = {name.upper() for name in Settings.model_fields} | OWN
    if unknown := sorted(str(key) for key in given.keys() - known):
        raise Invalid(field=f"DURE[{unknown[0]!r}]", reason="unknown_field")
    tenant = given.get("TENANT", TENANT)
    if not isinstance(tenant, str) or not is_tenant_id(tenant):
        raise Invalid(field="DURE['TENANT']", reason="wrong_format", expected="acme-1")
    tasks = given.get("TASKS", ())
    if isinstance(tasks, str) or not all(isinstance(name, str) for name in tasks):
        raise Invalid(field="DURE['TASKS']", reason="wrong_type", expected="list")
    rest = tuple((str(key).lower(), value) for key, value in given.items() if key not in OWN)
    return Conf(str(given.get("ALIAS", ALIAS)), tenant, tuple(tasks), rest)


def dure_settings(**changes: Any) -> Settings:
    """Answer Dure's settings for this project: `DURE`, then the variables `DURE_*`, then the defaults.

    Example: `dure_settings(queues=("mail",)).database_url`.
    """
    chosen = conf()
    given = {"database_url": database_url(chosen.alias), **dict(chosen.rest), **changes}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else ""
        raise Invalid(first["msg"], field=f"DURE[{name!r}]", reason=str(first["type"])) from None


def database_url(alias: str | None = None) -> str:
    """Answer an entry of `DATABASES` as a connection string for Dure; `Invalid` when it is not PostgreSQL.

    Example: `Client(Database(database_url()), settings)`.
    """
    alias = conf().alias if alias is None else alias
    connection = connections[alias]
    if connection.vendor != "postgresql":
        raise Invalid(field=f"DATABASES[{alias!r}]", reason="not_one_of", expected="django.db.backends.postgresql")
    given = dict(connection.get_connection_params())
    words = {name: given[name] for name in _libpq_words() & given.keys() if given[name] not in (None, "")}
    # Django takes on this role after it has connected.
    if role := connection.settings_dict.get("OPTIONS", {}).get("assume_role"):
        words["options"] = " ".join(filter(None, [words.get("options"), f"-c role={role}"]))
    return _url({name: str(value) for name, value in words.items()})


def _url(words: dict[str, str]) -> str:
    user, password, host, port, name = (words.pop(key, "") for key in ("user", "password", "host", "port", "dbname"))
    login = quote(user, safe="") + (":" + quote(password, safe="") if password else "") + "@"
    if password and not user:
        words["password"] = password
    where = f"[{host}]" if ":" in host and not host.startswith("/") else quote(host, safe="")
    # A list of hosts has a list of ports, which only the words behind the question mark can say.
    if "," in host:
        words["host"], where = host, ""
        words["port"], port = port, ""
    query = urlencode({key: value for key, value in sorted(words.items()) if value}, quote_via=quote)
    return (
        f"postgresql://{login}{where}{':' + port if port else ''}/{quote(name, safe='')}{'?' + query if query else ''}"
    )


def _libpq_words() -> set[str]:
    return {word.keyword.decode() for word in psycopg.pq.Conninfo.get_defaults()}
