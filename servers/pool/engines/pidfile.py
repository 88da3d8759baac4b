"""Which process groups the pool has started, on disk: a pool killed with its watchdogs finds them again.

An engine may rename itself and so lose its mark; its process group it keeps.
"""

import json
from pathlib import Path

from servers.pool.engines import process

BOOT = Path("/proc/sys/kernel/random/boot_id")


class Pidfile:
    """The file and, in memory, the process groups of this pool."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.groups: set[int] = set()

    def add(self, group: int) -> None:
        """A group was started."""
        self.groups.add(group)
        self._write()

    def remove(self, group: int) -> None:
        """A group has ended."""
        self.groups.discard(group)
        self._write()

    def left_behind(self, owner: str) -> list[int]:
        """Groups of an earlier pool. A number that the system has given to somebody else since is left out.

        While a group has members its number is not given away, so only a living leader can be a stranger.
        """
        try:
            listed = json.loads(self.file.read_text(encoding="utf-8"))
            if listed["boot"] != _boot():
                return []
            return [group for group in listed["groups"] if not process.is_stranger(group, owner)]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"boot": _boot(), "groups": sorted(self.groups)}), encoding="utf-8")
        fresh.replace(self.file)


def _boot() -> str:
    try:
        return BOOT.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
