"""The file of an encoder's graph: found again when it is whole, built by a child process when it is not.

Its name ends with a digest of its bytes: one that was cut short or has changed is known, and built again.
What a build takes this process would keep, 110 MB with E5 and 120 with MiniLM; a child gives it back.
"""

import asyncio
import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from servers.bridge.embedding import e5_weights, minilm_weights
from tools.errors import UpstreamFailed
from tools.log import get_logger

BUILDERS: Mapping[str, Callable[[], bytes]] = {
    e5_weights.GRAPH: e5_weights.build,
    minilm_weights.GRAPH: minilm_weights.build,
}
"""How each graph is built, by its name: model, version, precision."""
DEADLINE_S = 300.0
"""Of a build: two seconds on an idle machine."""
log = get_logger("graph_file")


async def ensure_graph(folder: Path, name: str) -> Path:
    """The whole file of a graph of `BUILDERS`. Raises UpstreamFailed when it can not be built."""
    found = await asyncio.to_thread(whole_graph, folder, name)
    if found is not None:
        return found
    began = time.monotonic()
    said = await _built_by_child(folder, name)
    # Even when it failed: another replica may have been faster.
    found = await asyncio.to_thread(whole_graph, folder, name)
    if found is None:
        log.error("graph_missing", graph=name, reason=said)
        raise UpstreamFailed(f"the graph of {name} can not be built: see the log", source="embedder")
    log.info("graph_built", graph=name, seconds=round(time.monotonic() - began, 1))
    return found


def whole_graph(folder: Path, name: str) -> Path | None:
    """A file of the graph whose bytes are what its name says; others are removed."""
    for file in folder.glob(f"{name}.*.onnx"):
        if file.name == _file_name(name, file.read_bytes()):
            return file
        log.warning("graph_spoilt", file=file.name)
        file.unlink(missing_ok=True)
    return None


def write_graph(folder: Path, name: str, data: bytes) -> Path:
    """Write the file, which nobody sees before it is whole; the model's earlier ones are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    partial, file = folder / f".{name}.{os.getpid()}", folder / _file_name(name, data)
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(file)
    model = name.partition(".")[0]
    for other in (*folder.glob(f"{model}.*.onnx"), *folder.glob(f".{model}.*")):
        with contextlib.suppress(FileNotFoundError):
            if other != file and other.stat().st_mtime < time.time() - DEADLINE_S:
                other.unlink()
    return file


async def _built_by_child(folder: Path, name: str) -> str:
    """Build it; what the child said of its failure. The child ends with the call, whatever ends that."""
    command = (sys.executable, "-m", __spec__.name, str(folder), name)
    child = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            _, said = await child.communicate()
    except TimeoutError:
        return f"not within {DEADLINE_S:.0f} s"
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    lines = said.decode(errors="replace").splitlines()
    return lines[-1] if lines else f"its process ended with {child.returncode}"


def _file_name(name: str, data: bytes) -> str:
    return f"{name}.{hashlib.blake2b(data, digest_size=8).hexdigest()}.onnx"


if __name__ == "__main__":
    write_graph(Path(sys.argv[1]), sys.argv[2], BUILDERS[sys.argv[2]]())
