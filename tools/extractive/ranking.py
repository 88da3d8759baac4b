"""Ranks the units of the passages for a question. Pure; reads no prompt and writes no answer.

A unit's score is the idf-weighted share of the question that it covers, by itself or through its context (its
heading, its lead-in, its neighbours), plus bonuses for the answer type, for words that stand close together,
and for the passage's own rank. `tests/bench/agents.py` measures all the numbers together over XQuAD.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from tools.extractive.analysis import FAMILY_CHARS, AnalysedPassage, analyse_passages, stems_of
from tools.extractive.quantities import ordinal, ungrouped
from tools.extractive.question import (
    Question,
    asks_for_more,
    asks_for_title,
    has_answer_type,
    is_generic,
)
from tools.extractive.units import Unit
from tools.passages import Passage
from tools.schema import Language
from tools.text.glossary import translations
from tools.text.words import root

HEADING_SHARE, PREVIOUS_SHARE, NEXT_SHARE, PASSAGE_SHARE = 0.4, 0.55, 0.3, 0.3
"""What a match counts in a unit's heading and lead-in, in its neighbours, and anywhere in its passage."""
TYPE_BONUS, PROXIMITY_BONUS, RANK_BONUS = 0.12, 0.12, 0.3
HEADING_BONUS, SECTION_SHARE = 0.6, 0.7
"""For a unit whose heading says all that is asked and nothing else, less for less; and what a match counts in
the section's own headings, where a document has any. Chosen: `How do I get a real model?` is answered by the
section `How to get a real model`. XQuAD has no headings."""
NUMBER_SHARE = 0.9
"""What a number in the heading counts: `artículo 18` is said nowhere else in that article."""
NOTHING_NEW = 0.5
"""What a unit keeps of its score when it says the question's words and no other: a caption, a list of key
words. Chosen."""
LABEL_BONUS, LABEL_WORDS = 0.25, 4
"""For a unit of which a label of so few words at most is all asked for, as `Total 821` and `Colour: red;
total: 821` tell the total, and `Total points 3247` another. Chosen."""
COGNATE_MATCH = 0.7
NAME_FACTOR, GENERIC_FACTOR = 1.5, 0.4
MIN_IDF = 0.4
COGNATE_PART = 0.6
"""Stems are cognates when they share `FAMILY_CHARS` first letters, and such a part of the longer one."""
NEAR_WORDS = 2
KEPT_TEXTS = 8_192
"""Units whose labels stay known: what is found is found again."""

_LABEL = re.compile(r"(?:^|; )([^:;]{1,40}): (?=\S)|^([^\W\d]{3,20}) \W*(?:\d[.,]?){3,}\W*$")

Matches: TypeAlias = dict[str, float]
"""Stems of a passage that stand for one word of the question, and how well (0 to 1)."""


@dataclass(frozen=True)
class ScoredUnit:
    """Unit `index` of the passage at `place` (both from 0).

    `score` orders units; `coverage` in [0, 1] is the share of the question that the unit and its context
    hold, `own_coverage` what it holds itself; `terms` are the positions of the question's words in it.
    """

    unit: Unit
    passage: Passage
    place: int
    index: int
    score: float
    coverage: float
    own_coverage: float
    terms: frozenset[int]


def rank(question: Question, passages: Sequence[Passage]) -> list[ScoredUnit]:
    """All units of the passages, the best first; of equals in reading order."""
    analysed = analyse_passages(passages)
    matches = [[_matches(word, question, passage) for passage in analysed] for word in question.words]
    weights = _idf_weights(question, matches, analysed)
    scored = [
        unit
        for place, passage in enumerate(analysed)
        for unit in _score(question, place, passage, [row[place] for row in matches], weights)
    ]
    return sorted(scored, key=lambda unit: -unit.score)


def _matches(word: str, question: Question, passage: AnalysedPassage) -> Matches:
    """Which stems of a passage stand for one word of the question: itself, a translation or a cognate."""
    asked = root(word, question.language)
    family = passage.families.get(asked[:FAMILY_CHARS], ())
    found = {term: COGNATE_MATCH for term in family if _are_cognates(asked, term)}
    same = {asked, root(word, passage.language), ungrouped(word), ordinal(word)}
    if passage.language != question.language:
        same.update(translations(asked, question.language))
    known = [passage.all_stems, *passage.heading_stems]
    return found | {term: 1.0 for term in same if any(term in stems for stems in known)}


def _are_cognates(one: str, other: str) -> bool:
    """Same family (`intercept`, `intercepcion`) or same root in the other language."""
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    least = max(FAMILY_CHARS, COGNATE_PART * max(len(one), len(other)))
    return shared >= least and not one[0].isdigit()


