"""One engine process: started in its own session under a watchdog, known by a nonce, its death confirmed.

It starts, watches and ends; when to do so is the scheduler's business.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from servers.pool.engines import sockets
from tools.errors import Unavailable

WATCHDOG = Path(__file__).with_name("watchdog.py")
MARK = "CAPIBARA6_POOL_CHILD"
"""Environment variable by which every process of an engine is found again, wherever it hides."""
SOCKETS = "VLLM_RPC_BASE_PATH"
"""Environment variable by which vLLM is told where its processes meet."""
CONFIRM_S = 0.05


class Process:
    """A running engine. `pid` leads its process group; `nonce` marks all of its processes."""

    def __init__(self, popen: subprocess.Popen[bytes], nonce: str, log: Path, folder: Path) -> None:
        self.popen = popen
        self.pid = popen.pid
        self.nonce = nonce
        self.log = log
        self.folder = folder
        self.exit = asyncio.get_running_loop().create_future()
        self._watch = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._watch, self._exited)

    @property
    def alive(self) -> bool:
        """Whether it has not exited yet."""
        return not self.exit.done()

    async def end(self, grace_s: float) -> None:
        """SIGTERM, then SIGKILL to the whole group; returns when no process and no socket of it is left."""
        if self.alive:
            self._signal(signal.SIGTERM)
            await asyncio.wait({self.exit}, timeout=grace_s)
        while survivors := await asyncio.to_thread(find, self.nonce, group=self.pid):
            for pid in survivors:
                kill(pid)
            await asyncio.sleep(CONFIRM_S)
        if self.alive:
            await self.exit
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        sockets.remove(self.folder)

    def log_tail(self, lines: int = 3) -> str:
        """The last lines of the engine's log, 600 characters at most: why it may have died."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                tail = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines()]
        except OSError:
            return ""
        return " | ".join([line for line in tail if line][-lines:])[:600]

    def _signal(self, number: int) -> None:
        try:
            self.popen.send_signal(number)
        except ProcessLookupError:
            return

    def _exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watch)
        os.close(self._watch)
        code = self.popen.wait()
        if not self.exit.done():
            self.exit.set_result(code)


def spawn(command: Sequence[str], *, env: dict[str, str], nonce: str, owner: str, log: Path) -> Process:
    """Start `command` under a watchdog. `owner` names this pool: its orphans can be told from others'.

    `SOCKETS` in its environment names a folder that lives as long as it does.

    Raises Unavailable when the program can not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        folder = sockets.make(owner)
        try:
            popen = _popen(command, {**env, SOCKETS: str(folder), MARK: f"{owner}:{nonce}"}, output)
        except OSError as exc:
            sockets.remove(folder)
            raise Unavailable(f"the engine can not be started: {exc}", source="engine") from exc
    return Process(popen, nonce, log, folder)


def new_nonce() -> str:
    """96 random bits in hex."""
    return secrets.token_hex(12)


def find(mark: str, *, group: int | None = None) -> list[int]:
    """Living processes that carry `mark`, and all of their process groups and of `group`.

    Both are needed: a process that renames itself may overwrite its environment, and one may leave its group.
    """
    living = {pid: found for pid in _pids() if (found := _group(pid)) is not None}
    marked = {pid for pid in living if mark in _mark(pid)}
    groups = {living[pid] for pid in marked} | {group}
    # A marked process in our own group is a child of somebody else's making: its group is not ours to end.
    groups.discard(os.getpgrp())
    return [pid for pid, found in living.items() if found in groups or pid in marked]


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that live."""
    return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]


async def sweep(owner: str, groups: Sequence[int] = (), *, within_s: float = 5.0) -> list[int]:
    """End what an earlier pool of the same name left behind, by mark and group; the pids that were ended."""
    swept: set[int] = set()
    deadline = time.monotonic() + within_s
    while (orphans := await asyncio.to_thread(_left, owner, groups)) and time.monotonic() < deadline:
        for pid in orphans:
            kill(pid)
        swept.update(orphans)
        await asyncio.sleep(CONFIRM_S)
    return sorted(swept)


def is_stranger(group: int, owner: str) -> bool:
    """True when a living process leads this group that does not carry the mark of `owner`."""
    return _group(group) is not None and f"{owner}:" not in _mark(group)


def _left(owner: str, groups: Sequence[int]) -> set[int]:
    return {*find(f"{owner}:"), *(pid for group in groups for pid in find("\0", group=group))}


def kill(pid: int) -> None:
    """SIGKILL; a process that is gone already is fine."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def resident_bytes(pids: Sequence[int]) -> int:
    """Memory of some processes, shared pages counted once (proportionally)."""
    return sum(_pss(pid) for pid in pids)


def _popen(command: Sequence[str], env: dict[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    watched = [sys.executable, "-I", "-S", str(WATCHDOG), *command]
    return subprocess.Popen(
        watched, stdin=subprocess.PIPE, stdout=output, stderr=output, env=env, start_new_session=True
    )


def _pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _group(pid: int) -> int | None:
    """The process group of a process that is not a zombie."""
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[2]) if len(fields) > 2 and fields[0] not in (b"Z", b"X") else None


def _mark(pid: int) -> str:
    for entry in _read(f"/proc/{pid}/environ").split(b"\0"):
        if entry.startswith(MARK.encode() + b"="):
            return entry.decode("utf-8", "replace")
    return ""


def _pss(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
