"""How a module of the pack writes down its intents."""

from collections.abc import Mapping

from dure.errors import Invalid
from dure.intents.model import Declaration


def by_key(*declared: Declaration) -> Mapping[str, Declaration]:
    """Answer declarations by their keys; two of one key are a mistake.

    Example: `DECLARED = by_key(Declaration(key="class.get.list", title={"en": "…", "ko": "…"}))`.
    """
    found: dict[str, Declaration] = {}
    for one in declared:
        if one.key in found:
            raise Invalid(field="intent", reason="already_exists", name=one.key)
        found[one.key] = one
    return found
