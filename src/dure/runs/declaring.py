"""Telling the database which operations there are, what they accept, and who must approve them."""

import json
from typing import Any

from dure.db.pool import Database
from dure.db.sql import load
from dure.errors import DureError
from dure.logs import get
from dure.runs.operation import Operations

DECLARE = load("dure.runs", "operation_declare")


async def declare_operations(database: Database, operations: Operations) -> None:
    """Declare every operation that can be imported; one that cannot is said in the log, and hurts no other.

    Example: `await declare_operations(database, Operations.build(["myapp.batches"]))`.
    """
    declared = [one for name in operations.names() if (one := _declaration(operations, name)) is not None]
    if declared:
        async with database.system_tx() as tx:
            await tx.execute(DECLARE, {"operations": json.dumps(declared, ensure_ascii=False)})


def _declaration(operations: Operations, name: str) -> dict[str, Any] | None:
    try:
        loaded = operations.find(name)
    except DureError as error:
        get("runs").warning("operation.not_declared", operation=name, reason=str(error))
        return None
    spec = loaded.spec
    return {
        "operation": spec.name,
        "description": spec.description,
        "params_schema": loaded.params_model.model_json_schema(),
        "guards": spec.guards.to_json(),
        "approval": spec.approval,
        "expires_s": spec.expires_s,
    }
