"""A cable between a TCP port and a unix socket that can be cut and mended: a store that is away a while."""

import selectors
import socket
import threading
from pathlib import Path


class TcpProxy:
    """Owns its threads and links; `refused` counts who came while it was cut."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.links: set[socket.socket] = set()
        self.whole, self.refused, self.lock = True, 0, threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every link; whoever comes is hung up on."""
        with self.lock:
            self.whole, links = False, list(self.links)
        for link in links:
            _hang_up(link)

    def mend(self) -> None:
        self.whole = True

    def close(self) -> None:
        self.cut()
        _hang_up(self.listener)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if not self.whole:
                    self.refused += 1
                    near.close()
                    continue
                far = socket.socket(socket.AF_UNIX)
                self.links |= {near, far}
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        try:
            far.connect(str(self.target))
            with selectors.DefaultSelector() as ready:
                ready.register(near, selectors.EVENT_READ, far)
                ready.register(far, selectors.EVENT_READ, near)
                while True:
                    for key, _ in ready.select():
                        data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                        if not data:
                            return
                        key.data.sendall(data)
        except OSError:
            return
        finally:
            with self.lock:
                self.links -= {near, far}
            near.close()
            far.close()


def _hang_up(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has gone by itself
