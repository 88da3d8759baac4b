"""Pictures (PNG, JPEG, TIFF, WebP, BMP): what stands on them, each page of a TIFF a place."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.ocr.recognition import LONG_SIDE, MAX_PAGES, read_picture
from flows.ingestion.parsers.parts import Parsed, Part, Unread, parsing
from flows.ingestion.parsers.pdf.layout import flow, layout_of
from flows.ingestion.parsers.pdf.lines import Line
from flows.ingestion.unreadable import Unreadable

MAX_PIXELS = 60_000_000
"""A page of A3 at 400 dots an inch has 31 million."""


def parse(data: bytes, suffix: str) -> Iterator[Part]:
    """One document; pages that are too many are named. Raises `Malformed`, `Unreadable`, `ValueError`."""
    pages: list[list[Line]] = []
    with parsing(OSError, SyntaxError, ValueError, KeyError, Image.DecompressionBombError):
        picture = Image.open(io.BytesIO(data))
        count = getattr(picture, "n_frames", 1)
        for frame in ImageSequence.Iterator(picture):
            if len(pages) == MAX_PAGES:
                break
            pages.append(read_picture(_pixels(frame)))
    if not any(pages):
        raise Unreadable("no_writing")
    layout = layout_of(pages)
    blocks: list[str | markdown.Mark] = []
    for number, lines in enumerate(pages, start=1):
        blocks += [markdown.Mark(page=number)] if count > 1 else []
        blocks += filter(None, flow(lines, layout))
    text, places = markdown.placed(blocks)
    yield Parsed(text, metadata={"pages": count, "ocr": True}, headed=False, places=places)
    if count > len(pages):
        missing = Unreadable("many_scans", pages=count - len(pages), limit=MAX_PAGES)
        yield Unread(f" p. {len(pages) + 1}-{count}", missing)


def _pixels(frame: Image.Image) -> np.ndarray:
    """A frame upright, on white, no larger than is read, as blue, green, red. Raises `ValueError`."""
    if frame.width * frame.height > MAX_PIXELS:
        raise ValueError(f"more than {MAX_PIXELS} pixels")
    frame.draft("RGB", (LONG_SIDE, LONG_SIDE))
    upright = ImageOps.exif_transpose(frame).convert("RGBA")
    upright.thumbnail((LONG_SIDE, LONG_SIDE))
    white = Image.new("RGBA", upright.size, "white")
    flat = Image.alpha_composite(white, upright).convert("RGB")
    return np.ascontiguousarray(np.asarray(flat)[:, :, ::-1])
