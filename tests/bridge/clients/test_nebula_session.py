"""Sessions with the graph server: one asker at a time, back in their space, given up when they are broken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from servers.bridge.clients.nebula import client, session
from servers.bridge.clients.nebula.client import Nebula, open_nebula
from tests.bridge.proxy import Proxy, eventually
from tools.errors import StoreUnavailable, TooLarge
from tools.settings import Settings

PATIENCE_S = 30.0
MADE = "CREATE SPACE IF NOT EXISTS `{}`(vid_type=FIXED_STRING(64))"


@asynccontextmanager
async def behind(settings: Settings) -> AsyncIterator[tuple[Proxy, Nebula]]:
    proxy = Proxy(("127.0.0.1", settings.ports.nebula))
    await proxy.start()
    ports = settings.ports.model_copy(update={"nebula": proxy.port})
    stores = settings.stores.model_copy(update={"deadline_s": PATIENCE_S})
    try:
        async with open_nebula(settings.model_copy(update={"ports": ports, "stores": stores})) as nebula:
            yield proxy, nebula
    finally:
        proxy.flowing.set()
        await proxy.stop()


async def given_up(nebula: Nebula, space: str) -> None:
    """Ask what is not answered in time."""
    with pytest.raises(StoreUnavailable):
        await nebula.execute(space, "YIELD 1 AS one", deadline_s=0.05)


async def test_a_session_whose_asker_left_serves_again_once_it_is_answered(graph: Settings) -> None:
    async with behind(graph) as (proxy, nebula):
        await nebula.execute("", MADE.format("sessions"))
        assert (await nebula.execute("sessions", "YIELD 1 AS one"))[1] == [[1]]
        (idle_session,) = nebula.idle["sessions"]
        proxy.flowing.clear()
        await given_up(nebula, "sessions")
        assert "sessions" not in nebula.idle

        async def back() -> bool:
            return nebula.idle.get("sessions") == [idle_session]

        proxy.flowing.set()
        await eventually(back, True)
        await eventually(lambda: nebula.execute("sessions", "YIELD 2 AS two"), (["two"], [[2]]))


async def test_a_session_that_a_silent_server_holds_is_given_up(graph: Settings) -> None:
    async with behind(graph) as (proxy, nebula):
        assert (await nebula.execute("", "YIELD 1 AS one"))[1] == [[1]]
        (idle_session,) = nebula.idle[""]
        nebula.deadline_s = 0.01
        proxy.flowing.clear()
        await given_up(nebula, "")

        async def lost() -> bool:
            return idle_session.connection.lost

        await eventually(lost, True)
        assert not nebula.idle
        nebula.deadline_s = PATIENCE_S
        proxy.flowing.set()
        await eventually(lambda: nebula.execute("", "YIELD 2 AS two"), (["two"], [[2]]))


async def test_a_session_whose_answer_had_come_when_its_asker_left_signs_out(graph: Settings) -> None:
    async with behind(graph) as (_, nebula):
        assert (await nebula.execute("", "YIELD 1 AS one"))[1] == [[1]]
        (idle_session,) = nebula.idle[""]
        send = idle_session.connection.send

        def left_as_it_comes(data: bytes) -> asyncio.Future[bytes]:
            answered = send(data)
            answered.add_done_callback(lambda _: asked.cancel())
            return answered

        idle_session.connection.send = left_as_it_comes
        asked = asyncio.create_task(nebula.execute("", "YIELD 2 AS two"))
        with pytest.raises(asyncio.CancelledError):
            await asked

        async def lost() -> bool:
            return idle_session.connection.lost

        await eventually(lost, True)
        assert not nebula.idle
        assert (await nebula.execute("", "YIELD 3 AS three"))[1] == [[3]]


async def test_a_long_answer_comes_whole(graph: Settings) -> None:
    async with open_nebula(graph) as nebula:
        await nebula.execute("", MADE.format("sessions"))
        columns, rows = await nebula.execute("sessions", 'UNWIND range(1, 5000) AS i RETURN i, "text" AS t')
        assert columns == ["i", "t"]
        assert rows == [[number, "text"] for number in range(1, 5_001)]


async def test_an_answer_without_bounds_is_refused(graph: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_FRAME_BYTES", 10_000)
    async with open_nebula(graph) as nebula:
        await nebula.execute("", MADE.format("sessions"))
        with pytest.raises(TooLarge, match="LIMIT"):
            await nebula.execute("sessions", 'UNWIND range(1, 5000) AS i RETURN i, "text" AS t')
        assert (await nebula.execute("sessions", "YIELD 1 AS one"))[1] == [[1]]


async def test_many_spaces_share_the_sessions_that_wait(
    graph: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_IDLE", 2)
    async with open_nebula(graph) as nebula:
        names = [f"shared{number}" for number in range(4)]
        for name in names:
            await nebula.execute("", MADE.format(name))
            assert (await nebula.execute(name, "YIELD 1 AS one"))[1] == [[1]]
        assert sum(map(len, nebula.idle.values())) <= 2
        for name in names:
            await nebula.execute(name, f"CREATE TAG IF NOT EXISTS only_in_{name}()")
            assert [row[0] for row in (await nebula.execute(name, "SHOW TAGS"))[1]] == [f"only_in_{name}"]


@pytest.mark.parametrize(
    "said", [b"\x00\x00\x00\x04what", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x01" + b"x" * 64]
)
async def test_what_is_no_graph_server_is_a_store_that_is_away(graph: Settings, said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    ports = graph.ports.model_copy(update={"nebula": server.sockets[0].getsockname()[1]})
    async with server, open_nebula(graph.model_copy(update={"ports": ports})) as nebula:
        with pytest.raises(StoreUnavailable):
            await nebula.execute("", "YIELD 1 AS one")


async def test_a_session_signs_out_in_the_middle_of_an_answer() -> None:
    heard = asyncio.Queue[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(session.FramedConnection, "127.0.0.1", port)
        given_up = session.Session(connection)
        given_up.id = 7
        given_up.client._oprot.writeMessageBegin("executeWithParameter", 1, 0)
        given_up.client._oprot.writeStructBegin("left off")
        given_up.sign_out()
        assert b"signout" in await heard.get()
