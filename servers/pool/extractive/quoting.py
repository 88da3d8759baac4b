"""Writes chosen units down as quotes, each followed by its mark `[n]`, with what they can not be read
without: a lead-in, the sentence before, the name of what a pronoun stands for. Pure."""

from collections.abc import Sequence

from tools.extractive.question import Question, asks_for_title
from tools.extractive.ranking import ScoredUnit
from tools.extractive.units import Unit, split_units
from tools.text.stopwords import ANAPHORS
from tools.text.words import words

MAX_SIBLINGS = 12
"""So many entries of a list are quoted when the whole list is asked for."""
SUBJECTLESS = frozenset(
    "es son era eran fue fueron sirve tiene se su sus hace permite puede además también".split()
)
"""Beginnings of Spanish sentences whose subject stands before them."""

Written = set[tuple[int, int]]


def write_quotes(question: Question, chosen: Sequence[ScoredUnit], written: Written) -> str:
    """The quotes in order; what is `written` (place and index of units) is not said again, and is added
    to."""
    quotes: list[str] = []
    for one in chosen:
        around = split_units(one.passage.text)
        for index in _with_context(question, one, around):
            if (one.place, index) not in written:
                written.add((one.place, index))
                titled = not quotes and asks_for_title(question)
                quotes.append(_quote(one, around, index, first=not quotes, titled=titled))
    return "".join(quotes).strip()


def _with_context(question: Question, one: ScoredUnit, around: Sequence[Unit]) -> list[int]:
    """The index of the unit, and those of the units that it can not be read without."""
    unit, index = around[one.index], one.index
    if unit.text.endswith(":"):
        return [index, *_introduced(around, index)]
    if unit.kind == "item" and question.answer_type in ("list", "procedure"):
        siblings = [at for at, other in enumerate(around) if other.block == unit.block]
        return siblings[:MAX_SIBLINGS]
    before = index - 1
    if (
        unit.kind == "sentence"
        and index
        and around[before].block == unit.block
        and not _subject(one, unit)
        and _first_word(unit.text) in ANAPHORS
    ):
        return [before, index]
    return [index]


def _introduced(around: Sequence[Unit], index: int) -> list[int]:
    after = [at for at in range(index + 1, len(around)) if around[at].lead == around[index].text]
    return after[:MAX_SIBLINGS]


def _first_word(text: str) -> str:
    return next(iter(words(text)), "").casefold()


def _subject(one: ScoredUnit, unit: Unit) -> str:
    """What a sentence without a noun of its own speaks of: the heading it stands below; "" where it has
    none, or says it itself."""
    first = _first_word(unit.text)
    if unit.kind != "sentence" or first not in ANAPHORS | SUBJECTLESS:
        return ""
    return (unit.heading or one.passage.heading).rpartition("›")[2].strip()


def _quote(one: ScoredUnit, around: Sequence[Unit], index: int, *, first: bool, titled: bool) -> str:
    unit, n = around[index], one.passage.n
    above = (unit.heading or one.passage.heading or one.passage.title).strip() if titled else ""
    if above:
        return f"{above} [{n}]{_quote(one, around, index, first=False, titled=False)}"
    gap = "" if first else " "
    if unit.kind == "code":
        return f"\n{unit.text}\n"
    if unit.text.endswith(":"):
        return f"{gap}{unit.text} [{n}]"
    if unit.kind == "item":
        lead = f"{unit.lead} [{n}]" if first and unit.lead else ""
        return f"{lead}\n- {unit.text} [{n}]"
    if unit.kind == "row":
        return f"\n- {unit.text} [{n}]"
    subject = _subject(one, unit)
    return f"{gap}{subject}: {unit.text} [{n}]" if subject else f"{gap}{unit.text} [{n}]"
