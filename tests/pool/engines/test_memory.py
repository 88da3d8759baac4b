"""Free memory, of the GPUs where there are any, and which of them an engine gets."""

import pytest

from servers.pool.engines.memory import Memory
from tests.pool.engines.fake_nvml import Card, FakeNvml
from tools.errors import ModelUnavailable

GIB = 2**30


def card(number: int, free: float | None, total: float | None = 8, **more) -> Card:
    sizes = [None if size is None else int(size * GIB) for size in (free, total)]
    return Card(uuid=f"GPU-{number}{number}ab", free=sizes[0], total=sizes[1], **more)


@pytest.fixture(autouse=True)
def _all_visible(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


async def looked(*cards: Card) -> Memory:
    memory = Memory(FakeNvml(*cards))
    await memory.refresh()
    return memory


async def test_free_memory_is_known_with_or_without_a_gpu():
    nvml = FakeNvml()
    nvml.cards = None
    memory = Memory(nvml)
    await memory.refresh()
    assert (free := memory.free()) is None or free > 0
    assert memory.claim("m", GIB) == []
    nvml.cards = [card(0, 1), card(1, 3)]
    await memory.refresh()
    assert memory.free() == 3 * GIB
    assert nvml.open == 0, "each look closes what it opened"


async def test_a_gpu_that_tells_no_memory_of_its_own_leaves_the_ram_to_be_counted():
    memory = await looked(card(0, None, None))
    assert (memory.gpus, memory.claim("m", 1)) == ([], [])
    memory = await looked(card(0, None, None), card(1, 3))
    assert memory.free() == 3 * GIB


async def test_engines_that_start_at_once_get_a_gpu_each_and_small_ones_share():
    memory = await looked(card(0, 7), card(1, 6))
    chosen = [memory.claim(name, size * GIB) for name, size in (("a", 4), ("b", 4), ("c", 2), ("d", 1))]
    assert [gpu.name for (gpu,) in chosen] == ["0", "1", "0", "1"]
    shares = {"0": 4 + 2, "1": 4 + 1}
    assert all(shares[gpu.name] * GIB <= gpu.free for (gpu,) in chosen), "together they fit"


async def test_what_starts_on_one_gpu_is_not_taken_from_the_other():
    memory = await looked(card(0, 8), card(1, 8))
    memory.claim("a", 6 * GIB)
    # The scheduler takes 6 GiB off for the load that runs: 8 must be left on the other GPU.
    assert memory.free() == (8 + 6) * GIB
    memory.claim("b", 6 * GIB)
    assert memory.free() == (2 + 12) * GIB
    memory.settle("a")
    assert memory.free() == (8 + 6) * GIB


async def test_a_model_that_is_spread_gets_that_many_gpus_or_a_reason():
    memory = await looked(card(0, 5), card(1, 8), card(2, 8))
    assert [gpu.name for gpu in memory.claim("wide", 7 * GIB, count=2)] == ["1", "2"]
    with pytest.raises(ModelUnavailable, match="spread over 4 GPUs; there are 3"):
        memory.claim("wider", GIB, count=4)
    with pytest.raises(ModelUnavailable, match="which has 1024 MiB left"):
        memory.claim("third", 4 * GIB, count=2, devices=("0", "1"))


async def test_named_gpus_are_used_and_one_that_is_not_there_is_named():
    memory = await looked(card(0, 8), card(1, 2))
    assert [gpu.name for gpu in memory.claim("m", GIB, devices=("1",))] == ["1"]
    assert [gpu.name for gpu in memory.claim("m", GIB, devices=("GPU-11",))] == ["1"]
    with pytest.raises(ModelUnavailable, match="GPU 5, which is not here; there are 0, 1"):
        memory.claim("m", GIB, devices=("5",))
    with pytest.raises(ModelUnavailable, match="this machine shows none"):
        (await looked()).claim("m", GIB, devices=("0",))


async def test_mig_instances_stand_in_place_of_their_gpu():
    parts = [
        Card(uuid="MIG-one", free=4 * GIB, total=5 * GIB),
        None,
        Card(uuid="MIG-two", free=GIB, total=5 * GIB),
    ]
    memory = await looked(card(0, 9, 80, instances=parts), card(1, 3))
    assert [gpu.name for gpu in memory.gpus] == ["MIG-one", "MIG-two", "1"]
    assert [gpu.name for gpu in memory.claim("m", 3 * GIB)] == ["MIG-one"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (None, ["0", "1", "2"]),
        ("", []),
        ("2", ["2"]),
        ("2, 0", ["2", "0"]),
        ("GPU-11", ["1"]),
        ("1,-1,0", ["1"]),
        ("9", []),
    ],
)
async def test_devices_are_read_as_cuda_reads_them(monkeypatch, text, left):
    if text is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    memory = await looked(card(0, 1), card(1, 2), card(2, 3))
    assert [gpu.name for gpu in memory.gpus] == left
