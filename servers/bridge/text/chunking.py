"""Cuts a document into passages that can be read alone: by headings, then paragraphs, then sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

VERSION = 1
TARGET, MOST, OVERLAP = 180, 250, 40
HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
SENTENCE = re.compile(r"(?<=[.!?…])[\"'”»)\]]?\s+(?=[\"'“«(\[¿¡]*[A-ZÁÉÍÓÚÜÑ0-9])")
FENCE = re.compile(r"^\s*(```|~~~)")
PIECES_A_WORD = 1.35


@dataclass(frozen=True)
class Chunk:
    """One passage: its text, the headings above it (`A › B`), its place in the document from 0."""

    text: str
    heading: str
    position: int


def split(text: str) -> list[Chunk]:
    """Passages of some 100 to 250 tokens, in order; sections are never mixed."""
    chunks: list[Chunk] = []
    for heading, blocks in _sections(text):
        for passage in _pack(blocks):
            chunks.append(Chunk(passage, heading, len(chunks)))
    return chunks


def size(text: str) -> int:
    """Estimated word pieces: splitting must not wait for a tokenizer."""
    return int(len(text.split()) * PIECES_A_WORD) + len(text) // 400


def sentences(text: str) -> list[str]:
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
                yield _joined(path), blocks
                blocks = []
            level = len(found[1])
            path = [*(item for item in path if item[0] < level), (level, found[2])]
        elif line.strip() or fenced:
            current.append(line)
        else:
            flush()
    flush()
    if blocks:
        yield _joined(path), blocks


def _joined(path: list[tuple[int, str]]) -> str:
    return " › ".join(name for _, name in path)


def _pack(blocks: list[str]) -> Iterator[str]:
    """Paragraphs joined up to the target; one that is too long is cut at sentences, with overlap."""
    held: list[str] = []
    held_size = 0
    for piece, separator in _pieces(blocks):
        length = size(piece)
        if held and held_size + length > (MOST if held_size < TARGET // 2 else TARGET):
            yield "".join(held).strip()
            held = _tail(held) if separator == " " else []
            held_size = sum(size(part) for part in held)
        held += [separator if held else "", piece]
        held_size += length
    if held:
        yield "".join(held).strip()


def _pieces(blocks: list[str]) -> Iterator[tuple[str, str]]:
    """`(piece, separator before it)`: whole paragraphs, or the sentences of those over the target."""
    for block in blocks:
        if size(block) <= TARGET:
            yield block, "\n\n"
            continue
        separator = "\n\n"
        for line in _lines(block):
            for sentence in sentences(line) if size(line) > TARGET else [line]:
                for part in _words(sentence):
                    yield part, separator
                    separator = " "
            separator = "\n"


def _lines(block: str) -> list[str]:
    """Lists, tables and code break at lines; a paragraph that is merely wrapped does not."""
    lines = block.split("\n")
    shaped = sum(bool(re.match(r"\s*([-*+|]|\d+[.)]\s|\s{4})", line)) for line in lines)
    return lines if shaped * 2 >= len(lines) or FENCE.match(block) else [" ".join(lines)]


def _words(sentence: str) -> Iterator[str]:
    """A sentence without end (a table row, a binary blob) is cut at words, then at characters."""
    if size(sentence) <= MOST and len(sentence) <= MOST * 12:
        yield sentence
        return
    parts = [word[i : i + 200] for word in sentence.split() for i in range(0, len(word), 200)]
    step = TARGET // 2
    for start in range(0, len(parts), step):
        yield " ".join(parts[start : start + step])


def _tail(held: list[str]) -> list[str]:
    """The last sentence again, when it is short: a passage should not start with a dangling "it"."""
    last = held[-1]
    return [last] if size(last) <= OVERLAP else []
