"""The TCP listener: accepts connections, a thread each, frames bounded. It knows nothing of graphs."""

import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from nebula3.fbthrift.protocol.THeaderProtocol import THeaderProtocol
from nebula3.fbthrift.Thrift import TApplicationException, TException
from nebula3.fbthrift.transport.THeaderTransport import THeaderTransport
from nebula3.fbthrift.transport.TSocket import TSocket
from nebula3.fbthrift.transport.TTransport import TBufferedTransport

from tools.log import get_logger

log = get_logger("graph")
STACK_BYTES = 32 * 2**20
"""Of a connection's thread: room for expressions as deep as the parser allows."""

RECURSION_LIMIT = 12_000
"""Python frames, for the same expressions."""


class Listener:
    """Serves `processor`, a thrift one, on an address; `port` 0 takes a free one.

    Beyond `max_connections` it hangs up. A frame is at most `frame_bytes`; `drain_s` is how many seconds
    `stop` waits for requests under way.
    """

    def __init__(
        self, processor: Any, host: str, port: int, *, max_connections: int, frame_bytes: int, drain_s: float
    ) -> None:
        self._processor, self._frame_bytes, self._drain_s = processor, frame_bytes, drain_s
        self._slots = threading.BoundedSemaphore(max_connections)
        self._socket = socket.create_server((host, port), backlog=256)
        self._open: dict[int, tuple[socket.socket, threading.Thread]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    @property
    def address(self) -> tuple[str, int]:
        """(host, port) that it listens on."""
        return self._socket.getsockname()[:2]

    def serve(self) -> None:
        """Accept until `stop`."""
        # Room for expressions of the allowed depth; pages are only taken when touched.
        threading.stack_size(STACK_BYTES)
        sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
        while not self._stopping.is_set():
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            if self._stopping.is_set() or not self._slots.acquire(blocking=False):
                peer.close()
                continue
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._connection, args=(peer,), daemon=True)
            with self._lock:
                self._open[peer.fileno()] = (peer, thread)
            thread.start()

    def stop(self) -> None:
        """Stop accepting, let requests under way end within the drain time, then close all connections."""
        self._stopping.set()
        # A shut socket wakes accept(), closing alone does not.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            connections = list(self._open.values())
        for peer, _ in connections:
            _stop_reading(peer)
        for _, thread in connections:
            thread.join(self._drain_s / max(1, len(connections)) + 0.05)

    def _connection(self, peer: socket.socket) -> None:
        number = peer.fileno()
        handle = TSocket()
        handle.setHandle(peer)
        transport = THeaderTransport(TBufferedTransport(handle))
        transport.set_max_frame_size(self._frame_bytes)
        protocol = THeaderProtocol(transport)
        try:
            while not self._stopping.is_set():
                self._processor.process(protocol, protocol, None)
        except (TException, TApplicationException, OSError, EOFError):
            # The peer left, or spoke something else: either way this connection is over.
            return
        except Exception as exc:  # noqa: BLE001 - a client's bytes must not end the server
            log.warning("connection refused", error=repr(exc))
        finally:
            transport.close()
            with self._lock:
                self._open.pop(number, None)
            self._slots.release()


def _stop_reading(peer: socket.socket) -> None:
    """No more requests from this peer; the answer under way may still leave."""
    with suppress(OSError):
        peer.shutdown(socket.SHUT_RD)
