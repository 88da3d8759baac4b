"""Passages as evidence: their sentences with the claims that they make, and whether a claim holds a word.
Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from agents.grounding.claims import Claim, read_claim
from agents.grounding.sentences import Sentence, split_sentences
from tools.schema import Citation, Language
from tools.text.glossary import translations
from tools.text.language import detect
from tools.text.stopwords import ANAPHORS
from tools.text.words import fold

COGNATE = 5
"""Words of two languages that begin with so many equal letters are taken for the same."""
_ANAPHORS = frozenset({*map(fold, ANAPHORS), "su", "sus"})


@dataclass(frozen=True)
class Unit:
    """A sentence of a passage, the claim it makes, and where it stands in the passage's text."""

    claim: Claim
    start: int
    end: int
    refers_back: bool


@dataclass(frozen=True)
class Evidence:
    """A passage as it is compared; `n` is 0 for what cannot be cited, as a tool's answer."""

    n: int
    title: str
    text: str

    @cached_property
    def language(self) -> Language:
        """The passage's."""
        return detect(self.text, default=detect(self.title, default="es"))

    @cached_property
    def units(self) -> list[Unit]:
        """Its sentences, in order."""
        return [self._unit(sentence) for sentence in split_sentences(self.text) if sentence.text.strip()]

    @cached_property
    def heading(self) -> Claim:
        """Its title, of which every sentence speaks."""
        return read_claim(f"· {self.title}", self.language)

    @cached_property
    def whole(self) -> Claim:
        """Title and text at once."""
        return read_claim(f"· {self.title}. {self.text}", self.language)

    def _unit(self, sentence: Sentence) -> Unit:
        opening = re.match(r"\W*(\w+)", fold(sentence.text))
        refers = bool(opening) and opening[1] in _ANAPHORS
        return Unit(read_claim(sentence.text, self.language), sentence.start, sentence.end, refers)


def read_evidence(sources: Iterable[Citation], more: Iterable[str] = ()) -> list[Evidence]:
    """The passages, and texts that an answer may rest on without citing them."""
    return [
        *(Evidence(source.n, source.title, source.text) for source in sources),
        *(Evidence(0, "", text) for text in more),
    ]


def holds(term: str, claim: Claim, asker: Claim) -> bool:
    """Whether `claim` has a term of `asker`, which may be in the other language."""
    if term in claim.terms or term in claim.names:
        return True
    if claim.language == asker.language:
        return len(term) > COGNATE and any(_inflected(term, other) for other in claim.terms)
    across = translations(term, asker.language)
    return any(one in claim.terms for one in across) or (
        len(term) >= COGNATE and any(other[:COGNATE] == term[:COGNATE] for other in claim.terms)
    )


def _inflected(one: str, other: str) -> bool:
    shared = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return shared >= COGNATE and shared >= 0.75 * max(len(one), len(other))
