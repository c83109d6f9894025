"""How preferences, experiences, conditions and steps are written in English and Korean."""

import re


def _any(*parts: str) -> str:
    """Join lines of alternatives."""
    return "(?:" + "|".join(parts) + ")"


_EN_PERSON = r"(?:the |this |our |my )?(?:i|we|user|customer|client|guest|patient|student|manager)"
_EN_LIKES = _any(
    "likes?|loves?|prefers?|preferred|enjoys?|dislikes?|hates?|favou?rite",
    "would rather|is (?:allergic|vegetarian|vegan)|tends? to",
)
EN_TASTE = re.compile(rf"^(?:{_EN_PERSON}|[A-Z][a-z]+)\b(?-i:[^.]{{0,40}}?)\b{_EN_LIKES}\b", re.IGNORECASE)
EN_PAST = re.compile(
    r"^(?:(?:yesterday|last (?:week|month|year|night|time)|on \w+ \d+|in (?:19|20)\d\d),? )?"
    rf"{_EN_PERSON} (?:\w+ly )?"
    r"(?:was|were|had|went|visited|bought|asked|said|told|tried|met|lost|felt|\w{3,}ed)\b",
    re.IGNORECASE,
)

_KO_ENDS = "(?:한다|합니다|해요|해|함|하는 편)"
_KO_PAST = "[았었했였됐갔왔봤샀](?:다|음|습니다|어요)"
KO_TASTE = re.compile(
    _any(
        f"(?:좋아|싫어){_KO_ENDS}|선호{_KO_ENDS}?|즐긴다|즐깁니다|즐겨 \\S+",
        "(?:좋|싫)다고 (?:한다|했다|합니다|했습니다)|알레르기가 (?:있다|있습니다|있음|있어요)",
        "채식주의자(?:다|이다|입니다)|취향(?:이다|입니다)|편이다|편입니다",
    )
    + r"[.!]*$"
)
KO_PAST = re.compile(rf"^(?:지난|어제|작년|저번|그저께|예전에|이번에|얼마 전).*{_KO_PAST}[.!]*$")
OBLIGED = re.compile(
    r"\b(?:must|shall|should|needs? to|always|never|do not|is (?:free|waived|required|rejected|approved|denied))\b"
    r"|(?:해야|하지 않는다|하지 마|금지)",
    re.IGNORECASE,
)

EN_IF = re.compile(
    r"^(?:if|when|whenever|in case|as soon as|once) (?P<condition>[^,;:?]{3,200}?)(?:[,;:]|,? then\b)\s*(?:then )?"
    r"(?P<outcome>[^?]{3,300})$",
    re.IGNORECASE,
)
EN_AFTER = re.compile(
    r"^(?P<outcome>(?!how |what |why |who |i |we )[^,;:?]{3,200}?),? "
    r"(?:if and only if|if|whenever|in case|provided that) (?P<condition>[^?]{3,200})$",
    re.IGNORECASE,
)
EN_UNREAL = re.compile(
    r"\b(?:if only|as if|even if|what if|(?:wonders?|see|asks?|asked|knows?|checks?|sure|decides?|tells?|says?) if|"
    r"if (?:possible|needed|necessary|any)|would have|had been|might|maybe|perhaps|were to)\b",
    re.IGNORECASE,
)
EN_SELF = re.compile(r"^(?:i|we|my|he|she|they)\b", re.IGNORECASE)
EN_FEELING = re.compile(
    r"\b(?:feels?|felt|gets? (?:tired|nervous|angry|upset|happy)|likes?|loves?|prefers?|enjoys?|hates?|dislikes?|"
    r"smiles?|remember(?:s|ed)?|happy|sad|tired|said|told|was|were|had|went|did)\b",
    re.IGNORECASE,
)

_KO_CONDITION = _any(
    "이라면|라면|다면|이면|으면|하면|되면|나면|오면|가면|지면|시면|치면|보면|내면|들면|리면|르면|키면|않으면|없으면|있으면",
    "경우에는|경우에|경우엔|경우|때는|때에는|때마다|시에는",
)
KO_IF = re.compile(
    rf"^(?P<marker>만약(?:에)? |만일 |혹시 )?(?P<condition>.{{2,200}}?{_KO_CONDITION}),? (?P<outcome>[^?]{{2,300}})$"
)
KO_FEELING = re.compile(
    _any(
        "좋아|싫어|선호|즐긴|기분|행복|피곤|불안|긴장|걱정|그리",
        "생각난|생각나|짜증|우울|느낀|느껴|편하|편안|아프|졸리|웃는|웃었|취향|좋다|좋겠|싶다|싶어|같다|것 같|모른다",
        _KO_PAST,
    )
)
KO_DECIDES = re.compile(
    _any(
        "한다|된다|않는다|없다|있다|는다|린다|낸다|준다|킨다|친다|난다|간다|온다|인다|긴다|운다|근다",
        "니다|하세요|해 주세요|이다|함|됨|처리|승인|거절|면제|무료|할인|적용|금지|필수|가능|불가|반려|알림|발송",
        "취소|배정|차단",
    )
    + r"[.!]*$"
)
KO_UNREAL = re.compile(
    _any(
        "가능하면|괜찮으면|괜찮다면|필요하면|예를 들면|되도록이면|이왕이면|웬만하면|어쩌면|말하자면|그러면",
        "왜냐하면|아니면",
        "이라면 좋|면 좋겠|하면 되나|면 어떨까",
    )
)
KO_SELF = re.compile(r"^(?:나는|저는|내가|제가|나 |우리 가족)")

STEP = re.compile(
    r"(?:^|\n|(?<=[\s.;:]))[ \t]{0,8}(?:(?:step|단계)\s?)?"
    r"(?P<number>\d{1,2})\s?(?:[.):]|단계[.:)]?|번째?[.:)])\s+(?=\D)",
    re.IGNORECASE,
)
CIRCLED = re.compile(r"([①②③④⑤⑥⑦⑧⑨⑩])")
SEQUENCE = re.compile(
    r"\b(?:first(?:ly)?|second(?:ly)?|third(?:ly)?|then|next|after that|finally|lastly)\b,?|"
    r"(?:먼저|첫째|우선|둘째|셋째|그다음에?|그 다음에?|다음으로|이후에?|그리고 나서|마지막으로|끝으로),?",
    re.IGNORECASE,
)
BEGINNING = re.compile(r"first|먼저|첫째|우선", re.IGNORECASE)
BULLET = re.compile(r"(?:^|\n)[ \t]{0,8}[-*•]\s")
PROCEDURE = re.compile(r"\b(?:how to|procedure|steps|process|checklist)\b|(?:방법|절차|순서|단계|과정)", re.IGNORECASE)
