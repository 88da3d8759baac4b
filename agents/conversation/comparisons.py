"""Follow-ups of a comparison: another thing to compare, or another respect. Pure.

What a question compares, and in which respects, reads `agents/research/comparison.py`.
"""

import re

_COMPARES = re.compile(
    r"^\W*(?:compara(?:me|r)?|compare)\b|\b(?:diferencias?|differences?)\b.*\b(?:entre|between)\b|"
    r"\b(?:vs\.?|versus|frente a)\s|\bse diferencian?\b|\bhow do(?:es)?\b.+\b(?:differ|compare)\b",
    re.IGNORECASE,
)
_RESPECTS = re.compile(
    r"[\s,]+(?:en cuanto a|seg[uú]n|respecto a|respecto de|en t[eé]rminos de|in terms of|regarding|as to|"
    r"with respect to)(?:l)?\s.*$",
    re.IGNORECASE,
)
_LAST_AND = re.compile(r"\s+(?:y|e|and)\s+(?=\S)", re.IGNORECASE)
_WITH = re.compile(r"^(?:con|with|a|to)\s+(?=\S)", re.IGNORECASE)


def compared_too(question: str, rest: str) -> str | None:
    """A comparison with what `rest` adds to it; None where the question compares nothing."""
    bare = question.strip(" ¿?¡!.")
    if not _COMPARES.search(bare):
        return None
    opened, closed = ("¿", "?") if question.lstrip().startswith("¿") else ("", "")
    closed = closed or ("?" if question.rstrip().endswith("?") else "")
    respects = _RESPECTS.search(bare)
    things, tail = (bare[: respects.start()], respects[0]) if respects else (bare, "")
    if _RESPECTS.match(f" {rest}"):
        return f"{opened}{things} {rest}{closed}"
    joined = list(_LAST_AND.finditer(things))
    if not joined:
        return None
    last = joined[-1]
    listed = f"{things[: last.start()]}, {things[last.end() :]}{last[0]}{_WITH.sub('', rest)}"
    return f"{opened}{listed}{tail}{closed}"
