"""The intents of students, as data."""

from collections.abc import Mapping

from dure.apps.intents.declared import by_key
from dure.intents.model import Declaration

_READING = "dure.apps.intents.students.reading"
_ASKING = "dure.apps.intents.students.asking"
_READS = ("academy.student",)
_KNOWS = (
    "academy.student", "academy.guardian", "academy.student_guardian", "academy.enrolment", "academy.class",
    "academy.attendance",
)  # fmt: skip

DECLARED = by_key(
    Declaration(
        key="student.get.list",
        target=f"{_READING}:AllStudents",
        title={"en": "Students", "ko": "학생 목록"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "list all students", "show the students", "student list", "which students do we have",
                "students of a grade", "how many students are there", "paused students",
            ),
            "ko": (
                "학생 목록 보여줘", "전체 학생 조회", "재원생 명단", "학생 몇 명이야", "학년별 학생 목록",
                "휴원생 목록 알려줘", "학생 명단 뽑아줘",
            ),
        },
    ),
    Declaration(
        key="student.get.find",
        target=f"{_READING}:Find",
        title={"en": "Find a student", "ko": "학생 찾기"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "find a student", "search for a student by name", "look up a student", "is there a student called",
                "find the student with this phone number", "student search",
            ),
            "ko": (
                "학생 찾아줘", "학생 이름으로 검색", "학생 검색해줘", "이런 이름의 학생 있어", "전화번호로 학생 찾기",
                "학생 찾기",
            ),
        },
    ),
    Declaration(
        key="student.get.show",
        target=f"{_READING}:OneStudent",
        title={"en": "One student", "ko": "학생 상세 정보"},
        ask="viewer",
        reads=_KNOWS,
        examples={
            "en": (
                "show this student", "details of a student", "tell me about this student", "student profile",
                "which classes does this student take", "everything about a student",
            ),
            "ko": (
                "이 학생 정보 보여줘", "학생 상세 조회", "학생 정보 알려줘", "학생 프로필 보여줘",
                "이 학생 무슨 수업 들어", "학생 카드 열어줘",
            ),
        },
    ),
    Declaration(
        key="student.get.guardians",
        target=f"{_READING}:Guardians",
        title={"en": "A student's guardians", "ko": "학생 보호자 연락처"},
        reads=("academy.student", "academy.guardian", "academy.student_guardian"),
        examples={
            "en": (
                "who are the guardians of this student", "parent's phone number", "contact of the student's parents",
                "show guardian contacts", "how do I reach the parents", "guardian's email address",
            ),
            "ko": (
                "이 학생 보호자 연락처", "학부모 전화번호 알려줘", "보호자 연락처 보여줘", "부모님 번호 조회",
                "이 학생 보호자 누구야", "학부모 연락처 찾아줘",
            ),
        },
    ),
    Declaration(
        key="student.get.birthdays",
        target=f"{_READING}:Birthdays",
        title={"en": "Birthdays of a month", "ko": "이달의 생일"},
        ask="viewer",
        reads=_READS,
        examples={
            "en": (
                "birthdays this month", "who has a birthday this month", "show student birthdays",
                "upcoming birthdays", "whose birthday is it", "list of birthdays",
            ),
            "ko": (
                "이번 달 생일인 학생", "생일 명단 보여줘", "이달의 생일자 알려줘", "생일인 학생 누구야",
                "학생 생일 조회", "다음 달 생일자",
            ),
        },
    ),
    Declaration(
        key="student.get.new",
        target=f"{_READING}:NewStudents",
        title={"en": "New students", "ko": "신입생"},
        ask="viewer",
        agents=True,
        reads=_READS,
        examples={
            "en": (
                "new students this month", "who joined this month", "show recently joined students", "newcomers",
                "how many students joined", "list of new students",
            ),
            "ko": (
                "이번 달 신입생", "새로 들어온 학생 알려줘", "신규 학생 조회", "최근에 등록한 학생", "신입생 명단",
                "이번 달 몇 명 들어왔어",
            ),
        },
    ),
    Declaration(
        key="student.get.without_class",
        target=f"{_READING}:WithoutClass",
        title={"en": "Students in no class", "ko": "수업이 없는 학생"},
        ask="viewer",
        agents=True,
        reads=("academy.student", "academy.enrolment"),
        examples={
            "en": (
                "students without a class", "who is in no class", "students not enrolled anywhere",
                "which students have no class yet", "unassigned students", "students waiting for a class",
            ),
            "ko": (
                "수업 없는 학생", "반 배정 안 된 학생 알려줘", "아무 반에도 없는 학생", "미배정 학생 조회",
                "수강 중인 수업이 없는 학생", "반이 없는 학생 보여줘",
            ),
        },
    ),
    Declaration(
        key="student.exec.register",
        target=f"{_ASKING}:RegisterStudent",
        title={"en": "Register a student", "ko": "학생 등록"},
        effect="write",
        reads=_READS,
        writes=("academy.student", "academy.guardian", "academy.student_guardian"),
        examples={
            "en": (
                "register a student", "add a new student", "create a student", "sign up a new student",
                "a new student is joining", "register a new student with a guardian", "enter a new student",
            ),
            "ko": (
                "학생 등록해줘", "새 학생 추가해줘", "신규 학생 등록", "학생 추가", "학생 한 명 등록할게",
                "신입생 등록해줘", "학생을 새로 등록",
            ),
        },
    ),
    Declaration(
        key="student.exec.update",
        target=f"{_ASKING}:UpdateStudent",
        title={"en": "Change a student's data", "ko": "학생 정보 수정"},
        effect="write",
        reads=_READS,
        writes=_READS,
        examples={
            "en": (
                "change a student's phone number", "update this student", "edit student information",
                "correct the student's name", "change the grade of a student", "add a note to a student",
            ),
            "ko": (
                "학생 정보 수정해줘", "학생 전화번호 변경", "학생 이름 고쳐줘", "학년 수정해줘", "학생 정보 변경",
                "학생 메모 남겨줘",
            ),
        },
    ),
    Declaration(
        key="student.exec.pause",
        target=f"{_ASKING}:PauseStudents",
        title={"en": "Pause a student", "ko": "휴원 처리"},
        effect="write",
        risk="medium",
        reads=_READS,
        writes=_READS,
        examples={
            "en": (
                "pause a student", "the student takes a break", "put the student on leave for now",
                "suspend a student for a while", "student is on a break", "set the student to paused",
            ),
            "ko": (
                "휴원 처리해줘", "이 학생 휴원시켜줘", "학생 휴원 등록", "당분간 쉬는 학생 처리", "휴원으로 변경",
                "잠시 쉰대 휴원 처리",
            ),
        },
    ),
    Declaration(
        key="student.exec.resume",
        target=f"{_ASKING}:ResumeStudents",
        title={"en": "Take a student back", "ko": "복원 처리"},
        effect="write",
        reads=_READS,
        writes=_READS,
        examples={
            "en": (
                "the student is back", "resume a student", "end the student's break", "take the student back",
                "set the student to enrolled again", "reactivate a student",
            ),
            "ko": (
                "복원 처리해줘", "휴원 끝난 학생 재원으로", "다시 다니는 학생 처리", "재원 처리해줘",
                "이 학생 복귀시켜줘", "휴원 해제",
            ),
        },
    ),
    Declaration(
        key="student.exec.leave",
        target=f"{_ASKING}:StudentsLeave",
        title={"en": "A student leaves", "ko": "퇴원 처리"},
        effect="write",
        risk="high",
        reads=("academy.student", "academy.enrolment"),
        writes=("academy.student", "academy.enrolment"),
        examples={
            "en": (
                "the student leaves the academy", "student quits", "withdraw a student from the academy",
                "mark the student as left", "the student is leaving us", "deregister a student",
            ),
            "ko": (
                "퇴원 처리해줘", "이 학생 퇴원시켜줘", "학생 퇴원 등록", "학원 그만둔 학생 처리", "퇴원으로 변경",
                "학생이 그만뒀어 퇴원 처리",
            ),
        },
    ),
    Declaration(
        key="student.exec.promote",
        target=f"{_ASKING}:PromoteStudents",
        title={"en": "Move all students up a grade", "ko": "학년 진급 처리"},
        effect="write",
        risk="high",
        ask="approver",
        reads=_READS,
        writes=_READS,
        examples={
            "en": (
                "move all students up a grade", "promote students to the next grade",
                "new school year, raise all grades", "advance everyone's grade", "increase the grade of all students",
                "year-end promotion",
            ),
            "ko": (
                "전체 학생 학년 올려줘", "학년 진급 처리", "새 학년으로 일괄 변경", "모든 학생 한 학년씩 올려줘",
                "진급 처리해줘", "학년 일괄 올리기",
            ),
        },
    ),
)  # fmt: skip

OPERATIONS: Mapping[str, str] = {
    "student.register": "dure.apps.intents.students.registering:Register",
    "student.update": "dure.apps.intents.students.registering:Update",
    "student.set_status": "dure.apps.intents.students.staying:SetStatus",
    "student.promote": "dure.apps.intents.students.staying:Promote",
}
