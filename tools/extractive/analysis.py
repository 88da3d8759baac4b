"""Takes a passage apart for ranking: its units, their stems, those of what stands around them. Pure.

It knows no question; what has been taken apart is kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from tools.extractive.quantities import spellings
from tools.extractive.units import Unit, split_units
from tools.passages import Passage
from tools.schema import Language
from tools.text.language import detect
from tools.text.words import terms

FAMILY_CHARS = 5
"""Stems that share so many first letters may be cognates."""
KEPT_PASSAGES = 512
"""Passages that stay taken apart, some 20 kB each: what is asked about is found again and again."""

_HUMP = re.compile(
    r"(?<=[a-záéíóúñ])(?=[A-ZÁÉÍÓÚÑ])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-zA-Z]{2})(?=\d)|(?<=\d)(?=[a-zA-Z]{2})"
)
"""Between the words of a name that is written in one: `textField`, `utf16le`."""


@dataclass(frozen=True)
class AnalysedPassage:
    """A passage split into units: the terms of each in order, its stems, those of its heading and lead-in, of
    the whole."""

    passage: Passage
    language: Language
    units: list[Unit]
    terms: list[list[str]]
    stems: list[frozenset[str]]
    heading_stems: list[frozenset[str]]
    section_stems: list[frozenset[str]]
    last_heading_stems: list[frozenset[str]]
    all_stems: frozenset[str]
    families: Mapping[str, Sequence[str]]
    """The stems here, of texts and headings, by their first `FAMILY_CHARS` letters."""


def analyse_passages(passages: Sequence[Passage]) -> list[AnalysedPassage]:
    """The passages taken apart, in order; those of one title know each other's words."""
    return _share_titles(
        [replace(_analyse(one.title, one.heading, one.text), passage=one) for one in passages]
    )


def stems_of(text: str, language: Language) -> frozenset[str]:
    """The stems of a text, and of the words that are written as one: `textField` is a text and a field."""
    return _with_parts(terms(text, language), text, language)


def _with_parts(found: Sequence[str], text: str, language: Language) -> frozenset[str]:
    """The terms found in a text, and those of the parts of its words."""
    parted = _HUMP.sub(" ", text)
    return frozenset(found) if parted == text else frozenset((*found, *terms(parted, language)))


@lru_cache(maxsize=KEPT_PASSAGES)
def _analyse(title: str, heading: str, text: str) -> AnalysedPassage:
    """A passage taken apart; its number is another in every search."""
    language, found = detect(text), split_units(text)
    above = f"{title.replace('_', ' ')} {heading}"
    stems = lru_cache(partial(stems_of, language=language))
    said = [terms(unit.text, language) for unit in found]
    return AnalysedPassage(
        Passage(0, title, text, heading),
        language,
        found,
        said,
        [
            _with_parts(own, unit.text, language) | spellings(unit.text)
            for own, unit in zip(said, found, strict=True)
        ],
        [stems(f"{above} {unit.heading} {unit.lead}") for unit in found],
        [stems(f"{heading} {unit.heading}") for unit in found],
        [stems((unit.heading or heading).rpartition("›")[2]) for unit in found],
        stems_of(text, language) | spellings(text),
        {},
    )


def _share_titles(analysed: list[AnalysedPassage]) -> list[AnalysedPassage]:
    """Passages of one title are parts of one text: what one says is context of the others too."""
    shared: dict[str, frozenset[str]] = {}
    for each in analysed:
        shared[each.passage.title] = shared.get(each.passage.title, frozenset()) | each.all_stems
    return [
        replace(each, all_stems=known, families=_families(known.union(*each.heading_stems)))
        for each in analysed
        for known in [shared[each.passage.title]]
    ]


@lru_cache(maxsize=KEPT_PASSAGES)
def _families(stems: frozenset[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for stem in stems:
        if len(stem) >= FAMILY_CHARS:
            found.setdefault(stem[:FAMILY_CHARS], []).append(stem)
    return found
