"""What staff ask to have changed about classes: each begins a run, which is shown and can be undone."""

from dure.apps.intents.classes.lessons import CancelMeeting, PlanMeetings
from dure.apps.intents.classes.opening import Close, Open
from dure.apps.intents.classes.seating import Enrol, Transfer, Withdraw
from dure.apps.intents.declared_classes import DECLARED
from dure.intents import intent


@intent(DECLARED["class.exec.open"])
class OpenClass:
    """Open a class."""

    Params = Open.Params
    operation = "class.open"


@intent(DECLARED["class.exec.close"])
class CloseClass:
    """Close a class."""

    Params = Close.Params
    operation = "class.close"


@intent(DECLARED["class.exec.enrol"])
class EnrolStudents:
    """Put students into a class."""

    Params = Enrol.Params
    operation = "class.enrol"


@intent(DECLARED["class.exec.transfer"])
class TransferStudents:
    """Move students from one class to another."""

    Params = Transfer.Params
    operation = "class.transfer"


@intent(DECLARED["class.exec.withdraw"])
class WithdrawStudents:
    """Take students out of a class."""

    Params = Withdraw.Params
    operation = "class.withdraw"


@intent(DECLARED["class.exec.plan_meetings"])
class PlanLessons:
    """Make the lessons of a month."""

    Params = PlanMeetings.Params
    operation = "class.plan_meetings"


@intent(DECLARED["class.exec.cancel_meeting"])
class CancelLessons:
    """Cancel the lessons of a day."""

    Params = CancelMeeting.Params
    operation = "class.cancel_meeting"
