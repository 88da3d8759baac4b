"""Texts to unit vectors: MiniLM in this process, or any OpenAI-compatible `/v1/embeddings`.

Which of them a collection has is `embedders`' business.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from servers.bridge.memory import return_free_pages
from servers.bridge.minilm import ensure_graph, weights_folder, word_table
from servers.bridge.vectors import checked
from tools.clients.http import Http
from tools.errors import BadVectors

BATCH_TOKENS = 2_048
MAX_TOKENS = 256


class Embedder(Protocol):
    """What the bridge knows of an embedder: its name, size, languages and one verb."""

    name: str
    dimensions: int
    languages: tuple[str, ...]

    async def load(self) -> None:
        """Be ready to embed; the first call may take a second, the others nothing."""
        ...

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32, len(texts) x dimensions, each row of length 1. Raises UpstreamFailed."""
        ...


class MiniLM:
    """The offline English embedder. Loads on first use, in a thread; one text takes some 5 ms."""

    name = "minilm-l6-v2"
    dimensions = 384
    languages: tuple[str, ...] = ("en",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loading = asyncio.Lock()
        self.session: onnxruntime.InferenceSession | None = None
        self.tokenizer: Tokenizer | None = None
        self.table: np.ndarray | None = None

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        await self.load()
        return await asyncio.to_thread(self._encode, list(texts))

    async def load(self) -> None:
        if self.session is not None:
            return
        async with self.loading:
            if self.session is None:
                self.tokenizer, self.table, self.session = await asyncio.to_thread(_open, self.folder)

    def _encode(self, texts: list[str]) -> np.ndarray:
        """Batches of alike length, so that little is computed on padding and memory stays flat."""
        assert self.tokenizer is not None
        encoded = self.tokenizer.encode_batch_fast([text or " " for text in texts])
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index].ids))
        out = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        while order:
            size = max(1, BATCH_TOKENS // max(1, len(encoded[order[-1]].ids)))
            order, chosen = order[:-size], order[-size:]
            out[chosen] = self._batch([encoded[index].ids for index in chosen])
        if len(texts) > 1:  # a question leaves little behind, and somebody waits for it
            return_free_pages()
        return out

    def _batch(self, rows: list[list[int]]) -> np.ndarray:
        assert self.session is not None and self.table is not None
        longest = max(len(row) for row in rows)
        ids = np.array([row + [0] * (longest - len(row)) for row in rows], dtype=np.int64)
        mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=np.int64)
        (vectors,) = self.session.run(None, {"words": self.table[ids], "mask": mask})
        return np.asarray(vectors, dtype=np.float32)


class OpenAI:
    """Vectors from a service that speaks OpenAI's wire, the pool by default."""

    def __init__(self, http: Http, *, model: str, dimensions: int, languages: tuple[str, ...]) -> None:
        self.http = http
        self.name, self.dimensions, self.languages = model, dimensions, languages

    async def load(self) -> None:
        """Nothing: the model is the service's business."""

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows: list[list[float]] = []
        for start in range(0, len(texts), 64):
            request = {"model": self.name, "input": list(texts[start : start + 64])}
            body = await self.http.json("POST", "/v1/embeddings", json=request)
            rows += _vectors(body)
        return checked(rows, count=len(texts), dimensions=self.dimensions)


def _open(folder: Path) -> tuple[Tokenizer, np.ndarray, onnxruntime.InferenceSession]:
    tokenizer = Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    # A thread that spins takes its core from the stores, which share the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    file = ensure_graph(folder)
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return tokenizer, word_table(weights_folder()), session


def _vectors(body: object) -> list[list[float]]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise BadVectors("the embedder answered without data", source="embedder")
    ordered = sorted(data, key=lambda item: item.get("index", 0))
    return [item.get("embedding") or [] for item in ordered]
