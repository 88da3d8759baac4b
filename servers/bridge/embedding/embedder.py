"""The contract of an embedder, which turns texts into unit vectors, and the check that an answer keeps it.

Each embedder is a file beside this one; which of them a collection has is `registry`'s business.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tools.errors import BadVectors

Purpose = Literal["query", "passage"]
"""What a text is: some models read a question otherwise, and a question does not wait for passages."""


class Embedder(Protocol):
    """What the bridge knows of an embedder: its model's name, the dimensions of its vectors, the languages it
    knows, and one verb."""

    name: str
    dimensions: int
    languages: tuple[str, ...]

    async def load(self) -> None:
        """Be ready to embed; the first call may take a second, the others nothing. Raises EmbedderMissing,
        UpstreamFailed."""
        ...

    async def embed(self, texts: Sequence[str], purpose: Purpose = "passage") -> NDArray[np.float32]:
        """float32 (len(texts), dimensions), each row of length 1. Raises BadVectors, QueueFull,
        UpstreamFailed, UpstreamSilent, Unavailable."""
        ...


def unit_vectors(
    rows: Sequence[Sequence[float]] | NDArray[np.float32], *, count: int, dimensions: int
) -> NDArray[np.float32]:
    """A model's rows as float32 (count, dimensions), each of length 1. Raises BadVectors on a short batch, a
    wrong size, NaN or a zero vector."""
    if len(rows) != count:
        raise BadVectors(f"the embedder gave {len(rows)} vectors for {count} texts", source="embedder")
    if any(len(row) != dimensions for row in rows):
        raise BadVectors(f"the embedder gave vectors that have not {dimensions} sizes", source="embedder")
    try:
        vectors = np.asarray(rows, dtype=np.float32).reshape(count, dimensions)
    except (TypeError, ValueError) as exc:
        raise BadVectors("the embedder gave something that is no number", source="embedder") from exc
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise BadVectors("the embedder gave a vector without direction", source="embedder")
    return vectors / lengths
