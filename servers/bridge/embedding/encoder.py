"""Runs an encoder's graph on batches of token ids, in the process's own onnxruntime."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Rows = Sequence[Sequence[int]]
Words = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""The word vectors of an array of token ids, whatever its shape."""


class Encoder:
    """A graph's session, beside the words that its rows are made of."""

    def __init__(self, graph: Path, words: Words) -> None:
        options = onnxruntime.SessionOptions()
        # A thread that spins takes its core from the stores, which share the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self.words = words
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def means(self, rows: Rows) -> NDArray[np.float32]:
        """float32 (len(rows), size): the mean of the last layer over each row's tokens. The rows are one
        batch, padded to the longest."""
        lengths = np.array([len(row) for row in rows])
        ids = np.zeros((len(rows), lengths.max()), dtype=np.int64)
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        (vectors,) = self.session.run(None, {"words": self.words(ids), "mask": mask.astype(np.int32)})
        return np.asarray(vectors, dtype=np.float32)
