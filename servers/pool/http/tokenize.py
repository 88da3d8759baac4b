"""Counts tokens with a model's own tokenizer, read from its weights: no engine has to run for it.

The extractive model counts words, as in its `usage`. Engines elsewhere keep their tokenizers: 501.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.engines.backends import Backends
from servers.pool.http import validation
from tools.errors import BadRequest, NotSupported
from tools.schema import JsonObject
from tools.text.content import content_text

PER_MESSAGE = 4
"""What a chat template adds to a message: its role and the marks around it."""


class TokenCounter:
    """Counts for one catalogue; `weights` is the folder in which each model has its own."""

    def __init__(self, *, catalog: Catalog, backends: Backends, weights: Path) -> None:
        self.catalog, self.backends, self.weights = catalog, backends, weights

    async def count(self, request: JsonObject) -> JsonObject:
        """`{model, messages}` or `{model, prompt}` → `{model, count, counts}`, one count a message or text;
        of one text also its `tokens`, where they have ids.

        Raises BadRequest, ModelNotFound, and NotSupported where the tokenizer is not on this machine.
        """
        texts, extra = _texts(request)
        spec = self.catalog.spec(request["model"])
        if self.backends.declared(spec).in_process:
            counts = [len(text.split()) + extra for text in texts]
            return {"model": spec.id, "count": sum(counts), "counts": counts}
        encoded = await asyncio.to_thread(_encode, self._file(spec), texts)
        counts = [len(ids) + extra for ids in encoded]
        shown = {"tokens": encoded[0]} if isinstance(request.get("prompt"), str) else {}
        return {"model": spec.id, "count": sum(counts), "counts": counts, **shown}

    async def text(self, request: JsonObject) -> str:
        """The text of `{model, tokens}`. Raises ModelNotFound, and NotSupported as `count` does."""
        spec = self.catalog.spec(request["model"])
        return await asyncio.to_thread(_decode, self._file(spec), request["tokens"])

    def _file(self, spec: ModelSpec) -> Path:
        file = self.weights / spec.weights / "tokenizer.json" if spec.weights else None
        if file is None or not file.is_file():
            raise NotSupported(f"the tokenizer of {spec.id} is not here", param="model", source="pool")
        return file


def _texts(request: JsonObject) -> tuple[list[str], int]:
    if "messages" in request:
        messages = validation.chat(request)["messages"]
        return [content_text(message.get("content")) for message in messages], PER_MESSAGE
    prompt = validation.completion(request)["prompt"]
    texts = prompt if isinstance(prompt, list) else [prompt]
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("prompt must be text or a list of texts", param="prompt", source="pool")
    return texts, 0


def _encode(file: Path, texts: Sequence[str]) -> list[list[int]]:
    tokenizer = _tokenizer(file, file.stat().st_mtime_ns)
    return [one.ids for one in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


def _decode(file: Path, ids: Sequence[int]) -> str:
    return _tokenizer(file, file.stat().st_mtime_ns).decode(list(ids), skip_special_tokens=False)


@lru_cache(maxsize=8)
def _tokenizer(file: Path, _changed: int) -> Tokenizer:
    return Tokenizer.from_file(str(file))
