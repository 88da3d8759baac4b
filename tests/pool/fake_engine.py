"""A fake engine, small and real: speaks OpenAI's wire and can be slow, sick or silent. Standard library only.

`python fake_engine.py --port P --name N --nonce X [--knobs JSON]`. A user message that is a JSON object
overrides the knobs for its request. Knobs: load_s ttft_s tok_s tokens die_after_n hang_at ignore_sigterm
fork_grandchild bad_sse fail_load never_healthy status retry_after sleep_broken journal kind impostor
core_dies.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

KNOBS = {"load_s": 0.0, "ttft_s": 0.0, "tok_s": 0.0, "tokens": 5, "kind": "chat"}


class Engine:
    def __init__(self, name: str, nonce: str, knobs: dict) -> None:
        self.name, self.nonce, self.knobs = name, nonce, {**KNOBS, **knobs}
        self.key = os.environ.get("VLLM_API_KEY", "")
        self.asleep = self.core_died = False
        self.active = 0
        self.ready_at = time.monotonic() + self.knobs["load_s"]

    def journal(self, event: str) -> None:
        if self.knobs.get("journal"):
            with Path(self.knobs["journal"]).open("a") as file:
                file.write(f"{event} {self.name} {os.getpid()}\n")

    def keep_ids(self, headers: dict) -> None:
        if self.knobs.get("ids"):
            with Path(self.knobs["ids"]).open("a") as file:
                file.write(f"{headers.get('x-request-id')} {headers.get('traceparent')}\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                method, path, _ = lines[0].split(" ")
                headers = {
                    k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self.route(method, path, headers, body, reader, writer)
        writer.close()

    async def route(self, method, path, headers, body, reader, writer) -> None:
        path, _, query = path.partition("?")
        if path == "/health":
            well = time.monotonic() >= self.ready_at and not self.knobs.get("never_healthy")
            well = well and not self.core_died
            await self.reply(writer, 200 if well else 503, {})
        elif path == "/sleep":
            self.asleep = not self.knobs.get("sleep_broken")
            self.journal(f"sleep-{query}")
            await self.reply(writer, 200, {})
        elif path == "/wake_up":
            self.asleep = False
            self.journal("wake")
            await self.reply(writer, 200, {})
        elif path == "/is_sleeping":
            await self.reply(writer, 200, {"is_sleeping": self.asleep})
        elif path == "/active":
            await self.reply(writer, 200, {"active": self.active})
        elif self.key and headers.get("authorization") != f"Bearer {self.key}":
            await self.reply(writer, 401, {"error": {"message": "key"}})
        elif path == "/v1/models":
            names = ["somebody-else"] if self.knobs.get("impostor") else [self.name, self.nonce]
            await self.reply(writer, 200, {"object": "list", "data": [{"id": name} for name in names]})
        elif path == "/v1/embeddings":
            await self.embed(json.loads(body), writer)
        else:
            self.keep_ids(headers)
            await self.generate(path, json.loads(body), reader, writer)

    async def reply(self, writer, status: int, content: dict, extra: str = "") -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n{extra}"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    async def embed(self, request: dict, writer) -> None:
        if self.knobs["kind"] != "embedding":
            await self.reply(writer, 404, {"error": {"message": "no embeddings here"}})
            return
        texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
        data = [{"object": "embedding", "index": i, "embedding": [1.0, 0.0]} for i in range(len(texts))]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        await self.reply(writer, 200, {"object": "list", "model": self.name, "data": data, "usage": usage})

    async def generate(self, path: str, request: dict, reader, writer) -> None:
        knobs = {**self.knobs, **self.asked(request)}
        if self.asleep:
            await asyncio.sleep(3600)
        if knobs.get("core_dies") or self.core_died:
            # vLLM's front outlives its EngineCore and answers for it.
            self.core_died = True
            self.journal("core")
            await self.reply(writer, 500, {"error": {"message": "EngineCore encountered an issue"}})
            return
        if knobs.get("status"):
            wait = f"retry-after: {knobs['retry_after']}\r\n" if "retry_after" in knobs else ""
            self.journal("refused")
            await self.reply(writer, knobs["status"], {"error": {"message": "told to fail"}}, wait)
            return
        self.active += 1
        self.journal("begin")
        work = asyncio.ensure_future(self.write(path, request, knobs, writer))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ConnectionResetError
            work.result()
            self.journal("end")
        except ConnectionError:
            self.journal("cancelled")
            raise
        finally:
            self.active -= 1
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    def asked(self, request: dict) -> dict:
        text = request.get("prompt") or (request.get("messages") or [{}])[-1].get("content")
        with contextlib.suppress(ValueError, TypeError):
            said = json.loads(text or "")
            return said if isinstance(said, dict) else {}
        return {}

    async def write(self, path: str, request: dict, knobs: dict, writer) -> None:
        await asyncio.sleep(knobs["ttft_s"])
        stream, chat = request.get("stream", False), path == "/v1/chat/completions"
        tokens = min(knobs["tokens"], request.get("max_tokens") or knobs["tokens"])
        if stream:
            coding = b"content-encoding: gzip\r\n" if knobs.get("bad_sse") == "gzip" else b""
            writer.write(
                b"HTTP/1.1 200 OK\r\n"
                + coding
                + b"content-type: text/event-stream\r\nconnection: close\r\n\r\n"
            )
            await self.chunks(writer, request, knobs, tokens, chat)
            return
        for number in range(tokens):
            await self.between(knobs, number)
        finish = "abort" if knobs.get("bad_sse") == "abort" else "stop"
        message = {"role": "assistant", "content": "x " * tokens}
        if request.get("tools"):
            message["tool_calls"] = [self.call(request)]
            finish = "tool_calls"
        part = {"message": message} if chat else {"text": "x " * tokens}
        usage = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
        if knobs.get("bad_sse") == "json":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{nope")
            return
        await self.reply(
            writer,
            200,
            {
                "id": "c",
                "object": "chat.completion" if chat else "text_completion",
                "created": 1,
                "model": self.name,
                "choices": [{"index": 0, **part, "finish_reason": finish}],
                "usage": usage,
                "echo": request,
            },
        )

    async def chunks(self, writer, request: dict, knobs: dict, tokens: int, chat: bool) -> None:
        bad = knobs.get("bad_sse")
        for number in range(tokens):
            await self.between(knobs, number)
            role = {} if number else {"role": "assistant"}
            part = {"delta": {**role, "content": f"t{number} "}} if chat else {"text": f"t{number} "}
            self.event(writer, chat, [{"index": 0, **part, "finish_reason": None}])
            if bad and number == 1:
                self.spoil(writer, chat, bad)
                if bad != "gzip":
                    return
            await writer.drain()
        if request.get("tools"):
            self.event(
                writer, chat, [{"index": 0, "delta": {"tool_calls": [{"index": 0, **self.call(request)}]}}]
            )
        self.event(
            writer, chat, [{"index": 0, **({"delta": {}} if chat else {"text": ""}), "finish_reason": "stop"}]
        )
        if (request.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
            self.event(writer, chat, [], usage=usage)
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()
        writer.close()

    def call(self, request: dict) -> dict:
        function = {"name": request["tools"][0]["function"]["name"], "arguments": '{"city": "Madrid"}'}
        return {"id": "call_1", "type": "function", "function": function}

    def event(self, writer, chat: bool, choices: list, **more) -> None:
        kind = "chat.completion.chunk" if chat else "text_completion"
        said = {"id": "c", "object": kind, "created": 1, "model": self.name, "choices": choices, **more}
        writer.write(b"data: " + json.dumps(said).encode() + b"\n\n")

    def spoil(self, writer, chat: bool, bad: str) -> None:
        match bad:
            case "json":
                writer.write(b'data: {"choices": [\n\n')
            case "utf8":
                writer.write(b'data: {"a": "\xff\xfe"}\n\n')
            case "line":
                for _ in range(50):
                    writer.write(b"data: " * 0 + b"x" * 2**20)
            case "text":
                writer.write(b"<html>oops</html>\n\n")
            case "abort":
                self.event(writer, chat, [{"index": 0, "delta": {}, "finish_reason": "abort"}])
                writer.write(b"data: [DONE]\n\n")
            case "error":
                writer.write(b'data: {"error": {"message": "out of memory"}}\n\ndata: [DONE]\n\n')
            case "gzip":
                writer.write(gzip.compress(b"data: {}\n\n"))
        if bad != "gzip":
            writer.close()

    async def between(self, knobs: dict, number: int) -> None:
        if knobs.get("die_after_n") == number:
            os._exit(7)
        if knobs.get("hang_at") == number:
            await asyncio.sleep(3600)
        if number:
            await asyncio.sleep(knobs["tok_s"])


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("port", "name", "nonce"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--knobs", default="{}")
    given = parser.parse_args()
    engine = Engine(given.name, given.nonce, json.loads(given.knobs))
    engine.journal("start")
    if engine.knobs.get("ignore_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if engine.knobs.get("fork_grandchild"):
        code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
        line = [sys.executable, "-c", code]
        grandchild = subprocess.Popen(line, start_new_session=True)  # noqa: ASYNC220
        engine.journal(f"grandchild={grandchild.pid}")
    if "fail_load" in engine.knobs:
        await asyncio.sleep(engine.knobs["load_s"])
        print("out of memory while loading", file=sys.stderr)
        sys.exit(engine.knobs["fail_load"])
    server = await asyncio.start_server(engine.serve, "127.0.0.1", int(given.port), limit=2**24)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
