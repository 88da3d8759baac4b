"""An embedder without a model, behind OpenAI's wire: the stores are measured and not it. Run as a program.

`python -m tests.bench.hashed PORT`; not a benchmark by itself.
"""

import sys
import zlib
from collections.abc import Sequence

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tools.sections import Embedder

NAME, SIZE = "hashed", 384


def embedder(port: int) -> Embedder:
    """What settings say of the one that listens on `port`."""
    url = f"http://127.0.0.1:{port}"
    return Embedder(backend="openai", model=NAME, dimensions=SIZE, url=url)


def vectors(texts: Sequence[str]) -> np.ndarray:
    """float32, len(texts) x `SIZE`: each word has its place, each row length 1."""
    rows = np.zeros((len(texts), SIZE), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.lower().split():
            row[zlib.crc32(word.encode()) % SIZE] += 1
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


async def embeddings(request: Request) -> JSONResponse:
    rows = vectors((await request.json())["input"]).tolist()
    return JSONResponse({"data": [{"index": number, "embedding": row} for number, row in enumerate(rows)]})


if __name__ == "__main__":
    app = Starlette(routes=[Route("/v1/embeddings", embeddings, methods=["POST"])])
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
