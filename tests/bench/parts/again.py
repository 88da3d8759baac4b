"""A part of `tests.bench.flows`: what a second ingestion costs, of the same files and of one that changed.

Not a benchmark by itself.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.ingest import ingest
from tests.flows.fake_bridge import FakeBridge
from tests.ports import free_ports
from tests.serving import serving
from tools.settings import Settings

Write = Callable[[Path, int], None]
COUNTED = (1_000, 20_000)


async def twice(folder: Path, write: Write, files: int, embedder: str) -> None:
    """The same files a second time, through the served bridge. The quicker the embedder, the larger the
    second run's part."""
    write(folder, files)
    first, again = await _timed(folder), await _timed(folder)
    share = f"{again / first:.1%} of the first run"
    print(f"{files} files, vectors of {embedder}: {first:.1f} s, again {again:.1f} s, {share}", flush=True)


async def calls(settings: Settings, home: Path, write: Write) -> None:
    """Calls to the bridge for one file that changed; those to a fake one are the same and are counted."""
    [port] = free_ports(1)
    os.environ.update(
        settings.model_copy(
            update={"ports": settings.ports.model_copy(update={"bridge": port})}
        ).environment()
    )
    for count in COUNTED:
        bridge, folder = FakeBridge(), home / f"calls{count}"
        write(folder, count)
        with serving(bridge.app(), port):
            await _timed(folder)
            (folder / "00000.md").write_text("# Page 0\n\nChanged.\n")
            kinds = (bridge.comparisons, bridge.requests, bridge.listings)
            before = [len(kind) for kind in kinds]
            taken = await _timed(folder)
        asked, sent, listed = (len(kind) - was for kind, was in zip(kinds, before, strict=True))
        print(f"one of {count} changed: {asked} questions, {sent} writes, {listed} listings; {taken:.1f} s")
    os.environ.update(settings.environment())


async def _timed(folder: Path) -> float:
    started = time.monotonic()
    report: Any = await ingest(sources=[str(folder)], collection=folder.name)
    assert not report.failed, report.failed[:3]
    return time.monotonic() - started
