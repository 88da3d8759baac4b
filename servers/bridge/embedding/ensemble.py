"""The ensemble of two embedders, one of many languages and one that reads English: both vectors of a text
side by side, weighed by its language. A question of another language is read by the first alone.

It knows its two embedders by the contract of all; how its cosines are fused with words is `search.fusion`'s.
"""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servers.bridge.embedding.embedder import Embedder, Purpose, unit_vectors
from tools.text.language import detect
from tools.text.words import folded_words

ENGLISH_SHARE = 0.2
"""What the English embedder's cosine counts between two English texts. In a passage that is not English one
number of its own takes the place, so that the first embedder's part is as long in each and no question is
nearer to one language for it. nDCG@10 of the vectors alone, without and with it: Cranfield .385, .424;
XQuAD-en .970, .977. Twice as much: Cranfield .415; and in a collection of two
languages it hides the other one."""
ENGLISH_MARKS = frozenset(
    "the and with that from this which what how who when where does did than were been their".split()
)
"""Words that no neighbour of English writes alike. Every passage of Cranfield, 98 % of MuSiQue's and none of
XQuAD-es holds `MIN_SHARE` of them; German, Dutch, Swedish and French prose holds none."""
MIN_SHARE, SAMPLE_CHARS, FEW_WORDS = 0.02, 1_600, 16
"""A text of so few words may have no mark: then it is English when nothing speaks against it."""


class Ensemble:
    """Vectors of the sum of both sizes and one more; as fast as both embedders one after the other."""

    def __init__(self, many: Embedder, english: Embedder) -> None:
        self.many, self.english = many, english
        self.name = f"{many.name}+{english.name}"
        self.dimensions = many.dimensions + english.dimensions + 1
        self.languages = many.languages

    async def load(self) -> None:
        """As `Embedder.load`, both."""
        await asyncio.gather(self.many.load(), self.english.load())

    async def embed(self, texts: Sequence[str], purpose: Purpose = "passage") -> NDArray[np.float32]:
        """As `Embedder.embed`; the English embedder reads the English texts only."""
        english = np.array([in_english(text) for text in texts], dtype=bool)
        read = [text for text, known in zip(texts, english, strict=True) if known]
        first, second = await asyncio.gather(
            self.many.embed(texts, purpose),
            self.english.embed(read, purpose) if read else _nothing(self.english.dimensions),
        )
        joined = side_by_side(first, second, english, purpose)
        return unit_vectors(joined, count=len(texts), dimensions=self.dimensions)


def side_by_side(
    many: NDArray[np.float32], english: NDArray[np.float32], known: NDArray[np.bool_], purpose: Purpose
) -> NDArray[np.float32]:
    """float32 (texts, both sizes + 1), each row of length 1, of unit vectors; `english` has a row for each
    text that is `known` to be English. Pure."""
    share = np.where(known | (purpose == "passage"), ENGLISH_SHARE, 0)
    split = many.shape[1]
    found = np.zeros((len(many), split + english.shape[1] + 1), dtype=np.float32)
    found[:, :split] = many * np.sqrt(1 - share)[:, None]
    found[known, split:-1] = english * np.sqrt(share[known])[:, None]
    found[~known, -1] = np.sqrt(share[~known])
    return found


def in_english(text: str) -> bool:
    """Whether an embedder of English should read a text. Pure."""
    if detect(text) != "en":
        return False
    found = folded_words(text[:SAMPLE_CHARS])
    marks = sum(word in ENGLISH_MARKS for word in found)
    if not marks:
        return len(found) < FEW_WORDS and text.isascii()
    return marks >= MIN_SHARE * len(found)


async def _nothing(dimensions: int) -> NDArray[np.float32]:
    return np.zeros((0, dimensions), dtype=np.float32)
