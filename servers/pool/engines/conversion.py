"""Converts a GGUF file to a folder that vLLM serves, by vLLM's environment. Whole or not at all."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from servers.pool.engines import process
from tools.errors import BadRequest, ProgramFailed, StorageFull, Unavailable, UpstreamSilent
from tools.settings import handed_on

SCRIPT = Path(__file__).with_name("gguf_to_safetensors.py")
CONVERT_S = 3_600.0
END_S = 5.0
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME")
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""Nothing is fetched, and no bar pushes the reason of a failure out of the log's last line."""


async def convert(file: Path, folder: Path, *, python: Path, size: int) -> None:
    """Write the model of `file` into `folder`, `size` bytes as safetensors, with its tokenizer and template.

    Raises Unavailable without vLLM's environment, BadRequest where the folder is taken, StorageFull,
    ProgramFailed with what the conversion said last, UpstreamSilent after CONVERT_S.
    """
    if not os.access(python, os.X_OK):
        why = f"a GGUF file is converted by vLLM's environment: no {python} (build it with `make vllm`)"
        raise Unavailable(why, source="pool")
    if folder.exists():
        raise BadRequest(f"{folder} is there already: another name", param="name", source="pool")
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder.parent).free) < size:
        why = f"the weights take {size >> 20} MiB, and {free >> 20} MiB are free in {folder.parent}"
        raise StorageFull(why, source="pool")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as made:
        await _run([str(python), "-P", str(SCRIPT), str(file), f"{made}/model"], Path(made) / "log")
        (Path(made) / "model").rename(folder)


async def _run(command: list[str], log: Path) -> None:
    nonce = process.new_nonce()
    environment = {**handed_on(INHERITED), **QUIET}
    running = process.spawn(command, env=environment, nonce=nonce, owner=f"gguf:{nonce}", log=log)
    try:
        done, _ = await asyncio.wait({running.exit}, timeout=CONVERT_S)
        if not done:
            raise UpstreamSilent(f"the conversion took longer than {CONVERT_S:g} s", source="pool")
        if running.exit.result() != 0:
            raise ProgramFailed(f"the file could not be converted: {running.log_tail(1)}", source="pool")
    finally:
        await running.end(END_S)
