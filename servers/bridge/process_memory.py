"""Keeps the process small: large blocks go back to the system when they are freed.

Without it glibc keeps the embedder's work space for ever, once in each thread's arena (490 MB against 280).
"""

import ctypes
import gc

ARENA_MAX, MMAP_THRESHOLD = -8, -3
LARGE = 2**20
COLLECT = (10_000, 20, 20)
"""Requests leave few cycles behind; looking for them over all that lives makes a crowd wait."""


def return_large_blocks() -> bool:
    """Tell the C library, where it is glibc; False elsewhere."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    return tune is not None and all((tune(ARENA_MAX, 2), tune(MMAP_THRESHOLD, LARGE)))


def collect_seldom() -> None:
    """What has been made until now stays for good and is not looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
