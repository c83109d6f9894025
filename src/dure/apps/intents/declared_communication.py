"""The intents of communication, as data."""

from collections.abc import Mapping

from dure.apps.intents.declared import by_key
from dure.intents.model import Declaration

_READING = "dure.apps.intents.communication.reading"
_ASKING = "dure.apps.intents.communication.asking"
_BROADCASTING = "dure.apps.intents.communication.broadcasting"
_REMINDING = "dure.apps.intents.communication.reminding"
_MESSAGES = ("dure.outbox_message", "dure.intent_request")
_GUARDIANS = ("academy.student", "academy.guardian", "academy.student_guardian")
_BILLS = ("academy.invoice", "academy.payment")

DECLARED = by_key(
    Declaration(
        key="communication.get.sent",
        target=f"{_READING}:Sent",
        title={"en": "Messages sent", "ko": "발송 내역"},
        ask="operator",
        reads=_MESSAGES,
        examples={
            "en": (
                "which messages were sent today", "show the messages we sent", "message history",
                "what did we send to guardians this week", "list sent messages", "how many messages went out",
            ),
            "ko": (
                "오늘 보낸 메시지 보여줘", "발송 내역 조회", "문자 보낸 내역", "이번 주에 보낸 알림 목록",
                "메시지 발송 현황", "학부모에게 뭐 보냈어",
            ),
        },
    ),
    Declaration(
        key="communication.get.undelivered",
        target=f"{_READING}:Undelivered",
        title={"en": "Messages not delivered", "ko": "발송 실패 내역"},
        ask="operator",
        reads=_MESSAGES,
        examples={
            "en": (
                "which messages failed", "messages that were not delivered", "show failed messages",
                "which messages are unknown", "did any message not go out", "undelivered texts",
            ),
            "ko": (
                "발송 실패한 메시지 보여줘", "전송 안 된 문자 조회", "실패한 알림 목록", "발송 여부 모르는 메시지",
                "문자 안 간 사람 누구야", "메시지 전송 오류 확인",
            ),
        },
    ),
    Declaration(
        key="communication.get.unreachable",
        target=f"{_READING}:Unreachable",
        title={"en": "Who cannot be reached", "ko": "연락 불가 학생"},
        ask="operator",
        reads=_GUARDIANS,
        examples={
            "en": (
                "which guardians cannot be reached", "students without a contact", "who has no phone number",
                "guardians who want no messages", "missing contact details", "who can we not write to",
            ),
            "ko": (
                "연락 안 되는 보호자 알려줘", "연락처 없는 학생", "보호자 연락처 누락 확인", "수신 거부한 학부모 조회",
                "문자 못 보내는 학생 명단", "전화번호 없는 보호자",
            ),
        },
    ),
    Declaration(
        key="communication.get.notices",
        target=f"{_READING}:Notices",
        title={"en": "Notices", "ko": "공지 목록"},
        ask="viewer",
        agents=True,
        reads=("academy.notice", "academy.class"),
        examples={
            "en": (
                "show the notices", "list all notices", "which notices are published", "drafts of notices",
                "recent announcements", "notices of a class",
            ),
            "ko": (
                "공지 목록 보여줘", "공지사항 조회", "게시된 공지 알려줘", "작성 중인 공지", "최근 공지사항",
                "이 반 공지 보여줘",
            ),
        },
    ),
    Declaration(
        key="communication.exec.publish_notice",
        target=f"{_ASKING}:PublishANotice",
        title={"en": "Publish a notice", "ko": "공지 게시"},
        effect="write",
        risk="medium",
        reads=("academy.notice", "academy.class"),
        writes=("academy.notice",),
        examples={
            "en": (
                "publish a notice", "post an announcement", "put up a notice", "publish the draft notice",
                "announce something to everyone", "write a new notice",
            ),
            "ko": (
                "공지 올려줘", "공지 게시해줘", "새 공지 작성해줘", "공지사항 등록", "임시 저장한 공지 게시",
                "공지 하나 띄워줘",
            ),
        },
    ),
    Declaration(
        key="communication.exec.withdraw_notice",
        target=f"{_ASKING}:WithdrawANotice",
        title={"en": "Withdraw a notice", "ko": "공지 내리기"},
        effect="write",
        risk="medium",
        reads=("academy.notice",),
        writes=("academy.notice",),
        examples={
            "en": (
                "withdraw a notice", "take down the announcement", "remove this notice", "unpublish the notice",
                "pull the notice back", "the notice is wrong, take it down",
            ),
            "ko": (
                "공지 내려줘", "공지 회수해줘", "공지 게시 취소", "이 공지 삭제해줘", "올린 공지 철회",
                "공지사항 내리기",
            ),
        },
    ),
    Declaration(
        key="communication.exec.message_students",
        target=f"{_BROADCASTING}:MessageStudents",
        title={"en": "Write to a student's guardians", "ko": "학생 보호자에게 메시지"},
        effect="send",
        risk="medium",
        cap_per_day=300,
        timeout_s=1800,
        reads=_GUARDIANS,
        sends=("guardian",),
        examples={
            "en": (
                "write to this student's parents", "text the guardian of a student",
                "send a message to the student's guardians", "message the mother of a student",
                "contact the parents of these students", "send the parents a text",
            ),
            "ko": (
                "이 학생 보호자에게 문자 보내줘", "학부모님께 메시지 보내줘", "이 학생 부모님께 연락해줘",
                "보호자에게 문자 발송", "학생 어머니께 문자", "학부모 개별 메시지 전송",
            ),
        },
    ),
    Declaration(
        key="communication.exec.notify_class",
        target=f"{_BROADCASTING}:NotifyClass",
        title={"en": "Write to a class's guardians", "ko": "수업 보호자에게 알림"},
        effect="send",
        risk="medium",
        cap_per_day=50,
        timeout_s=1800,
        reads=(*_GUARDIANS, "academy.class", "academy.enrolment", "academy.notice"),
        sends=("guardian",),
        examples={
            "en": (
                "notify the guardians of a class", "send a message to all parents of this class",
                "tell the class that the lesson is moved", "text the parents of a class",
                "send the notice to the class", "message everyone in this class",
            ),
            "ko": (
                "이 반 학부모에게 알려줘", "반 전체에 문자 보내줘", "이 수업 보호자에게 공지 발송",
                "반 학부모님께 단체 문자", "수업 공지를 반에 보내줘", "이 반 학생 보호자 모두에게 알림",
            ),
        },
    ),
    Declaration(
        key="communication.exec.notify_all",
        target=f"{_BROADCASTING}:NotifyAll",
        title={"en": "Write to all guardians", "ko": "전체 보호자에게 알림"},
        effect="send",
        risk="high",
        approval=True,
        cap_per_day=5,
        timeout_s=1800,
        reads=(*_GUARDIANS, "academy.notice"),
        sends=("guardian",),
        examples={
            "en": (
                "notify all guardians", "send a message to all parents", "tell everyone that we are closed",
                "send the notice to all guardians", "mass message to parents",
                "broadcast an announcement to every guardian",
            ),
            "ko": (
                "전체 학부모에게 알려줘", "모든 보호자에게 문자 보내줘", "전체 공지 발송", "학부모 전체 단체 문자",
                "공지를 전체에게 보내줘", "모든 학부모님께 안내 문자",
            ),
        },
    ),
    Declaration(
        key="communication.exec.remind_unpaid",
        target=f"{_REMINDING}:RemindUnpaid",
        title={"en": "Remind of unpaid fees", "ko": "미납 안내 발송"},
        effect="send",
        risk="medium",
        cap_per_day=10,
        timeout_s=1800,
        reads=(*_GUARDIANS, *_BILLS),
        sends=("guardian",),
        examples={
            "en": (
                "remind parents of unpaid fees", "send payment reminders", "tell the guardians who have not paid",
                "remind everyone who owes money", "dun overdue invoices", "text the parents about unpaid tuition",
            ),
            "ko": (
                "미납 안내 문자 보내줘", "수강료 미납 알림 발송", "미납 학부모에게 연락해줘", "납부 독촉 문자",
                "연체자에게 안내 보내줘", "원비 안 낸 학부모에게 알림",
            ),
        },
    ),
    Declaration(
        key="communication.exec.greet_birthdays",
        target=f"{_REMINDING}:GreetBirthdays",
        title={"en": "Send birthday greetings", "ko": "생일 축하 메시지"},
        effect="send",
        risk="low",
        cap_per_day=10,
        timeout_s=1800,
        reads=_GUARDIANS,
        sends=("guardian",),
        examples={
            "en": (
                "send birthday greetings", "wish today's birthday children a happy birthday",
                "birthday messages for today", "congratulate students on their birthday", "send a birthday text",
                "greet the birthdays",
            ),
            "ko": (
                "생일 축하 문자 보내줘", "오늘 생일인 학생 축하해줘", "생일 축하 메시지 발송", "생일자에게 문자",
                "생일 인사 보내줘", "오늘 생일 학생 보호자에게 축하 문자",
            ),
        },
    ),
    Declaration(
        key="communication.exec.follow_up_absent",
        target=f"{_REMINDING}:FollowUpAbsent",
        title={"en": "Follow up on repeated absences", "ko": "연속 결석 상담 안내"},
        effect="send",
        risk="medium",
        cap_per_day=10,
        timeout_s=1800,
        reads=(*_GUARDIANS, "academy.meeting", "academy.attendance"),
        sends=("guardian",),
        examples={
            "en": (
                "follow up on students with repeated absences", "ask parents of students who keep missing class",
                "contact guardians of long absentees", "write to those absent three times in a row",
                "check on students who stay away", "message parents about repeated absences",
            ),
            "ko": (
                "연속 결석 학생 보호자에게 연락해줘", "장기 결석자 학부모에게 문자", "계속 결석하는 학생 안부 문자",
                "연속 결석 상담 안내 발송", "세 번 연속 안 온 학생 보호자에게 알림", "장기 결석 상담 문자 보내줘",
            ),
        },
    ),
)  # fmt: skip

OPERATIONS: Mapping[str, str] = {
    "communication.publish_notice": "dure.apps.intents.communication.publishing:PublishNotice",
    "communication.withdraw_notice": "dure.apps.intents.communication.publishing:WithdrawNotice",
}
