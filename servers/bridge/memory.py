"""Keeps the process small: what a batch of work took goes back to the system when the batch is done.

Without it glibc keeps the embedder's work space for ever, once in each thread's arena. To map its blocks one
by one returns them too, but faults each in anew: that is twice the embedder's CPU.
"""

import ctypes
import gc

ARENA_MAX, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1
MAPPED = 32 * 2**20
"""Bytes from which a block is mapped by itself, and is gone once it is freed; glibc knows no larger value."""
KEPT = 2 * MAPPED
"""Bytes at an arena's end that are kept for its next block; twice the other, as glibc does by itself."""
COLLECT = (10_000, 20, 20)
"""Requests leave few cycles behind; looking for them over all that lives makes a crowd wait."""


def return_large_blocks() -> bool:
    """Tell the C library, where it is glibc, which blocks go back by themselves; False elsewhere."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    chosen = ((ARENA_MAX, 2), (MMAP_THRESHOLD, MAPPED), (TRIM_THRESHOLD, KEPT))
    return tune is not None and all([tune(*pair) for pair in chosen])


def return_free_pages() -> bool:
    """Give back what lies free in every arena; False where the library is not glibc or had nothing to give.

    Some 10 ms of CPU after a batch, without the interpreter's lock; who allocates meanwhile may wait.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(ctypes.c_size_t(0)))


def collect_seldom() -> None:
    """What has been made until now stays for good and is not looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
