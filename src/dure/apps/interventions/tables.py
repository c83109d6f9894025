"""Whose tables: users, their records by kind, and the interventions; every name is a setting."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_TABLE = re.compile(r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")(?:\.(?:[^\W\d][\w$]*|"(?:[^"]|"")+"))?')
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
KINDS_MAX = 20
COLUMN_BYTES_MAX = 63
"""More than that, PostgreSQL would cut."""


def _table(name: str) -> str:
    if not _TABLE.fullmatch(name):
        raise PydanticCustomError("wrong_format", "not a table", {"expected": "public.food_records"})
    return name if "." in name else f"public.{name}"


def _column(name: str) -> str:
    if "\x00" in name or not 0 < len(name.encode()) <= COLUMN_BYTES_MAX:
        raise PydanticCustomError("wrong_format", "not a column", {"expected": "user_id"})
    return name


def _optional(name: str) -> str:
    return _column(name) if name else ""


Table = Annotated[str, AfterValidator(_table)]
Column = Annotated[str, AfterValidator(_column)]
OptionalColumn = Annotated[str, AfterValidator(_optional)]
"""Empty where the table has none."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Users(_Part):
    """The table of users. Example: `Users(table="auth_user", opted_out="")`."""

    table: Table = "public.interventions_user"
    id: Column = "id"
    active: OptionalColumn = "is_active"
    """A boolean: whoever has it false is left out."""
    opted_out: OptionalColumn = "opted_out"
    """A boolean: whoever has it true is left out."""
    language: OptionalColumn = "language"
    """`ko` or `en`; for anything else the setting holds."""
    tenant: OptionalColumn = ""
    """Whose user it is; without it all of them are the tenant's that the settings name."""


class Records(_Part):
    """A table of one kind of record. Example: `Records(table="steps", time="day", topic="exercise")`."""

    table: Table
    user: Column = "user_id"
    time: Column
    """When: a date, or a time with or without a zone. One without is a time of the zone asked for."""
    topic: str = Field(default="", max_length=40)
    """What the advice over these records is called, in a run's `kind`; by default the kind of record itself."""
    required: bool = False
    """Whether a user without such a record gets no advice."""
    columns: Mapping[str, OptionalColumn] = Field(default_factory=dict)
    """Which column holds what the rules look at; empty for what the table does not have."""


class Interventions(_Part):
    """The table that advice is written to; user, date, kind and period together must be unique."""

    table: Table = "public.interventions_intervention"
    id: Column = "id"
    user: Column = "user_id"
    date: Column = "date"
    kind: Column = "kind"
    period: Column = "period"
    content: Column = "content"
    """The advice as text."""
    inputs: OptionalColumn = "inputs"
    """JSON: what the advice follows from."""
    output: OptionalColumn = "output"
    """JSON: each piece of advice by itself, and who wrote it."""
    created_at: OptionalColumn = "created_at"
    updated_at: OptionalColumn = "updated_at"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The columns that no two rows have alike."""
        return (self.user, self.date, self.kind, self.period)


FOOD = Records(
    table="public.interventions_userfoodrecord",
    time="eaten_at",
    topic="diet",
    required=True,
    columns={
        "calories": "calories",
        "protein_g": "protein_g",
        "carbs_g": "carbs_g",
        "fat_g": "fat_g",
        "sodium_mg": "sodium_mg",
    },
)
EXERCISE = Records(
    table="public.interventions_userexerciserecord",
    time="started_at",
    topic="exercise",
    required=True,
    columns={"minutes": "minutes", "intensity": "intensity"},
)
SLEEP = Records(
    table="public.interventions_usersleeprecord",
    time="woke_at",
    topic="sleep",
    columns={"slept_at": "slept_at", "hours": ""},
)
KNOWN: Mapping[str, Records] = {"food": FOOD, "exercise": EXERCISE, "sleep": SLEEP}
"""Kinds of record that there are rules for."""


class Tables(_Part):
    """All tables. Example: `Tables(users={"table": "auth_user"}).records["food"].table`."""

    users: Users = Users()
    records: Mapping[str, Records] = Field(default_factory=lambda: dict(KNOWN), max_length=KINDS_MAX)
    intervention: Interventions = Interventions()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        """Let a known kind of record say only what differs; `sleep = false` leaves it out."""
        if not isinstance(given, Mapping) or not isinstance(given.get("records"), Mapping):
            return given
        chosen: dict[str, Any] = {name: one.model_dump() for name, one in KNOWN.items()}
        for name, own in given["records"].items():
            if own is False:
                chosen.pop(name, None)
            elif isinstance(own, Mapping) and name in chosen:
                columns = {**chosen[name]["columns"], **(own.get("columns") or {})}
                chosen[name] = {**chosen[name], **own, "columns": columns}
            else:
                chosen[name] = own
        return {**given, "records": chosen}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.records or not all(_KIND.fullmatch(name) for name in (*self.records, *self.topics)):
            raise PydanticCustomError("wrong_format", "not a kind of record", {"expected": "food"})
        for name, known in KNOWN.items():
            own = self.records.get(name)
            if own is not None and (unknown := set(own.columns) - set(known.columns)):
                expected = ", ".join(known.columns)
                raise PydanticCustomError("wrong_format", f"unknown: {sorted(unknown)}", {"expected": expected})
        return self

    @property
    def topics(self) -> dict[str, list[str]]:
        """The topics, each with the kinds of record that it is about, in their order."""
        found: dict[str, list[str]] = {}
        for name, records in self.records.items():
            found.setdefault(records.topic or name, []).append(name)
        return found

    @property
    def kind(self) -> str:
        """The kind of advice that is about everything."""
        return "+".join(self.topics)

    def about(self, kind: str) -> list[str]:
        """Answer the kinds of record that a kind of advice is about. Example: `tables.about("diet") == ["food"]`."""
        return [name for topic in kind.split("+") for name in self.topics[topic]]

    def required(self, kind: str) -> list[str]:
        """Answer the kinds of record that a user must have: those marked so, or all where none of them is."""
        about = self.about(kind)
        return [name for name in about if self.records[name].required] or about
