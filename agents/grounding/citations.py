"""Citation marks `[n]` in an answer: which are used, which are real. It calls no model."""

import re
from collections.abc import Iterable, Sequence

from tools.schema import Citation
from tools.text.language import detect
from tools.text.words import terms

MARK = re.compile(r"\[(\d{1,3})\]")
SUPPORT = 0.3
"""Share of a sentence's content words that its passage must hold."""


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


def unsupported(text: str, sources: Sequence[Citation]) -> set[int]:
    """Marks that stand only at sentences with which their passage shares too little to support them.

    Sentence and passage in different languages are left alone: only names could be compared.
    """
    by_number = {source.n: source for source in sources}
    supported: set[int] = set()
    for sentence, marks in _sentences(text):
        supported |= {n for n in marks if n in by_number and _supports(by_number[n], sentence)}
    return {n for n in used(text) if n in by_number} - supported


def _sentences(text: str) -> Iterable[tuple[str, list[int]]]:
    """Each stretch of text with the marks that follow it."""
    start = 0
    for run in re.finditer(r"(?:\s*\[\d{1,3}\])+[.,;:]?", text):
        before = text[start : run.start()]
        yield re.split(r"(?<=[.!?])\s+", before.strip(" .\n"))[-1] or before, used(run[0])
        start = run.end()


def _supports(source: Citation, sentence: str) -> bool:
    language = detect(sentence)
    if detect(source.text, default=language) != language:
        return True
    stated = set(terms(sentence, language))
    return len(stated & set(terms(f"{source.title} {source.text}", language))) >= SUPPORT * len(stated)
