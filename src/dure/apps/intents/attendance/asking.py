"""What staff ask to have marked: each begins a run, which is shown and can be undone."""

from dure.apps.intents.attendance.marking import Excuse, Mark, MarkRest
from dure.apps.intents.declared_attendance import DECLARED
from dure.intents import intent


@intent(DECLARED["attendance.exec.mark"])
class MarkSome:
    """Mark how some students came."""

    Params = Mark.Params
    operation = "attendance.mark"


@intent(DECLARED["attendance.exec.mark_rest"])
class MarkTheRest:
    """Mark everyone who is not marked yet."""

    Params = MarkRest.Params
    operation = "attendance.mark_rest"


@intent(DECLARED["attendance.exec.excuse"])
class ExcuseAbsences:
    """Excuse a student's absences."""

    Params = Excuse.Params
    operation = "attendance.excuse"
