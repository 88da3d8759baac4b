"""Extracts the router's features from one question: what its shape shows, by name, and its n-grams.

No feature stands for a subject or a chosen word. Words, pairs of words and pieces of words are hashed into
`BUCKETS` places (the hashing trick: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask
Learning"), so that no vocabulary is kept and a word with a slip of the pen shares most of its pieces with
the right one (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information"). A whole word is
hashed by its letters without their order and number, which two letters that changed places leave as it was.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from servers.pool.routing import patterns
from servers.pool.routing.parse import ParsedQuestion, parse_question

BUCKETS = 2**15
TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
MAX_TOKENS, MAX_SUPPLIED = 300, 80
"""So many tokens are read of what is asked, and of what it is asked about."""
FORMS = ("options", "told", "other")
"""What a difficulty is learnt for, each by itself: who fails in one form says little of the others."""
MIN_CHOICES, TOLD_TOKENS = 3, 20
"""Options are at least so many; a problem that is told has more tokens than this, shorter is a sum."""
EDGE_FIRST, EDGE_LAST = 8, 6
PIECES = (3, 4, 5)
DOUBLED = re.compile(r"([^\W\d_])\1+")
ORDERED_CHARS = 3
"""A word of no more letters is hashed as it stands: without their order they would be another word's."""
SHARES = {"word": 1.0, "pair": 0.7, "piece": 1.0, "edge": 0.7, "supplied": 0.4}
"""Each group of n-grams is a vector of this length, however long the text is."""
FIRST_PERSON = re.compile(
    r"\bcomo (?:se |me |le |lo |la |los |las )?[a-z]{3,}o\b|\bhow (?:do|can|should|could|would) (?:i|we)\b|"
    r"\bhow (?:to|2)\b"
)


class Piece(NamedTuple):
    """One n-gram: its bucket, its value, and the token that it came from (-1: of no single one)."""

    bucket: int
    value: float
    token: int


class Features(NamedTuple):
    """One question's `shape` by name (zeros left out), its n-grams, its tokens and the parse behind them."""

    question: ParsedQuestion
    shape: dict[str, float]
    pieces: list[Piece]
    tokens: list[str]

    @property
    def form(self) -> int:
        """The place in FORMS: a problem with options to choose from, one told in words, or neither."""
        shape = self.shape
        if shape.get("choices", 0.0) >= math.log1p(MIN_CHOICES):
            return 0
        told = "numbers" in shape and len(self.tokens) > TOLD_TOKENS and not self.question.pasted
        return 1 if told else 2


def extract_features(message: str) -> Features:
    """All features of one message."""
    question = parse_question(message)
    tokens = TOKEN.findall(question.text)[:MAX_TOKENS]
    shape = {**_shape(question, tokens), **_code(question)}
    shape |= _problem(question, tokens, shape)
    known = {name: round(value, 3) for name, value in shape.items() if value}
    return Features(question, known, list(_pieces(question, tokens)), tokens)


def _pieces(question: ParsedQuestion, tokens: Sequence[str]) -> Iterator[Piece]:
    """The n-grams of each group; figures count by how many digits they have."""
    spelt = [_spelt(token) for token in tokens]
    seen = [_letters(token) for token in spelt]
    first = {letters: index for index, letters in reversed(list(enumerate(seen)))}
    yield from _group("word", [(_bucket("w:" + letters), index) for letters, index in first.items()])
    pairs = zip(["^", *seen], [*seen, "$"], strict=True)
    found = {_bucket(f"b:{a} {b}"): min(index, len(seen) - 1) for index, (a, b) in enumerate(pairs)}
    yield from _group("pair", list(found.items()))
    words = {word: index for index, word in reversed(list(enumerate(spelt)))}
    yield from _group(
        "piece", [(piece, index) for word, index in words.items() for piece in _word_pieces(word)]
    )
    edge = {_bucket("h:" + letters): index for index, letters in enumerate(seen[:EDGE_FIRST])}
    rest = max(0, len(seen) - EDGE_LAST)
    edge |= {_bucket("l:" + letters): rest + index for index, letters in enumerate(seen[rest:])}
    if seen:
        edge |= {_bucket("0:" + seen[0]): 0, _bucket("1:" + " ".join(seen[:2])): 0}
    yield from _group("edge", list(edge.items()))
    supplied = set(TOKEN.findall(question.supplied)[:MAX_SUPPLIED])
    given = {_letters(_spelt(token)) for token in supplied}
    yield from _group("supplied", [(_bucket("s:" + letters), -1) for letters in sorted(given)])


def _spelt(token: str) -> str:
    """A token with its doubled letters once; a figure as so many zeros."""
    return "0" * min(len(token), 4) if token.isdigit() else DOUBLED.sub(r"\1", token)


