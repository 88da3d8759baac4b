"""Engine processes and their sockets: nothing of them is left."""

import asyncio
import os
import signal
import sys

from servers.pool.engines import process, sockets
from tests.pool.harness import until


async def test_a_program_that_does_not_exist_is_an_error_and_no_orphan(tmp_path):
    log = tmp_path / "log"
    running = process.spawn(["/nowhere/at/all"], env={}, nonce="nonce-x", owner="o", log=log)
    async with asyncio.timeout(60):
        assert await running.exit != 0
    assert "No such file" in running.log_tail()
    await running.end(0.1)
    assert process.find("nonce-x", group=running.pid) == []


async def test_a_killed_engine_leaves_no_socket_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    bind = f"import os, time; open(os.environ['{process.SOCKETS}'] + '/s', 'w'); time.sleep(600)"
    for how in ("ended", "left behind"):
        log = tmp_path / "log"
        running = process.spawn([sys.executable, "-c", bind], env={}, nonce=how, owner="o", log=log)
        await until(lambda: list(tmp_path.glob("capibara6-*/s")))
        if how == "left behind":
            os.killpg(running.pid, signal.SIGKILL)
            sockets.sweep("another pool")
            assert list(tmp_path.glob("capibara6-*/s"))
            sockets.sweep("o")
        else:
            await running.end(0.0)
        assert not list(tmp_path.glob("capibara6-*"))
        await running.end(0.0)
