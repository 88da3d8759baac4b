"""Word error rate: edits of words to make what was heard into what was said, for each word said."""

import re


def word_error_rate(said: str, heard: str) -> float:
    """Levenshtein's distance over words in small letters, for each word of `said`."""
    wanted, found = _words(said), _words(heard)
    row = list(range(len(found) + 1))
    for number, word in enumerate(wanted, 1):
        last, row[0] = row[0], number
        for at, other in enumerate(found, 1):
            last, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, last + (word != other))
    return row[-1] / len(wanted)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())
