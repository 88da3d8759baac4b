"""MiniLM, the small built-in embedder, which reads English: all-MiniLM-L6-v2."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from servers.bridge.embedding import minilm_weights
from servers.bridge.embedding.embedder import Purpose
from servers.bridge.embedding.encoder import Rows, Words
from servers.bridge.embedding.onnx_embedder import OnnxEmbedder

MAX_TOKENS = 256
"""The model's `max_seq_length`: longer texts are cut, as its card says."""


class MiniLM(OnnxEmbedder):
    """One text takes some 5 ms. Both purposes are read alike."""

    name = "minilm-l6-v2"
    dimensions = 384
    languages: tuple[str, ...] = ("en",)
    graph = minilm_weights.GRAPH
    tokenizer: Tokenizer

    def open(self) -> Words:
        source = minilm_weights.weights_folder()
        self.tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()
        table = minilm_weights.word_table(source)
        return lambda ids: table[ids]

    def windows(self, texts: Sequence[str], purpose: Purpose) -> list[Rows]:
        return [[item.ids] for item in self.tokenizer.encode_batch_fast([text or " " for text in texts])]
