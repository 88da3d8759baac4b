"""MiniLM, the offline English embedder: all-MiniLM-L6-v2 with onnxruntime in this process, no torch, no
download.

The ONNX graph is built by `minilm_graph`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from servers.bridge.embedding.minilm_graph import ensure_graph, weights_folder, word_table
from servers.bridge.process_memory import return_free_pages

MAX_TOKENS = 256
"""The model's `max_seq_length`: longer texts are cut, as its card says."""
BATCH_TOKENS = 2_048
"""Tokens, padding included, of one call of the model: bounds the memory of its activations."""


class MiniLM:
    """Loads on first use, in a thread; one text takes some 5 ms."""

    name = "minilm-l6-v2"
    dimensions = 384
    languages: tuple[str, ...] = ("en",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loading = asyncio.Lock()
        self.session: onnxruntime.InferenceSession | None = None
        self.tokenizer: Tokenizer | None = None
        self.table: np.ndarray | None = None

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `Embedder.embed`; what is beyond `MAX_TOKENS` of a text is not read."""
        await self.load()
        return await asyncio.to_thread(self._encode, list(texts))

    async def load(self) -> None:
        """Map the weights and make the session, once; at its first start an installation builds the graph."""
        if self.session is not None:
            return
        async with self.loading:
            if self.session is None:
                self.tokenizer, self.table, self.session = await asyncio.to_thread(_open, self.folder)

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Batches of alike length, so that little is computed on padding and memory stays flat."""
        assert self.tokenizer is not None
        encoded = self.tokenizer.encode_batch_fast([text or " " for text in texts])
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index].ids))
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        while order:
            size = max(1, BATCH_TOKENS // max(1, len(encoded[order[-1]].ids)))
            order, chosen = order[:-size], order[-size:]
            vectors[chosen] = self._batch([encoded[index].ids for index in chosen])
        if len(texts) > 1:  # a question leaves little behind, and somebody waits for it
            return_free_pages()
        return vectors

    def _batch(self, rows: list[list[int]]) -> NDArray[np.float32]:
        """Vectors of texts given as token ids."""
        assert self.session is not None and self.table is not None
        longest = max(len(row) for row in rows)
        ids = np.array([row + [0] * (longest - len(row)) for row in rows], dtype=np.int64)
        mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=np.int64)
        (vectors,) = self.session.run(None, {"words": self.table[ids], "mask": mask})
        return np.asarray(vectors, dtype=np.float32)


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
