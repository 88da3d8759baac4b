"""What a malformed or hostile engine answers leaves the pool well: as an error of its own kind or an answer.

Each row is asked in four ways: OpenAI's and Ollama's wire, streamed and whole.
"""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"content-type: text/event-stream\r\nconnection: close\r\n\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def chunk(delta: Any = None, finish: Any = None, **more: Any) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [{"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}]
    return b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n"


def body(content: bytes, *extra: bytes) -> bytes:
    return (
        OK
        + b"".join(line + b"\r\n" for line in extra)
        + b"content-length: %d\r\n\r\n" % len(content)
        + content
    )


MESSAGE = {"role": "assistant", "content": "hola"}
CHOICE = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
HEAD = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [CHOICE]}


def answer(**changes: Any) -> bytes:
    return json.dumps({**HEAD, **changes}).encode()


SAID, STOP, DONE = chunk({"role": "assistant", "content": "hola"}), chunk(finish="stop"), b"data: [DONE]\n\n"
WELL = SAID + STOP + DONE
LINE = b"x" * 2**21
BOMB = gzip.compress(b"\0" * 2**24)
HINT = b"HTTP/1.1 103 x\r\nlink: a\r\n\r\n"
DEEP = b"[" * 100_000
Sent = bytes | tuple[bytes, bytes]
"""Bytes, after which the connection is closed; or bytes first, and others again and again."""

# row: (what a stream is answered with, what a whole answer is; which of them is an answer all the same)
ROWS: dict[str, tuple[Sent, Sent, str]] = {
    "truncated chunk": (CHUNKED + b"ff\r\n" + SAID, CHUNKED + b"ff\r\n" + answer(), ""),
    "chunk of no size": (CHUNKED + b"zz\r\n" + SAID, CHUNKED + b"zz\r\n" + answer(), ""),
    "length too long": (
        OK + b"content-length: 99999\r\n\r\n" + SAID,
        OK + b"content-length: 99999\r\n\r\n" + answer(),
        "",
    ),
    "length too short": (body(WELL[:40]) + WELL[40:], body(answer()[:40]) + answer()[40:], ""),
    "two lengths": (
        OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "",
    ),
    "length and chunks": (
        OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "",
    ),
    "giant header": (OK + b"x: " + b"y" * 2**18 + b"\r\n\r\n", OK + b"x: " + b"y" * 2**18 + b"\r\n\r\n", ""),
    "endless headers": ((OK, b"x: y\r\n" * 99), (OK, b"x: y\r\n" * 99), ""),
    "page of HTML": (EVENTS + b"<html>sign in</html>\n\n", body(b"<html>sign in</html>"), ""),
    "invalid UTF-8": (EVENTS + SAID + b'data: {"a": "\xff\xfe"}\n\n', body(b'{"a": "\xff\xfe"}'), ""),
    "NUL": (EVENTS + b"data: \0\0\n\n", body(answer().replace(b"hola", b"a\0b")), ""),
    "byte order mark": (EVENTS + b"\xef\xbb\xbf" + WELL, body(b"\xef\xbb\xbf" + answer()), ""),
    "finished twice": (EVENTS + SAID + STOP + STOP + DONE, body(answer(choices=[CHOICE, CHOICE])), "both"),
    "no usage": (EVENTS + WELL, body(answer()), "both"),
    "usage of nonsense": (
        EVENTS + SAID + chunk(finish="stop", usage={"prompt_tokens": "many", "completion_tokens": -3}) + DONE,
        body(answer(usage=[{"prompt_tokens": True}])),
        "both",
    ),
    "error in the stream": (
        EVENTS + SAID + b'data: {"error": {"message": "out of memory"}}\n\n',
        OK.replace(b"200 OK", b"500 x") + b"content-length: 0\r\n\r\n",
        "",
    ),
    "error of another form": (EVENTS + b'data: {"error": 7}\n\n', body(b'{"choices": 7}'), ""),
    "line without end": ((EVENTS, LINE), (OK + b"connection: close\r\n\r\n", LINE), ""),
    "gzip bomb": (
        EVENTS.replace(b"connection", b"content-encoding: gzip\r\nconnection") + BOMB,
        body(BOMB, b"content-encoding: gzip"),
        "",
    ),
    "gzip without a word": (EVENTS + BOMB, body(BOMB), ""),
    "early hints": (
        b"HTTP/1.1 103 x\r\nlink: a\r\n\r\nHTTP/1.1 100 x\r\n\r\n" + EVENTS + WELL,
        b"HTTP/1.1 103 x\r\nlink: a\r\n\r\n" + body(answer()),
        "both",
    ),
    "hints without end": ((b"", HINT * 99), (b"", HINT * 99), ""),
    "other protocol": (b"HTTP/1.1 101 x\r\nupgrade: h2c\r\n\r\nPRI", b"SSH-2.0-OpenSSH_9.2\r\n", ""),
    "redirect": (
        b"HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 302 x\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n",
        "",
    ),
    "headers in drops": ((OK, b"x"), (OK, b"x"), ""),
    "body in drops": ((EVENTS + SAID, b"x"), (CHUNKED, b"1\r\n[\r\n"), ""),
    "comments alone": ((EVENTS, b": ping\n\n"), (CHUNKED, b"1\r\n \r\n"), ""),
    "nothing": ((b"", b""), (b"", b""), ""),
    "closed at once": (b"", b"", ""),
    "empty": (EVENTS, body(b""), ""),
    "no content": (b"HTTP/1.1 204 x\r\n\r\n", b"HTTP/1.1 204 x\r\n\r\n", ""),
    "deep nesting": (EVENTS + b"data: " + DEEP + b"\n\n", body(DEEP), ""),
    "numbers as text": (
        EVENTS + chunk({"content": 5, "tool_calls": 7}) + DONE,
        body(answer(choices=[{**CHOICE, "message": {"content": 5, "tool_calls": [3]}}])),
        "",
    ),
    "lists as objects": (EVENTS + chunk([1]) + DONE, body(answer(choices=[[1]])), ""),
    "two answers": (body(WELL) + body(b"{}"), body(answer()) + body(b"{}"), "both"),
    "JSON that is no answer": (EVENTS + b"data: 5\n\n", body(b"[5]"), ""),
}  # fmt: skip
WAYS = (
    ("/v1/chat/completions", True),
    ("/v1/chat/completions", False),
    ("/api/chat", True),
    ("/api/chat", False),
)
ENDS = {True: "answer", False: "error"}


