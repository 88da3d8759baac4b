"""A session with a graph server that the event loop watches: nebula3's client and types, and no thread that
waits for an answer.

The client writes into and reads from memory; whole frames travel. Which session serves whom is `nebula`'s.
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

SIZE = struct.Struct("!I")
LARGEST = 64 * 2**20
"""Bytes of an answer: a graph server bounds none, and all of it is held here."""
LONG = 8_192
"""Bytes from which on an answer is read in a thread: the loop must not stop for it."""
UNREADABLE = (TException, EOFError, struct.error, ValueError, TypeError, IndexError, KeyError)
"""What nebula3's reader raises for bytes that are no answer."""


class Overlong(Exception):
    """An answer of more than `LARGEST` bytes."""


class Memory:
    """A transport of fbthrift: what the client wrote, and the frame it is to read."""

    def __init__(self) -> None:
        self.written, self.frame, self.at = bytearray(), b"", 0

    def write(self, data: bytes) -> None:
        self.written += data

    def readAll(self, size: int) -> bytes:
        part = self.frame[self.at : self.at + size]
        if len(part) < size:
            raise EOFError("the frame ends")
        self.at += size
        return part

    read = readAll

    def flush(self) -> None:
        """It is fetched with `taken`."""

    onewayFlush = flush

    def taken(self) -> bytes:
        data, self.written = bytes(self.written), bytearray()
        return data

    def given(self, frame: bytes) -> None:
        self.frame, self.at = frame, 0


class Frames(asyncio.Protocol):
    """One connection: a frame at a time, each for who waits for it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.held = bytearray()
        self.awaited: asyncio.Future[bytes] | None = None
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        if len(self.held) < SIZE.size:
            return
        size = SIZE.unpack_from(self.held)[0]
        if size > LARGEST:
            self._fail(Overlong())
            self.close()
        elif len(self.held) >= SIZE.size + size:
            frame, self.held = bytes(self.held), bytearray()
            if self.awaited is not None and not self.awaited.done():
                self.awaited.set_result(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail(broken("the connection is lost"))

    def send(self, data: bytes) -> asyncio.Future[bytes]:
        """Send a frame; the one that answers it. Raises IOErrorException."""
        if self.lost or self.transport is None:
            raise broken("the connection is lost")
        self.awaited = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.awaited

    def close(self) -> None:
        self.lost = True
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, exc: Exception) -> None:
        if self.awaited is not None and not self.awaited.done():
            self.awaited.set_exception(exc)
            self.awaited.exception()  # perhaps nobody waits any more


class Session:
    """One of nebula's sessions on a connection of its own; one statement at a time."""

    def __init__(self, frames: Frames) -> None:
        self.frames, self.memory = frames, Memory()
        self.client: Any = GraphService.Client(THeaderProtocol(THeaderTransport(self.memory)))
        self.id = 0
        self.offset_s = 0
        self.busy = False

    @property
    def whole(self) -> bool:
        return not self.frames.lost and not self.busy

    async def execute(self, statement: str, params: dict[str, Any] | None = None) -> ResultSet:
        """Raises IOErrorException when the connection broke or what came is no answer, Overlong."""
        answer = await self.call("executeWithParameter", self.id, statement, params)
        return ResultSet(answer, all_latency=0, timezone_offset=self.offset_s)

    async def call(self, name: str, *given: Any) -> Any:
        """One of the client's methods. Who is cancelled meanwhile leaves the session busy until the server
        has answered."""
        getattr(self.client, f"send_{name}")(*given)
        self.busy = True
        frame = await self.frames.send(self.memory.taken())
        try:
            read = getattr(self.client, f"recv_{name}")
            self.memory.given(frame)
            answer = await asyncio.to_thread(read) if len(frame) > LONG else read()
        except UNREADABLE as exc:
            self.frames.close()
            raise broken(str(exc)) from exc
        self.busy = False
        return answer

    def when_answered(self, back: Callable[["Session"], None], *, within_s: float) -> None:
        """For who was cancelled in `call`: `back` has the session once the server is done with it; a server
        that stays silent loses it."""
        awaited = self.frames.awaited
        if awaited is None or not awaited.cancelled():
            # It had been answered, or lost: no other frame will come.
            self.leave()
            return
        patience = asyncio.get_running_loop().call_later(within_s, self.leave)

        def ended(_: object) -> None:
            patience.cancel()
            self.busy = False
            if not self.frames.lost:
                back(self)

        # The future of who left is cancelled: the next frame is for this one.
        self.frames.awaited = asyncio.get_running_loop().create_future()
        self.frames.awaited.add_done_callback(ended)

    def leave(self) -> None:
        """Sign out, if the server still hears, and close."""
        if not self.frames.lost and self.frames.transport is not None:
            self.client.send_signout(self.id)
            self.frames.transport.write(self.memory.taken())
            self.frames.transport.close()


async def sign_in(host: str, port: int, user: str, password: str) -> Session:
    """A new session. Raises AuthFailedException, IOErrorException, OSError."""
    _, frames = await asyncio.get_running_loop().create_connection(Frames, host, port)
    session = Session(frames)
    try:
        known = await session.call("verifyClientVersion", VerifyClientVersionReq())
        if known.error_code != ErrorCode.SUCCEEDED:
            raise broken("the server does not serve this client")
        let = await session.call("authenticate", user, password)
        if let.error_code != ErrorCode.SUCCEEDED:
            raise AuthFailedException(let.error_msg)
    except Overlong as exc:
        raise broken("what answers is no graph server") from exc
    except BaseException:
        frames.close()
        raise
    session.id, session.offset_s = let.session_id, let.time_zone_offset_seconds or 0
    return session


def broken(message: str) -> IOErrorException:
    return IOErrorException(IOErrorException.E_CONNECT_BROKEN, message)
