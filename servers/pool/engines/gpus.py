"""The GPUs of this machine as NVML tells them: free memory of each, of MIG instances in place of their GPU.

What `CUDA_VISIBLE_DEVICES` hides is left out. Bytes throughout. It looks and decides nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

MIG_ON = 1
"""NVML_DEVICE_MIG_ENABLE."""


class Gpu(NamedTuple):
    """A GPU, or a MIG instance. `name` is what `CUDA_VISIBLE_DEVICES` takes: a number by PCI bus, a UUID."""

    name: str
    uuid: str
    free: int
    total: int


class Nvml(Protocol):
    """What is used of NVML; the module `pynvml` has it. Each call raises its `NVMLError`."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> Any: ...
    def nvmlDeviceGetUUID(self, handle: Any, /) -> str: ...
    def nvmlDeviceGetMemoryInfo(self, handle: Any, /) -> Any: ...
    def nvmlDeviceGetMigMode(self, device: Any, /) -> Sequence[int]: ...
    def nvmlDeviceGetMaxMigDeviceCount(self, device: Any, /) -> int: ...
    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Any, index: int, /) -> Any: ...


def read_gpus(nvml: Nvml, visible: str | None) -> list[Gpu]:
    """The GPUs that `visible` (the value of `CUDA_VISIBLE_DEVICES`) leaves; none without a driver. Blocking.

    One that tells no memory of its own, because it uses the machine's, is not among them.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        return choose_visible(
            [gpu for number in range(nvml.nvmlDeviceGetCount()) for gpu in _read(nvml, number)], visible
        )
    except nvml.NVMLError:
        return []
    finally:
        nvml.nvmlShutdown()


def choose_visible(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """Those that a program sees, as CUDA reads the variable: numbers or beginnings of UUIDs, up to the first
    that names nothing; unset leaves all, empty none."""
    if visible is None:
        return list(gpus)
    chosen: list[Gpu] = []
    for part in visible.split(","):
        word = part.strip()
        named = [gpu for gpu in gpus if word and (gpu.name == word or gpu.uuid.startswith(word))]
        if not named:
            break
        chosen += [gpu for gpu in named[:1] if gpu not in chosen]
    return chosen


def _read(nvml: Nvml, number: int) -> Iterator[Gpu]:
    """One GPU, or its MIG instances; nothing of a lost or unreadable one."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(number)
        instances = list(_instances(nvml, handle))
    except nvml.NVMLError:
        return
    for place in instances or [handle]:
        try:
            uuid, memory = nvml.nvmlDeviceGetUUID(place), nvml.nvmlDeviceGetMemoryInfo(place)
        except nvml.NVMLError:
            continue
        if memory.total:
            yield Gpu(uuid if instances else str(number), uuid, int(memory.free), int(memory.total))


def _instances(nvml: Nvml, handle: Any) -> Iterator[Any]:
    """The handles of a GPU's MIG instances; none where MIG is off or unknown to it."""
    try:
        if nvml.nvmlDeviceGetMigMode(handle)[0] != MIG_ON:
            return
        most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except nvml.NVMLError:
        return
    for index in range(most):
        try:
            yield nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
        except nvml.NVMLError:  # a place that no instance takes
            continue
