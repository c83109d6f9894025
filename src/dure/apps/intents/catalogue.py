"""All intents of the pack, as data: what they are, without their code, which is imported when the first job comes."""

from collections.abc import Mapping
from types import MappingProxyType

from dure.apps.intents import (
    declared_attendance,
    declared_billing,
    declared_classes,
    declared_communication,
    declared_reports,
    declared_students,
)
from dure.apps.intents.declared import by_key
from dure.intents.model import Declaration

_PARTS = (
    declared_attendance,
    declared_billing,
    declared_classes,
    declared_communication,
    declared_reports,
    declared_students,
)

CATALOGUE: Mapping[str, Declaration] = MappingProxyType(
    dict(by_key(*(declared for part in _PARTS for declared in part.DECLARED.values())))
)
"""By key."""

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {name: target for part in _PARTS for name, target in part.OPERATIONS.items()}
)
"""The operations behind the intents that change data, each with `module:Class`."""
