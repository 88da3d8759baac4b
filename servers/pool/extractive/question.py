"""Analyses a question: its language, expected answer type, names and content words.

It knows nothing of passages. `has_answer_type` says whether a text holds the type of thing that is asked for.
"""

import re
from dataclasses import dataclass
from typing import Literal

from tools.schema import Language
from tools.text.language import detect
from tools.text.stopwords import QUESTION_STOP_WORDS
from tools.text.words import fold, folded_words

AnswerType = Literal["person", "date", "number", "place", "reason", "definition", "procedure", "list", "open"]

_TYPE_PATTERNS: dict[AnswerType, str] = {
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
_TYPES: dict[AnswerType, re.Pattern[str]] = {
    name: re.compile(pattern) for name, pattern in _TYPE_PATTERNS.items()
}
_GENERIC_PREFIXES = tuple(
    "encuentr encontr situ ubic llam conoc consider utiliz usa ocurr suced hizo hace hacen dice dijo clase "
    "forma manera modo cosa ejempl principal locat situat call known happen describ used using said made "
    "example thing sort refer found give take".split()
)
"""Beginnings of words that many questions use and few answers repeat."""
_INTERROGATIVES = frozenset("cuanta cuantas cuanto cuantos many much tipo kind type nombre name".split())
"""Words that ask: no answer needs to repeat them."""
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
_DEFINITION = re.compile(
    r"\b(es|son|era|eran|significa|se llama|consiste|is|are|was|were|means|refers|called|defined)\b"
)
_NAME = re.compile(
    r"(?<![.!?¿¡\"«“]\s)(?<!^)(?<![¿¡\"«“])\b[A-ZÁÉÍÓÚÑ][\w'’-]+(?:\s+(?:de|of|del|la|von|van)?\s*[A-ZÁÉÍÓÚÑ][\w'’-]+)*"
)
_ANY_NAME = re.compile(r"[A-ZÁÉÍÓÚÑ][\w'’-]+")
_QUOTED = re.compile(r"[\"«“]([^\"»”]{2,80})[\"»”]|`([^`]{2,80})`")


@dataclass(frozen=True)
class Question:
    """A question and what it asks for.

    `words` are its folded content words in order, each once; `names` those in capitals, figures or quotes.
    """

    text: str
    language: Language
    answer_type: AnswerType
    words: tuple[str, ...]
    names: frozenset[str]


def analyse_question(text: str, language: Language | None = None) -> Question:
    """Analyse one question. `language` wins over the detected one."""
    chosen = detect(text, default="es") if language is None else language
    stop = QUESTION_STOP_WORDS[detect(text, default=chosen)] | _INTERROGATIVES
    content = tuple(dict.fromkeys(word for word in folded_words(text) if word not in stop))
    return Question(
        text, chosen, _answer_type(fold(text)), content, frozenset(_names(text)) & frozenset(content)
    )


def has_answer_type(question: Question, text: str) -> bool:
    """Whether `text` holds the type of thing the question asks for, outside the question's own words.

    Always False for procedures, lists and open questions, which have no surface of their own.
    """
    folded, stop = fold(text), QUESTION_STOP_WORDS[question.language]
    match question.answer_type:
        case "date":
            return _has_new(_DATE, folded, question)
        case "number":
            return _has_new(_NUMBER, folded, question)
        case "person" | "place":
            return any(
                not set(found) <= set(question.words) and found[0] not in stop
                for name in _ANY_NAME.findall(text)
                if (found := folded_words(name))
            )
        case "reason":
            return bool(_REASON.search(folded))
        case "definition":
            return bool(_DEFINITION.search(folded))
        case _:
            return False


def _answer_type(folded: str) -> AnswerType:
    for answer_type, pattern in _TYPES.items():
        if pattern.search(folded):
            return answer_type
    return "open"


def _has_new(pattern: re.Pattern[str], folded: str, question: Question) -> bool:
    """Whether `pattern` finds anything that the question does not say itself."""
    return any(found[0] not in question.words for found in pattern.finditer(folded))


def _names(text: str) -> list[str]:
    found = _NAME.findall(text)
    found += [one or other for one, other in _QUOTED.findall(text)]
    return [word for name in found for word in folded_words(name)] + [
        w for w in folded_words(text) if w[0].isdigit()
    ]


def is_generic(word: str) -> bool:
    """Whether a folded word is generic: many questions use it and few answers repeat it."""
    return word.startswith(_GENERIC_PREFIXES)