def _idf_weights(
    question: Question, matches: list[list[Matches]], analysed: list[AnalysedPassage]
) -> list[float]:
    """Weight of each question word: its rarity over the units at hand; names and figures count half again,
    and what only names the document (`containers`) nothing where no passage says it.

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
        if not any(rows) and word in question.containers:
            weights.append(0.0)
            continue
        idf = math.log(1 + (total - seen + 5) / (seen + 2))
        factor = NAME_FACTOR if word in question.names else GENERIC_FACTOR if is_generic(word) else 1.0
        weights.append((MIN_IDF + idf) * factor)
    return weights


def _score(
    question: Question, place: int, passage: AnalysedPassage, matches: list[Matches], weights: list[float]
) -> Iterator[ScoredUnit]:
    """The scored units of one passage; `matches` are its own, by word of the question."""
    total, asks_more = sum(weights) or 1.0, asks_for_more(question) and not asks_for_title(question)
    said = frozenset[str]().union(*matches)
    numbers = [{term: part for term, part in found.items() if term[:1].isdigit()} for found in matches]
    roots = [root(word, passage.language) for word in question.words]
    for index, unit in enumerate(passage.units):
        own = [_best(found, passage.stems[index]) for found in matches]
        best = [
            max(alone, _in_context(found, figures, passage, index)) if found else alone
            for alone, found, figures in zip(own, matches, numbers, strict=True)
        ]
        coverage = sum(weight * part for weight, part in zip(weights, best, strict=True)) / total
        score = coverage + _bonus(question, unit, roots, passage.terms[index]) + RANK_BONUS / (1 + place)
        score += HEADING_BONUS * _in_heading(matches, said, passage.last_heading_stems[index])
        score += LABEL_BONUS * _is_labelled(said, unit.text, passage.language)
        if asks_more and _only_repeats(question, said, passage.stems[index]):
            score *= NOTHING_NEW
        terms = frozenset(at for at, part in enumerate(own) if part > 0)
        alone = sum(weight * part for weight, part in zip(weights, own, strict=True)) / total
        yield ScoredUnit(unit, passage.passage, place, index, score, coverage, alone, terms)


def _in_context(found: Matches, numbers: Matches, passage: AnalysedPassage, index: int) -> float:
    """How well a word is matched around the unit at `index`, in [0, 1]; `numbers` are those of its matches
    that are figures."""
    nothing: frozenset[str] = frozenset()
    previous = passage.stems[index - 1] if index else nothing
    following = passage.stems[index + 1] if index + 1 < len(passage.stems) else nothing
    return max(
        NUMBER_SHARE * _best(numbers, passage.section_stems[index]),
        SECTION_SHARE * _best(found, passage.section_stems[index]),
        HEADING_SHARE * _best(found, passage.heading_stems[index]),
        PREVIOUS_SHARE * _best(found, previous),
        NEXT_SHARE * _best(found, following),
        PASSAGE_SHARE * _best(found, passage.all_stems),
    )


def _in_heading(matches: Sequence[Matches], said: frozenset[str], heading: frozenset[str]) -> float:
    """How much a heading and a question of two words or more say the same, in [0, 1]: the share of the
    question that the heading holds, squared, by the share of the heading that the question holds. `said` are
    the stems of all `matches`."""
    if not heading or len(matches) < 2:
        return 0.0
    asked = sum(not found.keys().isdisjoint(heading) for found in matches) / len(matches)
    return asked**2 * len(said & heading) / len(heading)


def _is_labelled(said: frozenset[str], text: str, language: Language) -> bool:
    """Whether one of the labels in a unit, in one of its languages, says nothing but what is asked."""
    return any(stems <= said for stems in _labels(text, language))


@lru_cache(maxsize=KEPT_TEXTS)
def _labels(text: str, language: Language) -> list[frozenset[str]]:
    """The stems of each label in a unit that has few words."""
    return [
        stems
        for label in map("".join, _LABEL.findall(text))
        for one in label.split(" · ")
        if 0 < len(stems := stems_of(one, language)) <= LABEL_WORDS
    ]


def _only_repeats(question: Question, said: frozenset[str], stems: frozenset[str]) -> bool:
    """Whether a unit says words of the question alone; who asks for the second line is told by `line 2`."""
    if not stems or not stems <= said:
        return False
    return not any(number in stems for word in question.words if (number := ordinal(word)) != word)


def _best(found: Matches, stems: frozenset[str]) -> float:
    best = 0.0
    for term, weight in found.items():
        if weight > best and term in stems:
            best = weight
    return best


def _bonus(question: Question, unit: Unit, asked: Sequence[str], said: Sequence[str]) -> float:
    bonus = TYPE_BONUS if has_answer_type(question, unit.text) else 0.0
    return bonus + PROXIMITY_BONUS * _proximity(asked, said)


def _proximity(asked: Sequence[str], said: Sequence[str]) -> float:
    """Share of the question's neighbouring words that are near each other in what is said too, in [0, 1]."""
    places: dict[str, list[int]] = {term: [] for term in asked}
    for at, term in enumerate(said):
        if term in places:
            places[term].append(at)
    pairs = list(pairwise(asked))
    near = sum(
        any(abs(left - right) <= NEAR_WORDS for left in places[one] for right in places[other])
        for one, other in pairs
    )
    return near / len(pairs) if pairs else 0.0
