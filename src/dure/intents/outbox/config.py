"""What is set of the outbox: `DURE_OUTBOX_CHANNELS`, `DURE_OUTBOX_PER_MINUTE`."""

import re
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dure.errors import Invalid

_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}=[A-Za-z][A-Za-z0-9+.-]{0,30}://\S{1,4000}")
_BETWEEN = re.compile(r"\s*,\s*(?=[a-z0-9][a-z0-9_-]{0,62}=[A-Za-z][A-Za-z0-9+.-]{0,30}://|$)")
CHANNELS_MAX = 50


class OutboxSettings(BaseSettings):
    """The ways out of this process. Example: `load().channels`."""

    model_config = SettingsConfigDict(
        env_prefix="DURE_OUTBOX_", env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    channels: Annotated[tuple[SecretStr, ...], NoDecode] = Field(default=(), repr=False)
    """Each `name=url`."""
    per_minute: int = Field(default=600, ge=1, le=1_000_000)
    """How many messages go out over one channel in a minute, over all workers."""

    @field_validator("channels", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        parts = _BETWEEN.split(given.strip()) if isinstance(given, str) else list(given)
        parts = [part for part in parts if part]
        plain = [part.get_secret_value() if isinstance(part, SecretStr) else part for part in parts]
        names = [part.partition("=")[0] for part in plain]
        if not all(map(_CHANNEL.fullmatch, plain)) or len(set(names)) < len(names) or len(names) > CHANNELS_MAX:
            raise PydanticCustomError("wrong_format", "not a list of name=url")
        return tuple(SecretStr(part) for part in plain)


def load() -> OutboxSettings:
    """Read the settings; `Invalid` names the variable that is wrong."""
    try:
        return OutboxSettings()
    except ValidationError as error:
        name = str(error.errors(include_input=False)[0]["loc"][0]).upper()
        raise Invalid(field=f"DURE_OUTBOX_{name}", reason="wrong_format", expected="sms=twilio://…/{to}") from None
