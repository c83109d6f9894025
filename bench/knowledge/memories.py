"""Memories as agents of a shop, a school and a clinic keep them, made up from parts, some of them said twice."""

import random
from collections.abc import Iterator

import numpy as np

from dure.apps.knowledge.finding.model import Item

DIMENSIONS = 384

_WHO = [
    "고객",
    "VIP 고객",
    "신규 회원",
    "학부모",
    "담임 교사",
    "물류 담당자",
    "야간 근무자",
    "환자",
    "보호자",
    "영업 팀장",
]
_WHAT = [
    "주문 내역",
    "환불 요청",
    "출석 기록",
    "예약 시간",
    "배송 주소",
    "상담 기록",
    "결제 수단",
    "재고 수량",
    "수업 자료",
    "처방 내용",
]
_HOW = ["이메일로", "문자로", "전화로", "앱 알림으로", "메신저로", "서면으로", "담당자를 통해", "주간 보고서로"]
_WHEN = [
    "매주 월요일",
    "매일 아침",
    "영업일 기준 {n}일 안에",
    "오전 {h}시에",
    "오후 {h}시까지",
    "{n}일 전에",
    "월말마다",
    "분기마다",
]
_DO = [
    "확인한다",
    "전달한다",
    "기록한다",
    "요청한다",
    "변경한다",
    "검토한다",
    "보관한다",
    "취소한다",
    "승인받는다",
    "다시 확인한다",
]
_WHY = [
    "문의가 늘어서",
    "지난번 실수 때문에",
    "본사 지침에 따라",
    "고객이 원해서",
    "법이 바뀌어서",
    "시스템 점검으로",
    "성수기라서",
    "감사 대비로",
]
_EN_WHO = [
    "The customer",
    "A VIP member",
    "The night shift",
    "The homeroom teacher",
    "The warehouse lead",
    "A new patient",
]
_EN_DO = ["prefers", "asked for", "checks", "forwards", "rejected", "approves", "wants to change", "always reviews"]
_EN_WHAT = [
    "order history",
    "refund requests",
    "attendance records",
    "delivery addresses",
    "invoices",
    "stock counts",
    "lab results",
]
_EN_HOW = [
    "by email",
    "by phone",
    "in the app",
    "on paper",
    "through the team lead",
    "in the weekly report",
    "via chat",
]
_EN_WHEN = [
    "every Monday",
    "before {h} am",
    "within {n} days",
    "after {h} pm",
    "at month end",
    "each quarter",
    "on weekends",
]
_EN_WHY = [
    "since the last audit",
    "because of a complaint",
    "as the contract says",
    "to avoid mistakes",
    "during peak season",
]
_NAMES = [
    "가람",
    "나래",
    "다온",
    "라온",
    "마루",
    "바다",
    "새롬",
    "아라",
    "자람",
    "한별",
    "Aster",
    "Birch",
    "Cedar",
    "Dahlia",
    "Elder",
    "Fern",
]


def texts(count: int, seed: int = 7) -> Iterator[str]:
    """Yield texts: of every ten one repeats an earlier one, to the letter, in style, or with another number."""
    source = random.Random(seed)
    earlier: list[str] = []
    for _ in range(count):
        if earlier and source.random() < 0.1:
            yield _again(source, source.choice(earlier))
            continue
        text = _korean(source) if source.random() < 0.6 else _english(source)
        if len(earlier) < 5_000:
            earlier.append(text)
        yield text


def _numbers(source: random.Random, text: str) -> str:
    return text.replace("{n}", str(source.randint(1, 90))).replace("{h}", str(source.randint(1, 12)))


def _korean(source: random.Random) -> str:
    pick = source.choice
    code = f"{pick(_NAMES)} 지점 {source.randint(1, 9_999)}번 "
    text = f"{code}{pick(_WHO)}의 {pick(_WHAT)}은 {pick(_WHEN)} {pick(_WHY)} {pick(_HOW)} {pick(_DO)}."
    return _numbers(source, text)


def _english(source: random.Random) -> str:
    pick = source.choice
    code = f"{pick(_NAMES)} branch {source.randint(1, 9_999)}: "
    text = f"{code}{pick(_EN_WHO)} {pick(_EN_DO)} {pick(_EN_WHAT)} {pick(_EN_HOW)} {pick(_EN_WHEN)} {pick(_EN_WHY)}."
    return _numbers(source, text)


def _again(source: random.Random, text: str) -> str:
    match source.randrange(4):
        case 0:
            return text
        case 1:
            return text.replace("한다.", "합니다.").replace("The ", "the ")
        case 2:
            return text.replace("에 ", "에  ").rstrip(".") + "!"
        case _:
            return "".join(str((int(char) + 1) % 10) if char.isdigit() else char for char in text)


def items(count: int, vectors: bool = False) -> list[Item]:
    """Make items; with vectors, each text's own direction and a little of its words', as an embedding would."""
    made = list(texts(count))
    rows = _vectors(made) if vectors else None
    return [
        Item(f"{number:07}", "memories", text, None if rows is None else rows[number], "2026-01-01T00:00:00Z")
        for number, text in enumerate(made)
    ]


def _vectors(made: list[str]) -> np.ndarray:
    source = np.random.default_rng(11)
    words: dict[str, np.ndarray] = {}
    rows = np.zeros((len(made), DIMENSIONS), dtype=np.float32)
    for number, text in enumerate(made):
        for word in text.split():
            if word not in words:
                words[word] = source.standard_normal(DIMENSIONS).astype(np.float32)
            rows[number] += words[word]
    return rows
