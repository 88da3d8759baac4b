"""A whole platform with a key, and people of two tenants with keys of their own; a wire in Prefect's place.

Their logs stay, so that a test can search them as an operator would.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from tests.bridge.conftest import connected, listening, wait_until
from tests.bridge.graphs import lend_graphs
from tests.ports import free_ports
from tests.serving import serving
from tools.access.identity import Role
from tools.clients.bridge import Bridge, open_bridge
from tools.schema import Document
from tools.sections import Access, Oidc
from tools.settings import Settings

KEY = "llave-de-la-plataforma-2f7c"
PEOPLE: dict[str, tuple[str, Role]] = {
    "ana": ("default", "user"),
    "beto": ("default", "user"),
    "opal": ("default", "operator"),
    "rosa": ("huerta", "user"),
}
SERVICES = ("bridge", "pool", "speech", "api", "mcp")
LOG = "security-services.log"
START_S = 400.0
"""They import all of the platform, on a machine that may be busy."""
CANARY = "zarapito-4471"
"""What ana keeps, and nobody else may ever read."""


@dataclass
class Flows:
    """What Prefect's place was asked: runs by id, as their creation named them."""

    runs: dict[str, Any] = field(default_factory=dict[str, Any])


def build_prefect(flows: Flows) -> FastAPI:
    """The wire of Prefect that the API speaks."""
    app = FastAPI()

    @app.get("/api/deployments/name/{flow}/{name}")
    async def deployment(flow: str, name: str) -> Any:
        return {"id": name, "name": name, "schedules": []}

    @app.post("/api/deployments/{name}/create_flow_run")
    async def create(name: str, request: Request) -> Any:
        asked = await request.json()
        again = [run for run in flows.runs.values() if run["key"] == asked.get("idempotency_key", run["id"])]
        run_id = again[0]["id"] if again else str(uuid4())
        flows.runs[run_id] = {"id": run_id, "name": name, "key": asked.get("idempotency_key"), **asked}
        return flows.runs[run_id]

    @app.get("/api/flow_runs/{run_id}")
    async def run(run_id: str) -> Any:
        return flows.runs.get(run_id) or JSONResponse({"detail": "not found"}, 404)

    return app


@dataclass(frozen=True)
class Platform:
    """Running services, everybody's keys by name, and what Prefect was asked."""

    settings: Settings
    keys: dict[str, str]
    flows: Flows

    def url(self, service: str) -> str:
        """Where a service listens."""
        return f"http://127.0.0.1:{getattr(self.settings.ports, service)}"

    def client(self, service: str, name: str | None) -> httpx.Client:
        """A client of a service with a person's key; None for nobody's."""
        headers = {"authorization": f"Bearer {self.keys[name]}"} if name else {}
        return httpx.Client(base_url=self.url(service), headers=headers, timeout=60, trust_env=False)

    def bridge(self, work: Any) -> Any:
        """What `work(bridge)` gives, asked with the platform's key."""

        async def run() -> Any:
            async with open_bridge(self.settings.model_copy(update={"act_as": "platform"})) as bridge:
                return await work(bridge)

        return asyncio.run(run())

    def log(self) -> str:
        """All that the services have written."""
        return (self.settings.log_dir / LOG).read_text("utf-8")


@contextmanager
def cooperative(stores: Settings) -> Iterator[Platform]:
    """The services over the session's stores; the graph is left out, and said to be degraded."""
    names = list[str]((*SERVICES, "prefect"))
    own = dict(zip(names, free_ports(len(names)), strict=True))
    ports = stores.ports.model_copy(update=own)
    oidc = Oidc(issuer=f"http://127.0.0.1:{free_ports(1)[0]}", client_id="page", roles={"staff": "operator"})
    changes = {"api_key": SecretStr(KEY), "ports": ports, "access": Access(cache_s=1.0), "oidc": oidc}
    settings = stores.model_copy(update=changes)
    here = Platform(settings, {"platform": KEY}, Flows())
    with ExitStack() as stack:
        stack.enter_context(serving(build_prefect(here.flows), ports.prefect))
        stack.enter_context(started(settings))
        client = stack.enter_context(here.client("bridge", "platform"))
        wait_until(lambda: connected(client, "postgres", "redis", "milvus"), seconds=START_S)
        for name in SERVICES:
            wait_until(lambda name=name: listening(own[name]), seconds=START_S)
        here.bridge(lambda bridge: _settle(bridge, here.keys))
        yield here


@contextmanager
def started(settings: Settings) -> Iterator[None]:
    """The services in a process of their own, ended with the block."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    lend_graphs(settings)
    with (settings.log_dir / LOG).open("wb") as output:
        command = [sys.executable, "-m", "tests.security.services"]
        child = subprocess.Popen(command, env={**os.environ, **settings.environment()}, stderr=output)
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


async def _settle(bridge: Bridge, keys: dict[str, str]) -> None:
    for name, (tenant, role) in PEOPLE.items():
        await bridge.add_user(name, role=role, password=f"contraseña de {name}", tenant=tenant)
        scopes = ["read", "write", *(["operate"] if role == "operator" else [])]
        made = await bridge.create_key(tenant=tenant, user=name, scopes=scopes)
        keys[name] = made.get("key", "")
    text = "La cooperativa riega la huerta los martes. La API escucha en el puerto 5000."
    await bridge.ingest([Document(id="huerta", title="Huerta", text=text)], collection="capibara6")
