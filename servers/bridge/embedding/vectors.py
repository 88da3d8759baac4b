"""What every embedder's answer must be: as many vectors as texts, of one size, finite, of length 1. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.errors import BadVectors


def checked(rows: Sequence[Any], *, count: int, dimensions: int) -> np.ndarray:
    """Rows as unit vectors. Raises BadVectors on a short batch, a wrong size, NaN or a zero vector."""
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
