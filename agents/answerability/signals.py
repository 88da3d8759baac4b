"""The signals of answerability: what the retrievers' scores and the passages' words say of a question. Pure.

What they weigh together is `decision`'s business.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tools.extractive.analysis import stems_of
from tools.extractive.question import Question, analyse_question, has_answer_type
from tools.extractive.ranking import ScoredUnit, rank
from tools.passages import Passage
from tools.schema import Hit, Language
from tools.text.language import detect
from tools.text.words import root

FITTED_EMBEDDER = "multilingual-e5-small+minilm-l6-v2"
"""Whose cosines the weights know; those of another one have another scale, and are left out."""
SURFACELESS = frozenset({"procedure", "list", "open"})
"""Types of question whose answers look like anything."""
MOST_WORDS = 12
PROSE_SHARE = 0.5
"""A passage less of which stands in whole sentences is a table, a form, a list of names. Chosen."""
_ENDED = re.compile(r"[.!?…][\"'»”’)\]]*$")


@dataclass(frozen=True)
class Evidence:
    """What was asked, the signals by name (each about -1 to 2), and the units of the hits, the best first.

    Signals of a retriever that said nothing, or whose scale is not known, are absent. `missing` are the
    question's words that no passage holds. `listing` says that the best unit's passage is a table, a form or
    a list, whose cosines are lower than those of prose, which the weights know.
    """

    question: Question
    signals: Mapping[str, float]
    units: Sequence[ScoredUnit]
    missing: tuple[str, ...]
    listing: bool = False


def gather_evidence(
    question: str, hits: Sequence[Hit], *, language: Language | None = None, cosines: bool = True
) -> Evidence:
    """The evidence of search results (best first, with raw leg scores) for one question; `cosines` says
    whether those of the dense leg are of `FITTED_EMBEDDER`."""
    analysed = analyse_question(question, language)
    passages = [
        Passage(n, hit.title, hit.text, hit.metadata.get("heading", "")) for n, hit in enumerate(hits, 1)
    ]
    units = rank(analysed, passages)
    if not units:
        return Evidence(analysed, {}, units, analysed.words)
    listing, best = _is_listing(units), units[0].place
    held = [_held(analysed, place, units, passages) for place in range(len(passages))]
    if listing:  # what is said of all rows stands above the table: what it is of, when
        same = [at for at, passage in enumerate(passages) if passage.title == passages[best].title]
        held[best] = set[int]().union(*(held[at] for at in same))
    seen = set[int]().union(*held)
    missing = tuple(analysed.words[at] for at in _matter(analysed) if at not in seen)
    signals = {
        **(_dense(hits) if cosines else {}),
        **_text(hits),
        **_words(analysed, units, held, len(missing)),
    }
    return Evidence(analysed, signals, units, missing, listing)


def without_scores(signals: Mapping[str, float]) -> dict[str, float]:
    """The signals but those of cosines."""
    return {name: value for name, value in signals.items() if not name.startswith("dense")}


def _is_listing(units: Sequence[ScoredUnit]) -> bool:
    """Whether the best unit's passage is made of rows, entries and lines rather than of sentences."""
    texts = [unit.unit for unit in units if unit.place == units[0].place]
    prose = sum(len(one.text) for one in texts if one.kind == "sentence" and _ENDED.search(one.text))
    return prose < PROSE_SHARE * sum(len(one.text) for one in texts)


def _scores(hits: Sequence[Hit], leg: str) -> list[float]:
    return [abs(hit.legs[leg]["score"]) if leg in hit.legs else 0.0 for hit in hits]


def _dense(hits: Sequence[Hit]) -> dict[str, float]:
    """How near the nearest passage is, and how much nearer than the others; ten hundredths are 1."""
    found = sorted((score for score in _scores(hits, "dense") if score), reverse=True)
    if len(found) < 2:
        return {}
    return {
        "dense": 10 * (found[0] - 0.85),
        "dense_over_fifth": 10 * (found[0] - found[:5][-1]),
        "dense_over_mean": 10 * (found[0] - fmean(found[1:])),
    }


def _text(hits: Sequence[Hit]) -> dict[str, float]:
    """BM25's lead over the second, and whether both retrievers agree. Its size is left out: it grows with the
    collection."""
    scores, dense = _scores(hits, "text"), _scores(hits, "dense")
    found = sorted(scores, reverse=True)
    if not found or not found[0]:
        return {}
    agree = any(dense) and dense.index(max(dense)) == scores.index(found[0])
    return {
        "text_lead": (found[0] - found[1]) / found[0] if len(found) > 1 else 1.0,
        "agree": float(agree),
    }


def _words(
    question: Question, units: Sequence[ScoredUnit], held: Sequence[set[int]], missing: int
) -> dict[str, float]:
    """What the best unit and its passage cover of the question, and whether the type asked for is there;
    `missing` of its words no passage holds."""
    best, matter = units[0], _matter(question)
    count = max(1, len(matter))
    others = [unit.score for unit in units if unit.place != best.place]
    here = held[best.place]
    named = [at for at, word in enumerate(question.words) if word in question.names]
    typed = question.answer_type not in SURFACELESS
    inside = any(has_answer_type(question, unit.unit.text) for unit in units if unit.place == best.place)
    across = detect(best.passage.text, default=question.language) != question.language
    return {
        "coverage": best.coverage,
        "own": len(best.terms.intersection(matter)) / count,
        "passage": len(here.intersection(matter)) / count,
        "unseen": missing / count,
        "names_missing": sum(at not in here for at in named) / max(1, len(named)),
        "lead": best.score - max(others, default=0.0),
        "type_missing": float(typed and not inside),
        "words": min(len(matter), MOST_WORDS) / MOST_WORDS,
        "first": float(best.place == 0),
        "across": float(across),
    }


def _matter(question: Question) -> list[int]:
    """Positions of the words that speak of what a document says, and not only of the document; of all where
    none does."""
    every = range(len(question.words))
    return [at for at in every if question.words[at] not in question.containers] or list(every)


def _held(
    question: Question, place: int, units: Sequence[ScoredUnit], passages: Sequence[Passage]
) -> set[int]:
    """Positions of the question's words that a passage holds, in its title and heading too."""
    passage = passages[place]
    above = stems_of(f"{passage.title.replace('_', ' ')} {passage.heading}", question.language)
    named = {at for at, word in enumerate(question.words) if root(word, question.language) in above}
    return named.union(*(unit.terms for unit in units if unit.place == place))
