"""What the built-in embedders have in common: a graph in this process's onnxruntime, loaded once, behind one
queue for all callers. No torch, no download.

A model says how it reads a text; `batch_queue` which text comes first, `graph_file` where the graph is.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.bridge.embedding.batch_queue import BatchQueue
from servers.bridge.embedding.embedder import Purpose, unit_vectors
from servers.bridge.embedding.encoder import Encoder, Rows, Words
from servers.bridge.embedding.graph_file import ensure_graph
from servers.bridge.process_memory import return_free_pages
from tools.errors import UpstreamFailed

SHORT = 2_000
"""Letters of questions that are read at once and not in a thread, which may have to be waited for."""
RETRY_S = 30.0
"""A graph that could not be built is not tried again for so long: each search would wait for it."""


class OnnxEmbedder(ABC):
    """Loads on first use: in a second or two, and some more where the graph must be built."""

    name: str
    dimensions: int
    languages: tuple[str, ...]
    graph: str
    """Its name in `graph_file.BUILDERS`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue: BatchQueue | None = None
        self.loading: asyncio.Task[None] | None = None
        self.failed: tuple[float, str] | None = None

    @abstractmethod
    def open(self) -> Words:
        """Make the tokenizer; the words of the mapped table. Raises EmbedderMissing."""

    @abstractmethod
    def windows(self, texts: Sequence[str], purpose: Purpose) -> list[Rows]:
        """The token ids of each text's windows, one at least, each with the two marks of its ends."""

    async def embed(self, texts: Sequence[str], purpose: Purpose = "passage") -> NDArray[np.float32]:
        """As `Embedder.embed`."""
        await self.load()
        assert self.queue is not None
        urgent = purpose == "query"
        if urgent and sum(map(len, texts)) <= SHORT:
            windows = self.windows(texts, purpose)
        else:
            windows = await asyncio.to_thread(self.windows, texts, purpose)
        rows = [row for text in windows for row in text]
        means = await self.queue.means(rows, urgent=urgent)
        if not urgent:  # a question leaves little behind, and somebody waits for it
            await asyncio.to_thread(return_free_pages)
        return unit_vectors(joined(windows, means), count=len(texts), dimensions=self.dimensions)

    async def load(self) -> None:
        """Map the weights and make the session, once for all who wait; at its first use an installation
        builds the graph. Raises EmbedderMissing, UpstreamFailed."""
        if self.queue is not None:
            return
        if self.failed is not None and time.monotonic() < self.failed[0] + RETRY_S:
            raise UpstreamFailed(self.failed[1], source="embedder")
        if self.loading is None or self.loading.done():
            self.loading = asyncio.create_task(self._load())
        # Who gives up waiting does not take it from the others.
        await asyncio.shield(self.loading)

    async def _load(self) -> None:
        words = await asyncio.to_thread(self.open)
        try:
            graph = await ensure_graph(self.folder, self.graph)
        except UpstreamFailed as exc:
            self.failed = time.monotonic(), exc.message
            raise
        encoder = await asyncio.to_thread(Encoder, graph, words)
        self.queue = BatchQueue(encoder.means, size=self.dimensions)
        await asyncio.to_thread(return_free_pages)


def joined(windows: Sequence[Rows], means: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each text's windows by their tokens, as if one window had read it all."""
    found = np.zeros((len(windows), means.shape[1]), dtype=np.float32)
    place = 0
    for number, text in enumerate(windows):
        lengths = np.array([max(1, len(window) - 2) for window in text], dtype=np.float32)
        found[number] = lengths @ means[place : place + len(text)]
        place += len(text)
    return found
