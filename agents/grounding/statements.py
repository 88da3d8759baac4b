"""Sentences of an answer that state nothing by themselves: refusals, headings, lead-ins, questions. Pure.

What is only dressed as one, and brings words that neither the question nor a passage has, states something.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agents.grounding.claims import Claim, agree, read_claim
from agents.grounding.evidence import Evidence, holds
from tools.schema import Language
from tools.text.words import fold

MOST_UNKNOWN, MOST_UNKNOWN_REFUSING = 1, 2
"""So many words of their own may a heading, a lead-in and a question have, and each part of a refusal.
Chosen."""
CLAUSE = re.compile(
    r"[;,]\s+(?:y|e|pero|mientras que|aunque|and|but|while|whereas)\s+|;\s+|,\s+|"
    r"\s+(?:y|e|pero|and|but|while|mientras que)\s+"
)

_DENIES = re.compile(
    r"\bno (?:se |lo |la |he |hay |tengo |puedo |dispongo |contiene|dice|menciona|aparece|figura|especifica|"
    r"indica|encuentr|consta|responde|proporciona|incluye|es posible)|\bningun\w* (?:pasaje|documento|texto)|"
    r"\bdesconozco\b|\b(?:do|does|did|can|could|is|are)(?:n't| not|not)\b|\bcannot\b|\bfound nothing\b|"
    r"\bno (?:passage|document|information|answer|mention)|"
    r"\bnot (?:found|mentioned|specified|stated|contained|given|available|provided)"
)
_OF_SOURCES = re.compile(
    r"\b(?:pasajes?|documentos?|textos?|fuentes?|contexto|informacion|respuesta|conocimiento|datos|pregunta|"
    r"se (?:dice|menciona|indica|especifica|encuentra)|lo se|consta|encontrado|passages?|documents?|texts?|"
    r"sources?|context|information|answer|knowledge|question|found nothing|"
    r"i (?:do not|don't|cannot|can't) (?:know|say|answer|find)|not (?:found|mentioned|specified|stated))\b"
)
"""Together they refuse: something is denied, of the sources or of the one who answers."""
_ADVERSATIVE = re.compile(
    r"\b(?:pero|sin embargo|aunque|sino|no obstante|but|however|although|though|yet)\b|[;:]\s+\w"
)
_ASKING = re.compile(
    r"\W*(?:(?:a|con|de|en|por|para)\s+)?(?:qué|quién(?:es)?|cuál(?:es)?|cuándo|dónde|cómo|cuánt[oa]s?|"
    r"what|which|who|whose|when|where|how|why)\b",
    re.IGNORECASE,
)
_SAID_THAT = re.compile(r"\s(?:que|that)\s")
_OF_ANSWERS: dict[Language, Claim] = {
    "es": read_claim(
        "respuesta pregunta pasajes documentos textos fuentes contexto información datos resumen "
        "conocimiento detalle puntos principales importantes claves pasos aspectos ejemplos siguientes "
        "continuación lista tabla conclusión lamentablemente desafortunadamente proporcionados "
        "disponibles encontrados mencionan mencionado contienen dicen indican especifican específica "
        "concreta exacta explícitamente basada según directamente suficiente puedo responder encontrar "
        "saber sabes quieres aquí tienes lo siento",
        "es",
    ),
    "en": read_claim(
        "answer question passages documents texts sources context information data knowledge detail summary "
        "main key important points steps aspects examples following below list table conclusion given based "
        "sorry provided available found mention mentioned contain say said state stated specify specified "
        "specific exact explicitly directly enough answer find know here unfortunately according unable",
        "en",
    ),
}
"""Words with which answers speak of themselves and of their sources."""


@dataclass(frozen=True)
class Known:
    """What an answer may speak of without stating it: the question, the passages."""

    question: Claim
    passages: Sequence[Claim]

    def lacks(self, text: str, language: Language) -> int:
        """How many words of `text` are neither here nor those of any answer."""
        claim = read_claim(text, language)
        claims = (self.question, _OF_ANSWERS[claim.language], *self.passages)
        return sum(not any(holds(term, one, claim) for one in claims) for term in claim.terms)


def known_of(question: str, evidence: Sequence[Evidence], language: Language) -> Known:
    """The question and the passages, as they are compared."""
    return Known(read_claim(question, language), [one.whole for one in evidence])


def states_nothing(sentence: str, claim: Claim, known: Known) -> bool:
    """Whether a sentence has nothing that a passage could support: a question, a heading, what leads in."""
    bare = sentence.strip()
    if claim.empty or re.fullmatch(r"[\W_]+", bare):
        return True
    asks = re.sub(r"[\s*_\[\]\d]+$", "", bare).endswith("?") or _says_back(claim, known.question)
    if not asks and (claim.quantities or claim.names or not (bare.endswith(":") or bare.startswith("#"))):
        return False
    return _facts_are_known(claim, known) and known.lacks(claim.text, claim.language) <= MOST_UNKNOWN


def _says_back(claim: Claim, question: Claim) -> bool:
    """Whether a sentence is the question without its mark."""
    return bool(_ASKING.match(claim.text)) and all(holds(term, question, claim) for term in claim.terms)


def is_refusal(claim: Claim, known: Known) -> bool:
    """Whether a sentence only says that the answer is not there: with no fact of its own."""
    folded = fold(claim.text)
    if not (_DENIES.search(folded) and _OF_SOURCES.search(folded)) or _ADVERSATIVE.search(folded):
        return False
    if not _facts_are_known(claim, known):
        return False
    parts = [part for clause in CLAUSE.split(claim.text) for part in _SAID_THAT.split(clause)]
    return all(known.lacks(part, claim.language) <= MOST_UNKNOWN_REFUSING for part in parts)


def _facts_are_known(claim: Claim, known: Known) -> bool:
    claims = (known.question, *known.passages)
    numbers = [other for one in claims for other in one.quantities]
    return all(any(agree(one, other) for other in numbers) for one in claim.quantities) and all(
        any(holds(name, one, claim) for one in claims) for name in claim.names
    )
