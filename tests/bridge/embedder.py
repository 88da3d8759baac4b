"""A small real embedder that speaks OpenAI's wire: vectors of words, with knobs for what can go wrong."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from tools.sections import Embedder
from tools.settings import Settings

SIZE = 48
NAME = "words"


class Words:
    """Each word has its direction; `kind` spoils rows, `gate` holds answers, `begun` is set once asked."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.asked: list[str] = []
        self.kind = ""

    def rows(self, texts: list[str]) -> list[list[float]]:
        rows = [_vector(text).tolist() for text in texts]
        for number, text in enumerate(texts):
            if "spoilt" not in text:
                continue
            match self.kind:
                case "size":
                    rows[number] = rows[number][:-1]
                case "nan":
                    rows[number][0] = float("nan")
                case "zero":
                    rows[number] = [0.0] * SIZE
                case "words":
                    rows[number] = ["x"] * SIZE
        return rows[:-1] if self.kind == "short" and any("spoilt" in text for text in texts) else rows

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            body: dict[str, Any] = json.loads(await reader.readexactly(length))
            self.asked += body["input"]
            self.begun.set()
            await self.gate.wait()
            rows = self.rows(body["input"])
            data = [{"index": number, "embedding": row} for number, row in enumerate(rows)]
            sent = json.dumps({"data": data}).encode()
            start = f"HTTP/1.1 200 OK\r\ncontent-length: {len(sent)}\r\nconnection: close\r\n\r\n"
            writer.write(start.encode() + sent)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def embedding(settings: Settings) -> AsyncIterator[tuple[Words, Settings]]:
    """The embedder, and `settings` that know it as `words` beside the default one."""
    words = Words()
    server = await asyncio.start_server(words.serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        chosen = Embedder(backend="openai", model=NAME, dimensions=SIZE, url=url, languages=("en", "es"))
        yield words, settings.model_copy(update={"embedders": {NAME: chosen}})
        words.gate.set()


def _vector(text: str) -> np.ndarray:
    found = np.full(SIZE, 0.01, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()):
        found[int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big") % SIZE] += 1
    return found
