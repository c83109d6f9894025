"""What goes wrong with skills: a stable reason, and its sentence in the catalogue under `knowledge.skills`."""

from typing import ClassVar

from dure.errors import DureError
from dure.lang import knows, say


class SkillsError(DureError):
    """The base: `reason` is stable and for programs, `text()` is for people.

    Example: `except SkillsError as error: print(error.reason, error.text("ko"))`.
    """

    code: ClassVar[str] = "skills"
    status: ClassVar[int] = 500

    def __init__(self, reason: str, message: str = "", /, **params: object) -> None:
        super().__init__(message, **params)
        self.reason = reason

    def text(self, lang: str | None = None) -> str:
        """Answer the sentence in `lang`; a server's own words serve where its reason is unknown here."""
        key = f"knowledge.skills.{self.reason}"
        if knows(key):
            try:
                return say(key, lang, **self.params)
            except KeyError:
                pass
        return self.message or self.reason


class SkillInvalid(SkillsError):
    """A skill, a path or an archive that cannot be accepted. Example: `raise SkillInvalid("path", path="../x")`."""

    code = "skill_invalid"
    status = 422
    exit_code = 2


class SkillTooLarge(SkillInvalid):
    """Over one of the limits. Example: `raise SkillTooLarge("too_many_files", count=900, max=500)`."""

    code = "skill_too_large"
    status = 413


class SkillMissing(SkillsError):
    """No such skill or file, or not for this tenant. Example: `raise SkillMissing("no_skill", name="tidy-up")`."""

    code = "skill_not_found"
    status = 404
    exit_code = 7


class SkillConflict(SkillsError):
    """There already, changed since, or ambiguous. Example: `raise SkillConflict("changed", name="tidy-up")`."""

    code = "skill_conflict"
    status = 409
    exit_code = 6


class SkillsRefused(SkillsError):
    """Not allowed here, or this server cannot do it. Example: `raise SkillsRefused("builtin", name="pdf")`."""

    code = "skills_refused"
    status = 403
    exit_code = 4


class SkillsUnauthorized(SkillsRefused):
    """The token is missing or wrong. Example: `raise SkillsUnauthorized("token")`."""

    code = "skills_unauthorized"
    status = 401


class SkillsDown(SkillsError):
    """The server cannot be reached, or broke off: try again; whether it did what was asked is not known.

    Example: `raise SkillsDown("down", cause="connection refused")`.
    """

    code = "skills_unavailable"
    status = 503

    @property
    def retry_after_s(self) -> float | None:
        """How long the server asked us to wait, if it did."""
        asked = self.params.get("retry_after_s")
        return float(asked) if isinstance(asked, int | float) else None


KINDS: tuple[type[SkillsError], ...] = (
    SkillInvalid, SkillTooLarge, SkillMissing, SkillConflict, SkillsUnauthorized, SkillsRefused, SkillsDown,
)  # fmt: skip
