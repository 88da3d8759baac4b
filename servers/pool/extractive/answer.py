"""The model without weights: it answers with the sentences of the given passages, marked `[n]`.

It never writes a sentence of its own about the matter: when the passages do not hold the answer, or there
are none, it says so in the question's language. Reading, ranking and cutting live in `extract_*`.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

from servers.pool.extractive.question import Question, read_question
from servers.pool.extractive.rank import Scored, rank
from servers.pool.extractive.units import Unit, units
from tools.passages import Passage, parse
from tools.schema import Language
from tools.text.language import courtesy, detect
from tools.text.words import fold, folded_words

_WORD_AND_GAP = re.compile(r"\S+\s*")
HELD = 0.31
"""Share of the question that the best unit must cover; below it the passages do not hold the answer."""
HELD_ACROSS = 0.15
"""The same when question and passage are in different languages, where fewer words match. Of 1,190 Spanish
questions over XQuAD's English passages 822 cite the right one first and 156 are refused (0.14: fewer refused
when no passage answers)."""
NEXT, OTHER, ENTRY = 0.72, 0.85, 0.93
"""Worth of a further unit, relative to the best: in its passage, in another, in the same list or table."""
MOST = 3
MOST_SIBLINGS = 12

_SAID: dict[str, dict[Language, str]] = {
    "absent": {
        "es": "Los pasajes encontrados no contienen la respuesta a esta pregunta.",
        "en": "The passages found do not hold the answer to this question.",
    },
    "nothing": {
        "es": "No he encontrado nada sobre esto en el conocimiento disponible.",
        "en": "I found nothing about this in the available knowledge.",
    },
    "context": {
        "es": "No tengo ningún contexto con el que responder: sin pasajes, este modelo no puede contestar.",
        "en": "I have no context to answer from: without passages this model can not answer.",
    },
    "greeting": {
        "es": "¡Hola! Pregúntame algo y lo buscaré en el conocimiento disponible.",
        "en": "Hello! Ask me something and I will look it up in the available knowledge.",
    },
    "thanks": {"es": "¡De nada!", "en": "You are welcome!"},
    "farewell": {"es": "¡Hasta pronto!", "en": "See you soon!"},
    "across": {
        "es": "El pasaje está en inglés:",
        "en": "The passage is in Spanish:",
    },
}
_LOOKS_BACK = frozenset(
    "este esta esto estos estas ese esa eso esos esas aquel aquella ello ella el ellos ellas "
    "ambos dicho dicha this that these those it they he she both such his her their its".split()
)


async def generate(messages: list[dict[str, Any]]) -> AsyncIterator[str]:
    """Stream the answer to the last user message, a word at a time."""
    for piece in _WORD_AND_GAP.findall(answer(messages).strip()):
        yield piece


def answer(messages: list[dict[str, Any]]) -> str:
    """The whole answer to OpenAI chat messages; passages are those of the last block in them."""
    texts = [(message.get("role", ""), _text(message.get("content"))) for message in messages]
    passages = next((found for _, text in reversed(texts) if (found := parse(text)) is not None), None)
    asked = [_question(text) for role, text in texts if role == "user"]
    question = asked[-1] if asked else ""
    language = detect(question)
    said = courtesy(question)
    if said is not None:
        return _SAID[said][language]
    if passages is None:
        return _SAID["context"][language]
    return extract(_with_history(question, asked), passages, language)


def extract(question: str, passages: Sequence[Passage], language: Language) -> str:
    """The sentences of `passages` that answer `question`, each followed by its mark.

    The worthiest passage comes first; inside a passage the reading order is kept.
    """
    if not passages:
        return _SAID["nothing"][language]
    read = read_question(question, language)
    ranked = rank(read, passages)
    if not ranked or not _held(read, ranked[0]):
        return _SAID["absent"][language]
    chosen = _choose(read, ranked)
    text = _write(read, chosen)
    foreign = detect(chosen[0].unit.text, default=language) != language
    return f"{_SAID['across'][language]} {text}" if foreign else text


def _held(question: Question, best: Scored) -> bool:
    across = detect(best.passage.text, default=question.language) != question.language
    return best.coverage >= (HELD_ACROSS if across else HELD)


def _choose(question: Question, ranked: Sequence[Scored]) -> list[Scored]:
    """The best unit, and those that come close to it or add what it lacks."""
    best = ranked[0]
    chosen, covered, seen = [best], set(best.terms), {fold(best.unit.text)}
    for one in ranked[1:]:
        if len(chosen) == MOST or one.worth < NEXT * best.worth:
            break
        if fold(one.unit.text) in seen or not _belongs(one, best, adds=bool(one.terms - covered)):
            continue
        chosen.append(one)
        covered |= one.terms
        seen.add(fold(one.unit.text))
    order = {one.place: at for at, one in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda one: (order[one.place], one.index))


def _belongs(one: Scored, best: Scored, *, adds: bool) -> bool:
    """A neighbour in the best passage belongs; an entry of a list, or another passage, must earn it."""
    if one.place == best.place and "sentence" in (one.unit.kind, best.unit.kind):
        return True
    return one.worth >= (ENTRY if one.place == best.place else OTHER) * best.worth and (
        adds or one.place == best.place
    )


def _write(question: Question, chosen: Sequence[Scored]) -> str:
    pieces: list[str] = []
    written: set[tuple[int, int]] = set()
    for one in chosen:
        around = units(one.passage.text)
        for index in _with_context(question, around, one.index):
            if (one.place, index) not in written:
                written.add((one.place, index))
                pieces.append(_quote(around, index, one.passage.n, first=not pieces))
    return "".join(pieces).strip()


def _with_context(question: Question, around: Sequence[Unit], index: int) -> list[int]:
    """The unit's place, and those of what it can not be read without."""
    unit = around[index]
    if unit.text.endswith(":"):
        return [index, *_hanging(around, index)]
    if unit.kind == "item" and question.kind in ("list", "procedure"):
        siblings = [at for at, other in enumerate(around) if other.block == unit.block]
        return siblings[:MOST_SIBLINGS]
    before = index - 1
    if unit.kind == "sentence" and index and around[before].block == unit.block and _looks_back(unit.text):
        return [before, index]
    return [index]


def _hanging(around: Sequence[Unit], index: int) -> list[int]:
    after = [at for at in range(index + 1, len(around)) if around[at].lead == around[index].text]
    return after[:MOST_SIBLINGS]


def _looks_back(text: str) -> bool:
    return next(iter(folded_words(text)), "") in _LOOKS_BACK


def _quote(around: Sequence[Unit], index: int, n: int, *, first: bool) -> str:
    unit = around[index]
    if unit.kind == "code":
        return f"\n{unit.text}\n"
    if unit.text.endswith(":"):
        return f"{'' if first else ' '}{unit.text} [{n}]"
    if unit.kind == "item":
        lead = f"{unit.lead} [{n}]" if first and unit.lead else ""
        return f"{lead}\n- {unit.text} [{n}]"
    if unit.kind == "row":
        return f"\n- {unit.text} [{n}]"
    return f"{'' if first else ' '}{unit.text} [{n}]"


def _with_history(question: str, asked: Sequence[str]) -> str:
    """A question too short to stand alone takes the words of the one before it."""
    if len(asked) > 1 and len(read_question(question).words) < 2:
        return f"{asked[-2]} {question}"
    return question


def _question(text: str) -> str:
    """What a user message asks: the part after its passages, without a label."""
    asked = text.rpartition("</passages>")[2].strip() or text
    label, colon, rest = asked.partition(":")
    return rest.strip() if colon and fold(label.strip()) in ("pregunta", "question") else asked.strip()


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
