"""A passage as a row of Milvus. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from servers.bridge.manifest import ChunkRow
from servers.bridge.milvus import TEXT_BYTES
from servers.bridge.plan import Place


def milvus_row(
    place: Place, document_id: str, chunk: ChunkRow, vector: np.ndarray, attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """`attributes` are its document's: language, title, source, metadata."""
    return {
        "id": chunk.id,
        "document_id": document_id,
        "tenant": place.tenant,
        "heading": chunk.heading[:2_000],
        "text": chunk.text,
        "tokens": chunk.tokens.encode()[:TEXT_BYTES].decode(errors="ignore"),
        "dense": vector,
        **attributes,
    }
