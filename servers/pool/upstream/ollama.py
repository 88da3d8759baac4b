"""Ollama as an engine, over its native API: finds it, lists its tags, asks it and reads its NDJSON."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from servers.pool.upstream import openai_format
from servers.pool.upstream.ollama_translate import to_native
from servers.pool.upstream.openai import translated
from servers.pool.upstream.reply import Piece, Reply
from tools.errors import BadRequest, UpstreamFailed

LINE_BYTES = 2**20
FIND_S = 1.0


async def tags(session: aiohttp.ClientSession, url: str) -> frozenset[str]:
    """The models that an Ollama at `url` has pulled; empty when none answers there."""
    try:
        async with session.get(f"{url}/api/tags", timeout=aiohttp.ClientTimeout(total=FIND_S)) as response:
            listed = orjson.loads(await response.read())
        return frozenset(model["name"] for model in listed["models"])
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
        return frozenset()


async def ask(
    session: aiohttp.ClientSession, url: str, tag: str, model: str, path: str, request: dict[str, Any]
) -> Reply:
    """Answer one of OpenAI's requests; `model` is the name that the answer carries."""
    native_path, native = to_native(path, request, tag)
    try:
        response = await session.post(f"{url}{native_path}", data=orjson.dumps(native))
    except (aiohttp.ClientError, OSError) as exc:
        raise translated(exc) from exc
    try:
        if response.status >= 400:
            raise await _error(response)
        if path == "/v1/embeddings":
            return Reply(body=_embeddings(orjson.loads(await response.read()), model))
        chat = path == "/v1/chat/completions"
        pieces = _pieces(response, chat)
        if not request.get("stream"):
            return Reply(body=await openai_format.whole(pieces, model=model, chat=chat))
    except BaseException:
        response.close()
        raise
    usage = bool((request.get("stream_options") or {}).get("include_usage"))
    events = openai_format.stream(pieces, model=model, chat=chat, usage=usage)
    return Reply(events=events, close=response.close)


async def _pieces(response: aiohttp.ClientResponse, chat: bool) -> AsyncIterator[Piece]:
    calls = 0
    try:
        async for event in _lines(response):
            if "error" in event:
                raise UpstreamFailed(f"Ollama: {event['error']}", source="ollama")
            message = event.get("message") or {}
            made = [_call(call, calls + index) for index, call in enumerate(message.get("tool_calls") or [])]
            calls += len(made)
            text = message.get("content", "") if chat else event.get("response", "")
            if event.get("done"):
                finish = "tool_calls" if calls else event.get("done_reason") or "stop"
                read, written = event.get("prompt_eval_count", 0), event.get("eval_count", 0)
                yield Piece(text, made, finish, read, written)
                return
            yield Piece(text, made)
        raise UpstreamFailed("Ollama's answer was cut off", source="ollama")
    finally:
        response.close()


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    buffer = bytearray()
    try:
        async for part in response.content.iter_any():
            buffer += part
            *whole, rest = buffer.split(b"\n")
            if len(rest) > LINE_BYTES:
                raise UpstreamFailed("Ollama sent a line without end", source="ollama")
            buffer = bytearray(rest)
            for line in whole:
                if line.strip():
                    yield orjson.loads(line)
        if buffer.strip():
            # An answer that is not streamed may end without a newline.
            yield orjson.loads(buffer)
    except (aiohttp.ClientError, OSError) as exc:
        raise translated(exc) from exc
    except orjson.JSONDecodeError as exc:
        raise UpstreamFailed("Ollama sent a line that is not JSON", source="ollama") from exc


async def _error(response: aiohttp.ClientResponse) -> Exception:
    try:
        said = orjson.loads(await response.read()).get("error", "")
    except (ValueError, AttributeError):
        said = f"HTTP {response.status}"
    kind = BadRequest if response.status < 500 and response.status != 404 else UpstreamFailed
    return kind(f"Ollama: {said}", source="ollama")


def _call(call: dict[str, Any], index: int) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = orjson.dumps(function.get("arguments") or {}).decode()
    return {
        "index": index,
        "id": call.get("id") or f"call_{index}",
        "type": "function",
        "function": {"name": function.get("name", ""), "arguments": arguments},
    }


def _embeddings(answer: dict[str, Any], model: str) -> bytes:
    read = answer.get("prompt_eval_count", 0)
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(answer.get("embeddings", []))
    ]
    usage = {"prompt_tokens": read, "total_tokens": read}
    return orjson.dumps({"object": "list", "model": model, "data": data, "usage": usage})
