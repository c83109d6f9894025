"""A page's id, as people give it and as it is kept, and the key of its window."""

import re
from uuid import UUID

from dure.errors import Invalid

PREFIX = "notion:"
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def page_of(given: str) -> str:
    """Answer a page's id as it is kept: a UUID with dashes, any other as it is; `Invalid` for what is none.

    Example: `page_of("1429989fe8ac4effbc8f57f56486db54") == "1429989f-e8ac-4eff-bc8f-57f56486db54"`.
    """
    if not _ID.fullmatch(given):
        raise Invalid(field="notion_page_id", reason="wrong_format", expected="1429989f-e8ac-4eff-bc8f-57f56486db54")
    return str(UUID(given)) if _UUID.fullmatch(given) else given


def key_of(page_id: str) -> str:
    """Answer the key of a page's window. Example: `key_of("page-1") == "notion:page-1"`."""
    return PREFIX + page_id
