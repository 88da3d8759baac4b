"""The encoders' graphs, built once a checkout: a bridge in a fresh home is lent them, and need not build them
again. That a bridge without them builds them is tested by itself (`tests/bridge/embedding`)."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from servers.bridge.embedding import graph_file
from tools.settings import Settings

SOURCES = sorted(Path(graph_file.__file__).parent.glob("*.py"))
DIGEST = hashlib.sha256(b"".join(file.read_bytes() for file in SOURCES)).hexdigest()[:16]
KEPT = Path(__file__).parents[2] / ".pytest_cache" / "graphs" / DIGEST


def lend_graphs(settings: Settings) -> None:
    """Put every graph into the home's models; those that nobody has built yet are built here."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in graph_file.BUILDERS:
            if not any(KEPT.glob(f"{name}.*.onnx")):
                command = [sys.executable, "-m", graph_file.__name__, str(KEPT), name]
                subprocess.run(command, check=True, timeout=graph_file.DEADLINE_S)
    models = settings.home.absolute() / "models"
    models.mkdir(parents=True, exist_ok=True)
    for file in KEPT.glob("*.onnx"):
        if not (models / file.name).exists():
            draft = models / f"lent.{file.name}.{os.getpid()}"
            shutil.copyfile(file, draft)
            draft.rename(models / file.name)
