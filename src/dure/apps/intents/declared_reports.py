"""The intents of reports, as data."""

from collections.abc import Mapping

from dure.apps.intents.declared import by_key
from dure.intents.model import Declaration

_READING = "dure.apps.intents.reports.reading"
_ASKING = "dure.apps.intents.reports.asking"
_STUDENT = (
    "academy.student", "academy.meeting", "academy.attendance", "academy.invoice", "academy.payment",
    "academy.consultation",
)  # fmt: skip
_ALL = (
    "academy.student", "academy.class", "academy.meeting", "academy.attendance", "academy.invoice", "academy.payment",
    "academy.notice", "academy.consultation", "dure.outbox_message",
)  # fmt: skip

DECLARED = by_key(
    Declaration(
        key="report.get.daily",
        target=f"{_READING}:Daily",
        title={"en": "Daily report", "ko": "일일 보고서"},
        ask="viewer",
        agents=True,
        reads=_ALL,
        examples={
            "en": (
                "daily report", "how was today", "today's figures", "report of the day", "summary of today",
                "show me what happened today",
            ),
            "ko": (
                "일일 보고서 보여줘", "오늘 현황 알려줘", "오늘 하루 요약", "일일 리포트", "오늘 보고서 만들어줘",
                "하루 실적 보고",
            ),
        },
    ),
    Declaration(
        key="report.get.weekly",
        target=f"{_READING}:Weekly",
        title={"en": "Weekly report", "ko": "주간 보고서"},
        ask="viewer",
        agents=True,
        reads=_ALL,
        examples={
            "en": (
                "weekly report", "report of this week", "how was the week", "summary of last week",
                "make the weekly report", "this week's figures",
            ),
            "ko": (
                "주간 보고서 보여줘", "이번 주 보고서", "주간 리포트 만들어줘", "지난주 현황 요약", "주간 실적 알려줘",
                "이번 주 어땠어",
            ),
        },
    ),
    Declaration(
        key="report.get.monthly",
        target=f"{_READING}:Monthly",
        title={"en": "Monthly report", "ko": "월간 보고서"},
        ask="viewer",
        agents=True,
        reads=_ALL,
        examples={
            "en": (
                "monthly report", "report of this month", "how was the month", "summary of last month",
                "make the monthly report", "this month's figures",
            ),
            "ko": (
                "월간 보고서 보여줘", "이번 달 보고서", "월간 리포트 만들어줘", "지난달 현황 요약", "월간 실적 알려줘",
                "이번 달 어땠어",
            ),
        },
    ),
    Declaration(
        key="report.get.class",
        target=f"{_READING}:OfOneClass",
        title={"en": "Class report", "ko": "수업 보고서"},
        ask="viewer",
        agents=True,
        reads=("academy.class", "academy.enrolment", "academy.student", "academy.meeting", "academy.attendance"),
        examples={
            "en": (
                "report of this class", "class report", "how is the class doing", "make a report about a class",
                "monthly report of the class", "summary of a class",
            ),
            "ko": (
                "이 반 보고서 만들어줘", "수업 보고서", "반별 리포트 보여줘", "이 수업 현황 보고", "반 월간 보고서",
                "수업 리포트 작성",
            ),
        },
    ),
    Declaration(
        key="report.get.student",
        target=f"{_READING}:OfOneStudent",
        title={"en": "Student report card", "ko": "학생 학습 보고서"},
        ask="viewer",
        agents=True,
        reads=_STUDENT,
        examples={
            "en": (
                "report card of this student", "student report", "make a report for the parents of a student",
                "monthly report of a student", "how is the student doing", "report about the student",
            ),
            "ko": (
                "이 학생 보고서 만들어줘", "학생 학습 보고서", "학부모에게 줄 학생 리포트", "학생 월간 보고서",
                "이 학생 생활 기록 보고", "학생 리포트 작성해줘",
            ),
        },
    ),
    Declaration(
        key="report.get.attendance_csv",
        target=f"{_READING}:AttendanceTable",
        title={"en": "Attendance for a spreadsheet", "ko": "출결 내역 엑셀"},
        ask="operator",
        reads=("academy.meeting", "academy.class", "academy.attendance", "academy.student"),
        examples={
            "en": (
                "export the attendance", "attendance as csv", "download the attendance of this month",
                "attendance spreadsheet", "give me the attendance in excel", "csv of all attendance records",
            ),
            "ko": (
                "출결 엑셀로 뽑아줘", "출석부 csv 내려받기", "이번 달 출결 내역 엑셀", "출결 데이터 내보내기",
                "출석부 파일로 줘", "출결표 다운로드",
            ),
        },
    ),
    Declaration(
        key="report.get.revenue_csv",
        target=f"{_READING}:RevenueTable",
        title={"en": "Payments for a spreadsheet", "ko": "수납 내역 엑셀"},
        ask="operator",
        reads=("academy.payment", "academy.invoice", "academy.student"),
        examples={
            "en": (
                "export the payments", "payments as csv", "download this month's revenue", "revenue spreadsheet",
                "give me the payments in excel", "csv of all payments of the month",
            ),
            "ko": (
                "수납 내역 엑셀로 뽑아줘", "매출 csv 내려받기", "이번 달 결제 내역 엑셀", "수납 데이터 내보내기",
                "매출 파일로 줘", "결제 내역 다운로드",
            ),
        },
    ),
    Declaration(
        key="report.get.unpaid_csv",
        target=f"{_READING}:UnpaidTable",
        title={"en": "Unpaid fees for a spreadsheet", "ko": "미납 내역 엑셀"},
        ask="operator",
        reads=("academy.payment", "academy.invoice", "academy.student"),
        examples={
            "en": (
                "export the unpaid invoices", "unpaid fees as csv", "download the list of debtors",
                "spreadsheet of unpaid invoices", "give me the unpaid fees in excel", "csv of everyone who owes money",
            ),
            "ko": (
                "미납 내역 엑셀로 뽑아줘", "미납자 명단 csv", "미납 목록 내려받기", "미납 데이터 내보내기",
                "미납 현황 파일로 줘", "미납자 엑셀 다운로드",
            ),
        },
    ),
    Declaration(
        key="report.get.students_csv",
        target=f"{_READING}:StudentsTable",
        title={"en": "Students for a spreadsheet", "ko": "학생 명단 엑셀"},
        ask="operator",
        reads=("academy.student", "academy.enrolment", "academy.class", "academy.guardian"),
        examples={
            "en": (
                "export the students", "student list as csv", "download all students with their guardians",
                "spreadsheet of students", "give me the student list in excel", "csv of the students and contacts",
            ),
            "ko": (
                "학생 명단 엑셀로 뽑아줘", "원생 명단 csv", "학생 목록 내려받기", "학생 연락처 내보내기",
                "원생 명부 파일로 줘", "학생 명단 다운로드",
            ),
        },
    ),
    Declaration(
        key="report.get.archived",
        target=f"{_READING}:Archived",
        title={"en": "Stored reports", "ko": "보관된 보고서 목록"},
        ask="viewer",
        agents=True,
        reads=("academy.report",),
        examples={
            "en": (
                "which reports are stored", "list the archived reports", "show old reports", "reports we have kept",
                "report archive", "past weekly reports",
            ),
            "ko": (
                "보관된 보고서 목록", "저장한 보고서 보여줘", "지난 보고서 조회", "보고서 보관함",
                "예전 보고서 뭐 있어", "저장된 리포트 목록",
            ),
        },
    ),
    Declaration(
        key="report.get.stored",
        target=f"{_READING}:Stored",
        title={"en": "A stored report", "ko": "보관된 보고서 보기"},
        ask="viewer",
        agents=True,
        reads=("academy.report",),
        examples={
            "en": (
                "open a stored report", "show the archived report", "read an old report",
                "open the report with this title", "show me the close of last month", "view a kept report",
            ),
            "ko": (
                "보관된 보고서 열어줘", "저장한 보고서 내용 보여줘", "예전 보고서 읽기", "이 제목 보고서 열기",
                "지난 결산 보고서 보여줘", "보관함에서 보고서 꺼내줘",
            ),
        },
    ),
    Declaration(
        key="report.exec.archive",
        target=f"{_ASKING}:ArchiveAReport",
        title={"en": "Store a report", "ko": "보고서 보관"},
        effect="write",
        risk="low",
        cap_per_day=100,
        reads=_ALL,
        writes=("academy.report",),
        examples={
            "en": (
                "store the weekly report", "archive this report", "save the monthly report",
                "keep the report of this week", "file the daily report", "put the report into the archive",
            ),
            "ko": (
                "주간 보고서 저장해줘", "보고서 보관해줘", "월간 보고서 보관함에 넣어줘", "이번 주 보고서 저장",
                "일일 보고서 기록으로 남겨줘", "보고서 아카이브에 저장",
            ),
        },
    ),
)  # fmt: skip

OPERATIONS: Mapping[str, str] = {
    "report.archive": "dure.apps.intents.reports.archiving:Archive",
}
