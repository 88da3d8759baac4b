"""Snapshots: whole copies of the spaces' files in folders of their own. They are put back by hand."""

import shutil
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from servers.graph.errors import ExecutionError
from servers.graph.storage.space import SpaceStore


class Snapshots:
    """The snapshots below a server's folder: `snapshots/NAME` holds files as the server's own folder does."""

    def __init__(self, folder: Path) -> None:
        self._source, self._folder = folder, folder / "snapshots"

    def names(self) -> list[str]:
        """Their names, the oldest first; one that was not finished is none."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if path.suffix != ".part")

    def create(self, stores: Iterable[SpaceStore]) -> str:
        """A snapshot of the open spaces and the catalogue; its name tells the time in UTC.

        Each file is as it was at one moment. Raises `ExecutionError` when the disk does not take it.
        """
        name = time.strftime("SNAPSHOT_%Y_%m_%d_%H_%M_%S", time.gmtime())
        part = self._folder / f"{name}.part"
        try:
            part.mkdir(parents=True, mode=0o700)
            for path in [self._source / "catalog.db", *(store.path for store in stores)]:
                _copy(path, part / path.name)
            part.rename(self._folder / name)
        except (OSError, sqlite3.Error) as exc:
            shutil.rmtree(part, ignore_errors=True)
            raise ExecutionError(f"Snapshot failure: {exc}") from exc
        return name

    def drop(self, name: str) -> None:
        """Erase a snapshot. Raises `ExecutionError` when there is none of that name."""
        if name not in self.names():
            raise ExecutionError("Snapshot not existed!")
        shutil.rmtree(self._folder / name)


def _copy(source: Path, target: Path) -> None:
    """A consistent copy, whoever writes meanwhile."""
    reader = sqlite3.connect(source)
    try:
        reader.execute("VACUUM INTO ?", (str(target),))
    finally:
        reader.close()
