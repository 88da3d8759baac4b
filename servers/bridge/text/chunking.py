"""Chunking: cuts a document into passages that can be read alone, by headings, then paragraphs, then
sentences.

Sizes are estimated tokens: chunking does not wait for a tokenizer, and collections have various ones.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = 1
TARGET_TOKENS, MAX_TOKENS, OVERLAP_TOKENS = 180, 250, 40
"""The offline embedder reads 256 tokens (`embedding.minilm`): of Cranfield's passages the longest has 258
with title. The target and the overlap are chosen, not measured: a passage is a paragraph or two, and repeats
one sentence."""
HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
SENTENCE = re.compile(r"(?<=[.!?…])[\"'”»)\]]?\s+(?=[\"'“«(\[¿¡]*[A-ZÁÉÍÓÚÜÑ0-9])")
FENCE = re.compile(r"^\s*(```|~~~)")
TOKENS_A_WORD = 1.35
"""MiniLM's tokenizer makes 1.19 of Cranfield, 1.30 of XQuAD-en; of XQuAD-es, a language it does not know,
1.94."""


@dataclass(frozen=True)
class Chunk:
    """One passage: its text, the headings above it (`A › B`), its position in the document from 0."""

    text: str
    heading: str
    position: int


def split(text: str) -> list[Chunk]:
    """The passages of a text or Markdown, in order: some 90 to 250 tokens each. Sections are never mixed, and
    a short one is a passage of its own."""
    chunks: list[Chunk] = []
    for heading, blocks in _sections(text):
        for passage in _pack(blocks):
            chunks.append(Chunk(passage, heading, len(chunks)))
    return chunks


def estimated_tokens(text: str) -> int:
    """About how many word pieces a tokenizer would make; a text without spaces has a size too."""
    return int(len(text.split()) * TOKENS_A_WORD) + len(text) // 400


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph, without the spaces between them."""
    return [part for part in SENTENCE.split(text) if part.strip()]


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """`(heading path, paragraphs)` of each section that has text of its own."""
    path: list[tuple[int, str]] = []
    blocks: list[str] = []
    current: list[str] = []
    fenced = False

    def flush() -> None:
        if any(line.strip() for line in current):
            blocks.append("\n".join(current).strip("\n"))
        current.clear()

    for line in text.replace("\r\n", "\n").lstrip("\ufeff").split("\n"):
        fenced ^= bool(FENCE.match(line))
        found = None if fenced else HEADING.match(line)
        if found:
            flush()
            if blocks:
                yield _heading_path(path), blocks
                blocks = []
            level = len(found[1])
            path = [*(item for item in path if item[0] < level), (level, found[2])]
        elif line.strip() or fenced:
            current.append(line)
        else:
            flush()
    flush()
    if blocks:
        yield _heading_path(path), blocks


def _heading_path(path: list[tuple[int, str]]) -> str:
    return " › ".join(name for _, name in path)


def _pack(blocks: list[str]) -> Iterator[str]:
    """Paragraphs joined up to the target; one that is too long is cut at sentences, with overlap."""
    packed: list[str] = []
    packed_size = 0
    for piece, separator in _pieces(blocks):
        size = estimated_tokens(piece)
        limit = MAX_TOKENS if packed_size < TARGET_TOKENS // 2 else TARGET_TOKENS
        if packed and packed_size + size > limit:
            yield "".join(packed).strip()
            packed = _overlap(packed) if separator == " " else []
            packed_size = sum(estimated_tokens(part) for part in packed)
        packed += [separator if packed else "", piece]
        packed_size += size
    if packed:
        yield "".join(packed).strip()


def _pieces(blocks: list[str]) -> Iterator[tuple[str, str]]:
    """`(piece, separator before it)`: whole paragraphs, or the sentences of those over the target."""
    for block in blocks:
        if estimated_tokens(block) <= TARGET_TOKENS:
            yield block, "\n\n"
            continue
        separator = "\n\n"
        for line in _lines(block):
            for sentence in sentences(line) if estimated_tokens(line) > TARGET_TOKENS else [line]:
                for part in _bounded(sentence):
                    yield part, separator
                    separator = " "
            separator = "\n"


def _lines(block: str) -> list[str]:
    """Lists, tables and code break at lines; a paragraph that is merely wrapped does not."""
    lines = block.split("\n")
    shaped = sum(bool(re.match(r"\s*([-*+|]|\d+[.)]\s|\s{4})", line)) for line in lines)
    return lines if shaped * 2 >= len(lines) or FENCE.match(block) else [" ".join(lines)]


def _bounded(sentence: str) -> Iterator[str]:
    """A sentence; one without end (a table row, a binary blob) is cut at words, then at characters."""
    if estimated_tokens(sentence) <= MAX_TOKENS and len(sentence) <= MAX_TOKENS * 12:
        yield sentence
        return
    parts = [word[i : i + 200] for word in sentence.split() for i in range(0, len(word), 200)]
    step = TARGET_TOKENS // 2
    for start in range(0, len(parts), step):
        yield " ".join(parts[start : start + step])


def _overlap(packed: list[str]) -> list[str]:
    """The last sentence again, when it is short: a passage should not start with a dangling "it"."""
    last = packed[-1]
    return [last] if estimated_tokens(last) <= OVERLAP_TOKENS else []
