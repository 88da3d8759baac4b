"""Chunking: cuts a document into passages that can be read alone, by headings and places (pages, sheets,
slides), then blocks, then rows, items and sentences.

A passage is a stretch of its document as it is written, after what it repeats: the header row of its table
or the sentence that its list begins with. Sizes are estimated tokens: chunking does not wait for a tokenizer,
and collections have various ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from servers.bridge.text.blocks import Piece, Span, estimated_tokens, is_item, pieces
from servers.bridge.text.sections import Section, sections
from tools.schema import Place

VERSION = 2
TARGET_TOKENS, MAX_TOKENS, OVERLAP_TOKENS = 180, 250, 40
"""MiniLM reads 256 tokens (`embedding.minilm`), E5 twice as many: of Cranfield's passages the longest has 258
with title. The target and the overlap are chosen, not measured: a passage is a paragraph or two, and repeats
one sentence."""
MAX_CHARS = 9_000
"""However few words they are: Milvus keeps 65,535 bytes of a text, and four of them may be one character."""
SEPARATOR = " › "


@dataclass(frozen=True)
class Chunk:
    """One passage: its text, the headings above it, its position in the document from 0.

    `text[start:end]` of the document ends the passage's text; before it stands only what is repeated. `place`
    is where in the file that is."""

    text: str
    headings: tuple[str, ...]
    position: int
    start: int
    end: int
    place: Place | None = None

    @property
    def heading(self) -> str:
        """The headings as one line: `A › B`."""
        return SEPARATOR.join(self.headings)


def split(text: str, places: Sequence[Place] = ()) -> list[Chunk]:
    """The passages of a text or Markdown, in order: some 90 to 250 tokens each. Sections and places are never
    mixed, and a short one is a passage of its own. What is returned counts in `normalised(text)`."""
    text, places = normalised(text, places)
    chunks: list[Chunk] = []
    for section in sections(text, places):
        for start, end, repeated in _pack(text, section):
            passage = f"{repeated}\n{text[start:end]}" if repeated else text[start:end]
            chunks.append(Chunk(passage, section.headings, len(chunks), start, end, section.place))
    return chunks


def normalised(text: str, places: Sequence[Place] = ()) -> tuple[str, list[Place]]:
    """The text that is cut and stored, without a byte order mark, its lines ending in `\\n`; and the places
    in it, by where they start."""
    ordered = sorted(places, key=lambda place: place.start)
    if "\r\n" not in text and not text.startswith("\ufeff"):
        return text, ordered
    moved: list[Place] = []
    seen = size = 0
    for place in ordered:
        size += len(_plain(text[seen : place.start], seen))
        seen = place.start
        moved.append(place.model_copy(update={"start": size}))
    return _plain(text, 0), moved


def _plain(text: str, start: int) -> str:
    return (text if start else text.lstrip("\ufeff")).replace("\r\n", "\n")


def _pack(text: str, section: Section) -> Iterator[tuple[int, int, str]]:
    """`(start, end, what is repeated before it)`: blocks joined up to the target; one that is too long is
    cut, sentences with overlap."""
    packed: list[Piece] = []
    size = 0
    for piece in _bounded(text, section):
        limit = MAX_TOKENS if size < TARGET_TOKENS // 2 else TARGET_TOKENS
        if packed and (size + piece.size > limit or piece.end - packed[0].start > MAX_CHARS):
            yield _passage(text, packed)
            packed = _overlap(packed, piece)
            size = sum(one.size for one in packed) + (0 if packed else estimated_tokens(piece.repeated))
        packed.append(piece)
        size += piece.size
    if packed:
        yield _passage(text, packed)


def _bounded(text: str, section: Section) -> Iterator[Piece]:
    """The pieces of a section's blocks: whole ones, or the parts of those that are over the target."""
    for block in _joined(text, section.blocks):
        size = estimated_tokens(text[block.start : block.end])
        if size <= TARGET_TOKENS and block.end - block.start <= MAX_CHARS:
            yield Piece(block.start, block.end, size)
        else:
            yield from pieces(text, block, target=TARGET_TOKENS, most=MAX_TOKENS, most_chars=MAX_CHARS)


def _joined(text: str, blocks: Sequence[Span]) -> Iterator[Span]:
    """The blocks; the items of a list are one with each other and with the sentence that leads to them."""
    whole: Span | None = None
    for block in blocks:
        if whole is None:
            whole = block
        elif is_item(text, block) and (_leads(text, whole) or is_item(text, whole) or whole.is_list):
            whole = Span(whole.start, block.end, is_list=True)
        else:
            yield whole
            whole = block
    if whole is not None:
        yield whole


def _leads(text: str, block: Span) -> bool:
    """Whether a block is a paragraph that says that something follows."""
    written = text[block.start : block.end]
    return written.rstrip().endswith(":") and not written.startswith(("|", "```", "~~~"))


def _overlap(packed: list[Piece], following: Piece) -> list[Piece]:
    """The last sentence again, when it is short: a passage should not start with a dangling "it"."""
    last = packed[-1]
    return [last] if following.goes_on and last.size <= OVERLAP_TOKENS else []


def _passage(text: str, packed: list[Piece]) -> tuple[int, int, str]:
    """Without the blanks around it."""
    start, end = packed[0].start, packed[-1].end
    written = text[start:end]
    start += len(written) - len(written.lstrip())
    return start, start + len(written.strip()), packed[0].repeated
