"""A TCP proxy of a unix socket whose connections can be cut and mended: a store that is away for a while."""

import selectors
import socket
import threading
from pathlib import Path


class TcpProxy:
    """Owns its threads and connections; `refused` counts those that came while it was cut."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.connections: set[socket.socket] = set()
        self.connected, self.refused, self.lock = True, 0, threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection; whoever comes is hung up on."""
        with self.lock:
            self.connected, connections = False, list(self.connections)
        for connection in connections:
            _disconnect(connection)

    def mend(self) -> None:
        self.connected = True

    def close(self) -> None:
        self.cut()
        _disconnect(self.listener)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if not self.connected:
                    self.refused += 1
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                self.connections |= {client, server}
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        try:
            server.connect(str(self.target))
            with selectors.DefaultSelector() as ready:
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
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
                self.connections -= {client, server}
            client.close()
            server.close()


def _disconnect(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has gone by itself
