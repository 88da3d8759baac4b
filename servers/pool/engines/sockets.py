"""A temporary folder for each engine's sockets: one that is killed can not remove them itself."""

import hashlib
import shutil
import tempfile
from pathlib import Path


def make(owner: str) -> Path:
    """A new private folder, its path short enough for a Unix socket (107 bytes) beside vLLM's own 36."""
    return Path(tempfile.mkdtemp(prefix=_prefix(owner)))


def sweep(owner: str) -> None:
    """Remove what an earlier pool of the same name left; its engines must have ended."""
    for left in Path(tempfile.gettempdir()).glob(f"{_prefix(owner)}*"):
        remove(left)


def remove(folder: Path) -> None:
    """Remove a folder and the sockets in it."""
    # What can not be removed is somebody else's, who has taken our name.
    shutil.rmtree(folder, ignore_errors=True)


def _prefix(owner: str) -> str:
    return f"capibara6-{hashlib.sha256(owner.encode()).hexdigest()[:8]}-"
