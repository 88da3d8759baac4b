"""A small TCP proxy before one store: it can refuse, fall silent, be slow, lose an answer, or break."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from pydantic import SecretStr

from tools.errors import StoreUnavailable
from tools.settings import Settings

Target = tuple[str, int] | str


class Proxy:
    """Listens on loopback and passes on to `target`, an address or the path of a unix socket."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.latency_s = 0.0
        self.deaf = False
        self.port = 0
        self.links: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and break the open ones."""
        assert self.server is not None
        self.server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break the open connections; new ones are served."""
        links = list(self.links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.links.add(task)
        try:
            there, back = await self._connect()
            try:
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(reader, back))
                    pumps.create_task(self._answer(there, writer))
            finally:
                back.close()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.links.discard(task)

    async def _answer(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """As `_pump`; who is deaf hears nothing of the next answer, and of its connection nothing more."""
        while data := await source.read(65_536):
            if self.deaf:
                self.deaf = False
                await asyncio.sleep(1.0)  # what was asked is done meanwhile
                raise ConnectionAbortedError
            await self._passed(data, sink)
        sink.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            await self._passed(data, sink)
        sink.close()

    async def _passed(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        await self.flowing.wait()
        await asyncio.sleep(self.latency_s)
        with contextlib.suppress(OSError):
            sink.write(data)
            await sink.drain()


def address_of(settings: Settings, name: str) -> Target:
    """Where the embedded store `name` listens: its socket's path, or the graph server's address."""
    return settings.nebula_address if name == "nebula" else str(settings.store_socket(name))


def behind(settings: Settings, name: str, port: int) -> Settings:
    """The same settings, but the store `name` is reached on a port of loopback."""
    if name == "nebula":
        return settings.model_copy(update={"ports": settings.ports.model_copy(update={"nebula": port})})
    address = {"redis": {"redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")}}
    address |= {"milvus": {"milvus_uri": f"http://127.0.0.1:{port}"}}
    return settings.model_copy(update={"stores": settings.stores.model_copy(update=address[name])})


async def eventually(asked: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Ask a store that is coming back until it gives `wanted`."""
    until = time.monotonic() + 30
    while True:
        try:
            if await asked() == wanted:
                return
        except StoreUnavailable:
            pass
        assert time.monotonic() < until, "it did not come back"
        await asyncio.sleep(0.1)
