"""The reader of pictures: rapidocr, which brings its models, where it is installed (`make ocr`).

It needs more memory and time than other parsers: the sandbox's soft bounds are raised when it begins.
"""

from __future__ import annotations

import resource
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flows.ingestion.parsers.ocr.boxes import Box, lines_of

if TYPE_CHECKING:
    import numpy as np

    from flows.ingestion.parsers.pdf.lines import Line

MEMORY_BYTES = 1_200 * 2**20
"""A page of 2,000 pixels took 590 MB of data with one thread."""
PAGE_CPU_S = 30
"""A page took 4 to 6 s."""
MAX_PAGES = 300
"""Of one file: an hour and a half is what they may take. The pages after them are named."""
WAIT_S = 5_400.0
LONG_SIDE = 2_000
"""Pixels; the reader makes larger pictures smaller itself."""
OPTIONS = {
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "Global.log_level": "critical",
}


def is_installed() -> bool:
    """Whether pictures can be read here."""
    return find_spec("rapidocr") is not None


def read_picture(picture: np.ndarray, *, scale: float = 1.0) -> list[Line]:
    """The lines on a picture (height, width, 3: blue, green, red), in reading order; heights count from its
    lower edge. What is measured is in pixels, divided by `scale`."""
    _raise_limits()
    found = _engine()(picture, use_cls=False)
    if found.boxes is None:
        return []
    boxes = [
        Box(
            text,
            min(x for x, _ in corners) / scale,
            max(x for x, _ in corners) / scale,
            (picture.shape[0] - min(y for _, y in corners)) / scale,
            (picture.shape[0] - max(y for _, y in corners)) / scale,
        )
        for corners, text in zip(found.boxes.tolist(), found.txts, strict=True)
    ]
    return lines_of(boxes)


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR  # noqa: PLC0415  (seconds and memory that only pictures need)

    return RapidOCR(params=OPTIONS)


def _raise_limits() -> None:
    """Up to what the sandbox lets its process take: a page's time more, from what is used by now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = {
        resource.RLIMIT_DATA: MEMORY_BYTES,
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime) + PAGE_CPU_S,
    }
    for kind, value in wanted.items():
        soft, hard = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY and soft < value:
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
