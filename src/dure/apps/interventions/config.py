"""What the interventions app is told by its environment: whose tables it reads, and who writes the advice.

Names of tables and columns are many, so they stand in a TOML file that `DURE_INTERVENTIONS_CONFIG` names. Without one
they are those of the example, which a Django app with the label `interventions` has too.
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dure.apps.interventions.periods import zone_of
from dure.apps.interventions.tables import Tables
from dure.errors import Invalid

PREFIX = "DURE_INTERVENTIONS_"
ZONE = "Asia/Seoul"
TENANT = "default"
FILE_BYTES_MAX = 1_000_000
USERS_A_SLICE = 5_000
USERS_A_SLICE_ASKED = 200
"""With an endpoint: its answers take long, and a slice that is lost asks again."""


class InterventionSettings(BaseSettings):
    """The settings of the interventions app. Example: `InterventionSettings(zone="Asia/Seoul", lang="en")`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    config: Path | None = None
    """A TOML file that names tables and columns."""
    zone: str = ZONE
    """Where a day begins and ends, when neither a run nor its schedule says."""
    tenant: str = Field(default=TENANT, validation_alias="DURE_TENANT")
    """Whose the tables are, where their rows name no tenant."""
    lang: Literal["ko", "en"] = "ko"
    """The language of advice for a user whose own is not known."""
    slice_users: int | None = Field(default=None, ge=1, le=100_000)
    """How many users one job looks at."""

    url: str | None = None
    """The base of an OpenAI-compatible endpoint that writes the advice; without it the rules here do."""
    key: SecretStr | None = None
    model: str | None = None
    concurrency: int = Field(default=4, ge=1, le=64)
    """How many requests one worker process has open at a time."""
    requests_per_s: float = Field(default=5.0, gt=0, le=1000)
    """How many requests one worker process begins in a second."""
    requests_max: int = Field(default=10_000, ge=0, le=10_000_000)
    """Of one run, by all workers together; a repeated request counts too."""
    tokens_max: int = Field(default=10_000_000, ge=0, le=10_000_000_000)
    """Of one run, by all workers together, asked and answered."""
    timeout_s: float = Field(default=60.0, gt=0, le=600)

    @field_validator("zone")
    @classmethod
    def _check_zone(cls, given: str) -> str:
        try:
            zone_of(given)
        except Invalid:
            raise PydanticCustomError("wrong_format", "not a zone", {"expected": ZONE}) from None
        return given

    @field_validator("url")
    @classmethod
    def _check_url(cls, given: str | None) -> str | None:
        if given is not None and not given.startswith(("http://", "https://")):
            raise PydanticCustomError("wrong_format", "not an address", {"expected": "https://host/v1"})
        return given

    @property
    def tables(self) -> Tables:
        """The tables that are read and written; raises `Invalid` that names what is wrong in the file."""
        return _tables(self.config, _changed_at(self.config))

    @property
    def slice_size(self) -> int:
        """How many users one job looks at."""
        return self.slice_users or (USERS_A_SLICE if self.url is None else USERS_A_SLICE_ASKED)


def load() -> InterventionSettings:
    """Read the settings from the environment; raises `Invalid` that names each variable that is wrong.

    Example: `settings = load()`.
    """
    try:
        return InterventionSettings()
    except ValidationError as error:
        raise Invalid.together([_invalid(detail, _variable) for detail in error.errors(include_input=False)]) from None


@lru_cache(maxsize=8)
def _tables(path: Path | None, _changed_at: float) -> Tables:
    if path is None:
        return Tables()
    try:
        return Tables.model_validate(_document(path))
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
        raise Invalid.together(
            [_invalid(detail, lambda field: f"{path.name}: {field}") for detail in details]
        ) from None


def _document(path: Path) -> Mapping[str, Any]:
    variable = PREFIX + "CONFIG"
    try:
        content = path.read_bytes()
        if len(content) > FILE_BYTES_MAX:
            raise Invalid(field=variable, reason="too_large", size_bytes=len(content), max_bytes=FILE_BYTES_MAX)
        return tomllib.loads(content.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(str(error), field=variable, reason="wrong_value", message=str(error)) from None


def _changed_at(path: Path | None) -> float:
    try:
        return 0.0 if path is None else path.stat().st_mtime
    except OSError:
        return 0.0


def _variable(field: str) -> str:
    return field if field.startswith("DURE_") else PREFIX + field.upper()


def _invalid(detail: Any, named: Callable[[str], str]) -> Invalid:
    field = named(".".join(str(part) for part in detail["loc"]))
    context = detail.get("ctx") or {}
    if detail["type"] == "wrong_format":
        return Invalid(field=field, reason="wrong_format", expected=context["expected"])
    return Invalid(detail["msg"], field=field, reason="wrong_value", message=detail["msg"])
