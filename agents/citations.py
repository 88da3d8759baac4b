"""Citation marks `[n]` in an answer: which are used, which are real. It calls no model."""

import re
from collections.abc import Iterable, Sequence

from tools.schema import Citation

MARK = re.compile(r"\[(\d{1,3})\]")


def used(text: str) -> list[int]:
    """Numbers of the marks in `text`, each once, in order of appearance."""
    return list(dict.fromkeys(int(n) for n in MARK.findall(text)))


def only_real(text: str, known: Iterable[int]) -> str:
    """`text` without marks that point to no passage."""
    real = set(known)
    return MARK.sub(lambda mark: mark[0] if int(mark[1]) in real else "", text)


def cited(text: str, sources: Sequence[Citation]) -> list[Citation]:
    """The passages that `text` cites, in order of first use."""
    by_number = {source.n: source for source in sources}
    fields = set(Citation.model_fields)
    return [Citation(**by_number[n].model_dump(include=fields)) for n in used(text) if n in by_number]
