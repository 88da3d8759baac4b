"""How much memory is free for engines, on the GPU or in RAM. Bytes throughout.

What a model will take is its backend's to say (`engines/vllm.py`).
"""

import asyncio
import time
from pathlib import Path

KEEP_BYTES = 512 * 2**20
"""Never promised to a model: the rest of the machine lives on it."""
FRESH_S = 0.2
CGROUP = Path("/sys/fs/cgroup")


class Memory:
    """Free memory of the device that engines run on: the GPU where one answers, else this machine's RAM."""

    def __init__(self) -> None:
        self.gpu_free: int | None = None
        self.gpu_total: int | None = None
        self._seen = -FRESH_S
        self._free: int | None = None

    def free(self) -> int | None:
        """Bytes that may still be promised; None when nobody knows. At most FRESH_S old."""
        if self.gpu_free is not None:
            return self.gpu_free
        now = time.monotonic()
        if now - self._seen >= FRESH_S:
            self._seen, self._free = now, _ram_free()
        return self._free

    async def refresh(self) -> None:
        """Ask the GPU, if there is one."""
        try:
            process = await asyncio.create_subprocess_exec(
                "nvidia-smi", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError:
            return
        output, _ = await process.communicate()
        rows = [row.split(",") for row in output.decode().splitlines() if row.count(",") == 1]
        if rows:
            # Tensor parallelism is the operator's business: one model, one GPU, the emptiest.
            free, total = max((int(row[0]), int(row[1])) for row in rows)
            self.gpu_free, self.gpu_total = free * 2**20, total * 2**20


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
