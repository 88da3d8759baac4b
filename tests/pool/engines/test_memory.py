"""Free memory, of the GPU where there is one."""

from servers.pool.engines.memory import Memory


async def test_free_memory_is_known_with_or_without_a_gpu(monkeypatch, tmp_path):
    memory = Memory()
    await memory.refresh()
    assert (free := memory.free()) is None or free > 0
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho '1000, 4000'\necho '3000, 4000'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    await memory.refresh()
    assert (memory.free(), memory.gpu_total) == (3000 * 2**20, 4000 * 2**20)
