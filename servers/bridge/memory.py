"""Keeps the process small: large blocks go back to the system when they are freed.

Without it glibc keeps the embedder's work space for ever, once in each thread's arena (490 MB against 280).
"""

import ctypes

ARENA_MAX, MMAP_THRESHOLD = -8, -3
LARGE = 2**20


def return_large_blocks() -> bool:
    """Tell the C library, where it is glibc; False elsewhere."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    return tune is not None and all((tune(ARENA_MAX, 2), tune(MMAP_THRESHOLD, LARGE)))
