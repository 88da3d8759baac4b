"""A block that is too long for a passage, in pieces: rows of a table, items of a list, lines, sentences.

Pieces are stretches of the text, so that a passage can say where it stands. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

SENTENCE = re.compile(r"(?<=[.!?…])([\"'”»)\]]?)\s+(?=[\"'“«(\[¿¡]*[A-ZÁÉÍÓÚÜÑ0-9])")
FENCE = re.compile(r"^\s*(```|~~~)")
ITEM = re.compile(r"[ \t]*(?:[-*+•·‣–]|\d{1,3}[.)]|[a-zA-Z]\))[ \t]+\S")
SHAPED = re.compile(r"\s*([-*+|]|\d+[.)]\s|\s{4})")
ROW = re.compile(r"[ \t]*\|")
RULE = re.compile(r"[ \t]*\|?[ \t:|-]*-[ \t:|-]*\|[ \t:|-]*$")
PART = re.compile(r"\S{1,100}")
MAX_REPEATED = 90
"""Tokens of a header row or a lead-in sentence; a longer one would leave no room for what follows it."""
TOKENS_A_WORD = 1.35
"""MiniLM's tokenizer makes 1.19 of Cranfield, 1.30 of XQuAD-en; of XQuAD-es, a language it does not know,
1.94."""


@dataclass(frozen=True)
class Span:
    """A stretch of the text; `is_list`: items, after the sentence that leads to them."""

    start: int
    end: int
    is_list: bool = False


@dataclass(frozen=True)
class Piece:
    """What is not cut any more: a stretch of the text and its estimated tokens.

    `repeated` is what a passage that begins with it says first; `goes_on`: the same paragraph as the piece
    before it; `whole`: a row or an item, not cut for the target's sake."""

    start: int
    end: int
    size: int
    repeated: str = ""
    goes_on: bool = False
    whole: bool = False


def estimated_tokens(text: str) -> int:
    """About how many word pieces a tokenizer would make; a text without spaces has a size too."""
    words = text.split()
    if len(text) > 100 * max(len(words), 1):
        return int(len(PART.findall(text)) * TOKENS_A_WORD) + len(text) // 400
    return int(len(words) * TOKENS_A_WORD) + len(text) // 400


def sentences(text: str, block: Span) -> Iterator[Span]:
    """The sentences of a paragraph, without the spaces between them."""
    start = block.start
    for found in SENTENCE.finditer(text, block.start, block.end):
        if text[start : found.end(1)].strip():
            yield Span(start, found.end(1))
        start = found.end()
    if text[start : block.end].strip():
        yield Span(start, block.end)


def is_item(text: str, block: Span) -> bool:
    """Whether a block begins with an item of a list."""
    return ITEM.match(text, block.start, block.end) is not None


def pieces(text: str, block: Span, *, target: int, most: int, most_chars: int) -> Iterator[Piece]:
    """The pieces of a long block, in order: each about `most` tokens and `most_chars` characters at most."""
    for whole in _parts(text, block):
        size = estimated_tokens(text[whole.start : whole.end])
        kept = size + estimated_tokens(whole.repeated) <= most and whole.end - whole.start <= most_chars
        if kept and (size <= target or whole.whole):
            yield replace(whole, size=size)
            continue
        goes_on = whole.goes_on
        for sentence in sentences(text, Span(whole.start, whole.end)):
            for part in _bounded(text, sentence, target, most, most_chars):
                size = estimated_tokens(text[part.start : part.end])
                yield Piece(part.start, part.end, size, whole.repeated, goes_on)
                goes_on = not whole.repeated


def _parts(text: str, block: Span) -> Iterator[Piece]:
    """Rows after their header, items after what leads to them, lines, or the whole paragraph."""
    lines = list(_lines(text, block))
    first = text[lines[0].start : lines[0].end]
    if len(lines) > 2 and ROW.match(first) and RULE.match(text, lines[1].start, lines[1].end):
        header = text[block.start : lines[1].end]
        yield from _led(lines[2:], block.start, header)
        return
    leads = first.rstrip().endswith(":") and len(lines) > 1 and is_item(text, lines[1])
    if block.is_list or leads or is_item(text, block):
        number = next((n for n, line in enumerate(lines) if is_item(text, line)), 0)
        above = list(sentences(text, Span(block.start, lines[number].start))) if number else []
        yield from (Piece(one.start, one.end, 0, goes_on=n > 0) for n, one in enumerate(above[:-1]))
        start = above[-1].start if above else block.start
        lead = " ".join(text[above[-1].start : above[-1].end].split()) if above else ""
        yield from _led(_items(text, lines[number:]), start, lead)
        return
    shaped = sum(bool(SHAPED.match(text, line.start, line.end)) for line in lines)
    if shaped * 2 >= len(lines) or FENCE.match(first):
        yield from (Piece(line.start, line.end, 0) for line in lines)
        return
    yield Piece(block.start, block.end, 0)


def _led(parts: list[Span], start: int, lead: str) -> Iterator[Piece]:
    """The first part with what leads to it, from `start` on; the others repeat that, unless it is long."""
    lead = lead if estimated_tokens(lead) <= MAX_REPEATED else ""
    yield Piece(start, parts[0].end, 0, whole=True)
    yield from (Piece(part.start, part.end, 0, lead, whole=True) for part in parts[1:])


def _items(text: str, lines: list[Span]) -> list[Span]:
    """Each item with the lines that go on with it."""
    found: list[Span] = []
    for line in lines:
        if found and not is_item(text, line):
            found[-1] = Span(found[-1].start, line.end)
        else:
            found.append(line)
    return found


def _lines(text: str, block: Span) -> Iterator[Span]:
    start = block.start
    while start <= block.end:
        end = text.find("\n", start, block.end)
        end = block.end if end < 0 else end
        if text[start:end].strip():
            yield Span(start, end)
        start = end + 1


def _bounded(text: str, sentence: Span, target: int, most: int, most_chars: int) -> Iterator[Span]:
    """A sentence; one without end (a binary blob, a row of a hundred cells) is cut at words, then at
    characters."""
    size = estimated_tokens(text[sentence.start : sentence.end])
    if size <= most and sentence.end - sentence.start <= most_chars:
        yield sentence
        return
    start, end, count = -1, -1, 0
    for part in PART.finditer(text, sentence.start, sentence.end):
        if start >= 0 and (count == target // 2 or part.end() - start > most_chars):
            yield Span(start, end)
            start, count = -1, 0
        start, end, count = part.start() if start < 0 else start, part.end(), count + 1
    if start >= 0:
        yield Span(start, end)
