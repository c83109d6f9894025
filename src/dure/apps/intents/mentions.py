"""Which students and classes a sentence names, so that a question's parameters can be drawn from it."""

from collections.abc import Sequence

from psycopg.errors import UndefinedTable

from dure.db.pool import Database
from dure.db.sql import load

NAMES_MAX = 20
"""So many names of one sentence are looked at."""
_NOUNS = {
    "student": load("dure.apps.intents", "students_mentioned"),
    "class": load("dure.apps.intents", "classes_mentioned"),
}


class Mentions:
    """The names of an academy. Example: `await Mentions(database)("acme", "student", "김하늘 출결 보여줘")`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, tenant_id: str, noun: str, sentence: str) -> Sequence[str]:
        """Answer the names that stand in a sentence; a name within a longer one is not one of its own."""
        if noun not in _NOUNS:
            return ()
        values = {"tenant": tenant_id, "sentence": sentence, "limit": NAMES_MAX}
        try:
            async with self._database.owner_tx() as tx:
                found = [row[0] for row in await (await tx.execute(_NOUNS[noun], values)).fetchall()]
        except UndefinedTable:
            # There is no academy in this database.
            return ()
        return tuple(one for one in found if not any(one != other and one in other for other in found))
