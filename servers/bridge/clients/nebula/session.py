"""A session with a graph server over asyncio: nebula3's generated client on an in-buffer transport.

The generated client is blocking, so it writes to and reads from buffer, and whole frames travel over asyncio:
no thread waits for an answer. Which session serves whom is `client`'s.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from nebula3.common.ttypes import ErrorCode
from nebula3.data.ResultSet import ResultSet
from nebula3.Exception import AuthFailedException, IOErrorException
from nebula3.fbthrift.protocol.THeaderProtocol import THeaderProtocol
from nebula3.fbthrift.Thrift import TException
from nebula3.fbthrift.transport.THeaderTransport import THeaderTransport
from nebula3.graph import GraphService
from nebula3.graph.ttypes import VerifyClientVersionReq

from tools.schema import JsonObject

FRAME_SIZE = struct.Struct("!I")
"""The length prefix of a THeader frame (fbthrift): 4 bytes, big endian."""
MAX_FRAME_BYTES = 64 * 2**20
"""Bytes of an answer: a graph server bounds none, and all of it is held here."""
THREAD_BYTES = 8_192
"""Bytes from which on an answer is read in a thread: the loop must not stop for it."""
UNREADABLE = (TException, EOFError, struct.error, ValueError, TypeError, IndexError, KeyError, AssertionError)
"""What nebula3's reader raises for bytes that are no answer."""


class FrameTooLarge(Exception):
    """An answer of more than `MAX_FRAME_BYTES` bytes."""


class MemoryTransport:
    """A transport of fbthrift: what the client wrote, and the frame it is to read."""

    def __init__(self) -> None:
        self.written, self.frame, self.position = bytearray(), b"", 0

    def write(self, data: bytes) -> None:
        """Called by the generated client."""
        self.written += data

    def readAll(self, size: int) -> bytes:
        """Called by the generated client. Raises EOFError when the frame is shorter."""
        part = self.frame[self.position : self.position + size]
        if len(part) < size:
            raise EOFError("the frame ends")
        self.position += size
        return part

    read = readAll

    def flush(self) -> None:
        """Nothing to do: what was written is fetched with `take_written`."""

    onewayFlush = flush

    def take_written(self) -> bytes:
        """What the client wrote since the last time."""
        data, self.written = bytes(self.written), bytearray()
        return data

    def set_frame(self, frame: bytes) -> None:
        """The frame, with its length prefix, that the client reads next."""
        self.frame, self.position = frame, 0


class FramedConnection(asyncio.Protocol):
    """One TCP connection: one frame out, one frame back."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.received = bytearray()
        self.reply: asyncio.Future[bytes] | None = None
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        """asyncio's callback."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: a frame that is whole resolves `reply`, one that is too large closes."""
        self.received += data
        if len(self.received) < FRAME_SIZE.size:
            return
        size = FRAME_SIZE.unpack_from(self.received)[0]
        if size > MAX_FRAME_BYTES:
            self._fail(FrameTooLarge())
            self.close()
        elif len(self.received) >= FRAME_SIZE.size + size:
            frame, self.received = bytes(self.received), bytearray()
            if self.reply is not None and not self.reply.done():
                self.reply.set_result(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's callback: who waits gets an IOErrorException."""
        self.lost = True
        self._fail(broken("the connection is lost"))

    def send(self, data: bytes) -> asyncio.Future[bytes]:
        """Send a frame; a future of the frame that answers it. Raises IOErrorException when it is closed."""
        if self.lost or self.transport is None:
            raise broken("the connection is lost")
        self.reply = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.reply

    def close(self) -> None:
        """Close at once; nothing that waits to be sent is sent."""
        self.lost = True
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, exc: Exception) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(exc)
            self.reply.exception()  # perhaps nobody waits any more


class Session:
    """One of Nebula's sessions on a connection of its own; one statement at a time."""

    def __init__(self, connection: FramedConnection) -> None:
        self.connection, self.buffer = connection, MemoryTransport()
        self.client = _client(self.buffer)
        self.id = 0
        self.offset_s = 0
        self.busy = False

    @property
    def usable(self) -> bool:
        """Whether it can run the next statement: connected, and not waiting for an earlier answer."""
        return not self.connection.lost and not self.busy

    async def execute(self, statement: str, params: JsonObject | None = None) -> ResultSet:
        """The server's answer, also when it is an error of the statement.

        Raises IOErrorException when the connection broke or what came is no answer, FrameTooLarge."""
        answer = await self.call("executeWithParameter", self.id, statement, params)
        return ResultSet(answer, all_latency=0, timezone_offset=self.offset_s)

    async def call(self, name: str, *given: Any) -> Any:
        """Call one method of the generated client. A caller that is cancelled meanwhile leaves the session
        busy until the server has answered."""
        getattr(self.client, f"send_{name}")(*given)
        self.busy = True
        frame = await self.connection.send(self.buffer.take_written())
        try:
            read = getattr(self.client, f"recv_{name}")
            self.buffer.set_frame(frame)
            answer = await asyncio.to_thread(read) if len(frame) > THREAD_BYTES else read()
        except UNREADABLE as exc:
            self.connection.close()
            raise broken(str(exc)) from exc
        self.busy = False
        return answer

    def when_answered(self, back: Callable[["Session"], None], *, within_s: float) -> None:
        """After a `call` that was cancelled: `back` gets the session once the server has answered it. When
        that takes more than `within_s` seconds the session signs out."""
        reply = self.connection.reply
        if reply is None or not reply.cancelled():
            # It had been answered, or lost: no other frame will come.
            self.sign_out()
            return
        timer = asyncio.get_running_loop().call_later(within_s, self.sign_out)

        def answered(_: object) -> None:
            timer.cancel()
            self.busy = False
            if not self.connection.lost:
                back(self)

        # The caller's future is cancelled: the next frame is for this one.
        self.connection.reply = asyncio.get_running_loop().create_future()
        self.connection.reply.add_done_callback(answered)

    def sign_out(self) -> None:
        """Sign out, if the server still hears, and close. With a client of its own: a call that was given up
        may have left the session's in the middle of an answer, where it refuses to write."""
        if not self.connection.lost and self.connection.transport is not None:
            buffer = MemoryTransport()
            _client(buffer).send_signout(self.id)
            self.connection.transport.write(buffer.take_written())
            self.connection.transport.close()


def _client(buffer: MemoryTransport) -> Any:
    """nebula3's generated client, on a buffer."""
    return GraphService.Client(THeaderProtocol(THeaderTransport(buffer)))


async def sign_in(host: str, port: int, user: str, password: str) -> Session:
    """Connect and authenticate. Raises AuthFailedException, IOErrorException, OSError."""
    _, connection = await asyncio.get_running_loop().create_connection(FramedConnection, host, port)
    session = Session(connection)
    try:
        known = await session.call("verifyClientVersion", VerifyClientVersionReq())
        if known.error_code != ErrorCode.SUCCEEDED:
            raise broken("the server does not serve this client")
        signed_in = await session.call("authenticate", user, password)
        if signed_in.error_code != ErrorCode.SUCCEEDED:
            raise AuthFailedException(signed_in.error_msg)
    except FrameTooLarge as exc:
        raise broken("what answers is no graph server") from exc
    except BaseException:
        connection.close()
        raise
    session.id, session.offset_s = signed_in.session_id, signed_in.time_zone_offset_seconds or 0
    return session


def broken(message: str) -> IOErrorException:
    """nebula3's error for a connection that is lost."""
    return IOErrorException(IOErrorException.E_CONNECT_BROKEN, message)
