"""Texts to unit vectors with `sentence-transformers`, which is not installed by default: it brings torch.

Any of its models, multilingual ones too; on a GPU when torch sees one.
"""

import asyncio
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from servers.bridge.memory import return_free_pages
from servers.bridge.vectors import checked
from tools.errors import EmbedderMissing, UpstreamFailed

PACKAGE = "sentence-transformers"


class SentenceTransformers:
    """One model, loaded on first use in a thread. `model` is a name of its hub or a folder."""

    def __init__(self, *, model: str, dimensions: int, languages: tuple[str, ...]) -> None:
        self.name, self.dimensions, self.languages = model, dimensions, languages
        self.loading = asyncio.Lock()
        self.model: Any = None

    async def load(self) -> None:
        """Raises EmbedderMissing without the package, UpstreamFailed when it can not load the model."""
        if self.model is not None:
            return
        async with self.loading:
            if self.model is None:
                self.model = await asyncio.to_thread(_open, self.name)

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        await self.load()
        rows = await asyncio.to_thread(self._encode, list(texts))
        return checked(rows, count=len(texts), dimensions=self.dimensions)

    def _encode(self, texts: list[str]) -> Any:
        rows = self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        if len(texts) > 1:
            return_free_pages()
        return rows


def _open(name: str) -> Any:
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
