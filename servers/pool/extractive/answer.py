"""The extractive model, which has no weights: it answers with sentences of the passages, each marked `[n]`.

It never writes a sentence of its own about the matter: when the passages do not hold the answer, or there are
none, it says so in the question's language. The question is analysed in `question`, passages are split in
`units` and ranked in `ranking` (all in `tools/extractive`), chosen in `selection` and written in `quoting`.
`tests/bench/answers.py` measures it over XQuAD.
"""

import re
from collections.abc import Sequence

from servers.pool.extractive.quoting import write_quotes
from servers.pool.extractive.selection import best_of_part, choose_units, with_asked_type
from tools.extractive.parts import take_apart
from tools.extractive.question import Question, analyse_question
from tools.extractive.ranking import ScoredUnit, rank
from tools.extractive.refusals import ABSENT, NOTHING
from tools.passages import Passage, parse, wish_of
from tools.schema import JsonObject, Language
from tools.text.content import content_text
from tools.text.language import courtesy, detect
from tools.text.words import fold

_WORD = re.compile(r"\S+\s*")
_SENTENCE = re.compile(r".+?(?:[.!?…](?:\s*\[\d+\])*\s+|\]\s+|\n+|$)", re.DOTALL)
MARK = re.compile(r"\[\d+\]")
_IN_LANGUAGE = re.compile(
    r"\W*(?:(?:y|and|pero|now|ahora|can you|please|puedes|dilo|dimelo|say it|traducelo|translate it"
    r"|what about)\s+)*(?:en|in|al|into|to)\s+(ingles|english|espanol|castellano|spanish)"
    r"(?:,?\s+(?:por favor|please))?\W*"
)
MIN_COVERAGE, MIN_COVERAGE_CROSS_LINGUAL = 0.2, 0.08
"""Share of the question that the best unit must cover, where question and passage are in one language and in
two; below it the passages do not hold the answer. That is a last guard, for who asks this model directly: the
agents decide by more than words (`agents/answerability`)."""

_REPLIES: dict[str, dict[Language, str]] = {
    "context": {
        "es": "No tengo ningún contexto con el que responder: sin pasajes, este modelo no puede contestar.",
        "en": "I have no context to answer from: without passages this model can not answer.",
    },
    "greeting": {
        "es": "¡Hola! Pregúntame algo y lo buscaré en el conocimiento disponible.",
        "en": "Hello! Ask me something and I will look it up in the available knowledge.",
    },
    "help": {
        "es": "Respondo preguntas sobre los documentos ingeridos, con las frases que lo dicen y de dónde; "
        "si no lo dicen, te lo diré. Pregunta algo concreto: "
        "«¿Cuántos modelos puede haber cargados a la vez?».",
        "en": "I answer questions about the documents that were ingested, with the sentences that say so and "
        "where they stand; when they do not, I will tell you. Ask something definite: "
        "“How many models can be loaded at the same time?”.",
    },
    "thanks": {"es": "¡De nada!", "en": "You are welcome!"},
    "farewell": {"es": "¡Hasta pronto!", "en": "See you soon!"},
    "across": {
        "es": "El pasaje está en inglés:",
        "en": "The passage is in Spanish:",
    },
    "quotes": {
        "es": "Cito los documentos y no traduzco. En español dicen:",
        "en": "I quote the documents and can not translate. In English they say:",
    },
    "only": {
        "es": "Cito los documentos y no puedo traducir; en español no he encontrado esto. Lo que hay:",
        "en": "I quote the documents and can not translate; I found none of this in English. What there is:",
    },
}


def generate(
    messages: Sequence[JsonObject], most: int | None = None, stops: Sequence[str] = ()
) -> tuple[list[str], bool]:
    """The answer to the last user message up to the first of `stops`, of `most` words at most, a sentence or
    a line a piece, and whether it was cut: it is whole at once, and each piece costs every reader on its
    way."""
    text = answer(messages).strip()
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    words = _WORD.findall(text[: min(ends, default=len(text))])
    said = "".join(words[:most])
    return _SENTENCE.findall(said), most is not None and len(words) > most


