"""A small real engine with the paths that vLLM has beside chats, and a model that thinks, on a free port."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
PART = {"type": "output_text", "text": "hola", "annotations": []}
OUTPUT = {"type": "message", "id": "o", "role": "assistant", "status": "completed", "content": [PART]}
READ = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


class WireEngine:
    """`asked` keeps path and body of each request; `says` are the deltas of a streamed chat."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.says: list[dict[str, Any]] = [{"content": "hola"}]
        self.fails = False
        """A stream of events with a type ends with the engine's error."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append((request.path, body))
        events = {
            "/v1/chat/completions": self.chat,
            "/v1/responses": self.responses,
            "/v1/messages": self.messages,
        }
        if body.get("stream"):
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await response.prepare(request)
            for event in events[request.path]():
                name = f"event: {event['type']}\n".encode() if "type" in event else b""
                await asyncio.sleep(0.02)
                await response.write(name + b"data: " + json.dumps(event).encode() + b"\n\n")
            if request.path != "/v1/responses":
                await response.write(b"data: [DONE]\n\n")
            return response
        return web.json_response(self.whole(request.path, body))

    def whole(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        ranked = [{"index": n, "relevance_score": 1 - n / 10} for n in range(len(body.get("documents", [])))]
        said = {name: "".join(says.get(name, "") for says in self.says) for name in ("content", "reasoning")}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **said}}
        chat = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        text = {"type": "text", "text": "hola"}
        return {
            "/v1/chat/completions": {**chat, "usage": usage},
            "/v1/responses": {**RESPONSE, "output": [OUTPUT], "usage": READ},
            "/v1/messages": {**MESSAGE, "content": [text], "stop_reason": "end_turn", "usage": READ},
            "/v1/messages/count_tokens": {"input_tokens": 3},
            "/v1/rerank": {"id": "r", "model": "m", "usage": {"total_tokens": 9}, "results": ranked},
            "/v1/score": {"object": "list", "data": [{"index": 0, "score": 0.5}], "usage": usage},
            "/tokenize": {"count": 2, "max_model_len": 64, "tokens": [5, 6]},
            "/detokenize": {"prompt": "hola"},
        }[path]

    def chat(self) -> list[dict[str, Any]]:
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        chunks = [
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in self.says
        ]
        return [*chunks, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]

    def responses(self) -> list[dict[str, Any]]:
        empty = {**RESPONSE, "status": "in_progress", "output": [], "error": None}
        place = {"item_id": "o", "output_index": 0, "content_index": 0}
        delta = {**place, "delta": "hola", "logprobs": []}
        error = {"code": "server_error", "message": "out of memory"}
        last = {**RESPONSE, "output": [OUTPUT], "usage": READ}
        end = {"type": "response.completed", "response": last}
        if self.fails:
            end = {"type": "response.failed", "response": {**last, "status": "failed", "error": error}}
        events = [
            {"type": "response.created", "response": empty},
            {"type": "response.output_item.added", "output_index": 0, "item": {**OUTPUT, "content": []}},
            {"type": "response.content_part.added", **place, "part": {**PART, "text": ""}},
            {"type": "response.output_text.delta", **delta},
            end,
        ]
        return [{**event, "sequence_number": n} for n, event in enumerate(events)]

    def messages(self) -> list[dict[str, Any]]:
        usage = {"input_tokens": 3, "output_tokens": 0}
        start = {**MESSAGE, "content": [], "stop_reason": None, "usage": usage}
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": "hola"}
        end: list[dict[str, Any]] = [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ]
        if self.fails:
            end = [{"type": "error", "error": {"type": "api_error", "message": "out of memory"}}]
        return [
            {"type": "message_start", "message": start},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            *end,
        ]


@asynccontextmanager
async def serve_wire() -> AsyncIterator[tuple[WireEngine, str]]:
    """The engine on a free port, and its address."""
    engine = WireEngine()
    app = web.Application()
    for path in (
        *("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/rerank"),
        *("/v1/score", "/tokenize", "/detokenize"),
    ):
        app.router.add_post(path, engine.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield engine, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
