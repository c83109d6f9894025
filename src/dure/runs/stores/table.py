"""What an operation says about a Postgres table that it changes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows an operation may change, each by its key.

    `key` names the columns when it is not the primary key (they must be unique and not null). `leaves` names tables
    that the table's triggers write to and whose rows stay when the run is undone, such as a log; writes to any other
    are refused. An `optional` table is left out where it does not exist. Example: `Table("public.students")`,
    `Table("Sales.\\"Order\\"", key=("id",), leaves=("public.audit",))`.
    """

    name: str
    key: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    optional: bool = False
