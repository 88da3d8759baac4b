"""Names by which passages mention each other: a document's title as stems, and the runs of stems in a text.

Pure. It does not know which runs are titles: `manifest.title_index` does. A title and its mention meet
whatever their case, plural or accents.
"""

import hashlib
import re

from tools.schema import Language
from tools.text.words import stem, stems, words

VERSION = 1
MAX_NAME_STEMS = 6
MAX_QUERY_NAMES = 120
"""Every run of a query of 22 stems, or of two readings of 12; a longer one names its subject early."""
PARENTHESIS = re.compile(r"\s*\([^)]*\)\s*$")


def name_of(title: str, language: Language) -> str:
    """A title's stems, joined by spaces, without a closing parenthesis ("Mercury (planet)"); empty when it
    has none."""
    found = stems(PARENTHESIS.sub("", title.replace("_", " ")), language)
    return " ".join(found[:MAX_NAME_STEMS])


def names_in(text: str, language: Language) -> set[str]:
    """Every run of up to `MAX_NAME_STEMS` stems that could be a name; a single word only when it looks like
    one."""
    pairs = [(word, found) for word in words(text) if (found := stem(word, language))]
    single = {found for word, found in pairs if word[:1].isupper() or any(map(str.isdigit, word))}
    return single | set(_runs([found for _, found in pairs], shortest=2))


def query_names(query: str, languages: list[Language]) -> list[str]:
    """Every run of a query's stems, as each language would have written them; at most `MAX_QUERY_NAMES`."""
    runs = [run for language in languages for run in _runs(stems(query, language))]
    return list(dict.fromkeys(runs))[:MAX_QUERY_NAMES]


def vertex(name: str) -> str:
    """The graph's vertex id of a name: `e` and a digest of 96 bits, short and safe to quote."""
    return "e" + hashlib.blake2b(name.encode(), digest_size=12).hexdigest()


def _runs(found: list[str], *, shortest: int = 1) -> list[str]:
    """Every run of `shortest` to `MAX_NAME_STEMS` stems (shingles), joined by spaces."""
    return [
        " ".join(found[start : start + length])
        for start in range(len(found))
        for length in range(shortest, min(MAX_NAME_STEMS, len(found) - start) + 1)
    ]
