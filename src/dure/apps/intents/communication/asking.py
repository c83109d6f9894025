"""What staff ask to have changed about notices: each begins a run, which is shown and can be undone."""

from dure.apps.intents.communication.publishing import PublishNotice, WithdrawNotice
from dure.apps.intents.declared_communication import DECLARED
from dure.intents import intent


@intent(DECLARED["communication.exec.publish_notice"])
class PublishANotice:
    """Publish a notice."""

    Params = PublishNotice.Params
    operation = "communication.publish_notice"


@intent(DECLARED["communication.exec.withdraw_notice"])
class WithdrawANotice:
    """Withdraw a notice."""

    Params = WithdrawNotice.Params
    operation = "communication.withdraw_notice"
