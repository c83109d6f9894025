"""Pages: `{items, next_cursor}`, by keyset; a cursor is opaque and given back as it came."""

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from dure.queue.cursors import CURSOR_CHARS_MAX

T = TypeVar("T")

LIMIT_MAX = 1_000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many items a page may have.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARS_MAX,
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
        description="`next_cursor` of the page before; leave out for the first page.",
    ),
]


class PageOut(BaseModel, Generic[T]):
    """Some of a list. A page may be short, even empty, while there is a cursor to go on from."""

    model_config = ConfigDict(from_attributes=True)

    items: list[T]
    next_cursor: str | None = Field(default=None, description="Where the next page begins; null at the end.")