@asynccontextmanager
async def hostile() -> AsyncIterator[str]:
    """An engine that answers as the row that its path names."""
    serving: set[asyncio.Task[Any] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
            )
            asked = await reader.readexactly(length)
            row = [*ROWS][int(head.split(b"/")[1])]
            sent: Sent = ROWS[row][:2][not json.loads(asked)["stream"]]
            first, again = sent if isinstance(sent, tuple) else (sent, None)
            writer.write(first)
            while again is not None:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(0.05)
                if reader.at_eof():
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for task in serving:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, serving), return_exceptions=True)


async def ended(client: Any, place: int, way: tuple[str, bool], at_once: asyncio.Semaphore) -> str:
    """`answer` or `error` for what a client was left with; anything else is told in words."""
    path, stream = way
    name = f"row{place}.{WAYS.index(way)}"
    asked = {"model": name, "stream": stream, "messages": [{"role": "user", "content": name}]}
    async with at_once, client.http.post(client.base + path, json=asked) as response:
        said, status = await response.read(), response.status
    lines = [line for line in said.replace(b"data: ", b"").split(b"\n") if line and not line.startswith(b":")]
    last = lines[-1] if lines else b""
    if last == b"[DONE]":
        return "answer"
    told = json.loads(last)
    if "error" in told:
        code = told["error"]["code"] if path.startswith("/v1") else ""
        wrong = code == "internal_error" or (status != 200 and status not in (502, 503, 504))
        return f"{status} {told}" if wrong else "error"
    return "answer" if status == 200 and (not stream or told["done"]) else f"{status} {told}"


async def test_every_row_ends_as_an_error_of_the_engines_or_as_an_answer_and_the_pool_is_well(open_client):
    async with hostile() as url:
        models = {
            f"row{place}.{way}": {"backend": "openai", "urls": [f"{url}/{place}"], "attempts": 1}
            for place in range(len(ROWS))
            for way in range(len(WAYS))
        }
        async with open_client(models, first_token_s=1.5, between_tokens_s=1.0) as client:
            for well in (True, False):
                asked = [
                    (place, way)
                    for place, row in enumerate(ROWS)
                    if bool(ROWS[row][2]) is well
                    for way in WAYS
                ]
                # Those that shall answer are not kept waiting by the load that the others make.
                at_once = asyncio.Semaphore(2 if well else len(asked))
                found = await asyncio.gather(*(ended(client, *one, at_once) for one in asked))
                wrong = {one: said for one, said in zip(asked, found, strict=True) if said != ENDS[well]}
                assert {([*ROWS][place], way): said for (place, way), said in wrong.items()} == {}
            assert (await client.get("/health"))[1]["problems"] == []
