"""The Ollama backend, over its native API: finds it, lists its tags, asks it and reads its NDJSON."""

from collections.abc import AsyncIterator, Sequence

import aiohttp
import orjson

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.upstream import openai_format
from servers.pool.upstream.backend import Backend, Endpoint, Reply, UpstreamRequest
from servers.pool.upstream.http_session import translated
from servers.pool.upstream.ollama_translate import to_native
from servers.pool.upstream.openai_format import Piece
from servers.pool.upstream.paths import PATHS
from tools import trace
from tools.errors import BadRequest, EngineDied, NotSupported, UpstreamFailed
from tools.schema import JsonObject

LINE_BYTES = 2**20
FIND_S = 1.0
SHOW_S = 10.0
RUNNER_DIED = ("runner process has terminated", "runner has unexpectedly stopped")
"""What it says when the process that held the model died of a request; Ollama itself goes on."""
CONTEXT_TOKENS = 16_384
"""Room for an agent's passages and a long answer; its cache of a 20B model takes about a gigabyte."""


class Ollama(Backend):
    """A running Ollama with the model's tag, for models of this backend or in place of an engine of ours."""

    name = "ollama"

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url.rstrip("/"), session
        self.tags: frozenset[str] = frozenset()
        """The models that it has pulled, as of the last `refresh`."""
        self.contexts: dict[str, int | None] = {}
        """Tokens that each tag is asked to hold."""

    def serves(self, spec: ModelSpec) -> bool:
        """A model that names a tag and has no other engine than one that the pool would start."""
        return spec.backend == self.name or (spec.local and spec.ollama is not None)

    def missing(self, spec: ModelSpec) -> str | None:
        """No Ollama, or none with the tag."""
        name = spec.ollama or ""
        if not self.tags.isdisjoint({name, full_tag(name)}):
            return None
        if not self.tags:
            return f"no Ollama with models answers at {self.url}"
        return f"Ollama at {self.url} has no {name} (get it with `ollama pull {name}`)"

    async def refresh(self) -> None:
        """Ask for its tags; whoever does not answer has none."""
        timeout = aiohttp.ClientTimeout(total=FIND_S)
        try:
            async with self.session.get(f"{self.url}/api/tags", timeout=timeout) as response:
                listed = orjson.loads(await response.read())
            self.tags = frozenset(model["name"] for model in listed["models"])
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
            self.tags = frozenset()

    def urls(self, spec: ModelSpec) -> Sequence[str]:
        """The one Ollama of the settings."""
        return (self.url,)

    async def ask(self, spec: ModelSpec, endpoint: Endpoint, request: UpstreamRequest) -> Reply:
        """Answer one of OpenAI's requests; the answer carries the catalogue's name of the model."""
        if not PATHS[request.path].everywhere:
            raise NotSupported(f"Ollama has no {request.path}", param="model", source="pool")
        tag = full_tag(spec.ollama or "")
        path, native = to_native(request.path, request.fields, tag)
        if "options" in native and "num_ctx" not in native["options"]:
            context = spec.context_tokens or await self._context(endpoint.url, tag)
            native["options"] |= {"num_ctx": context} if context else {}
        try:
            response = await self.session.post(
                f"{endpoint.url}{path}", data=orjson.dumps(native), headers=_served()
            )
        except (aiohttp.ClientError, OSError) as exc:
            raise translated(exc) from exc
        try:
            if response.status >= 400:
                raise await _error(response)
            if request.path == "/v1/embeddings":
                return Reply(body=_embeddings(orjson.loads(await response.read()), spec.id))
            pieces = _pieces(response, request.chat)
            if not request.stream:
                return Reply(body=await openai_format.whole(pieces, model=spec.id, chat=request.chat))
        except BaseException:
            response.close()
            raise
        events = openai_format.stream(pieces, model=spec.id, chat=request.chat, usage=request.usage)
        return Reply(events=events, close=response.close)

    async def _context(self, url: str, tag: str) -> int | None:
        """Tokens to ask room for: without it Ollama gives 4,096 and drops the beginning of what is longer,
        in silence. None where the model does not say how much it can hold."""
        if tag not in self.contexts:
            timeout = aiohttp.ClientTimeout(total=SHOW_S)
            try:
                async with self.session.post(
                    f"{url}/api/show", data=orjson.dumps({"model": tag}), timeout=timeout
                ) as response:
                    facts = orjson.loads(await response.read())["model_info"]
                held = [value for name, value in facts.items() if name.endswith(".context_length")]
                self.contexts[tag] = min(int(held[0]), CONTEXT_TOKENS) if held else None
            except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, AttributeError):
                return None  # asked again with the next request
        return self.contexts[tag]


def _served() -> dict[str, str]:
    """Headers that name the request which is served."""
    served = trace.current()
    return {name.decode(): value.decode() for name, value in served.headers()} if served else {}


def full_tag(name: str) -> str:
    """Ollama's full name for a tag that may lack `:latest`."""
    return name if ":" in name else f"{name}:latest"


async def _pieces(response: aiohttp.ClientResponse, chat: bool) -> AsyncIterator[Piece]:
    calls = 0
    try:
        async for event in _lines(response):
            if "error" in event:
                raise UpstreamFailed(f"Ollama: {event['error']}", source="ollama")
            message = event.get("message") or {}
            made = [_call(call, calls + index) for index, call in enumerate(message.get("tool_calls") or [])]
            calls += len(made)
            said = message if chat else event
            text, thought = said.get("content" if chat else "response") or "", said.get("thinking") or ""
            if event.get("done"):
                finish = "tool_calls" if calls else event.get("done_reason") or "stop"
                read, written = event.get("prompt_eval_count", 0), event.get("eval_count", 0)
                yield Piece(text, made, finish, read, written, thought)
                return
            yield Piece(text, made, reasoning=thought)
        raise UpstreamFailed("Ollama's answer was cut off", source="ollama")
    finally:
        response.close()


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[JsonObject]:
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
        message = orjson.loads(await response.read()).get("error", "")
    except (ValueError, AttributeError):
        message = f"HTTP {response.status}"
    kind = BadRequest if response.status < 500 and response.status != 404 else UpstreamFailed
    if any(words in str(message) for words in RUNNER_DIED):
        kind = EngineDied
    return kind(f"Ollama: {message}", source="ollama")


def _call(call: JsonObject, index: int) -> JsonObject:
    function = call.get("function") or {}
    arguments = orjson.dumps(function.get("arguments") or {}).decode()
    return {
        "index": index,
        "id": call.get("id") or f"call_{index}",
        "type": "function",
        "function": {"name": function.get("name", ""), "arguments": arguments},
    }


def _embeddings(answer: JsonObject, model: str) -> bytes:
    read = answer.get("prompt_eval_count", 0)
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(answer.get("embeddings", []))
    ]
    usage = {"prompt_tokens": read, "total_tokens": read}
    return orjson.dumps({"object": "list", "model": model, "data": data, "usage": usage})
