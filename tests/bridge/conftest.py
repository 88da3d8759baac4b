"""A real bridge over real stores: PostgreSQL, Valkey, Milvus Lite and the graph server, each a process."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.bridge.graphs import lend_graphs
from tests.conftest import free_ports
from tools.sections import Access
from tools.settings import Settings


@contextmanager
def serving(settings: Settings, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """One service of ours as a child process, ended with the block."""
    log = settings.log_dir / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if name == "bridge":
        lend_graphs(settings)
    with log.open("ab") as output:
        command = [sys.executable, "-m", "servers", "serve", name]
        child = subprocess.Popen(command, env=settings.environment(), stdout=output, stderr=output)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_until(ready: Any, *, seconds: float = 180.0) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, "not ready in time"
        time.sleep(0.1)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def connected(client: httpx.Client, *names: str) -> bool:
    """True when the bridge reaches the named stores."""
    try:
        states = client.get("/health/detailed").json()
    except (httpx.HTTPError, ValueError):
        return False
    return all(states.get(name, {}).get("status") == "connected" for name in names)


ALL = ("milvus", "nebula", "postgres", "redis")


@pytest.fixture(scope="session")
def graph(stores: Settings) -> Iterator[Settings]:
    with serving(stores, "graph"):
        wait_until(lambda: listening(stores.ports.nebula))
        yield stores


@pytest.fixture(scope="session")
def bridge(graph: Settings) -> Iterator[httpx.Client]:
    """A client of a running bridge whose four stores answer."""
    with serving(graph, "bridge"), httpx.Client(base_url=graph.bridge_url, timeout=60.0) as client:
        wait_until(lambda: connected(client, *ALL))
        yield client


PLATFORM = "platform-canary-5f1d"


@pytest.fixture(scope="session")
def guarded(graph: Settings) -> Iterator[httpx.Client]:
    """The platform's own client of a second replica, which has a key and knows others' for a second."""
    ports = graph.ports.model_copy(update={"bridge": free_ports(1)[0]})
    changes = {"api_key": SecretStr(PLATFORM), "ports": ports, "access": Access(cache_s=1.0)}
    settings = graph.model_copy(update=changes)
    headers = {"x-api-key": PLATFORM}
    with (
        serving(settings, "bridge"),
        httpx.Client(base_url=settings.bridge_url, headers=headers, timeout=60.0) as client,
    ):
        wait_until(lambda: connected(client, "postgres", "redis"))
        yield client


class Shelf:
    """A collection of its own for one test."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self.client, self.name = client, name

    def put(self, **documents: str | dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"id": key, **(value if isinstance(value, dict) else {"text": value})}
            for key, value in documents.items()
        ]
        answer = self.client.post("/api/v1/documents", json={"collection": self.name, "documents": rows})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def find(self, query: str, **options: Any) -> dict[str, Any]:
        request = {"query": query, "collection": self.name, **options}
        answer = self.client.post("/api/v1/rag/hybrid-search", json=request)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def found(self, query: str, **options: Any) -> list[str]:
        return [hit["document_id"] for hit in self.find(query, **options)["results"]]

    def delete(self, document_id: str) -> httpx.Response:
        path = f"/api/v1/documents/{document_id}"
        return self.client.delete(path, params={"collection": self.name})

    def listed(self) -> list[str]:
        answer = self.client.get("/api/v1/documents", params={"collection": self.name})
        return [row["id"] for row in answer.json()["documents"]]

    def sql(self, query: str, *params: Any) -> list[list[Any]]:
        answer = self.client.post("/api/v1/postgres/query", json={"query": query, "params": list(params)})
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]

    def ngql(self, query: str) -> list[list[Any]]:
        answer = self.client.post("/api/v1/nebula/query", json={"space": self.name, "query": query})
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"]


@pytest.fixture
def shelf(bridge: httpx.Client, request: pytest.FixtureRequest) -> Shelf:
    return Shelf(bridge, f"t{abs(hash(request.node.nodeid)) % 10**12}")