def answer(messages: Sequence[JsonObject]) -> str:
    """The whole answer to OpenAI chat messages; passages are those of the last block in them."""
    texts = [(message.get("role", ""), content_text(message.get("content"))) for message in messages]
    passages = next((found for _, text in reversed(texts) if (found := parse(text)) is not None), None)
    asked = [_question(text) for role, text in texts if role == "user"]
    question = asked[-1] if asked else ""
    language = detect(question, default="es")
    kind = courtesy(question)
    if kind is not None:
        return _REPLIES[kind][language]
    if passages is None:
        return _REPLIES["context"][language]
    bare, wish = wish_of(question)
    if wish is not None:
        return _in_language(bare, passages, wish)
    wanted = _wanted_language(question)
    if wanted is not None and len(asked) > 1:
        return _in_language(asked[-2], passages, wanted)
    return extract(_with_history(question, asked), passages, language)


def extract(question: str, passages: Sequence[Passage], language: Language) -> str:
    """The units of `passages` that answer `question`, each followed by its mark `[n]`.

    A question of several parts gets each answered, in order. The best unit's passage comes first. When there
    are no passages, or they do not hold the answer, it says so in `language`.
    """
    if not passages:
        return NOTHING[language]
    written, texts, foreign = set[tuple[int, int]](), list[str](), False
    for part, chosen in _answers(question, passages, language):
        texts.append(write_quotes(part, chosen, written))
        foreign = foreign or detect(chosen[0].unit.text, default=language) != language
    said = " ".join(filter(None, texts))
    if not said:
        return ABSENT[language]
    return f"{_REPLIES['across'][language]} {said}" if foreign else said


def _answers(
    question: str, passages: Sequence[Passage], language: Language
) -> list[tuple[Question, list[ScoredUnit]]]:
    """The units that answer each part of a question that has several; else those that answer the whole."""
    parts = [analyse_question(part, language) for part in take_apart(question, language)]
    if len(parts) > 1:
        found = [(part, unit) for part in parts if (unit := best_of_part(part, rank(part, passages)))]
        if found:
            return [(part, [unit]) for part, unit in found]
    whole = analyse_question(question, language)
    ranked = rank(whole, passages)
    if not ranked or not _is_covered(whole, ranked[0]):
        return []
    return [(whole, with_asked_type(whole, ranked, choose_units(ranked)))]


def _in_language(question: str, passages: Sequence[Passage], wanted: Language) -> str:
    """The question before, answered from the passages in the language that is asked for; else from what there
    is, and it says so: quotes are not translated."""
    own = [passage for passage in passages if detect(passage.text, default=wanted) == wanted]
    for kind, given in (("quotes", own), ("only", passages)):
        said = extract(question, given, detect(question, default="es")) if given else ""
        if MARK.search(said):
            quotes = said.removeprefix(_REPLIES["across"]["es"]).removeprefix(_REPLIES["across"]["en"])
            return f"{_REPLIES[kind][wanted]} {quotes.strip()}"
    return ABSENT[wanted]


def _wanted_language(question: str) -> Language | None:
    """The language in which the answer before is wanted, where a message asks for nothing else."""
    found = _IN_LANGUAGE.fullmatch(fold(question))
    return None if found is None else "en" if found[1] in ("ingles", "english") else "es"


def _is_covered(question: Question, best: ScoredUnit) -> bool:
    across = detect(best.passage.text, default=question.language) != question.language
    return best.coverage >= (MIN_COVERAGE_CROSS_LINGUAL if across else MIN_COVERAGE)


def _with_history(question: str, asked: Sequence[str]) -> str:
    """A question too short to stand alone takes the words of the one before it."""
    if len(asked) > 1 and len(analyse_question(question).words) < 2:
        return f"{asked[-2]} {question}"
    return question


def _question(text: str) -> str:
    """What a user message asks: the part after its passages, without a label."""
    asked = text.rpartition("</passages>")[2].strip() or text
    label, colon, rest = asked.partition(":")
    return rest.strip() if colon and fold(label.strip()) in ("pregunta", "question") else asked.strip()
