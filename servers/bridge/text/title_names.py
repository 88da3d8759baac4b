"""Names by which passages speak of each other: a document's title as stems, and the runs of stems in a text.

Pure. A title and its mention meet whatever their case, plural or accents.
"""

import hashlib
import re

from tools.schema import Language
from tools.text.words import stem, stems, words

VERSION = 1
LONGEST = 6
ASKED = 120
PARENTHESIS = re.compile(r"\s*\([^)]*\)\s*$")


def name_of(title: str, language: Language) -> str:
    """A title's stems without a closing parenthesis ("Mercury (planet)"); empty when it has none."""
    found = stems(PARENTHESIS.sub("", title.replace("_", " ")), language)
    return " ".join(found[:LONGEST])


def names_in(text: str, language: Language) -> set[str]:
    """Every run of up to `LONGEST` stems that could be a name; a single word only when it looks like one."""
    pairs = [(word, found) for word in words(text) if (found := stem(word, language))]
    single = {found for word, found in pairs if word[:1].isupper() or any(map(str.isdigit, word))}
    return single | set(_runs([found for _, found in pairs], shortest=2))


def names_asked(query: str, languages: list[Language]) -> list[str]:
    """Every run of a question's stems, as each language would have written them."""
    runs = [run for language in languages for run in _runs(stems(query, language))]
    return list(dict.fromkeys(runs))[:ASKED]


def vertex(name: str) -> str:
    """The graph's id of a name: short, safe to quote, equal for equal names."""
    return "e" + hashlib.blake2b(name.encode(), digest_size=12).hexdigest()


def _runs(found: list[str], *, shortest: int = 1) -> list[str]:
    return [
        " ".join(found[start : start + length])
        for start in range(len(found))
        for length in range(shortest, min(LONGEST, len(found) - start) + 1)
    ]
