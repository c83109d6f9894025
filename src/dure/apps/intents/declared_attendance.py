"""The intents of attendance, as data."""

from collections.abc import Mapping

from dure.apps.intents.declared import by_key
from dure.intents.model import Declaration

_READING = "dure.apps.intents.attendance.reading"
_ASKING = "dure.apps.intents.attendance.asking"
_SENDING = "dure.apps.intents.attendance.sending"
_READS = ("academy.meeting", "academy.attendance", "academy.class", "academy.student")
_TELLS = (*_READS, "academy.guardian")

DECLARED = by_key(
    Declaration(
        key="attendance.get.day",
        target=f"{_READING}:ADay",
        title={"en": "Attendance of a day", "ko": "하루 출결 현황"},
        ask="viewer",
        agents=True,
        reads=(*_READS, "academy.enrolment"),
        examples={
            "en": (
                "show today's attendance", "how is attendance today", "attendance for today by class",
                "what does attendance look like today", "give me the attendance overview", "daily attendance status",
                "how many students came today",
            ),
            "ko": (
                "오늘 출결 현황 보여줘", "오늘 출석 어때", "오늘 출석 현황 알려줘", "반별 출결 현황",
                "오늘 몇 명 나왔어", "출석부 보여줘", "일일 출결 현황 조회",
            ),
        },
    ),
    Declaration(
        key="attendance.get.late",
        target=f"{_READING}:Late",
        title={"en": "Students who came late", "ko": "지각한 학생"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "who was late today", "show late students", "list the students who came late", "any latecomers today",
                "which students were tardy", "late arrivals of today",
            ),
            "ko": (
                "오늘 지각한 학생 누구야", "지각생 명단", "지각한 학생 알려줘", "오늘 누가 늦었어", "지각자 조회해줘",
                "늦게 온 학생 보여줘",
            ),
        },
    ),
    Declaration(
        key="attendance.get.absent",
        target=f"{_READING}:Absent",
        title={"en": "Students who did not come", "ko": "결석한 학생"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "who is absent today", "show absent students", "list today's absences", "which students did not come",
                "who missed class today", "absentees of today",
            ),
            "ko": (
                "오늘 결석한 학생 누구야", "결석생 명단", "결석자 알려줘", "오늘 누가 안 왔어", "결석한 학생 보여줘",
                "오늘 빠진 학생 조회",
            ),
        },
    ),
    Declaration(
        key="attendance.get.student",
        target=f"{_READING}:OfOneStudent",
        title={"en": "A student's attendance", "ko": "학생별 출결"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "attendance of a student this month", "show this student's attendance",
                "how often did the student come", "attendance history of a student",
                "how is this student's attendance", "attendance record for one student",
            ),
            "ko": (
                "이 학생 출결 보여줘", "학생 출석 기록 조회", "이 학생 이번 달 출결 알려줘", "학생별 출결 내역",
                "이 학생 몇 번 나왔어", "학생 개인 출결 확인해줘",
            ),
        },
    ),
    Declaration(
        key="attendance.get.class",
        target=f"{_READING}:OfOneClass",
        title={"en": "A class's attendance", "ko": "반별 월간 출결"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "attendance of a class this month", "show the attendance sheet of this class",
                "monthly attendance of the class", "attendance by student in a class",
                "how do the students of this class attend", "class attendance table",
            ),
            "ko": (
                "이 반 이번 달 출결 보여줘", "반 출석부 조회", "수업별 학생 출결 알려줘", "이 반 출석 내역",
                "반 월간 출결표", "이 반 학생들 출석 상황",
            ),
        },
    ),
    Declaration(
        key="attendance.get.rate",
        target=f"{_READING}:Rate",
        title={"en": "Attendance rates", "ko": "출석률"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "attendance rate this month", "show attendance rates by class",
                "which class has the lowest attendance rate", "what percentage of students attend",
                "compare attendance rates", "monthly attendance percentage",
            ),
            "ko": (
                "이번 달 출석률 알려줘", "반별 출석률 비교", "출석률이 가장 낮은 반", "출석률 보여줘",
                "월간 출석률 통계", "출석률 몇 퍼센트야",
            ),
        },
    ),
    Declaration(
        key="attendance.get.unmarked",
        target=f"{_READING}:Unmarked",
        title={"en": "Attendance not marked yet", "ko": "출결 미입력"},
        ask="viewer",
        agents=True,
        reads=(*_READS, "academy.enrolment"),
        examples={
            "en": (
                "where is attendance not marked yet", "show unmarked attendance",
                "which classes have no attendance entered", "missing attendance records",
                "who still has to be marked", "attendance that nobody entered",
            ),
            "ko": (
                "출결 입력 안 된 수업 알려줘", "미입력 출결 조회", "출석 체크 안 한 반", "출결 누락된 수업 보여줘",
                "아직 출석 처리 안 된 학생", "출결 미입력 현황",
            ),
        },
    ),
    Declaration(
        key="attendance.get.streaks",
        target=f"{_READING}:Streaks",
        title={"en": "Absent several times in a row", "ko": "연속 결석한 학생"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "who was absent several times in a row", "students with consecutive absences",
                "show repeated absences", "who keeps missing class", "long absences",
                "students absent three times in a row",
            ),
            "ko": (
                "연속 결석한 학생 알려줘", "장기 결석자 조회", "계속 결석하는 학생", "세 번 연속 안 온 학생",
                "결석이 이어지는 학생 보여줘", "연속 결석 명단",
            ),
        },
    ),
    Declaration(
        key="attendance.exec.mark",
        target=f"{_ASKING}:MarkSome",
        title={"en": "Mark attendance", "ko": "출결 체크"},
        effect="write",
        reads=(*_READS, "academy.enrolment"),
        writes=("academy.attendance",),
        examples={
            "en": (
                "mark this student present", "mark the student as late", "mark attendance",
                "record an absence for a student", "change this student's attendance",
                "put the student down as absent", "check in a student",
            ),
            "ko": (
                "출석 체크해줘", "이 학생 출석 처리해줘", "지각 처리해줘", "결석으로 표시해줘", "출결 입력해줘",
                "이 학생 출결 수정해줘", "출석으로 바꿔줘",
            ),
        },
    ),
    Declaration(
        key="attendance.exec.mark_rest",
        target=f"{_ASKING}:MarkTheRest",
        title={"en": "Mark everyone who is left", "ko": "나머지 학생 일괄 출결 처리"},
        effect="write",
        risk="medium",
        reads=(*_READS, "academy.enrolment"),
        writes=("academy.attendance",),
        examples={
            "en": (
                "mark everyone else present", "mark the rest as present", "mark all remaining students present",
                "the others are all here", "fill in the rest of today's attendance",
                "bulk mark the unmarked students",
            ),
            "ko": (
                "나머지 학생 모두 출석 처리해줘", "나머지는 전부 출석", "미입력 학생 일괄 출석 처리",
                "남은 학생 다 출석으로 해줘", "나머지 출결 한꺼번에 입력해줘", "일괄 출석 체크",
            ),
        },
    ),
    Declaration(
        key="attendance.exec.excuse",
        target=f"{_ASKING}:ExcuseAbsences",
        title={"en": "Excuse absences", "ko": "결석 사유 인정"},
        effect="write",
        reads=_READS,
        writes=("academy.attendance",),
        examples={
            "en": (
                "excuse this student's absence", "mark the absence as excused",
                "the student was ill, excuse the absence", "turn the absence into an excused one",
                "excuse absences for a few days", "the absence has a good reason",
            ),
            "ko": (
                "결석 인정 처리해줘", "병결 처리해줘", "결석 사유 인정해줘", "이 학생 결석을 공결로 바꿔줘",
                "인정 결석으로 변경", "사유 있는 결석으로 처리해줘",
            ),
        },
    ),
    Declaration(
        key="attendance.exec.notify_guardians_late",
        target=f"{_SENDING}:NotifyGuardiansLate",
        title={"en": "Tell the guardians of late students", "ko": "지각 학생 보호자에게 알림"},
        effect="send",
        risk="medium",
        cap_per_day=20,
        reads=_TELLS,
        sends=("guardian",),
        examples={
            "en": (
                "tell the guardians of late students", "notify parents of late students", "send late notices",
                "message the parents of students who came late", "let guardians know about today's latecomers",
                "send tardy notices to parents", "text the parents of late students",
            ),
            "ko": (
                "지각한 학생 보호자에게 알려줘", "지각생 학부모에게 문자 보내줘", "지각 알림 발송",
                "지각 알림 보내줘", "늦은 학생 부모님께 연락해줘", "지각 학생 보호자 알림 전송", "지각 문자 보내",
            ),
        },
    ),
    Declaration(
        key="attendance.exec.notify_guardians_absent",
        target=f"{_SENDING}:NotifyGuardiansAbsent",
        title={"en": "Tell the guardians of absent students", "ko": "결석 학생 보호자에게 알림"},
        effect="send",
        risk="medium",
        cap_per_day=20,
        reads=_TELLS,
        sends=("guardian",),
        examples={
            "en": (
                "tell the guardians of absent students", "notify parents of absent students", "send absence notices",
                "message the parents of students who did not come", "let guardians know about today's absences",
                "text the parents of absent students",
            ),
            "ko": (
                "결석한 학생 보호자에게 알려줘", "결석생 학부모에게 문자 보내줘", "결석 알림 발송",
                "결석 알림 보내줘", "안 온 학생 부모님께 연락해줘", "결석 문자 보내",
            ),
        },
    ),
)  # fmt: skip

OPERATIONS: Mapping[str, str] = {
    "attendance.mark": "dure.apps.intents.attendance.marking:Mark",
    "attendance.mark_rest": "dure.apps.intents.attendance.marking:MarkRest",
    "attendance.excuse": "dure.apps.intents.attendance.marking:Excuse",
}
