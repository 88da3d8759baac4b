"""Chooses which ranked units answer a question: the best, and those that come close to it or add what it
lacks. Pure."""

from collections.abc import Sequence

from tools.extractive.question import Question, has_answer_type
from tools.extractive.ranking import ScoredUnit
from tools.text.words import fold

SAME_PASSAGE, OTHER_PASSAGE, SAME_LIST = 0.63, 0.93, 0.93
"""Least score of a further unit, as a part of the best's: in its passage, in another, in the same list."""
CLEAR_COVERAGE, CLEAR_PART = 0.9, 0.85
"""A best unit that covers so much of the question stands alone, but for units as good as this part of it."""
MAX_UNITS = 3
PART_COVERAGE = 0.4
"""What a unit must hold itself of one part of a question. Chosen, not measured."""
NEIGHBOUR = 1
WITH_TYPE = 0.75
"""Least score, as a part of the best's, of a unit further off that has what is asked for."""
REACH = 3
"""So many units from what speaks of the matter a date or a number that is asked for may stand alone, as the
day above a letter does."""


def choose_units(ranked: Sequence[ScoredUnit]) -> list[ScoredUnit]:
    """At most `MAX_UNITS`, the best's passage first. Those before it in its passage come first only when
    they lead up to it: nobody asked for the others."""
    best = ranked[0]
    chosen, covered, seen = [best], set(best.terms), {fold(best.unit.text)}
    least = CLEAR_PART if best.own_coverage >= CLEAR_COVERAGE else SAME_PASSAGE
    for one in ranked[1:]:
        if len(chosen) == MAX_UNITS or one.score < least * best.score:
            break
        if fold(one.unit.text) in seen or not _belongs(one, best, adds=bool(one.terms - covered)):
            continue
        chosen.append(one)
        covered |= one.terms
        seen.add(fold(one.unit.text))
    first = {one.place: at for at, one in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda one: (first[one.place], _out_of_order(one, best), one.index))


def with_asked_type(
    question: Question, ranked: Sequence[ScoredUnit], chosen: list[ScoredUnit]
) -> list[ScoredUnit]:
    """`chosen`; where a date, a number or an identifier is asked for and none of them has any, what says as
    much of the question itself and has one, else `chosen` with the nearest in their passage that has one."""
    if question.answer_type not in ("date", "number", "identifier"):
        return chosen
    if any(has_answer_type(question, one.unit.text) for one in chosen):
        return chosen
    least = max(one.own_coverage for one in chosen)
    rival = next(
        (one for one in ranked if one.own_coverage >= least and has_answer_type(question, one.unit.text)),
        None,
    )
    if rival is not None and rival.own_coverage >= PART_COVERAGE:
        return [rival]
    near = [
        (abs(one.index - other.index), one)
        for one in ranked
        for other in chosen
        if one.place == other.place and has_answer_type(question, one.unit.text)
    ]
    distance, found = min(near, key=lambda pair: pair[0], default=(REACH + 1, None))
    if found is None or distance > REACH:
        found = next((one for one in ranked if has_answer_type(question, one.unit.text)), None)
        if found is None or found.score < WITH_TYPE * ranked[0].score:
            return chosen
    return [*chosen, found]


def best_of_part(question: Question, ranked: Sequence[ScoredUnit]) -> ScoredUnit | None:
    """The best unit that holds every name of one part of a question, and the kind of thing it asks for where
    that shows; None where there is none: the other part answers alone."""
    named = {at for at, word in enumerate(question.words) if word in question.names}
    shown = question.answer_type in ("date", "number")
    return next(
        (
            one
            for one in ranked
            if named <= one.terms
            and one.own_coverage >= PART_COVERAGE
            and (not shown or has_answer_type(question, one.unit.text))
        ),
        None,
    )


def _out_of_order(one: ScoredUnit, best: ScoredUnit) -> bool:
    """Whether a unit that stands before the best in its passage is too far from it to lead up to it."""
    return one.place == best.place and one.index < best.index - NEIGHBOUR


def _belongs(one: ScoredUnit, best: ScoredUnit, *, adds: bool) -> bool:
    """A neighbour in the best passage belongs; an entry of a list, or another passage, must earn it."""
    if one.place == best.place and "sentence" in (one.unit.kind, best.unit.kind):
        return True
    return one.score >= (SAME_LIST if one.place == best.place else OTHER_PASSAGE) * best.score and (
        adds or one.place == best.place
    )
