"""How much memory is free for engines, on the GPU or in RAM. Bytes throughout.

What a model will take is its backend's to say (`engines/vllm.py`).
"""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

KEEP_BYTES = 512 * 2**20
"""Never promised to a model: the rest of the machine lives on it."""
FRESH_S = 0.2
ANSWER_S = 10.0
CLAIM_S = 120.0
"""How long an engine may take until the GPU itself shows what it has taken."""
CGROUP = Path("/sys/fs/cgroup")


class Gpu(NamedTuple):
    """One GPU as `nvidia-smi` lists it: its number by PCI bus, bytes free and in all."""

    number: int
    free: int
    total: int


class Memory:
    """Free memory of the device that engines run on: the emptiest GPU where one answers, else the RAM."""

    def __init__(self) -> None:
        self.gpus: list[Gpu] = []
        self._claims: list[tuple[float, int, int]] = []
        """Since when, on which GPU, how many bytes: an engine that starts has not taken them yet."""
        self._seen = -FRESH_S
        self._free: int | None = None

    @property
    def gpu_free(self) -> int | None:
        """Bytes free on the emptiest GPU; None without one."""
        return max((gpu.free for gpu in self.gpus), default=None)

    @property
    def gpu_total(self) -> int | None:
        """Bytes of the emptiest GPU in all; None without one."""
        return max(self.gpus, key=lambda gpu: gpu.free).total if self.gpus else None

    def free(self) -> int | None:
        """Bytes that may still be promised; None when nobody knows. At most FRESH_S old."""
        if self.gpus:
            return self.gpu_free
        now = time.monotonic()
        if now - self._seen >= FRESH_S:
            self._seen, self._free = now, _ram_free()
        return self._free

    def claim(self, size: int) -> Gpu | None:
        """The GPU for an engine of `size` bytes: the emptiest, those taken into account that have just been
        started. None without one."""
        if not self.gpus:
            return None
        now = time.monotonic()
        self._claims = [claim for claim in self._claims if now - claim[0] < CLAIM_S]
        promised = Counter[int]()
        for _, index, claimed in self._claims:
            promised[index] += claimed
        gpu = max(self.gpus, key=lambda gpu: gpu.free - promised[gpu.number])
        self._claims.append((now, gpu.number, size))
        return gpu

    async def refresh(self) -> None:
        """Ask the GPUs, if there are any."""
        try:
            process = await asyncio.create_subprocess_exec(
                "nvidia-smi", "--query-gpu=index,memory.free,memory.total", "--format=csv,noheader,nounits",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                output, _ = await process.communicate()
        except TimeoutError:  # a driver that hangs: what was known stays
            process.kill()
            await process.wait()
            return
        seen = visible_devices(os.environ.get("CUDA_VISIBLE_DEVICES"))
        rows = [gpu for row in output.decode().splitlines() if (gpu := _parse(row)) is not None]
        self.gpus = [gpu for gpu in rows if seen is None or gpu.number in seen]


def visible_devices(text: str | None) -> set[int] | None:
    """The GPUs that `CUDA_VISIBLE_DEVICES` leaves, by number; None where it leaves all or names them."""
    parts = (text or "").split(",")
    return {int(part) for part in parts} if all(part.strip().isdigit() for part in parts) else None


def _parse(row: str) -> Gpu | None:
    """None for a line that tells no memory: `[N/A]` is said where it is the machine's own."""
    try:
        index, free, total = (int(part) for part in row.split(","))
    except ValueError:
        return None
    return Gpu(index, free * 2**20, total * 2**20)


def _ram_free() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return min(available, _cgroup_free(available)) - KEEP_BYTES


def _cgroup_free(otherwise: int) -> int:
    try:
        most = (CGROUP / "memory.max").read_text().strip()
        taken = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return otherwise
    return int(most) - taken if most.isdigit() else otherwise
