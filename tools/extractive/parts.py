"""Takes a question of two parts apart; the second takes what it leaves out from the first. Pure.

`¿En qué puerto escucha Milvus y en cuál PostgreSQL?` asks for two ports; what two things have different asks
what each of them is.
"""

import re

from tools.extractive.question import Question, analyse_question
from tools.schema import Language
from tools.text.words import words

_ASKING = {
    "es": r"qu[ée]|cu[áa]l(?:es)?|qui[ée]n(?:es)?|cu[áa]ndo|d[óo]nde|c[óo]mo|cu[áa]nt[oa]s?",
    "en": r"what|which|who|whom|when|where|how|why",
}
_JOINT = {
    "es": re.compile(
        rf",?\s+(?:y|e)\s+(?=(?:(?:a|con|de|en|por|para|desde|hasta)\s+)?(?:{_ASKING['es']})\b)", re.I
    ),
    "en": re.compile(rf",?\s+and\s+(?=(?:(?:at|by|for|from|in|on|to|with)\s+)?(?:{_ASKING['en']})\b)", re.I),
}
_THINGS = r"\s+(?P<one>[^,;?]+?)\s+(?:{})\s+(?P<other>[^,;?]+?)\W*$"
_COMPARED = {
    "es": [
        re.compile(pattern, re.I)
        for pattern in (
            r"\bdiferencias?\b(?:\s+(?:hay|existen?))?\s+entre" + _THINGS.format("y|e"),
            r"\bse\s+diferencian?" + _THINGS.format("y|e|del?"),
            r"^\W*compara(?:r|me)?" + _THINGS.format("y|e|con"),
        )
    ],
    "en": [
        re.compile(pattern, re.I)
        for pattern in (
            r"\bdifferences?\s+(?:is\s+there\s+|are\s+there\s+)?between" + _THINGS.format("and"),
            r"^\W*compare" + _THINGS.format("and|with|to"),
            r"^\W*how\s+do(?:es)?\s+(?P<one>[^,;?]+?)\s+(?:and\s+(?P<other>[^,;?]+?)\s+differ|"
            r"differ\s+from\s+(?P<rest>[^,;?]+?))\W*$",
        )
    ],
}
_IN_RESPECT = re.compile(
    r"\b(?:en cuanto a|seg[uú]n|respecto|en t[eé]rminos|in terms of|regarding|with respect)\b", re.I
)
_OF = re.compile(r"^(?:el|la|los|las|that|those|the one)\s+(?=(?:de|del|of)\b)", re.I)
_WHAT = {"es": "¿Qué es {}?", "en": "What is {}?"}
MOST_PARTS = 3
ELLIPTIC_WORDS = 1
"""A part with so few words of its own says only what differs: the rest is the first part's."""


def take_apart(text: str, language: Language) -> list[str]:
    """The parts of a question that asks several things, each to be read alone; itself when it asks one."""
    compared = _compared(text, language)
    if compared:
        return compared
    pieces = [piece.strip(" ¿?,.") for piece in re.split(r"\?\s+(?=¿)|\?\s+(?=[A-Z])", text)]
    parts = [part for piece in pieces for part in _JOINT[language].split(piece) if part.strip()]
    if not 1 < len(parts) <= MOST_PARTS:
        return [text]
    first = analyse_question(parts[0], language)
    return [parts[0], *(_completed(part, first) for part in parts[1:])]


def _compared(text: str, language: Language) -> list[str]:
    """What each of two things is that a question compares as they are; [] where it compares none."""
    found = next((found for one in _COMPARED[language] if (found := one.search(text.strip()))), None)
    if found is None or _IN_RESPECT.search(text):
        return []
    named = found.groupdict()
    one, other = named["one"], named["other"] or named["rest"]
    head = re.match(r"(.+?\s)(?=(?:de|del|of)\b)", one)
    if head and _OF.match(other):
        other = _OF.sub(head[1], other)
    return [_WHAT[language].format(thing) for thing in (one, other)]


def _completed(part: str, first: Question) -> str:
    """A part that leaves out its verb and noun, with those of the first; never the first's names."""
    own = analyse_question(part, first.language)
    if len(own.words) > ELLIPTIC_WORDS:
        return part
    written = [word for word in words(first.text) if word[0].islower()]
    kept = " ".join(written)
    return f"{kept} {part}".strip()
