"""What can be set from outside, with its limits: environment variables with the prefix `DURE_`.

A limit on everything, and a unit in every name. A `.env` file is not read: whoever starts Dure says what
holds.
"""

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dure import lang as languages
from dure.errors import Invalid

PREFIX = "DURE_"
DIALECTS = ("postgres://", "postgresql+psycopg://", "postgresql+psycopg2://", "postgresql+asyncpg://")
"""Spellings of `postgresql://` that other programs write; libpq knows only the first."""

Names = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
NoticeEvent = Literal["waiting", "applied", "partial", "failed", "refused", "rejected", "cancelled", "expired", "empty"]
NOTICE_EVENTS: tuple[NoticeEvent, ...] = ("waiting", "applied", "partial", "failed", "refused")
NOTICE_TARGETS_MAX = 20
NOTICE_SECRETS_MAX = 5
WHSEC = "whsec_"
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
"""What Standard Webhooks asks of a secret."""

_TARGET = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,62})=(?P<url>[A-Za-z][A-Za-z0-9+.-]{0,30}://\S{1,4000})")
# A comma is part of a URL unless the next target begins behind it.
_BETWEEN_TARGETS = re.compile(r"\s*,\s*(?=[a-z0-9][a-z0-9_-]{0,62}=[A-Za-z][A-Za-z0-9+.-]{0,30}://|$)")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Settings(BaseSettings):
    """The settings of one process; they never change while it runs.

    Example: `DURE_LEASE_S=10 dure worker`, or in a test `Settings(lease_s=10, database_url=url)`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    home: Path = Path(".dure")
    """State of the embedded server."""
    database_url: str | None = Field(default=None, repr=False)
    """Of the database to use; None starts the embedded server."""
    lang: Literal["en", "ko"] = Field(default_factory=lambda: _language(languages.default()))
    demo: bool = False
    """Whether the `dure.demo.*` handlers exist."""

    lease_s: Seconds = Field(default=30.0, ge=0.1, le=3600)
    """A worker that was not heard of for so long has lost its jobs."""
    poll_s: Seconds = Field(default=1.0, ge=0.01, le=300)
    """How long an idle worker waits at most before it looks for jobs without having been woken."""
    notify: bool = True
    grace_s: Seconds = Field(default=20.0, ge=0, le=3600)
    """How long a stopping worker lets its jobs finish before it hands them back."""
    concurrency: int = Field(default=100, ge=1, le=10_000)
    """How many async jobs one worker runs at a time."""
    threads: int = Field(default=10, ge=1, le=1_000)
    """How many plain functions one worker runs at a time."""
    prefetch: int = Field(default=1_000, ge=1, le=100_000)
    queues: Names = ()
    """Queues to work on; none named means all."""
    imports: Names = ()
    """Modules that may be imported for their handlers."""

    payload_bytes_max: int = Field(default=262_144, ge=1, le=67_108_864)
    payload_depth_max: int = Field(default=32, ge=1, le=1_000)
    bulk_max: int = Field(default=10_000, ge=1, le=1_000_000)
    retention_days: float = Field(default=14.0, ge=0, le=36_500, allow_inf_nan=False)
    retention_failed_days: float = Field(default=90.0, ge=0, le=36_500, allow_inf_nan=False)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    """Port 0 lets the system choose one."""
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    notice_targets: Secrets = Field(default=(), repr=False)
    """Who is told of runs, each `name=url`: a webhook, or a URL of Apprise."""
    notice_secrets: Secrets = Field(default=(), repr=False, validate_default=True)
    """What webhooks are signed with; several while one replaces another."""
    notice_events: Annotated[tuple[NoticeEvent, ...], NoDecode] = Field(default_factory=lambda: NOTICE_EVENTS)
    notice_allow: Names = ()
    """Internal receivers of notices that are meant to be reached: networks and host names."""
    public_url: str | None = None
    """Where people reach the server, for the links in notices."""

    pool_max: int = Field(default=10, ge=1, le=1_000)
    pooler: bool = False
    """Whether a transaction pooler stands before the database: no LISTEN, no state of a session."""

    @model_validator(mode="before")
    @classmethod
    def _find_database(cls, given: Any) -> Any:
        """Take the database from the variables that other programs use, when ours is not set.

        A `database_url` of None that was passed on purpose stays: it means the embedded server.
        """
        if not isinstance(given, dict):
            return given
        if "database_url" not in given:
            given = {**given, "database_url": _url_from(os.environ)}
        url = given["database_url"]
        if isinstance(url, str) and _asks_for_pooler(url):
            given = {"pooler": True, **given}
        return given

    @field_validator("database_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return None if url is None else normalise_url(url)

    @field_validator("notice_targets", mode="before")
    @classmethod
    def _split_targets(cls, given: Any) -> Any:
        parts = _BETWEEN_TARGETS.split(given.strip()) if isinstance(given, str) else given
        targets = [part for part in map(_plain, parts) if part]
        names = [match["name"] for part in targets if (match := _TARGET.fullmatch(part))]
        if len(names) < len(targets):
            raise _wrong("ops=https://hooks.example.com/dure")
        if len(set(names)) < len(names):
            raise PydanticCustomError("duplicate", "a name is there twice")
        return _at_most(targets, NOTICE_TARGETS_MAX)

    @field_validator("notice_secrets", mode="before")
    @classmethod
    def _check_secrets(cls, given: Any, info: ValidationInfo) -> Any:
        parts = re.split(r"[\s,]+", given) if isinstance(given, str) else given
        secrets = [part for part in map(_plain, parts) if part]
        if not all(map(_is_secret, secrets)):
            raise _wrong("whsec_…")
        targets = [target.get_secret_value() for target in info.data.get("notice_targets", ())]
        if not secrets and any(re.search(r"^[^=]+=https?://", target, re.IGNORECASE) for target in targets):
            raise PydanticCustomError("secret_missing", "a webhook is signed, so a secret is needed")
        return _at_most(secrets, NOTICE_SECRETS_MAX)

    @field_validator("notice_allow")
    @classmethod
    def _check_allow(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(is_network_or_host, allowed)):
            raise _wrong("10.1.0.0/16, hooks.internal")
        return allowed

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?", url):
            raise _wrong("https://dure.example.com")
        return None if url is None else url.rstrip("/")

    @field_validator("queues", "imports", "notice_events", "notice_allow", mode="before")
    @classmethod
    def _split_names(cls, names: Any) -> Any:
        """`a, b` is how a list is written in an environment variable."""
        if isinstance(names, str):
            return tuple(name.strip() for name in names.split(",") if name.strip())
        return names

    @field_validator("lang", mode="before")
    @classmethod
    def _choose_language(cls, value: Any) -> Any:
        return _language(value) if isinstance(value, str) else value

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


def load() -> Settings:
    """Read the settings from the environment; raises `Invalid` that names each variable that is wrong.

    Example: `settings = load()`.
    """
    try:
        return Settings()
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True, include_input=False)
        raise Invalid.together([_invalid(detail) for detail in details]) from None


def normalise_url(url: str) -> str:
    """Answer the connection string as libpq reads it; raises `ValueError` without ever repeating the string.

    Example: `normalise_url("postgresql+asyncpg://me@db/app?ssl=require")` is
    `postgresql://me@db/app?sslmode=require`.
    """
    dialect = next((dialect for dialect in DIALECTS if url.startswith(dialect)), None)
    if dialect is not None:
        url = "postgresql://" + url.removeprefix(dialect)
    try:
        if url.startswith("postgresql://"):
            url = _translate_query(url)
        conninfo_to_dict(url)
    except (psycopg.Error, ValueError):
        raise PydanticCustomError("not_url", "not a PostgreSQL connection string") from None
    return url


def _translate_query(url: str) -> str:
    """Turn what asyncpg and Prisma write behind the `?` into libpq's words, which refuses any other."""
    parts = urlsplit(url)
    if not parts.query:
        return url
    words = [
        ("sslmode" if name == "ssl" else name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name not in {"pgbouncer", "connection_limit", "prepared_statement_cache_size"}
    ]
    # Not put together again from its parts: a URL without a host would lose its slashes.
    return "?".join([url.partition("?")[0], *([urlencode(words, quote_via=quote)] if words else [])])


def _asks_for_pooler(url: str) -> bool:
    # No parsing: the string was not checked yet, and may be none at all.
    return "pgbouncer=true" in url.partition("?")[2].lower().split("&")


def _url_from(environment: Mapping[str, str]) -> str | None:
    """Read `DATABASE_URL`, or the separate `DB_*` variables of the older systems."""
    if url := environment.get("DATABASE_URL"):
        return url
    host = environment.get("DB_HOST")
    if not host:
        return None
    user = quote(environment.get("DB_USER") or "postgres", safe="")
    password = environment.get("DB_PASSWORD")
    secret = ":" + quote(password, safe="") if password else ""
    port = environment.get("DB_PORT") or "5432"
    name = quote(environment.get("DB_NAME") or "postgres", safe="")
    # A path to a socket's directory is a host too, and an IPv6 address needs its brackets.
    where = f"[{host}]" if ":" in host and not host.startswith("/") else quote(host, safe="")
    return f"postgresql://{user}{secret}@{where}:{port}/{name}"


def _plain(given: str | SecretStr) -> str:
    return (given.get_secret_value() if isinstance(given, SecretStr) else str(given)).strip()


def _wrong(expected: str) -> PydanticCustomError:
    return PydanticCustomError("wrong_format", "not of the form that is expected", {"expected": expected})


def _at_most(values: list[str], most: int) -> tuple[SecretStr, ...]:
    if len(values) > most:
        raise PydanticCustomError("too_many", "too many", {"count": len(values), "max": most})
    return tuple(map(SecretStr, values))


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(WHSEC), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(WHSEC) and SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX


def is_network_or_host(text: str) -> bool:
    """Answer whether a text names a network or a host. Example: `is_network_or_host("10.1.0.0/16")`."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        # Digits and dots, or with a slash, are an address that is written wrongly, not a name.
        return bool(_HOST.fullmatch(text)) and not re.fullmatch(r"[0-9.]+", text)
    return True


def _language(value: str) -> Literal["en", "ko"]:
    return "ko" if value.lower().startswith("ko") else "en"


def _invalid(detail: ErrorDetails) -> Invalid:
    """Say in our words what pydantic found."""
    name = str(detail["loc"][0]) if detail["loc"] else ""
    variable = PREFIX + name.upper()
    kind = detail["type"]
    if kind in {"greater_than_equal", "less_than_equal", "finite_number"}:
        low, high = _limits(Settings.model_fields[name])
        return Invalid(field=variable, reason="out_of_range", min=low, max=high)
    if kind == "literal_error":
        return Invalid(field=variable, reason="not_one_of", expected=detail["ctx"]["expected"])
    match kind:
        case "not_url" | "duplicate":
            return Invalid(field=variable, reason=kind)
        case "wrong_format" | "too_many":
            return Invalid(field=variable, reason=kind, **detail["ctx"])
        case "secret_missing":
            return Invalid(field=variable, reason="missing")
    expected = getattr(Settings.model_fields[name].annotation, "__name__", "str")
    return Invalid(field=variable, reason="wrong_type", expected=expected)


def _limits(field: FieldInfo) -> tuple[object, object]:
    low = next((limit.ge for limit in field.metadata if hasattr(limit, "ge")), None)
    high = next((limit.le for limit in field.metadata if hasattr(limit, "le")), None)
    return low, high
