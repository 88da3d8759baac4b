"""The head of a GGUF file: its metadata and the shapes of its tensors, without reading a weight.

The layout is https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
Arrays are passed over: those of a tokenizer are long and tell nothing here.
"""

import mmap
import struct
from math import prod
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tools.errors import BadRequest

Value: TypeAlias = int | float | bool | str
MAGIC = b"GGUF"
SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
"""The format of each type of a value, by its number."""
STRING, ARRAY = 8, 9
MOST = 1_000_000
"""More entries than any real file has: a damaged one is not believed."""


class GgufHead(NamedTuple):
    """`values` are the metadata that are no arrays; `parameters` counts the numbers of all tensors."""

    values: dict[str, Value]
    parameters: int


def read_head(file: Path) -> GgufHead:
    """The head of a GGUF file. Raises BadRequest for another file or a damaged one."""
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).head()
    except (OSError, ValueError, struct.error, UnicodeDecodeError) as exc:
        raise BadRequest(f"{file} is not a whole GGUF file: {exc}", param="source", source="pool") from exc


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def head(self) -> GgufHead:
        if self.data[:4] != MAGIC:
            raise ValueError("it does not begin with GGUF")
        self.at = 4
        version = self.number("<I")
        if version not in (2, 3):
            raise ValueError(f"version {version} is unknown (2 and 3 are known)")
        tensors, entries = self.count(), self.count()
        values: dict[str, Value] = {}
        for _ in range(entries):
            name, kind = self.string(), self.number("<I")
            if kind == ARRAY:
                self.skip_array()
            else:
                values[name] = self.value(kind)
        parameters = sum(self.tensor() for _ in range(tensors))
        if self.at > len(self.data):
            raise ValueError("it was cut off")
        return GgufHead(values, parameters)

    def tensor(self) -> int:
        """The numbers in the next tensor."""
        self.string()
        dimensions = self.number("<I")
        if dimensions > 8:
            raise ValueError(f"a tensor of {dimensions} dimensions")
        shape = [self.number("<Q") for _ in range(dimensions)]
        self.at += 4 + 8  # its type, and where its weights lie
        return prod(shape)

    def value(self, kind: int) -> Value:
        return self.string() if kind == STRING else self.number(_format(kind))

    def skip_array(self) -> None:
        kind, count = self.number("<I"), self.count()
        if kind == STRING:
            for _ in range(count):
                length = self.number("<Q")
                self.at += length
        elif kind == ARRAY:
            for _ in range(count):
                self.skip_array()
        else:
            self.at += count * struct.calcsize(_format(kind))

    def count(self) -> int:
        count = self.number("<Q")
        if count > MOST:
            raise ValueError(f"{count} entries")
        return count

    def string(self) -> str:
        length = self.number("<Q")
        if length > len(self.data) - self.at:
            raise ValueError("it was cut off")
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8")

    def number(self, layout: str) -> int:
        (number,) = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return number


def _format(kind: int) -> str:
    if kind not in SCALARS:
        raise ValueError(f"a value of the unknown type {kind}")
    return SCALARS[kind]
