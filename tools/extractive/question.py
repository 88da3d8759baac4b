"""Analyses a question: its language, expected answer type, names and content words.

It knows nothing of passages. `has_answer_type` says whether a text holds the type of thing that is asked for.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tools.schema import Language
from tools.text.language import detect
from tools.text.stopwords import QUESTION_STOP_WORDS
from tools.text.words import fold, folded_words

KEPT_TEXTS = 8_192
"""Units that stay folded: what is found is found again."""

AnswerType = Literal[
    "person", "date", "number", "identifier", "place", "reason", "definition", "procedure", "list", "open"
]

_TYPE_PATTERNS: dict[AnswerType, str] = {
    "date": r"\b(cuando|when|(en|de|desde|hasta) que (ano|fecha|dia|mes|siglo|decada)"
    r"|(que|cual) .{0,12}(ano|fecha|siglo)\b|(what|which) (year|date|day|month|century|decade))\b",
    "number": r"\b(cuant[oa]s?|how (many|much|long|old|far|big|large|tall|high|often|fast)|(what|which) "
    r"(number|percentage|percent|port|size|amount)|que (numero|puerto|porcentaje|cantidad|tamano)"
    r"|cual es el puerto|(cual|que) (es|fue|era) (el|la) (total|importe|precio|coste|suma)"
    r"|what (is|was) the (total|amount|price|cost|sum))\b",
    "identifier": r"\b(que|cual es (el|la)|which|what( is the)?) (([a-z]+ ){0,2}(uuid|guid|url|iban|isbn|doi|"
    r"hash|id|identificador|identifier|e-?mail( address)?|serial number)|direccion de correo|"
    r"correo electronico|numero de serie)\b",
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
_CONTAINERS = frozenset(
    "documento documentos document documents archivo archivos fichero ficheros file files pdf word docx "
    "odt rtf excel xlsx ods csv spreadsheet spreadsheets workbook sheet hoja calculo powerpoint pptx "
    "presentacion presentation slide slides diapositiva diapositivas epub ebook libro html xml pagina "
    "paginas page pages web correo mail email mensaje message fila filas row rows columna columnas column "
    "columns celda celdas cell cells tabla tablas table tables linea lineas line lines parrafo parrafos "
    "paragraph paragraphs texto text lista list say says dice dicen pone contiene contain contains".split()
)
"""What a text is in, or a part of it, and that it says something: few texts say that of themselves."""
_TITLES = re.compile(
    r"\b(titul(o|os|a|an|ado|ada)|encabezad[oa]s?|capitulos?|seccion(es)?|apartados?|epigrafes?|titled?|headings?|"
    r"chapters?|sections?)\b"
)
_ASKING = re.compile(
    r"\b(que|cual(es)?|quien(es)?|cuando|a?donde|como|cuant[oa]s?|what|which|who|whom|whose|when|where|how|why)\b"
)
_INTERROGATIVES = frozenset("cuanta cuantas cuanto cuantos many much tipo kind type nombre name".split())
"""Words that ask: no answer needs to repeat them."""
_IDIOM = re.compile(
    r"\b(hac(e|en|ía|ían|er) falta|llev(a|an|ar|ado|ó|aron|aba|aban) a cabo|takes? place)\b", re.IGNORECASE
)
"""Verbs of several words, none of which is what the question is about: `falta` is missing in no passage."""
_MONTH = (
    r"enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|january|february|"
    r"march|april|june|july|august|september|october|november|december"
)
_DATE = re.compile(
    rf"\b(\d{{3,4}}|\d{{1,2}} ?(de )?({_MONTH})|{_MONTH}|lunes|martes|miercoles|jueves|viernes|sabado|domingo"
    r"|(mon|tues|wednes|thurs|fri|satur|sun)day|siglo|century|decada|decade|ayer|hoy|yesterday|today)\b"
)
_NUMBER = re.compile(
    r"\d[\d.,]*\d|\d|\b(un[oa]?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|veinte|cien|mil|millon|millones|"
    r"mitad|tercio|docena|ningun[oa]?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|"
    r"hundred|thousand|million|billion|half|third|dozen|none|twice|single)\b"
)
_ASSIGNED = re.compile(r"\b[a-z_]\w*=\S+")
"""`PORT=8001` shows how a value is set: it tells none."""
_IDENTIFIER = re.compile(
    r"https?://\S|\b[\w.+-]+@[\w-]+\.\w"
    r"|\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9][\w-]{6,}\b|\b\d[\d -]{8,}\d\b"
)
"""An address, or a sign of letters and figures."""
_REASON = re.compile(
    r"\b(porque|debido|ya que|puesto que|causa|gracias a|para (que|evitar)|because|due to|since|so that"
    r"|in order to|caused|reason|therefore|por eso|asi)\b"
)
_DEFINITION = re.compile(
    r"\b(es|son|era|eran|significa|se llama|consiste|is|are|was|were|means|refers|called|defined)\b"
)
_SURFACES = {"identifier": _IDENTIFIER, "reason": _REASON, "definition": _DEFINITION}
_NAME = re.compile(
    r"(?<![.!?¿¡\"«“]\s)(?<!^)(?<![¿¡\"«“])\b[A-ZÁÉÍÓÚÑ][\w'’-]+(?:\s+(?:de|of|del|la|von|van)?\s*[A-ZÁÉÍÓÚÑ][\w'’-]+)*"
)
_ANY_NAME = re.compile(r"[A-ZÁÉÍÓÚÑ][\w'’-]+")
_QUOTED = re.compile(r"[\"«“]([^\"»”]{2,80})[\"»”]|`([^`]{2,80})`")


@dataclass(frozen=True)
class Question:
    """A question and what it asks for.

    `words` are its folded content words in order, each once; `names` those in capitals, figures or quotes;
    `containers` those that speak of a document, or of a part of it, and not of its matter: a question may
    name it (`the spreadsheet`, `la fila`) where no passage does.
    """

    text: str
    language: Language
    answer_type: AnswerType
    words: tuple[str, ...]
    names: frozenset[str]
    containers: frozenset[str] = frozenset()


def analyse_question(text: str, language: Language | None = None) -> Question:
    """Analyse one question. `language` wins over the detected one."""
    chosen = detect(text, default="es") if language is None else language
    stop = QUESTION_STOP_WORDS[detect(text, default=chosen)] | _INTERROGATIVES
    content = tuple(dict.fromkeys(word for word in folded_words(_IDIOM.sub(" ", text)) if word not in stop))
    names = frozenset(_names(text)) & frozenset(content)
    containers = _CONTAINERS.intersection(content).difference(*map(folded_words, _quoted(text)))
    return Question(text, chosen, _answer_type(fold(text)), content, names, containers)


def has_answer_type(question: Question, text: str) -> bool:
    """Whether `text` holds the type of thing the question asks for, outside the question's own words.

    Always False for procedures, lists and open questions, which have no surface of their own.
    """
    folded, stop = _folded(text), QUESTION_STOP_WORDS[question.language]
    match question.answer_type:
        case "date":
            return _has_new(_DATE, folded, question)
        case "number":
            return _has_new(_NUMBER, _ASSIGNED.sub(" ", folded), question)
        case "person" | "place":
            return any(
                not set(found) <= set(question.words) and found[0] not in stop
                for name in _ANY_NAME.findall(text)
                if (found := folded_words(name))
            )
        case "identifier" | "reason" | "definition":
            return bool(_SURFACES[question.answer_type].search(folded))
        case _:
            return False


@lru_cache(maxsize=KEPT_TEXTS)
def _folded(text: str) -> str:
    """A unit folded: each question looks at it again."""
    return fold(text)


def asks_for_title(question: Question) -> bool:
    """Whether it asks for what stands above a text: its title, chapter or section."""
    return bool(_TITLES.search(fold(question.text)))


def asks_for_more(question: Question) -> bool:
    """Whether it asks for something that it does not say itself, as `¿está abierto?` does not."""
    return bool(_ASKING.search(fold(question.text)))


def _answer_type(folded: str) -> AnswerType:
    for answer_type, pattern in _TYPES.items():
        if pattern.search(folded):
            return answer_type
    return "open"


def _has_new(pattern: re.Pattern[str], folded: str, question: Question) -> bool:
    """Whether `pattern` finds anything that the question does not say itself."""
    return any(found[0] not in question.words for found in pattern.finditer(folded))


def _names(text: str) -> list[str]:
    found = _NAME.findall(text) + _quoted(text)
    return [word for name in found for word in folded_words(name)] + [
        w for w in folded_words(text) if w[0].isdigit()
    ]


def _quoted(text: str) -> list[str]:
    return [one or other for one, other in _QUOTED.findall(text)]


def is_generic(word: str) -> bool:
    """Whether a folded word is generic: many questions use it and few answers repeat it, or it is one letter,
    as the `S` of `Line A/S`."""
    return word.startswith(_GENERIC_PREFIXES) or (len(word) == 1 and word.isalpha())