@lru_cache(maxsize=20_000)
def _letters(word: str) -> str:
    """A word's first letter and which others it has: no swapped or doubled ones change that."""
    if len(word) <= ORDERED_CHARS or not word.isalpha():
        return word
    return word[0] + "".join(sorted(set(word[1:])))


def _group(name: str, found: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    value = SHARES[name] / math.sqrt(len(found) or 1)
    for bucket, token in found:
        yield Piece(bucket, value, token)


@lru_cache(maxsize=20_000)
def _word_pieces(token: str) -> tuple[int, ...]:
    """The buckets of a word's pieces of three to five letters, its ends marked."""
    if not token.isalpha():
        return ()
    marked = f"<{token}>"
    pieces = (marked[at : at + size] for size in PIECES for at in range(len(marked) - size + 1))
    return tuple({_bucket("c:" + piece) for piece in pieces})


@lru_cache(maxsize=50_000)
def _bucket(name: str) -> int:
    return crc32(name.encode()) % BUCKETS


def _shape(question: ParsedQuestion, tokens: Sequence[str]) -> dict[str, float]:
    """Length, figures, formulas, punctuation and mood."""
    count, text, raw = len(tokens), question.text, question.raw_text
    numbers = len(patterns.NUMBER.findall(raw))
    return {
        "words<=2": float(count <= 2),
        "words<=5": float(count <= 5),
        "words<=12": float(count <= 12),
        "words>25": float(count > 25),
        "words>60": float(count > 60),
        "length": min(3.0, math.log1p(count) / 2),
        "supplied": min(3.0, math.log1p(len(question.supplied)) / 3),
        "numbers": math.log1p(numbers),
        "numbers>=3": float(numbers >= 3),
        "math": math.log1p(len(patterns.MATH.findall(raw))),
        "learned": math.log1p(len(patterns.GRECO_LATIN.findall(text))),
        "word.length": sum(map(len, tokens)) / (5 * max(1, count)),
        "question": float("?" in text),
        "question.last": float(text.endswith("?")),
        "clauses": math.log1p(text.count(",") + 2 * text.count(";")),
        "colon": float(":" in raw),
        "lines": math.log1p(question.lines),
        "quotes": float(bool(patterns.QUOTED.search(raw)) or "«»" in raw),
        "text.task": float(bool(patterns.TEXT_TASK.search(text))),
        "doing": float(bool(FIRST_PERSON.search(text))),
        "spanish": float(question.language == "es"),
    }


def _problem(question: ParsedQuestion, tokens: Sequence[str], shape: Mapping[str, float]) -> dict[str, float]:
    """What makes a problem long: with options to choose from, and told as a story with figures."""
    choices = len(patterns.CHOICE.findall(question.raw_text))
    told = shape["numbers>=3"] if choices < MIN_CHOICES and not question.pasted else 0.0
    figures = {token for token in tokens if token.isdigit()}
    return {
        "choices": math.log1p(choices),
        "choices.length": shape["length"] if choices >= MIN_CHOICES else 0.0,
        "choices.numbers": shape["numbers"] if choices >= MIN_CHOICES else 0.0,
        "choices.math": shape["math"] if choices >= MIN_CHOICES else 0.0,
        "story.length": told * math.log1p(len(tokens)),
        "story.chars": told * math.log1p(len(question.text)),
        "story.sentences": told * math.log1p(len(patterns.SENTENCE_END.findall(question.raw_text))),
        "story.figures": told * math.log1p(len(figures)),
        "story.numbers": told * shape["numbers"],
    }


def _code(question: ParsedQuestion) -> dict[str, float]:
    """Code that was pasted or named, traces, commands and logs."""
    raw, pasted = question.raw_text, question.pasted
    both = (raw, pasted)
    inline = sum(len(patterns.INLINE_CODE.findall(text)) for text in both)
    traces = sum(len(patterns.STACK_TRACE.findall(text)) for text in both)
    commands = sum(len(patterns.SHELL_COMMAND.findall(text)) for text in both)
    languages = len(patterns.LANGUAGE_NAME.findall(raw))
    languages += len(patterns.LANGUAGE_IN_CONTEXT.findall(question.text))
    share = question.code_lines / question.lines if question.lines else 1.0
    real = bool(pasted) and (inline > 0 or question.has_fence or question.code_lines > 1)
    return {
        "code.pasted": float(real),
        "code.share": share if pasted else 0.0,
        "code.length": math.log1p(len(pasted)) / 3,
        "code.pieces": math.log1p(inline),
        "code.trace": math.log1p(traces),
        "code.shell": math.log1p(commands),
        "code.file": math.log1p(len(patterns.FILE_NAME.findall(raw))),
        "code.named": math.log1p(languages),
        "code.bare": float(question.only_paste),
        "code.signs": min(1.5, 10 * len(patterns.CODE_SYMBOL.findall(raw)) / (len(raw) + 20)),
        "log": math.log1p(question.log_lines),
    }
