"""How a call to Notion may end other than well: each of them means something else for the to-do and its window."""


class NotionError(Exception):
    """The base of them. Its text names no key."""


class Busy(NotionError):
    """Notion wants to be left alone for `after_s` seconds. Example: `raise Busy(30)`."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"Notion asked for a pause of {after_s:.1f} s")
        self.after_s = after_s


class Down(NotionError):
    """Notion cannot be reached, or fails; whether a change was made is not known."""


class Denied(NotionError):
    """The key is refused."""


class Gone(NotionError):
    """There is no such page or block, or it is not shared with the integration."""


class Rejected(NotionError):
    """Notion refuses what was sent, and would do so again."""


class Missing(NotionError):
    """The package that speaks with Notion is not installed."""
