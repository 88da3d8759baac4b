"""Files of this machine that somebody named: which lie below allowed folders, and opening them without links.

It reads nothing; which names may be used at all is decided by its callers.
"""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

REMOTE = ("http://", "https://", "s3://", "imaps://", "webdav://", "webdavs://", "upload://")
GLOB_MARKS = frozenset("*?[")
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_local(source: str) -> bool:
    """Whether a source names something on this machine, and no address."""
    return not source.startswith(REMOTE)


def named_path(source: str) -> Path | None:
    """The absolute path that a source names, `~` included; None for what no file is called."""
    if "\0" in source:
        return None
    try:
        return Path(source).expanduser().absolute()
    except RuntimeError:  # nobody has this home
        return None


def fixed_part(path: Path) -> Path:
    """The folder above the first part of a pattern with `*`, `?` or `[`; the path itself without them."""
    parts = path.parts
    marked = next((place for place, part in enumerate(parts) if GLOB_MARKS & set(part)), len(parts))
    return Path(*parts[:marked])


def lies_below(path: Path, roots: Iterable[Path]) -> bool:
    """Whether what `path` leads to, links resolved, is one of `roots` or below it."""
    real = os.path.realpath(path)
    return any(Path(real).is_relative_to(os.path.realpath(root.expanduser())) for root in roots)


def open_unlinked(path: Path) -> BinaryIO:
    """The regular file at an absolute path that has no links: who put one there since is not followed.

    Raises OSError; ELOOP or ENOTDIR for a link, EINVAL for what is no regular file."""
    folder = os.open(path.anchor, _FOLDER)
    try:
        for part in path.parts[1:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(path.name, _FILE, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
    return os.fdopen(descriptor, "rb")
