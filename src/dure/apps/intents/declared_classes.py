"""The intents of classes, as data."""

from collections.abc import Mapping

from dure.apps.intents.declared import by_key
from dure.intents.model import Declaration

_READING = "dure.apps.intents.classes.reading"
_ASKING = "dure.apps.intents.classes.asking"
_READS = ("academy.class", "academy.enrolment", "academy.student")
_MEETS = ("academy.class", "academy.meeting")

DECLARED = by_key(
    Declaration(
        key="class.get.list",
        target=f"{_READING}:AllClasses",
        title={"en": "Classes", "ko": "수업 목록"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "list all classes", "show the classes", "which classes do we have", "all open classes",
                "what classes are running", "overview of classes and teachers",
            ),
            "ko": (
                "수업 목록 보여줘", "반 목록 조회", "개설된 수업 알려줘", "어떤 반이 있어", "전체 수업 보여줘",
                "운영 중인 반 목록",
            ),
        },
    ),
    Declaration(
        key="class.get.show",
        target=f"{_READING}:OneClass",
        title={"en": "One class", "ko": "수업 상세"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "show this class", "details of a class", "who teaches this class", "when does this class meet",
                "what does this class cost", "tell me about the class",
            ),
            "ko": (
                "이 수업 정보 보여줘", "수업 상세 조회", "이 반 선생님 누구야", "이 반 언제 해",
                "이 수업 수강료 얼마야", "반 정보 알려줘",
            ),
        },
    ),
    Declaration(
        key="class.get.roster",
        target=f"{_READING}:Roster",
        title={"en": "Students of a class", "ko": "수업 학생 명단"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "who is in this class", "class roster", "list the students of a class", "show the roster",
                "students enrolled in this class", "names in the class",
            ),
            "ko": (
                "이 반 학생 명단", "반 명단 보여줘", "이 수업 듣는 학생 누구야", "수강생 명단 조회",
                "이 반에 누가 있어", "반 학생 목록 알려줘",
            ),
        },
    ),
    Declaration(
        key="class.get.timetable",
        target=f"{_READING}:Timetable",
        title={"en": "Timetable", "ko": "시간표"},
        ask="viewer",
        agents=True,
        reads=("academy.class",),
        examples={
            "en": (
                "show the timetable", "this week's timetable", "what is the schedule of classes", "class schedule",
                "which classes are on monday", "timetable of a teacher",
            ),
            "ko": (
                "시간표 보여줘", "이번 주 시간표", "수업 시간표 조회", "월요일에 무슨 수업 있어",
                "선생님 시간표 알려줘", "요일별 수업 시간",
            ),
        },
    ),
    Declaration(
        key="class.get.vacancies",
        target=f"{_READING}:Vacancies",
        title={"en": "Free seats", "ko": "빈자리 있는 수업"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "which classes have free seats", "show vacancies", "where is still room", "classes that are not full",
                "how many seats are left", "open places in classes",
            ),
            "ko": (
                "빈자리 있는 반 알려줘", "정원 남은 수업", "자리 있는 수업 보여줘", "몇 자리 남았어", "잔여석 조회",
                "마감 안 된 반",
            ),
        },
    ),
    Declaration(
        key="class.get.meetings",
        target=f"{_READING}:Meetings",
        title={"en": "Lessons of a class", "ko": "수업 일정"},
        ask="viewer",
        agents=True,
        reads=_MEETS,
        examples={
            "en": (
                "lessons of this class this month", "when are the next lessons", "show the dates of a class",
                "which lessons were cancelled", "lesson calendar of the class", "meeting dates of a class",
            ),
            "ko": (
                "이 반 이번 달 수업 일정", "다음 수업 언제야", "수업 날짜 보여줘", "휴강된 수업 조회",
                "수업 일정 알려줘", "이 반 수업일 목록",
            ),
        },
    ),
    Declaration(
        key="class.exec.open",
        target=f"{_ASKING}:OpenClass",
        title={"en": "Open a class", "ko": "수업 개설"},
        effect="write",
        risk="medium",
        reads=("academy.class",),
        writes=("academy.class",),
        examples={
            "en": (
                "open a new class", "create a class", "add a class", "set up a new class", "start a new course",
                "make a new class",
            ),
            "ko": (
                "새 수업 개설해줘", "반 만들어줘", "수업 추가해줘", "새 반 개설", "신규 수업 등록",
                "반 하나 새로 열어줘",
            ),
        },
    ),
    Declaration(
        key="class.exec.close",
        target=f"{_ASKING}:CloseClass",
        title={"en": "Close a class", "ko": "수업 종료"},
        effect="write",
        risk="high",
        reads=("academy.class", "academy.enrolment", "academy.meeting"),
        writes=("academy.class", "academy.enrolment", "academy.meeting"),
        examples={
            "en": (
                "close this class", "end the class", "shut down a class", "the class ends this month",
                "discontinue the class", "close a class and end its enrolments",
            ),
            "ko": (
                "이 수업 종료해줘", "반 폐강해줘", "수업 폐강 처리", "이 반 닫아줘", "수업 마감하고 종강 처리",
                "반 없애줘",
            ),
        },
    ),
    Declaration(
        key="class.exec.enrol",
        target=f"{_ASKING}:EnrolStudents",
        title={"en": "Enrol in a class", "ko": "수강 등록"},
        effect="write",
        reads=_READS,
        writes=("academy.enrolment",),
        examples={
            "en": (
                "enrol a student in a class", "put this student into the class", "add the student to a class",
                "sign the student up for a class", "enroll students in this class", "assign a student to a class",
            ),
            "ko": (
                "이 반에 학생 넣어줘", "수강 등록해줘", "수업에 학생 추가", "반 배정해줘", "이 수업 수강 신청 처리",
                "학생을 반에 배정",
            ),
        },
    ),
    Declaration(
        key="class.exec.transfer",
        target=f"{_ASKING}:TransferStudents",
        title={"en": "Transfer to another class", "ko": "반 이동"},
        effect="write",
        risk="medium",
        reads=_READS,
        writes=("academy.enrolment",),
        examples={
            "en": (
                "transfer a student to another class", "move this student to a different class",
                "change the student's class", "switch classes for a student",
                "move students from one class to another", "class transfer",
            ),
            "ko": (
                "반 이동해줘", "학생 반 옮겨줘", "다른 반으로 변경해줘", "전반 처리해줘", "이 학생 반 바꿔줘",
                "수업 변경 처리",
            ),
        },
    ),
    Declaration(
        key="class.exec.withdraw",
        target=f"{_ASKING}:WithdrawStudents",
        title={"en": "Withdraw from a class", "ko": "수강 취소"},
        effect="write",
        reads=_READS,
        writes=("academy.enrolment",),
        examples={
            "en": (
                "withdraw a student from a class", "take the student out of this class",
                "remove the student from the class", "drop a class for a student", "end the student's enrolment",
                "cancel an enrolment",
            ),
            "ko": (
                "수강 취소해줘", "이 반에서 학생 빼줘", "수업에서 학생 제외", "수강 종료 처리", "반에서 내려줘",
                "이 수업 그만두게 처리",
            ),
        },
    ),
    Declaration(
        key="class.exec.plan_meetings",
        target=f"{_ASKING}:PlanLessons",
        title={"en": "Plan a month's lessons", "ko": "월 수업 일정 생성"},
        effect="write",
        reads=_MEETS,
        writes=("academy.meeting",),
        examples={
            "en": (
                "plan next month's lessons", "create the lesson dates for a month",
                "generate the meetings of this month", "set up the month's lessons", "make the lesson calendar",
                "schedule the lessons of all classes",
            ),
            "ko": (
                "다음 달 수업 일정 만들어줘", "월 수업 일정 생성", "이번 달 수업일 생성해줘", "수업 일정 잡아줘",
                "수업 달력 만들어줘", "전체 반 수업 일정 자동 생성",
            ),
        },
    ),
    Declaration(
        key="class.exec.cancel_meeting",
        target=f"{_ASKING}:CancelLessons",
        title={"en": "Cancel lessons of a day", "ko": "휴강 처리"},
        effect="write",
        risk="medium",
        reads=(*_MEETS, "academy.attendance"),
        writes=("academy.meeting",),
        examples={
            "en": (
                "cancel today's lesson", "no class tomorrow", "cancel all lessons on a day",
                "the lesson is called off", "cancel the class because the teacher is ill",
                "call off the lessons of a holiday",
            ),
            "ko": (
                "오늘 휴강 처리해줘", "내일 수업 휴강", "수업 취소해줘", "선생님 사정으로 휴강", "공휴일 휴강 처리",
                "오늘 수업 전부 휴강해줘",
            ),
        },
    ),
)  # fmt: skip

OPERATIONS: Mapping[str, str] = {
    "class.open": "dure.apps.intents.classes.opening:Open",
    "class.close": "dure.apps.intents.classes.opening:Close",
    "class.enrol": "dure.apps.intents.classes.seating:Enrol",
    "class.transfer": "dure.apps.intents.classes.seating:Transfer",
    "class.withdraw": "dure.apps.intents.classes.seating:Withdraw",
    "class.plan_meetings": "dure.apps.intents.classes.lessons:PlanMeetings",
    "class.cancel_meeting": "dure.apps.intents.classes.lessons:CancelMeeting",
}
