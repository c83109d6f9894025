"""Help texts, from the catalogue's section `help`, in the language of this process."""

from dure.lang import say


def text(key: str) -> str:
    """Answer one help text. Example: `text("jobs_list")`."""
    return say(f"help.{key}")
