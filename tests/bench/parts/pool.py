"""The parts that `pool.py` measures: a cheap engine, and proxies as plain as they can be. Run as programs.

`python parts/pool.py engine --port P --name N --nonce X`
`python parts/pool.py raw|starlette PORT ENGINE_URL`
"""

import asyncio
import sys
from typing import cast

CHUNKS, GAP_S = 100, 0.005
BODY = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"hola"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,'
    b'"completion_tokens":1,"total_tokens":4}}'
)
CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":['
    b'{"index":0,"delta":{"content":"hola "},"logprobs":null,"finish_reason":null}]}\n\n'
)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Engine(asyncio.Protocol):
    """Answers before it has read much: the engine must not be what is measured."""

    listing = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self.transport, self.buffer = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, rest = self.buffer.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            if len(rest) < length:
                return
            body, self.buffer = rest[:length], rest[length:]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            listing = self.listing
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(listing), listing))
        elif b'"stream":true' in body.replace(b" ", b""):
            self.transport.write(STREAM)
            self.drip(CHUNKS)
        else:
            self.transport.write(WHOLE)

    def drip(self, left: int) -> None:
        chunk = CHUNK if left else b"data: [DONE]\n\n"
        self.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if left:
            asyncio.get_running_loop().call_later(GAP_S, self.drip, left - 1)
        else:
            self.transport.write(b"0\r\n\r\n")


async def engine(words: list[str]) -> None:
    given = dict(zip(words[::2], words[1::2], strict=True))
    names = ",".join(f'{{"id":"{given[key]}"}}' for key in ("--name", "--nonce"))
    Engine.listing = f'{{"object":"list","data":[{names}]}}'.encode()
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", int(given["--port"]))
    await server.serve_forever()


def raw(url: str):
    """Raw ASGI + aiohttp: bytes in, bytes out, nothing else."""
    import aiohttp

    session: aiohttp.ClientSession | None = None

    async def app(scope, receive, send) -> None:
        nonlocal session
        if scope["type"] == "lifespan":
            await receive()
            connector = aiohttp.TCPConnector(limit=0)
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await session.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {"content-type": "application/json"}
        assert session is not None
        async with session.post(url + scope["path"], data=body, headers=headers) as reply:
            kind = reply.headers["content-type"].encode()
            await send(
                {"type": "http.response.start", "status": reply.status, "headers": [(b"content-type", kind)]}
            )
            while part := await reply.content.readany():
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def starlette(url: str):
    """Starlette + httpx: the way most proxies in Python are written."""
    import httpx
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(timeout=60, limits=limits, trust_env=False)

    async def forward(request):
        sent = client.build_request("POST", url + request.url.path, content=await request.body())
        reply = await client.send(sent, stream=True)
        kind = reply.headers["content-type"]
        return StreamingResponse(reply.aiter_raw(), status_code=reply.status_code, media_type=kind)

    return Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])])


def main(words: list[str]) -> None:
    kind, *rest = words
    import uvloop

    if kind == "engine":
        uvloop.run(engine(rest))
        return
    import uvicorn

    app = {"raw": raw, "starlette": starlette}[kind](rest[1])
    uvicorn.run(app, port=int(rest[0]), log_level="error", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1:])
