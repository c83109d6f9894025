"""What went wrong, as one of our errors: a code, a sentence, an exit code."""

import psycopg

from dure.errors import DureError, Unavailable, from_database
from dure.runtime.problems import NotMigrated

NO_TABLES = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)


def known(error: Exception) -> DureError | None:
    """Answer the error that a person can act on, or None for a mistake of ours.

    Example: `known(ConnectionError())`.
    """
    match error:
        case DureError():
            return error
        case psycopg.Error() if isinstance(error, NO_TABLES):
            return NotMigrated()
        case psycopg.OperationalError():
            return Unavailable(reason=str(error))
        case psycopg.Error():
            return from_database(error)
        case _:
            return None
