"""The sample documents of a fresh home, ingested by the flow as anybody's documents are."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from servers.commands.messages import message
from servers.local.orphans import INSTANCE_VARIABLE
from tools.settings import Settings


def ingest_sample(
    settings: Settings, console: Console, stop: threading.Event, meanwhile: Callable[[], object]
) -> None:
    """Register the flows and ingest the sample knowledge, unless this home already holds just that."""
    marker = settings.home / "knowledge.sha256"
    wanted = folder_digest(settings.knowledge)
    run_flows(settings, "deploy")
    if wanted is None:
        console.print(message("no_sample", settings.language, folder=settings.knowledge))
        return
    if marker.exists() and marker.read_text() == wanted:
        return
    console.print(message("ingesting", settings.language))
    parameters = json.dumps({"sources": [str(settings.knowledge.absolute())]})
    words = ("run", "ingest/ingest", "--wait", "--parameters", parameters)
    code = run_flows(settings, *words, stop=stop, meanwhile=meanwhile)
    if code != 0:
        if not stop.is_set():
            console.print(
                message("flow_failed", settings.language, url=settings.prefect_url.removesuffix("/api"))
            )
        return
    marker.write_text(wanted)
    console.print(message("ingested", settings.language))


def folder_digest(folder: Path) -> str | None:
    """SHA-256 over the names and bytes of a folder's files; None when there is no such folder."""
    if not folder.is_dir():
        return None
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def run_flows(
    settings: Settings,
    *words: str,
    stop: threading.Event | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> int:
    """Run `python -m flows …` to its end, or until `stop`, with `meanwhile` called now and then; returns its
    exit status."""
    environment = {**os.environ, **settings.environment(), INSTANCE_VARIABLE: str(settings.home.absolute())}
    child = subprocess.Popen([sys.executable, "-m", "flows", *words], env=environment)
    while child.poll() is None:
        if stop is not None and stop.wait(0.1):
            child.terminate()
        elif stop is None:
            child.wait()
        meanwhile()
    return child.returncode
