"""Changing only what one has seen: a thing's revision as its `ETag`, and `If-Match` on requests that change it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Protocol

from fastapi import Header

from dure.errors import Conflict
from dure.http.openapi import problems
from dure.http.problems import PreconditionFailed

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag of what was seen; 412 when it is another by now.", max_length=200),
]
IF_MATCH = problems(412)
_ETAG: dict[str, Any] = {"ETag": {"description": "Its revision.", "schema": {"type": "string"}}}
_LOCATION: dict[str, Any] = {"Location": {"description": "Where it is.", "schema": {"type": "string"}}}
TAGGED: dict[int, dict[int | str, dict[str, Any]]] = {
    200: {200: {"headers": _ETAG}},
    201: {201: {"headers": {**_LOCATION, **_ETAG}}},
}


class Revised(Protocol):
    """What has a revision."""

    @property
    def revision(self) -> int:
        """The number of its present state."""


def tag_of(revision: int) -> str:
    """Answer the ETag of a revision. Example: `tag_of(3) == '"3"'`."""
    return f'"{revision}"'


@asynccontextmanager
async def expected_revision(given: str | None, look: Callable[[], Awaitable[Revised]]) -> AsyncIterator[int | None]:
    """Yield the revision that a change must meet, or none; `PreconditionFailed` when it is not there, or no more.

    Example: `async with expected_revision(if_match, look) as revision: await edit(…, revision=revision)`.
    """
    if given is None:
        yield None
        return
    present = (await look()).revision
    tags = [tag.strip() for tag in given.split(",")]
    if "*" not in tags and tag_of(present) not in tags:
        raise PreconditionFailed(given=given, present=tag_of(present))
    try:
        yield None if "*" in tags else present
    except Conflict as error:
        # Somebody was faster, between the look and the change.
        if error.reason != "other_revision":
            raise
        raise PreconditionFailed(given=given, present=tag_of(int(str(error.params["present"])))) from None
