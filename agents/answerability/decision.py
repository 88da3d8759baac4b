"""Answerability: whether what a search found holds the answer, decided before any model is asked. Pure.

A logistic regression over `signals` gives `support`; two thresholds part three ends: `answer`, `near` (the
nearest passages say something, but not what was asked) and `refuse`. `tests/bench/parts/answerability_fit.py`
fits `weights.json`, which says over what; `tests/bench/answers.py` draws what each threshold gives.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from agents.answerability.signals import FITTED_EMBEDDER, Evidence, gather_evidence, without_scores
from tools.extractive.parts import take_apart
from tools.extractive.refusals import ABSENT, NOTHING
from tools.schema import Hit, JsonObject, Language
from tools.text.words import fold, words

Verdict = Literal["answer", "near", "refuse"]
Weights = Mapping[str, float]
WEIGHTS = Path(__file__).with_name("weights.json")
ANSWER_FROM, NEAR_FROM = 0.4, 0.15
"""Least `support` of an answer and of the nearest passages. Of XQuAD's questions (es, en) .3 answers 98 %
(93 % right), falsely 6 % of those whose article is not there and 26 % where only the passage is not;
.4: 98 (93), 4 and 21 %."""
NEAR_COVERAGE = 0.25
"""Least part of the question that what is shown as nearest must hold itself. Chosen."""
RERANK_WEIGHT = 0.35
"""What a reranking model's best score (in [0, 1]) counts in `support`. Chosen, not measured: no such model
is here."""

ENTAILMENT_WEIGHT = 0.35
"""What the opinion of a model counts in `support`. Chosen, not measured: no such model is here."""

_REASONS: dict[str, dict[Language, str]] = {
    "held": {"es": "«{title}» dice lo que se pregunta", "en": "“{title}” says what is asked"},
    "missing": {"es": "ningún pasaje habla de: {words}", "en": "no passage speaks of: {words}"},
    "type": {
        "es": "el pasaje más cercano no da lo que se pide",
        "en": "the nearest passage gives no such thing as is asked for",
    },
    "denied": {
        "es": "según el modelo que lo comprueba, los pasajes no lo responden",
        "en": "the model that checks it finds no answer in the passages",
    },
    "other": {
        "es": "los pasajes encontrados hablan de otra cosa",
        "en": "the passages found speak of something else",
    },
    "empty": {"es": "no se ha encontrado ningún pasaje", "en": "no passage was found"},
}
_NEAREST: dict[Language, str] = {
    "es": "Lo más cercano que dicen («{title}»), que no es lo que preguntas:",
    "en": "The nearest that they say (“{title}”), which is not what you ask:",
}


@dataclass(frozen=True)
class Answerability:
    """The decision: `support` in [0, 1] is the probability that the hits hold the answer.

    `reason` says why in the question's language; `title` is that of the hit that comes closest and `quote`
    what it says there, to the character ("" without hits).
    """

    support: float
    verdict: Verdict
    reason: str
    title: str = ""
    quote: str = ""


def judge(
    question: str, hits: Sequence[Hit], *, language: Language, embedder: str = FITTED_EMBEDDER
) -> Answerability:
    """Whether `hits` (as the bridge gives them, best first, with their `legs` and the `embedder` whose
    cosines they have) answer a question that stands alone; of one that asks several things, the part that is
    answered best."""
    if not hits:
        return Answerability(0.0, "refuse", _REASONS["empty"][language])
    asked, known = take_apart(question, language), embedder == FITTED_EMBEDDER
    parts = [gather_evidence(part, hits, language=language, cosines=known) for part in asked]
    support, found = max(((_support(part), part) for part in parts), key=lambda pair: pair[0])
    support = _with_reranker(support, hits)
    if not found.units:
        return Answerability(0.0, "refuse", _REASONS["other"][language])
    best = found.units[0]
    near = support >= NEAR_FROM and best.own_coverage >= NEAR_COVERAGE
    verdict: Verdict = "answer" if support >= ANSWER_FROM else "near" if near else "refuse"
    reason = _reason(found, verdict, language)
    return Answerability(round(support, 3), verdict, reason, best.passage.title, best.unit.text)


def is_open(judged: Answerability) -> bool:
    """Whether the opinion of a model could turn the decision."""
    return bool(judged.quote) and (_weighed(judged, True) >= ANSWER_FROM) != (
        _weighed(judged, False) >= ANSWER_FROM
    )


def with_opinion(judged: Answerability, answers: bool, *, language: Language) -> Answerability:
    """A decision with what a model thinks of the same passages."""
    support = _weighed(judged, answers)
    if support >= ANSWER_FROM:
        reason = _REASONS["held"][language].format(title=judged.title.replace("_", " "))
        return replace(judged, support=support, verdict="answer", reason=reason)
    if judged.verdict != "answer":
        return replace(judged, support=support)
    verdict: Verdict = "near" if support >= NEAR_FROM else "refuse"
    return replace(judged, support=support, verdict=verdict, reason=_REASONS["denied"][language])


def _weighed(judged: Answerability, answers: bool) -> float:
    return round((1 - ENTAILMENT_WEIGHT) * judged.support + ENTAILMENT_WEIGHT * answers, 3)


def unanswered(judged: Answerability, language: Language) -> str:
    """What is said instead of an answer for `near` and `refuse`. It has no citation mark: nothing that it
    quotes is given as an answer."""
    if not judged.quote:
        return NOTHING[language]
    said = f"{ABSENT[language]} {judged.reason[0].upper()}{judged.reason[1:]}."
    if judged.verdict == "refuse":
        return said
    return f"{said} {_NEAREST[language].format(title=judged.title)}\n\n> {_quoted(judged.quote)}"


def decline(judged: JsonObject, language: Language) -> str:
    """What is said instead of an answer, by an `Answerability` as JSON; "" where it says to answer, or was
    not made."""
    if not judged or judged["verdict"] == "answer":
        return ""
    return unanswered(Answerability(**judged), language)


def support_of(signals: Mapping[str, float]) -> float:
    """The probability in [0, 1] that signals are those of an answer; without cosines by words alone."""
    if not signals:
        return 0.0
    known = load_weights()
    weights, usual = known["scores" if "dense" in signals else "words"], known["means"]
    total = weights["bias"] + sum(
        weight * signals.get(name, usual[name]) for name, weight in weights.items() if name != "bias"
    )
    return 1 / (1 + math.exp(-total))


@lru_cache(maxsize=1)
def load_weights() -> Mapping[str, Weights]:
    """The weights by signal, `scores` with the retrievers' cosines and `words` without; `means` stand for
    signals that are absent."""
    found = json.loads(WEIGHTS.read_text("utf-8"))
    return {name: found[name] for name in ("scores", "words", "means")}


def _support(found: Evidence) -> float:
    """By all signals; of a table, a form or a list, whose cosines say less, by words alone where that is
    more."""
    support = support_of(found.signals)
    return max(support, support_of(without_scores(found.signals))) if found.listing else support


def _with_reranker(support: float, hits: Sequence[Hit]) -> float:
    """The mean with what a reranking model thought of its best hit, where one was asked."""
    judged = [hit.legs["rerank"]["score"] for hit in hits if "rerank" in hit.legs]
    return (1 - RERANK_WEIGHT) * support + RERANK_WEIGHT * max(judged) if judged else support


def _reason(found: Evidence, verdict: Verdict, language: Language) -> str:
    if verdict == "answer":
        return _REASONS["held"][language].format(title=found.units[0].passage.title.replace("_", " "))
    if found.missing:
        written = {fold(word): word for word in words(found.question.text)}
        listed = ", ".join(f"«{written.get(word, word)}»" for word in found.missing)
        return _REASONS["missing"][language].format(words=listed)
    return _REASONS["type" if found.signals.get("type_missing") else "other"][language]


def _quoted(text: str) -> str:
    return text.replace("\n", "\n> ")
