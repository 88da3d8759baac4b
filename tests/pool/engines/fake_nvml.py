"""NVML as a machine of our choice would answer: the calls that are used, with the driver's own shapes."""

from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    """As `pynvml.NVMLError`."""


class Card(SimpleNamespace):
    """A GPU or a MIG instance: `free` and `total` in bytes (None: not told), `instances` with MIG on."""

    uuid: str
    free: int | None
    total: int | None
    instances: "list[Card | None] | None" = None


class FakeNvml:
    """`cards` may change between two looks; None in their place is a machine without a driver."""

    NVMLError: type[Exception] = NVMLError

    def __init__(self, *cards: Card) -> None:
        self.cards: list[Card] | None = list(cards)
        self.open = 0

    def nvmlInit(self) -> None:
        if self.cards is None:
            raise NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards or ())

    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> Card:
        assert self.cards is not None
        return self.cards[index]

    def nvmlDeviceGetUUID(self, handle: Card, /) -> str:
        return handle.uuid

    def nvmlDeviceGetMemoryInfo(self, handle: Card, /) -> Any:
        if handle.total is None:
            raise NVMLError("Not Supported")
        return SimpleNamespace(free=handle.free, total=handle.total)

    def nvmlDeviceGetMigMode(self, device: Card, /) -> list[int]:
        if device.total is None:
            raise NVMLError("Not Supported")
        return [int(device.instances is not None), 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Card, /) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Card, index: int, /) -> Card:
        places = [*(device.instances or ()), *[None] * 7]
        found = places[index]
        if found is None:
            raise NVMLError("Not Found")
        return found
