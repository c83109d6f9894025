"""What the knowledge app is told by its environment: where the three stores are, and how to look for duplicates.

The names without `DURE_` are those that older systems set already.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dure.apps.environment import read

if TYPE_CHECKING:
    from dure.apps.knowledge.finding.model import Options

StoreName = Literal["rules", "skills", "memories"]
STORES: tuple[StoreName, ...] = ("rules", "skills", "memories")
MEMORIES = "public.memories"
RULES = "public.proc_def"
NONE = "none"
"""Of a store that is not used."""
TENANT = "default"
INTERVAL_S = 3600.0
WAIT_S = 60.0
_TABLE = re.compile(r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")(?:\.(?:[^\W\d][\w$]*|"(?:[^"]|"")+"))?')

Tables = Annotated[tuple[str, ...], NoDecode]


def _named(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class KnowledgeSettings(BaseSettings):
    """The settings of the knowledge app. Example: `KnowledgeSettings(memories=("vecs.team",), skills_url=None)`."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
        # Fields may be given by name, and so are looked for by name too: never as plain HOME or TENANT.
        env_prefix="DURE_KNOWLEDGE__",
    )

    memories: Tables = Field(default=(MEMORIES,), validation_alias=_named("DURE_KNOWLEDGE_MEMORIES"))
    """Tables of memories as mem0 keeps them, with the columns id, vector, payload, or id, vec, metadata."""
    rules: Tables = Field(default=(RULES,), validation_alias=_named("DURE_KNOWLEDGE_RULES"))
    """Tables of process definitions, whose rows of type dmn are rules."""
    skills_url: str | None = Field(default=None, validation_alias=_named("MCP_SERVER_URL"))
    """The MCP endpoint of the skill server; without it skills are looked for in the folder `skills` below `home`."""
    home: Path = Field(default=Path(".dure"), validation_alias=_named("DURE_HOME"))
    skills_token: SecretStr | None = Field(default=None, validation_alias=_named("DURE_SKILLS_TOKEN"))
    tenant: str = Field(default=TENANT, validation_alias=_named("DURE_TENANT"))
    """Whose those records are that name no tenant, and who is meant by a request that names none."""

    store_order: Annotated[tuple[StoreName, ...], NoDecode] = Field(
        default=STORES, validation_alias=_named("DURE_KNOWLEDGE_ORDER")
    )
    """The better store first: it keeps what two stores hold."""
    ask_at: float = Field(default=0.5, ge=0, le=1, validation_alias=_named("DURE_KNOWLEDGE_ASK_AT"))
    """A pair at least this probable becomes a question."""
    vector_cosine_min: float = Field(default=0.75, ge=0, le=1, validation_alias=_named("DURE_KNOWLEDGE_COSINE_MIN"))

    judge_url: str | None = Field(default=None, validation_alias=_named("DURE_JUDGE_URL"))
    """The base of an OpenAI-compatible endpoint; without it nobody is asked."""
    judge_key: SecretStr | None = Field(default=None, validation_alias=_named("DURE_JUDGE_KEY"))
    judge_model: str | None = Field(default=None, validation_alias=_named("DURE_JUDGE_MODEL"))
    judge_calls_max: int = Field(default=200, ge=0, le=100_000, validation_alias=_named("DURE_JUDGE_CALLS_MAX"))

    batch_enabled: bool = Field(default=True, validation_alias=_named("BATCH_DEDUP_ENABLED"))
    batch_interval_s: float = Field(
        default=INTERVAL_S, ge=1, le=31_622_400, validation_alias=_named("BATCH_DEDUP_INTERVAL_SECONDS")
    )
    batch_dry_run: bool = Field(default=True, validation_alias=_named("BATCH_DEDUP_DRY_RUN"))
    """What `dry_run` is when the caller does not say."""
    batch_wait_s: float = Field(default=WAIT_S, ge=0, le=3600, validation_alias=_named("DURE_BATCH_WAIT_S"))
    """How long a request of the batch face waits for its end; then the answer is 202 and it goes on."""

    @field_validator("memories", "rules", mode="before")
    @classmethod
    def _split_tables(cls, given: Any) -> Any:
        names = tuple(name.strip() for name in given.split(",") if name.strip()) if isinstance(given, str) else given
        if names in ((), (NONE,)):
            return ()
        if not all(isinstance(name, str) and _TABLE.fullmatch(name) for name in names):
            raise PydanticCustomError("wrong_format", "not a table", {"expected": "public.memories"})
        return tuple(name if "." in name else f"public.{name}" for name in names)

    @field_validator("store_order", mode="before")
    @classmethod
    def _split_order(cls, given: Any) -> Any:
        order = tuple(name.strip() for name in given.split(",")) if isinstance(given, str) else tuple(given)
        if sorted(order) != sorted(STORES):
            raise PydanticCustomError("wrong_format", "not an order", {"expected": ", ".join(STORES)})
        return order

    @property
    def options(self) -> "Options":
        """How duplicates are looked for."""
        # What finds needs an extra, and who only reads the settings does not.
        from dure.apps.knowledge.finding.model import Options

        return Options(
            store_order=self.store_order,
            ask_at=self.ask_at,
            vector_cosine_min=self.vector_cosine_min,
            judge_calls_max=self.judge_calls_max,
        )


def load() -> KnowledgeSettings:
    """Read the settings from the environment; raises `Invalid` that names each variable that is wrong.

    Example: `settings = load()`.
    """
    return read(KnowledgeSettings)
