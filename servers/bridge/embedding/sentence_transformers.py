"""The embedder of the package `sentence-transformers`, which is not installed by default: it brings torch.

Any of its models, multilingual ones too; on a GPU when torch sees one.
"""

import asyncio
import importlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from servers.bridge.embedding.embedder import Purpose, unit_vectors
from servers.bridge.process_memory import return_free_pages
from tools.errors import EmbedderMissing, UpstreamFailed

PACKAGE = "sentence-transformers"


class Model(Protocol):
    """What is used of the package's `SentenceTransformer`."""

    def encode(
        self, texts: list[str], *, normalize_embeddings: bool, show_progress_bar: bool
    ) -> NDArray[np.float32]: ...


class SentenceTransformers:
    """One model, loaded on first use in a thread. `model` is a name of its hub or a folder."""

    def __init__(self, *, model: str, dimensions: int, languages: tuple[str, ...]) -> None:
        self.name, self.dimensions, self.languages = model, dimensions, languages
        self.loading = asyncio.Lock()
        self.model: Model | None = None

    async def load(self) -> None:
        """Raises EmbedderMissing without the package, UpstreamFailed when it can not load the model."""
        if self.model is not None:
            return
        async with self.loading:
            if self.model is None:
                self.model = await asyncio.to_thread(_open, self.name)

    async def embed(self, texts: Sequence[str], purpose: Purpose = "passage") -> NDArray[np.float32]:
        """As `Embedder.embed`; both purposes are read alike."""
        await self.load()
        rows = await asyncio.to_thread(self._encode, list(texts))
        return unit_vectors(rows, count=len(texts), dimensions=self.dimensions)

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        assert self.model is not None
        rows = self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        if len(texts) > 1:
            return_free_pages()
        return rows


def _open(name: str) -> Model:
    try:
        package = importlib.import_module("sentence_transformers")
    except ImportError as exc:
        raise EmbedderMissing(
            f"{PACKAGE} is not installed: add it with 'uv pip install {PACKAGE}'", source="embedder"
        ) from exc
    try:
        return package.SentenceTransformer(name)
    except (OSError, ValueError, RuntimeError) as exc:
        raise UpstreamFailed(f"{PACKAGE} can not load {name}", source="embedder") from exc
