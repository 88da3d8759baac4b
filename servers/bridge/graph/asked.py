"""What a question asks of the passages at hand: how near its words stand to a name, and which of its words
one passage leaves to another. Pure.

Words are compared by their first letters: `director` and `directed` have other stems and ask the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tools.schema import Language
from tools.text.words import stems

ROOT_CHARS = 5
REACH, HALF_DISTANCE = 8, 3
"""Words between a name and a word of the question that say nothing any more, and those that halve it. 4 or
20: no difference of R@5."""
AFTER = 2
"""A word after the name counts as standing so much further off: it is `directed by Raoul Walsh`."""


@dataclass(frozen=True)
class Text:
    """What a passage says, as the stems of its title and of its text."""

    title: str
    text: str
    language: Language

    @cached_property
    def roots(self) -> list[str]:
        """Of the text's words, in order."""
        return _roots(stems(self.text, self.language))

    @cached_property
    def title_roots(self) -> frozenset[str]:
        """Of the title's words."""
        return frozenset(_roots(stems(self.title, self.language)))

    @cached_property
    def said(self) -> frozenset[str]:
        """Of all its words."""
        return self.title_roots.union(self.roots)


class Asked:
    """A question's words (stems) against `texts` by passage id; a passage that is not among them says
    nothing."""

    def __init__(self, words: Iterable[str], texts: Mapping[str, Text]) -> None:
        self.wanted = frozenset(_roots(words))
        self.texts = texts

    def near(self, passage: str, name: str) -> float:
        """In [0, 1]: how near a word of the question stands to `name` (a title's stems, or a thing's
        name) in a passage. Words of the passage's title do not count, they are how it was found."""
        text = self.texts.get(passage)
        parts = _roots(stems(name, text.language)) if text else []
        if text is None or not parts:
            return 0.0
        wanted = self.wanted - text.title_roots - frozenset(parts)
        words = [place for place, root in enumerate(text.roots) if root in wanted]
        size = len(parts)
        distances = [
            at - place if place < at else place - at - size + 1 + AFTER
            for at in (_places(text.roots, parts) if words else ())
            for place in words
        ]
        nearest = min(distances, default=REACH + 1)
        return 0.0 if nearest > REACH else 1 / (1 + (nearest - 1) / HALF_DISTANCE)

    def left(self, source: str, target: str) -> float:
        """In [0, 1]: of the question's words that passage `source` does not hold, the share that `target`
        holds."""
        one, other = self.texts.get(source), self.texts.get(target)
        if one is None or other is None:
            return 0.0
        missing = self.wanted - one.said
        return len(missing & other.said) / len(missing) if missing else 0.0


def _roots(words: Iterable[str]) -> list[str]:
    return [word[:ROOT_CHARS] for word in words]


def _places(roots: list[str], parts: list[str]) -> list[int]:
    """Where the run `parts` begins in `roots`."""
    size = len(parts)
    return [at for at, root in enumerate(roots) if root == parts[0] and roots[at : at + size] == parts]


SILENT = Asked((), {})
"""What nothing asks."""
