"""What the A2A app is told by its environment."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import httpx
from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dure.apps.environment import read
from dure.settings import is_network_or_host

TENANT = "default"
NAME = "Dure"
PORTS = {"https": 443, "http": 80}
_TOKEN = re.compile(r"[!-~]{1,4000}")


def _named(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class A2aSettings(BaseSettings):
    """The settings of the A2A app. Example: `A2aSettings(public_card=True, wait_s=30)`."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
        env_prefix="DURE_A2A__",
    )

    tenant: str = Field(default=TENANT, validation_alias=_named("DURE_TENANT"))
    """Who is meant by a request that names no tenant."""
    name: str = Field(default=NAME, min_length=1, max_length=200, validation_alias=_named("DURE_A2A_NAME"))
    """What the card of this server is called."""
    public_card: bool = Field(default=False, validation_alias=_named("DURE_A2A_PUBLIC_CARD"))
    """Whether anybody may read the card of this server; without a key it names no agent and no skill of theirs."""
    wait_s: float = Field(default=300.0, gt=0, le=86_400, validation_alias=_named("DURE_A2A_WAIT_S"))
    """How long a client that waits for its task is kept waiting; then it gets the task as it is."""

    allow: Annotated[tuple[str, ...], NoDecode] = Field(default=(), validation_alias=_named("DURE_A2A_ALLOW"))
    """Internal receivers that are meant to be reached: networks and host names."""
    origins: Annotated[tuple[str, ...], NoDecode] = Field(default=(), validation_alias=_named("DURE_A2A_ORIGINS"))
    """Origins to which a card of another origin may send us."""
    keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), repr=False, validation_alias=_named("DURE_A2A_KEYS")
    )
    """What we show to others' servers, each `origin=token`, sent as a bearer token and to no other origin."""
    call_timeout_s: float = Field(default=30.0, gt=0, le=600, validation_alias=_named("DURE_A2A_CALL_TIMEOUT_S"))
    """For one call: the name, the connection, the answer."""
    poll_s: float = Field(default=2.0, ge=0.01, le=300, validation_alias=_named("DURE_A2A_POLL_S"))
    """How often a task at another's server is looked at, where it cannot be followed."""

    @field_validator("allow", "origins", "keys", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        if isinstance(given, str):
            return tuple(part for part in re.split(r"[\s,]+", given) if part)
        return given

    @field_validator("allow")
    @classmethod
    def _check_allow(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(is_network_or_host, allowed)):
            raise _wrong("10.1.0.0/16, agents.internal")
        return allowed

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(text) for text in given)

    @field_validator("keys")
    @classmethod
    def _check_keys(cls, given: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for entry in given:
            origin, _, token = entry.get_secret_value().partition("=")
            _origin(origin)
            if not _TOKEN.fullmatch(token):
                raise _wrong("https://agents.example.com=token")
        return given

    def tokens(self) -> Mapping[str, SecretStr]:
        """Answer the token of each origin that has one."""
        pairs = [entry.get_secret_value().partition("=") for entry in self.keys]
        return {_origin(origin): SecretStr(token) for origin, _, token in pairs}


def load() -> A2aSettings:
    """Read the settings from the environment; raises `Invalid` that names each variable that is wrong.

    Example: `settings = load()`.
    """
    return read(A2aSettings)


def origin_of(url: httpx.URL) -> str:
    """Answer whose a URL is. Example: `origin_of(httpx.URL("https://a.example/x")) == "https://a.example:443"`."""
    return f"{url.scheme}://{url.host.lower().rstrip('.')}:{url.port or PORTS.get(url.scheme, 0)}"


def _origin(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise _wrong("https://agents.example.com") from None
    if url.scheme not in PORTS or not url.host or url.userinfo or url.path not in ("", "/"):
        raise _wrong("https://agents.example.com")
    return origin_of(url)


def _wrong(expected: str) -> PydanticCustomError:
    return PydanticCustomError("wrong_format", "not of the form that is expected", {"expected": expected})
