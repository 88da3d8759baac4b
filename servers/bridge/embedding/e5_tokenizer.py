"""The tokenizer of multilingual-e5-small, XLM-R's unigram pieces (A. Conneau et al. 2020), by sentencepiece.

`tokenizers` makes the same ids; its trie of these 250,000 pieces takes 270 MB, sentencepiece's takes 45.
"""

import re
import struct
import unicodedata
from collections.abc import Sequence

from sentencepiece import SentencePieceProcessor

from servers.bridge.embedding.e5_weights import Vocabulary

SPACES = re.compile(" {2,}")
SURROGATES = range(0xD800, 0xE000)
"""Halves of a letter, which no UTF-8 holds."""
UNKNOWN, CONTROL = 2, 3
"""Kinds of a piece in sentencepiece_model.proto; the fields below are numbered there too."""


class Tokenizer:
    """Texts to ids, without the marks of a text's beginning and end."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.begin, self.end = vocabulary.begin, vocabulary.end
        self.replacements = {**dict.fromkeys(SURROGATES, "\ufffd"), **vocabulary.replacements}
        self.pieces = SentencePieceProcessor(model_proto=_model(vocabulary))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text. One call a text: each holds the interpreter's lock, and a question waits."""
        return [self.pieces.encode(self.normalised(text)) for text in texts]

    def normalised(self, text: str) -> str:
        """Letters as the model was trained on them, one space between words."""
        return SPACES.sub(" ", unicodedata.normalize("NFC", text).translate(self.replacements)).strip()


def _model(vocabulary: Vocabulary) -> bytes:
    """A serialised ModelProto: the pieces, the kind of model, and no normalisation but `normalised`."""
    padding, mask = vocabulary.pieces.index(b"<pad>"), vocabulary.pieces.index(b"<mask>")
    marks = {vocabulary.begin, vocabulary.end, padding, mask}
    parts: list[bytes] = []
    for number, (piece, score) in enumerate(zip(vocabulary.pieces, vocabulary.scores, strict=True)):
        kind = UNKNOWN if number == vocabulary.unknown else CONTROL if number in marks else 0
        said = _text(1, piece) + b"\x15" + struct.pack("<f", score)
        parts.append(_text(1, said + (_number(3, kind) if kind else b"")))
    trained = _number(3, 1)  # unigram
    ids = (vocabulary.unknown, vocabulary.begin, vocabulary.end, padding)
    trained += b"".join(_number(40 + place, number) for place, number in enumerate(ids))
    parts.append(_text(2, trained))
    parts.append(_text(3, _text(1, b"identity") + b"".join(_number(field, 1) for field in (3, 4, 5))))
    return b"".join(parts)


def _text(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
