"""Ranks the units of the passages for a question. Pure; reads no prompt and writes no answer.

A unit's score is the idf-weighted share of the question that it covers, by itself or through its context (its
heading, its lead-in, its neighbours), plus bonuses for the answer type, for words that stand close together,
and for the passage's own rank. `tests/bench/agents.py` measures all the numbers together over XQuAD.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from servers.pool.extractive.question import Question, has_answer_type, is_generic
from servers.pool.extractive.units import Unit, split_units
from tools.passages import Passage
from tools.schema import Language
from tools.text.glossary import translations
from tools.text.language import detect
from tools.text.words import root, terms

HEADING_SHARE, PREVIOUS_SHARE, NEXT_SHARE, PASSAGE_SHARE = 0.4, 0.55, 0.3, 0.3
"""What a match counts in a unit's heading and lead-in, in its neighbours, and anywhere in its passage."""
TYPE_BONUS, PROXIMITY_BONUS, RANK_BONUS = 0.27, 0.12, 0.10
COGNATE_MATCH = 0.7
NAME_FACTOR, GENERIC_FACTOR = 1.5, 0.4
MIN_IDF = 0.4
COGNATE_CHARS, COGNATE_PART = 5, 0.6
"""Stems are cognates when they share so many first letters, and such a part of the longer one."""
NEAR_WORDS = 2

Matches: TypeAlias = dict[str, float]
"""Stems of a passage that stand for one word of the question, and how well (0 to 1)."""


@dataclass(frozen=True)
class ScoredUnit:
    """Unit `index` of the passage at `place` (both from 0).

    `score` orders units; `coverage` in [0, 1] is the share of the question that the unit and its context
    hold; `terms` are the positions of the question's words that it holds itself.
    """

    unit: Unit
    passage: Passage
    place: int
    index: int
    score: float
    coverage: float
    terms: frozenset[int]


@dataclass(frozen=True)
class _Analysed:
    """A passage split into units, with the stems of each, of its heading and lead-in, and of the whole."""

    passage: Passage
    language: Language
    units: list[Unit]
    stems: list[frozenset[str]]
    heading_stems: list[frozenset[str]]
    all_stems: frozenset[str]


def rank(question: Question, passages: Sequence[Passage]) -> list[ScoredUnit]:
    """All units of the passages, the best first; of equals in reading order."""
    analysed = _share_titles([_analyse(passage) for passage in passages])
    matches = [[_matches(word, question, passage) for passage in analysed] for word in question.words]
    weights = _idf_weights(question, matches, analysed)
    scored = [
        unit
        for place, passage in enumerate(analysed)
        for unit in _score(question, place, passage, [row[place] for row in matches], weights)
    ]
    return sorted(scored, key=lambda unit: -unit.score)


def _analyse(passage: Passage) -> _Analysed:
    language = detect(passage.text)
    found = split_units(passage.text)
    return _Analysed(
        passage,
        language,
        found,
        [_stems(unit.text, language) for unit in found],
        [_stems(f"{passage.title.replace('_', ' ')} {unit.heading} {unit.lead}", language) for unit in found],
        _stems(passage.text, language),
    )


def _share_titles(analysed: list[_Analysed]) -> list[_Analysed]:
    """Passages of one title are parts of one text: what one says is context of the others too."""
    shared: dict[str, frozenset[str]] = {}
    for each in analysed:
        shared[each.passage.title] = shared.get(each.passage.title, frozenset()) | each.all_stems
    return [replace(each, all_stems=shared[each.passage.title]) for each in analysed]


def _stems(text: str, language: Language) -> frozenset[str]:
    return frozenset(terms(text, language))


