"""A small real engine that is several models: each says, on OpenAI's wire, what its script tells."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Script = dict[str, dict[str, Any]]


class ScriptedEngine:
    """`script[model]`: `says` (a text or one for each call), `after_s`, `gap_s`, `status`, `breaks_after`.

    `asked` keeps the requests, `running` counts answers in progress.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[dict[str, Any]] = []
        self.running = 0
        self.most_running = 0

    def calls(self, model: str) -> list[dict[str, Any]]:
        return [request for request in self.asked if request["model"] == model]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        part = self.script[body["model"]]
        says = part.get("says", "")
        text = says if isinstance(says, str) else says[len(self.calls(body["model"]))]
        self.asked.append(body)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(part.get("after_s", 0))
            if part.get("status"):
                return web.json_response({"error": {"message": "sick"}}, status=part["status"])
            return await self._stream(request, part, text)
        finally:
            self.running -= 1

    async def _stream(self, request: web.Request, part: dict[str, Any], text: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        words = text.split(" ")
        for place, word in enumerate(words):
            if place == part.get("breaks_after"):
                response.force_close()
                return response
            said = word if place == len(words) - 1 else word + " "
            await response.write(
                _event({"choices": [{"index": 0, "delta": {"content": said}, "finish_reason": None}]})
            )
            await asyncio.sleep(part.get("gap_s", 0))
        await response.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        usage = {"prompt_tokens": 7, "completion_tokens": len(words), "total_tokens": 7 + len(words)}
        await response.write(_event({"choices": [], "usage": usage}))
        await response.write(b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def scripted_engine(script: Script) -> AsyncIterator[tuple[ScriptedEngine, str]]:
    """The engine on a free port, and its address."""
    engine = ScriptedEngine(script)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", engine.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield engine, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"
