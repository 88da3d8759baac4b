"""Reads a question: its language, what kind of answer it wants, its names and its content terms.

It knows nothing of passages. `wanted` says whether a text holds the kind of thing that is asked for.
"""

import re
from dataclasses import dataclass
from typing import Literal

from tools.schema import Language
from tools.text.language import detect
from tools.text.stopwords import QUESTION_STOP_WORDS
from tools.text.words import fold, folded_words

Kind = Literal["person", "date", "number", "place", "reason", "definition", "procedure", "list", "open"]

_PATTERNS: dict[Kind, str] = {
    "date": r"\b(cuando|when|(en|de|desde|hasta) que (ano|fecha|dia|mes|siglo|decada)"
    r"|(que|cual) .{0,12}(ano|fecha|siglo)\b|(what|which) (year|date|day|month|century|decade))\b",
    "number": r"\b(cuant[oa]s?|how (many|much|long|old|far|big|large|tall|high|often|fast)|(what|which) "
    r"(number|percentage|percent|port|size|amount)|que (numero|puerto|porcentaje|cantidad|tamano)"
    r"|cual es el puerto)\b",
    "person": r"\b(quien(es)?|who|whom|whose)\b",
    "place": r"\b(a?donde|where|(en|de) que (ciudad|pais|lugar|sitio)|(what|which) (city|country|place))\b",
    "reason": r"(\bpor que\b|\bwhy\b|\b(motivo|razon|causa|reason)\b)",
    "list": r"\b(cuales (son|eran|fueron)|which are|what are the|enumera|lista de|list)\b",
    "definition": r"^\W*(que (es|son|significa)|what (is|are|does \w+ mean))\b",
    "procedure": r"\b(como|how (do|can|to|is|are|does))\b",
}
_KINDS: dict[Kind, re.Pattern[str]] = {kind: re.compile(pattern) for kind, pattern in _PATTERNS.items()}
_PLAIN = (
    *("encuentr", "encontr", "situ", "ubic", "llam", "conoc", "consider", "utiliz", "usa", "ocurr", "suced"),
    *(
        "hizo",
        "hace",
        "hacen",
        "dice",
        "dijo",
        "clase",
        "forma",
        "manera",
        "modo",
        "cosa",
        "ejempl",
        "principal",
    ),
    *("locat", "situat", "call", "known", "consider", "happen", "describ", "used", "using", "said", "made"),
    *("example", "thing", "sort", "refer", "found", "give", "take"),
)
_MONTH = (
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|january|february|"
    r"march|april|june|july|august|september|october|november|december"
)
_DATE = re.compile(
    rf"\b(\d{{3,4}}|\d{{1,2}} ?(de )?({_MONTH})|{_MONTH}|lunes|martes|miercoles|jueves|viernes|sabado|domingo"
    r"|(mon|tues|wednes|thurs|fri|satur|sun)day|siglo|century|decada|decade|ayer|hoy|yesterday|today)\b"
)
_NUMBER = re.compile(
    r"\d|\b(un[oa]?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|veinte|cien|mil|millon|millones|"
    r"mitad|tercio|docena|ningun[oa]?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|"
    r"hundred|thousand|million|billion|half|third|dozen|none|twice|single)\b"
)
_REASON = re.compile(
    r"\b(porque|debido|ya que|puesto que|causa|gracias a|para (que|evitar)|because|due to|since|so that"
    r"|in order to|caused|reason|therefore|por eso|asi)\b"
)
_DEFINES = re.compile(
    r"\b(es|son|era|eran|significa|se llama|consiste|is|are|was|were|means|refers|called|defined)\b"
)
_NAME = re.compile(
    r"(?<![.!?¿¡\"«“]\s)(?<!^)(?<![¿¡\"«“])\b[A-ZÁÉÍÓÚÑ][\w'’-]+(?:\s+(?:de|of|del|la|von|van)?\s*[A-ZÁÉÍÓÚÑ][\w'’-]+)*"
)
_ANY_NAME = re.compile(r"[A-ZÁÉÍÓÚÑ][\w'’-]+")
_QUOTED = re.compile(r"[\"«“]([^\"»”]{2,80})[\"»”]|`([^`]{2,80})`")


@dataclass(frozen=True)
class Question:
    """`words` are folded content words in order; `names` those in capitals, figures or quotes."""

    text: str
    language: Language
    kind: Kind
    words: tuple[str, ...]
    names: frozenset[str]


def read_question(text: str, language: Language | None = None) -> Question:
    """`language` given wins over the detected one."""
    spoken = detect(text) if language is None else language
    stop = QUESTION_STOP_WORDS[detect(text, default=spoken)]
    content = tuple(
        dict.fromkeys(word for word in folded_words(text) if word not in stop and not _is_asking(word))
    )
    return Question(text, spoken, _kind(fold(text)), content, frozenset(_names(text)) & frozenset(content))


def holds_wanted(question: Question, text: str) -> bool:
    """Whether `text` holds, outside the question's own words, the kind of thing the question asks for."""
    folded, stop = fold(text), QUESTION_STOP_WORDS[question.language]
    match question.kind:
        case "date":
            return _news(_DATE, folded, question)
        case "number":
            return _news(_NUMBER, folded, question)
        case "person" | "place":
            return any(
                not set(found) <= set(question.words) and found[0] not in stop
                for name in _ANY_NAME.findall(text)
                if (found := folded_words(name))
            )
        case "reason":
            return bool(_REASON.search(folded))
        case "definition":
            return bool(_DEFINES.search(folded))
        case _:
            return False


def _kind(folded: str) -> Kind:
    for kind, pattern in _KINDS.items():
        if pattern.search(folded):
            return kind
    return "open"


def _news(pattern: re.Pattern[str], folded: str, question: Question) -> bool:
    return any(found[0] not in question.words for found in pattern.finditer(folded))


def _names(text: str) -> list[str]:
    found = _NAME.findall(text)
    found += [one or other for one, other in _QUOTED.findall(text)]
    return [word for name in found for word in folded_words(name)] + [
        w for w in folded_words(text) if w[0].isdigit()
    ]


def is_plain(word: str) -> bool:
    """Whether a folded word is one of those that many questions use and few answers repeat."""
    return word.startswith(_PLAIN)


def _is_asking(word: str) -> bool:
    return word in {
        "cuanta",
        "cuantas",
        "cuanto",
        "cuantos",
        "many",
        "much",
        "tipo",
        "kind",
        "type",
        "nombre",
        "name",
    }
