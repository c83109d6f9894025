"""What staff ask to have changed about money: each begins a run, which is shown and can be undone."""

from dure.apps.intents.billing.closing import CloseMonth
from dure.apps.intents.billing.invoicing import Discount, IssueInvoices, VoidInvoice
from dure.apps.intents.billing.paying import RecordPayment, Refund
from dure.apps.intents.declared_billing import DECLARED
from dure.intents import intent


@intent(DECLARED["billing.exec.issue_invoices"])
class IssueTheInvoices:
    """Charge everyone for a month."""

    Params = IssueInvoices.Params
    operation = "billing.issue_invoices"


@intent(DECLARED["billing.exec.close_month"])
class CloseTheMonth:
    """Close a month."""

    Params = CloseMonth.Params
    operation = "billing.close_month"


@intent(DECLARED["billing.exec.record_payment"])
class RecordAPayment:
    """Write down a payment."""

    Params = RecordPayment.Params
    operation = "billing.record_payment"


@intent(DECLARED["billing.exec.refund"])
class RefundAPayment:
    """Give money back."""

    Params = Refund.Params
    operation = "billing.refund"


@intent(DECLARED["billing.exec.discount"])
class GiveADiscount:
    """Take something off invoices."""

    Params = Discount.Params
    operation = "billing.discount"


@intent(DECLARED["billing.exec.void_invoice"])
class VoidAnInvoice:
    """Make an invoice void."""

    Params = VoidInvoice.Params
    operation = "billing.void_invoice"
