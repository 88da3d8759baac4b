"""Free memory, of the GPU where there is one."""

import pytest

from servers.pool.engines.memory import Memory, visible_devices

MIB = 2**20


@pytest.fixture
def printing(monkeypatch, tmp_path):
    """A function that makes `nvidia-smi` print lines."""
    fake = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def says(*rows: str) -> None:
        fake.write_text("#!/bin/sh\n" + "".join(f"echo '{row}'\n" for row in rows))
        fake.chmod(0o755)

    return says


async def test_free_memory_is_known_with_or_without_a_gpu(printing):
    memory = Memory()
    await memory.refresh()
    assert (free := memory.free()) is None or free > 0
    printing("0, 1000, 4000", "1, 3000, 8000")
    await memory.refresh()
    assert (memory.free(), memory.gpu_total) == (3000 * MIB, 8000 * MIB)


async def test_a_gpu_that_tells_no_memory_of_its_own_leaves_the_ram_to_be_counted(printing):
    memory = Memory()
    printing("0, [N/A], [N/A]")
    await memory.refresh()
    assert (memory.gpu_total, memory.claim(1)) == (None, None)
    printing("0, [N/A], [N/A]", "1, 3000, 4000", "No devices were found")
    await memory.refresh()
    assert memory.free() == 3000 * MIB


async def test_two_engines_that_start_at_once_get_a_gpu_each(printing):
    memory = Memory()
    printing("0, 7000, 8000", "1, 6000, 8000")
    await memory.refresh()
    chosen = [memory.claim(4000 * MIB), memory.claim(4000 * MIB), memory.claim(1000 * MIB)]
    assert [gpu.number for gpu in chosen if gpu] == [0, 1, 0]


async def test_only_the_gpus_that_were_left_to_the_pool_are_used(printing, monkeypatch):
    memory = Memory()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    printing("0, 9000, 9000", "1, 1000, 9000", "2, 2000, 9000")
    await memory.refresh()
    chosen = memory.claim(1)
    assert chosen is not None
    assert chosen.number == 2


@pytest.mark.parametrize(
    ("text", "left"), [(None, None), ("", None), ("3", {3}), ("0, 2", {0, 2}), ("GPU-8a1c", None)]
)
def test_devices_are_read_as_cuda_reads_them(text, left):
    assert visible_devices(text) == left