def _matches(word: str, question: Question, passage: _Analysed) -> Matches:
    """Which stems of a passage stand for one word of the question: itself, a translation or a cognate."""
    asked = root(word, question.language)
    vocabulary = passage.all_stems.union(*passage.heading_stems)
    found = {term: COGNATE_MATCH for term in vocabulary if _are_cognates(asked, term)}
    same = {asked, root(word, passage.language)}
    if passage.language != question.language:
        same.update(translations(asked, question.language))
    return found | dict.fromkeys(same & vocabulary, 1.0)


def _are_cognates(one: str, other: str) -> bool:
    """Same family (`intercept`, `intercepcion`) or same root in the other language."""
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    least = max(COGNATE_CHARS, COGNATE_PART * max(len(one), len(other)))
    return shared >= least and not one[0].isdigit()


def _idf_weights(question: Question, matches: list[list[Matches]], analysed: list[_Analysed]) -> list[float]:
    """Weight of each question word: its rarity over the units at hand; names and figures count half again.

    The idf of BM25 (Robertson and Spärck Jones) with more smoothing (5 and 2 for 0.5): the units are few.
    """
    total = sum(len(passage.stems) for passage in analysed)
    weights: list[float] = []
    for word, rows in zip(question.words, matches, strict=True):
        seen = sum(
            not found.keys().isdisjoint(stems)
            for found, passage in zip(rows, analysed, strict=True)
            for stems in passage.stems
        )
        idf = math.log(1 + (total - seen + 5) / (seen + 2))
        factor = NAME_FACTOR if word in question.names else GENERIC_FACTOR if is_generic(word) else 1.0
        weights.append((MIN_IDF + idf) * factor)
    return weights


def _score(
    question: Question, place: int, passage: _Analysed, matches: list[Matches], weights: list[float]
) -> Iterator[ScoredUnit]:
    """The scored units of one passage; `matches` are its own, by word of the question."""
    total = sum(weights) or 1.0
    for index, unit in enumerate(passage.units):
        own = [_best(found, passage.stems[index]) for found in matches]
        context = [_in_context(found, passage, index) for found in matches]
        best = [max(pair) for pair in zip(own, context, strict=True)]
        coverage = sum(weight * part for weight, part in zip(weights, best, strict=True)) / total
        score = coverage + _bonus(question, unit, passage.language) + RANK_BONUS / (1 + place)
        terms = frozenset(at for at, part in enumerate(own) if part > 0)
        yield ScoredUnit(unit, passage.passage, place, index, score, coverage, terms)


def _in_context(found: Matches, passage: _Analysed, index: int) -> float:
    """How well a word is matched around the unit at `index`, in [0, 1]."""
    nothing: frozenset[str] = frozenset()
    previous = passage.stems[index - 1] if index else nothing
    following = passage.stems[index + 1] if index + 1 < len(passage.stems) else nothing
    return max(
        HEADING_SHARE * _best(found, passage.heading_stems[index]),
        PREVIOUS_SHARE * _best(found, previous),
        NEXT_SHARE * _best(found, following),
        PASSAGE_SHARE * _best(found, passage.all_stems),
    )


def _best(found: Matches, stems: frozenset[str]) -> float:
    return max((weight for term, weight in found.items() if term in stems), default=0.0)


def _bonus(question: Question, unit: Unit, language: Language) -> float:
    bonus = TYPE_BONUS if has_answer_type(question, unit.text) else 0.0
    return bonus + PROXIMITY_BONUS * _proximity(question, unit, language)


def _proximity(question: Question, unit: Unit, language: Language) -> float:
    """Share of the question's neighbouring words that are near each other in the unit too, in [0, 1]."""
    places: dict[str, list[int]] = {}
    for at, term in enumerate(terms(unit.text, language)):
        places.setdefault(term, []).append(at)
    asked = [root(word, language) for word in question.words]
    pairs = list(pairwise(asked))
    near = sum(
        any(
            abs(left - right) <= NEAR_WORDS for left in places.get(one, ()) for right in places.get(other, ())
        )
        for one, other in pairs
    )
    return near / len(pairs) if pairs else 0.0
