"""How much memory is free for engines, on the GPUs or in RAM, and on which GPUs an engine starts. Bytes.

What a model will take is its backend's to say (`engines/vllm.py`).
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import pynvml

from servers.pool.engines.gpus import Gpu, Nvml, choose_visible, read_gpus
from tools.errors import ModelUnavailable
from tools.log import get_logger

KEEP_BYTES = 512 * 2**20
"""Never promised to a model: the rest of the machine lives on it."""
FRESH_S = 0.2
ANSWER_S = 10.0
CLAIM_S = 120.0
"""How long an engine may take until the GPU itself shows what it has taken."""
CGROUP = Path("/sys/fs/cgroup")
VISIBLE = "CUDA_VISIBLE_DEVICES"

log = get_logger("pool.memory")


class Claim(NamedTuple):
    """What an engine that starts will take of each of its GPUs, and since when: NVML does not show it yet."""

    since: float
    names: frozenset[str]
    size: int


class Memory:
    """Free memory of what engines run on: the GPUs where there are any, else the RAM."""

    def __init__(self, nvml: Nvml | None = None) -> None:
        self.nvml = nvml or cast("Nvml", pynvml)
        self.gpus: list[Gpu] = []
        self._claims: dict[str, Claim] = {}
        self._seen = -FRESH_S
        self._free: int | None = None
        self._looking: asyncio.Future[list[Gpu]] | None = None

    @property
    def gpu_free(self) -> int | None:
        """Bytes free on all GPUs together; None without one."""
        return sum(gpu.free for gpu in self.gpus) if self.gpus else None

    def free(self) -> int | None:
        """Bytes that may still be promised to one engine on each of its devices, those promised to engines
        that start counted in; None when nobody knows. At most FRESH_S old."""
        if self.gpus:
            left = self._left()
            promised = sum(claim.size for claim in self._claims.values())
            return max(left.values()) + promised
        now = time.monotonic()
        if now - self._seen >= FRESH_S:
            self._seen, self._free = now, _ram_free()
        return self._free

    def claim(self, name: str, size: int, *, count: int = 1, devices: Sequence[str] = ()) -> list[Gpu]:
        """The GPUs for an engine that takes `size` bytes of each: `devices`, else the `count` emptiest, what
        other engines that start will take counted in. Empty without a GPU. `settle` gives the claim back.

        Raises ModelUnavailable where a named one is not there, or where too little is left.
        """
        self._claims.pop(name, None)
        if not self.gpus:
            if devices:
                raise _unavailable(name, f"is for GPU {', '.join(devices)}; this machine shows none")
            return []
        left = self._left()
        chosen = self._named(name, devices) if devices else sorted(self.gpus, key=lambda gpu: -left[gpu.name])
        chosen = chosen if devices else chosen[:count]
        if len(chosen) < count:
            raise _unavailable(name, f"is spread over {count} GPUs; there are {len(self.gpus)}")
        for gpu in chosen:
            if (devices or count > 1) and left[gpu.name] < size:
                raise _unavailable(
                    name,
                    f"needs {size >> 20} MiB of GPU {gpu.name}, which has {left[gpu.name] >> 20} MiB left",
                )
        self._claims[name] = Claim(time.monotonic(), frozenset(gpu.name for gpu in chosen), size)
        return chosen

    def settle(self, name: str) -> None:
        """The engine has taken its memory, or will not: the claim is over. Safe without one."""
        self._claims.pop(name, None)

    async def refresh(self) -> None:
        """Look at the GPUs, if there are any; when the driver hangs, what was known stays."""
        look = self._looking
        if look is None or look.done():
            reading = asyncio.to_thread(read_gpus, self.nvml, os.environ.get(VISIBLE))
            look = self._looking = asyncio.ensure_future(reading)
        done, _ = await asyncio.wait({look}, timeout=ANSWER_S)
        if done:
            self.gpus = look.result()
        else:
            log.warning("nvml_silent", seconds=ANSWER_S)

    def _left(self) -> dict[str, int]:
        """Bytes of each GPU that are neither taken nor claimed."""
        now = time.monotonic()
        self._claims = {name: claim for name, claim in self._claims.items() if now - claim.since < CLAIM_S}
        claimed = Counter[str]()
        for claim in self._claims.values():
            claimed.update(dict.fromkeys(claim.names, claim.size))
        return {gpu.name: gpu.free - claimed[gpu.name] for gpu in self.gpus}

    def _named(self, name: str, devices: Sequence[str]) -> list[Gpu]:
        chosen: list[Gpu] = []
        for device in devices:
            found = choose_visible(self.gpus, device)
            if not found:
                have = ", ".join(gpu.name for gpu in self.gpus)
                raise _unavailable(name, f"is for GPU {device}, which is not here; there are {have}")
            chosen += found
        return chosen


def _unavailable(name: str, why: str) -> ModelUnavailable:
    return ModelUnavailable(f"{name} {why}", param="model", source="pool")


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
