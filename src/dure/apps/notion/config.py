"""What the Notion app is told by its environment."""

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dure.apps.environment import read

BASE_URL = "https://api.notion.com"
OFFLINE = "notion.work.offline"
TENANT = "default"
EVERY_S_MAX = 86_400
FOR_S_MAX = 31_536_000


def _named(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class NotionSettings(BaseSettings):
    """The settings of the Notion app. Example: `NotionSettings(handler="my.todo", retries=1)`."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
        # Fields may be given by name, and so are looked for by name too: never as plain HOME or TENANT.
        env_prefix="DURE_NOTION__",
    )

    key: SecretStr | None = Field(default=None, validation_alias=_named("NOTION_API_KEY"))
    """Of an integration that the page is shared with. Without it nothing is read from Notion or written there."""
    base_url: str = Field(default=BASE_URL, validation_alias=_named("NOTION_BASE_URL"))
    call_timeout_s: float = Field(default=65.0, gt=0, le=600, validation_alias=_named("DURE_NOTION_CALL_TIMEOUT_S"))
    """Longer than the 60 s that Notion takes at most: what timed out here has ended there, so it can be looked for."""
    requests_per_s: float = Field(default=2.5, gt=0, le=100_000, validation_alias=_named("DURE_NOTION_REQUESTS_PER_S"))
    """Of all workers together."""
    handler: str = Field(default=OFFLINE, min_length=1, max_length=200, validation_alias=_named("DURE_NOTION_HANDLER"))
    """Works one to-do, and answers with its result."""
    retries: int = Field(default=3, ge=0, le=100, validation_alias=_named("DURE_NOTION_RETRIES"))
    """How many more ticks try a to-do that failed, before it is skipped."""
    at_once: int = Field(default=1, ge=1, le=50, validation_alias=_named("DURE_NOTION_AT_ONCE"))
    """How many to-dos of a page are worked at a time; with 1 strictly one after the other, in the page's order."""
    work_timeout_s: float = Field(default=300.0, gt=0, le=86_400, validation_alias=_named("DURE_NOTION_WORK_TIMEOUT_S"))
    """How long the handler may take over one to-do."""
    every_s: int = Field(default=60, ge=1, le=EVERY_S_MAX, validation_alias=_named("DURE_NOTION_EVERY_S"))
    for_s: int = Field(default=900, ge=1, le=FOR_S_MAX, validation_alias=_named("DURE_NOTION_FOR_S"))
    tenant: str = Field(default=TENANT, validation_alias=_named("DURE_TENANT"))
    """Who is meant by a request that names no tenant."""

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")):
            raise PydanticCustomError("wrong_format", "not a URL", {"expected": BASE_URL})
        return url.rstrip("/").removesuffix("/v1")


def load() -> NotionSettings:
    """Read the settings from the environment; raises `Invalid` that names each variable that is wrong.

    Example: `settings = load()`.
    """
    return read(NotionSettings)
