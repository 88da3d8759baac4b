"""Gives every unit of the passages a worth for a question. Pure; reads no prompt and writes no answer.

Worth is the idf-weighted share of the question that a unit covers, by itself or through what it hangs from
(its heading, its lead-in, its neighbours), plus signs that it holds the kind of answer that is asked for.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from servers.pool.extractive.question import Question, holds_wanted, is_plain
from servers.pool.extractive.units import Unit, units
from tools.passages import Passage
from tools.schema import Language
from tools.text.glossary import translations
from tools.text.language import detect
from tools.text.words import root, terms

FRAME, BEFORE, AFTER, PASSAGE = 0.4, 0.55, 0.3, 0.3
WANTED, PAIRS, RANK = 0.27, 0.12, 0.10
COGNATE = 0.7
NAME, PLAIN = 1.5, 0.4

Weights = dict[str, float]


@dataclass(frozen=True)
class Scored:
    """Unit `index` of the passage at `place`. `worth` orders units; `coverage` in [0, 1] is the share of the
    question that the unit and what surrounds it hold; `terms` are the question words it holds itself."""

    unit: Unit
    passage: Passage
    place: int
    index: int
    worth: float
    coverage: float
    terms: frozenset[int]


@dataclass(frozen=True)
class Read:
    """A passage cut into units, with the words of each and the language it is in."""

    passage: Passage
    language: Language
    units: list[Unit]
    bags: list[frozenset[str]]
    frames: list[frozenset[str]]
    whole: frozenset[str]


def rank(question: Question, passages: Sequence[Passage]) -> list[Scored]:
    """All units, the worthiest first."""
    reads = _joined([_read(passage) for passage in passages])
    matches = [_match(word, question, reads) for word in question.words]
    weights = _weights(question, matches, reads)
    scored = [
        one for place, read in enumerate(reads) for one in _score(question, place, read, matches, weights)
    ]
    return sorted(scored, key=lambda one: -one.worth)


def _read(passage: Passage) -> Read:
    language = detect(passage.text)
    found = units(passage.text)
    return Read(
        passage,
        language,
        found,
        [_bag(unit.text, language) for unit in found],
        [_bag(f"{passage.title.replace('_', ' ')} {unit.heading} {unit.lead}", language) for unit in found],
        _bag(passage.text, language),
    )


def _joined(reads: list[Read]) -> list[Read]:
    """Passages of one title are parts of one text: what one says stands around the others too."""
    shared: dict[str, frozenset[str]] = {}
    for read in reads:
        shared[read.passage.title] = shared.get(read.passage.title, frozenset()) | read.whole
    return [replace(read, whole=shared[read.passage.title]) for read in reads]


def _bag(text: str, language: Language) -> frozenset[str]:
    return frozenset(terms(text, language))


def _match(word: str, question: Question, reads: Iterable[Read]) -> list[Weights]:
    """For one word of the question: per passage, which of its terms stand for it, and how well."""
    return [_stands(word, question, read) for read in reads]


def _stands(word: str, question: Question, read: Read) -> Weights:
    asked = root(word, question.language)
    vocabulary = read.whole.union(*read.frames)
    found = {term: COGNATE for term in vocabulary if _cognate(asked, term)}
    same = {asked, root(word, read.language)}
    if read.language != question.language:
        same.update(translations(asked, question.language))
    return found | dict.fromkeys(same & vocabulary, 1.0)


def _cognate(one: str, other: str) -> bool:
    """Same family (`intercept`, `intercepcion`) or same root in the other language."""
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    return shared >= 5 and shared >= 0.6 * max(len(one), len(other)) and not one[0].isdigit()


def _weights(question: Question, matches: list[list[Weights]], reads: list[Read]) -> list[float]:
    """Rarity of each question word over the units at hand; names and figures weigh half again as much."""
    total = sum(len(read.bags) for read in reads)
    weights = []
    for word, stands in zip(question.words, matches, strict=True):
        seen = sum(
            not found.keys().isdisjoint(bag)
            for found, read in zip(stands, reads, strict=True)
            for bag in read.bags
        )
        rarity = math.log(1 + (total - seen + 5) / (seen + 2))
        weights.append(
            (0.4 + rarity) * (NAME if word in question.names else PLAIN if is_plain(word) else 1.0)
        )
    return weights


def _score(
    question: Question, place: int, read: Read, matches: list[list[Weights]], weights: list[float]
) -> Iterable[Scored]:
    stands = [per_passage[place] for per_passage in matches]
    total = sum(weights) or 1.0
    for index, unit in enumerate(read.units):
        own = [_best(found, read.bags[index]) for found in stands]
        near = [_near(found, read, index) for found in stands]
        held = [max(mine, other) for mine, other in zip(own, near, strict=True)]
        coverage = sum(weight * part for weight, part in zip(weights, held, strict=True)) / total
        worth = coverage + _signs(question, unit, read, index) + RANK / (1 + place)
        yield Scored(
            unit,
            read.passage,
            place,
            index,
            worth,
            coverage,
            frozenset(i for i, part in enumerate(own) if part > 0),
        )


def _near(found: Weights, read: Read, index: int) -> float:
    before = read.bags[index - 1] if index else frozenset()
    after = read.bags[index + 1] if index + 1 < len(read.bags) else frozenset()
    return max(
        FRAME * _best(found, read.frames[index]),
        BEFORE * _best(found, before),
        AFTER * _best(found, after),
        PASSAGE * _best(found, read.whole),
    )


def _best(found: Weights, bag: frozenset[str]) -> float:
    return max((weight for term, weight in found.items() if term in bag), default=0.0)


def _signs(question: Question, unit: Unit, read: Read, index: int) -> float:
    bonus = WANTED if holds_wanted(question, unit.text) else 0.0
    return bonus + PAIRS * _pairs(question, unit, read.language)


def _pairs(question: Question, unit: Unit, language: Language) -> float:
    """Share of the question's neighbouring words that are near each other in the unit too."""
    places: dict[str, list[int]] = {}
    for at, term in enumerate(terms(unit.text, language)):
        places.setdefault(term, []).append(at)
    asked = [root(word, language) for word in question.words]
    pairs = list(pairwise(asked))
    close = sum(
        any(abs(left - right) <= 2 for left in places.get(one, ()) for right in places.get(other, ()))
        for one, other in pairs
    )
    return close / len(pairs) if pairs else 0.0
