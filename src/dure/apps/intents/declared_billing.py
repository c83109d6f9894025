"""The intents of billing, as data."""

from collections.abc import Mapping

from dure.apps.intents.declared import by_key
from dure.intents.model import Declaration

_READING = "dure.apps.intents.billing.reading"
_ASKING = "dure.apps.intents.billing.asking"
_READS = ("academy.invoice", "academy.payment", "academy.student")

DECLARED = by_key(
    Declaration(
        key="billing.get.unpaid",
        target=f"{_READING}:Unpaid",
        title={"en": "Unpaid invoices", "ko": "미납 청구서"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "who has not paid yet", "show unpaid invoices", "list the unpaid fees",
                "which invoices are still open", "outstanding fees of this month", "who still owes money",
                "unpaid tuition",
            ),
            "ko": (
                "미납 학생 알려줘", "미납자 명단 보여줘", "수강료 안 낸 학생 누구야", "미납 청구서 조회",
                "이번 달 미납 현황", "아직 납부 안 한 학생", "원비 미납자 확인",
            ),
        },
    ),
    Declaration(
        key="billing.get.overdue",
        target=f"{_READING}:Overdue",
        title={"en": "Overdue invoices", "ko": "연체 청구서"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "which invoices are overdue", "show overdue fees", "who is late with the payment",
                "list overdue invoices", "payments past their due date", "how much is overdue",
            ),
            "ko": (
                "연체된 청구서 보여줘", "납부 기한 지난 학생 알려줘", "연체 학생 명단", "연체 금액 조회",
                "기한 지난 미납 확인해줘", "수강료 연체자 누구야",
            ),
        },
    ),
    Declaration(
        key="billing.get.month",
        target=f"{_READING}:AMonth",
        title={"en": "A month's billing", "ko": "월별 청구 현황"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "billing figures of this month", "how much did we bill this month", "summary of this month's invoices",
                "billing overview of a month", "how many invoices are paid this month", "collection rate of the month",
            ),
            "ko": (
                "이번 달 청구 현황", "월별 청구 금액 알려줘", "이번 달 수강료 얼마 청구했어", "청구 요약 보여줘",
                "이번 달 완납 건수 조회", "지난달 청구 집계",
            ),
        },
    ),
    Declaration(
        key="billing.get.student",
        target=f"{_READING}:OfOneStudent",
        title={"en": "A student's account", "ko": "학생 수납 내역"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "show a student's invoices", "how much does this student owe", "balance of a student",
                "payment history of the student", "has this student paid", "account of a student",
            ),
            "ko": (
                "이 학생 수납 내역 보여줘", "학생 미납금 얼마야", "이 학생 수강료 냈어", "학생 청구 내역 조회",
                "이 학생 납부 기록", "학생 잔액 확인해줘",
            ),
        },
    ),
    Declaration(
        key="billing.get.revenue",
        target=f"{_READING}:Revenue",
        title={"en": "Revenue by month", "ko": "월별 매출"},
        ask="operator",
        reads=_READS,
        examples={
            "en": (
                "revenue of this month", "how much money came in this month", "monthly revenue",
                "show the income of the last 6 months", "revenue by payment method", "compare revenue of the months",
            ),
            "ko": (
                "이번 달 매출 알려줘", "월 매출 보여줘", "이번 달 수입 얼마야", "최근 6개월 매출 조회",
                "결제 수단별 매출", "월별 수납액 비교해줘",
            ),
        },
    ),
    Declaration(
        key="billing.get.payments",
        target=f"{_READING}:Payments",
        title={"en": "Payments", "ko": "수납 목록"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "show today's payments", "list the payments of this month", "who paid this week", "payments by card",
                "recent payments", "which payments came in",
            ),
            "ko": (
                "오늘 수납 내역 보여줘", "이번 달 결제 목록", "이번 주에 누가 납부했어", "카드 결제 내역 조회",
                "최근 수납 목록", "들어온 수강료 보여줘",
            ),
        },
    ),
    Declaration(
        key="billing.get.missing",
        target=f"{_READING}:Missing",
        title={"en": "Students without an invoice", "ko": "청구서 없는 학생"},
        ask="viewer",
        agents=True,
        reads=(*_READS, "academy.class", "academy.enrolment"),
        examples={
            "en": (
                "which students have no invoice this month", "who was not billed yet", "students without an invoice",
                "find missing invoices", "who still needs an invoice", "not yet invoiced students",
            ),
            "ko": (
                "청구서 없는 학생 알려줘", "아직 청구 안 된 학생", "이번 달 청구 누락 확인", "청구서 빠진 학생 조회",
                "미청구 학생 명단", "청구 안 한 학생 누구야",
            ),
        },
    ),
    Declaration(
        key="billing.exec.issue_invoices",
        target=f"{_ASKING}:IssueTheInvoices",
        title={"en": "Issue a month's invoices", "ko": "월 청구서 발행"},
        effect="write",
        risk="high",
        approval=True,
        cap_per_day=20,
        reads=(*_READS, "academy.class", "academy.enrolment", "academy.student_guardian"),
        writes=("academy.invoice",),
        examples={
            "en": (
                "issue this month's invoices", "create invoices for all students", "bill everyone for this month",
                "generate the monthly invoices", "run the invoices for next month", "send out the bills for the month",
                "charge tuition for this month",
            ),
            "ko": (
                "이번 달 청구서 발행해줘", "전체 학생 청구서 만들어줘", "월 수강료 청구해줘", "다음 달 청구서 생성",
                "수강료 일괄 청구", "원비 청구서 발행", "청구서 일괄 발행해줘",
            ),
        },
    ),
    Declaration(
        key="billing.exec.close_month",
        target=f"{_ASKING}:CloseTheMonth",
        title={"en": "Close a month", "ko": "월말 결산"},
        effect="write",
        risk="high",
        ask="approver",
        approval=True,
        cap_per_day=20,
        reads=_READS,
        writes=("academy.invoice", "academy.report"),
        examples={
            "en": (
                "close the month", "run the month-end close", "month end closing", "close last month's books",
                "do the monthly closing", "settle the accounts of the month",
            ),
            "ko": (
                "월말 결산 해줘", "이번 달 마감 처리", "월 마감해줘", "지난달 결산 처리해줘", "월 결산 실행",
                "이달 정산 마감해줘",
            ),
        },
    ),
    Declaration(
        key="billing.exec.record_payment",
        target=f"{_ASKING}:RecordAPayment",
        title={"en": "Record a payment", "ko": "수납 처리"},
        effect="write",
        risk="medium",
        cap_per_day=1000,
        reads=_READS,
        writes=("academy.invoice", "academy.payment"),
        examples={
            "en": (
                "record a payment", "this student paid in cash", "mark the invoice as paid", "enter a card payment",
                "register a bank transfer of a student", "the tuition was paid", "book a payment",
            ),
            "ko": (
                "수납 처리해줘", "납부 처리해줘", "현금으로 냈어", "카드 결제 등록해줘", "수강료 입금 처리",
                "계좌 이체 받았어 기록해줘", "완납 처리",
            ),
        },
    ),
    Declaration(
        key="billing.exec.refund",
        target=f"{_ASKING}:RefundAPayment",
        title={"en": "Refund a payment", "ko": "환불 처리"},
        effect="write",
        risk="high",
        approval=True,
        cap_per_day=50,
        reads=_READS,
        writes=("academy.invoice", "academy.payment"),
        examples={
            "en": (
                "refund a payment", "give the student's money back", "refund the tuition", "return a part of the fee",
                "process a refund", "pay back what was paid",
            ),
            "ko": (
                "환불 처리해줘", "수강료 환불해줘", "결제 취소하고 환불", "일부 금액 환불", "원비 돌려줘",
                "이 학생 환불 진행해줘",
            ),
        },
    ),
    Declaration(
        key="billing.exec.discount",
        target=f"{_ASKING}:GiveADiscount",
        title={"en": "Give a discount", "ko": "수강료 할인"},
        effect="write",
        risk="high",
        approval=True,
        cap_per_day=200,
        reads=_READS,
        writes=("academy.invoice",),
        examples={
            "en": (
                "give a discount", "take 10 percent off the invoice", "apply a discount to this student's fee",
                "reduce the tuition of a student", "discount the fee by 30000 won", "grant a fee reduction",
            ),
            "ko": (
                "할인 적용해줘", "수강료 10퍼센트 할인", "이 학생 3만원 할인해줘", "청구 금액 깎아줘",
                "장학 할인 적용", "원비 할인 처리",
            ),
        },
    ),
    Declaration(
        key="billing.exec.void_invoice",
        target=f"{_ASKING}:VoidAnInvoice",
        title={"en": "Void an invoice", "ko": "청구서 취소"},
        effect="write",
        risk="high",
        approval=True,
        cap_per_day=100,
        reads=_READS,
        writes=("academy.invoice",),
        examples={
            "en": (
                "void this invoice", "cancel an invoice", "the invoice is wrong, cancel it",
                "delete the student's invoice", "withdraw the bill of a student", "make the invoice void",
            ),
            "ko": (
                "청구서 취소해줘", "청구서 무효 처리", "잘못 나간 청구서 취소", "이 학생 청구 취소", "청구서 삭제해줘",
                "수강료 청구 철회해줘",
            ),
        },
    ),
)  # fmt: skip

OPERATIONS: Mapping[str, str] = {
    "billing.issue_invoices": "dure.apps.intents.billing.invoicing:IssueInvoices",
    "billing.discount": "dure.apps.intents.billing.invoicing:Discount",
    "billing.void_invoice": "dure.apps.intents.billing.invoicing:VoidInvoice",
    "billing.record_payment": "dure.apps.intents.billing.paying:RecordPayment",
    "billing.refund": "dure.apps.intents.billing.paying:Refund",
    "billing.close_month": "dure.apps.intents.billing.closing:CloseMonth",
}
