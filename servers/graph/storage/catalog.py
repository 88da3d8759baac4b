"""The catalogue: the list of spaces, and the open ones. One small SQLite file; spaces open at first use."""

import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.storage.snapshots import Snapshots
from servers.graph.storage.space import SpaceStore


class SpaceOptions(TypedDict):
    """What CREATE SPACE set. `vid_type` is FIXED_STRING or INT64, `vid_length` bytes."""

    partition_num: int
    replica_factor: int
    charset: str
    collate: str
    comment: str | None
    vid_type: str
    vid_length: int


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """A space of the catalogue."""

    id: int
    name: str
    options: SpaceOptions

    @property
    def vid_text(self) -> str:
        """The type of its vids as SHOW spells it: FIXED_STRING(8), INT64."""
        length = self.options["vid_length"]
        return f"FIXED_STRING({length})" if self.options["vid_type"] == "FIXED_STRING" else "INT64"


class Catalog:
    """Spaces by name. Safe for many threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self.snapshots = Snapshots(folder)
        self._lock = threading.RLock()
        self._open: dict[int, SpaceStore] = {}
        self._file = sqlite3.connect(folder / "catalog.db", isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS space"
            " (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, options TEXT)"
        )
        rows = self._file.execute("SELECT id, name, options FROM space ORDER BY id")
        self._spaces = {name: SpaceInfo(number, name, json.loads(options)) for number, name, options in rows}

    def names(self) -> list[str]:
        """The names of all spaces, sorted."""
        return sorted(self._spaces)

    def info(self, name: str) -> SpaceInfo | None:
        """The space of that name, or None."""
        return self._spaces.get(name)

    def store(self, name: str) -> SpaceStore:
        """The open space. Raises `SemanticError` when there is none, `SpaceDamaged`."""
        info = self._spaces.get(name)
        if info is None:
            raise SemanticError(f"SpaceNotFound: SpaceName `{name}`")
        found = self._open.get(info.id)
        return found if found is not None else self._open_store(info)

    def _open_store(self, info: SpaceInfo) -> SpaceStore:
        with self._lock:
            if info.id not in self._open:
                self._open[info.id] = SpaceStore(
                    self._path(info.id),
                    name=info.name,
                    vid_type=info.options["vid_type"],
                    vid_length=info.options["vid_length"],
                )
            return self._open[info.id]

    def open_all(self) -> list[SpaceStore]:
        """Every space, opened."""
        return [self.store(name) for name in self.names()]

    def create(self, name: str, options: SpaceOptions) -> SpaceInfo:
        """A new, empty space. Raises `ExecutionError` when the name is taken."""
        with self._lock:
            if name in self._spaces:
                raise ExecutionError("Existed!")
            cursor = self._file.execute(
                "INSERT INTO space (name, options) VALUES (?, ?)", (name, json.dumps(options))
            )
            info = SpaceInfo(int(cursor.lastrowid or 0), name, options)
            self._erase(info.id)
            self._spaces = {**self._spaces, name: info}
            return info

    def drop(self, name: str) -> None:
        """Forget a space and erase its file. Raises `ExecutionError` when there is no such space."""
        with self._lock:
            info = self._spaces.get(name)
            if info is None:
                raise ExecutionError("SpaceNotFound: Space not existed!")
            self._file.execute("DELETE FROM space WHERE id = ?", (info.id,))
            self._spaces = {key: value for key, value in self._spaces.items() if key != name}
            store = self._open.pop(info.id, None)
            if store is not None:
                store.close()
            self._erase(info.id)

    def close(self) -> None:
        """Close every open space and the catalogue."""
        with self._lock:
            for store in self._open.values():
                store.close()
            self._file.close()

    def _path(self, number: int) -> Path:
        return self._folder / f"space_{number}.db"

    def _erase(self, number: int) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path(number).with_name(f"{self._path(number).name}{suffix}").unlink(missing_ok=True)
