"""A client of HTTP that costs next to nothing, so that the service is what a benchmark measures.

It keeps one connection, knows content-length and nothing else of the protocol.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Line:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, request: bytes) -> bytes:
        """The body of the answer. Raises AssertionError when it is an error."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await self.reader.readexactly(length)
        assert head[9:12] == b"200", body
        return body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def post(path: str, content: object) -> bytes:
    body = json.dumps(content).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def open_lines(port: int, count: int) -> AsyncIterator[list[Line]]:
    lines = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(count)]
    try:
        yield lines
    finally:
        for line in lines:
            line.writer.close()
            await line.writer.wait_closed()
