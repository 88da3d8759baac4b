"""The embedder behind any service that speaks OpenAI's `/v1/embeddings`, the pool by default."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servers.bridge.embedding.embedder import Purpose, unit_vectors
from tools.clients.http import Http
from tools.errors import BadVectors

BATCH_TEXTS = 64
"""Texts a request: an ingest batch has as many documents, and OpenAI takes up to 2,048."""


class OpenAI:
    """`model` is the service's name of it; `dimensions` and `languages` are what settings say of it."""

    def __init__(self, http: Http, *, model: str, dimensions: int, languages: tuple[str, ...]) -> None:
        self.http = http
        self.name, self.dimensions, self.languages = model, dimensions, languages

    async def load(self) -> None:
        """Nothing: the model is the service's business."""

    async def embed(self, texts: Sequence[str], purpose: Purpose = "passage") -> NDArray[np.float32]:
        """As `Embedder.embed`; both purposes are read alike."""
        rows: list[list[float]] = []
        for start in range(0, len(texts), BATCH_TEXTS):
            request = {"model": self.name, "input": list(texts[start : start + BATCH_TEXTS])}
            rows += _vectors(await self.http.json("POST", "/v1/embeddings", json=request))
        return unit_vectors(rows, count=len(texts), dimensions=self.dimensions)


def _vectors(body: object) -> list[list[float]]:
    """The vectors of an answer in the order of the texts. Raises BadVectors."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise BadVectors("the embedder answered without data", source="embedder")
    ordered = sorted(data, key=lambda item: item.get("index", 0))
    return [item.get("embedding") or [] for item in ordered]
