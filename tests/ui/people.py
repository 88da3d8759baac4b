"""A small place for people: a real bridge over real stores, the chat page, and an API that says who asks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from servers.api.runs.active_run import ActiveRun
from servers.api.runs.tables import principal_of
from servers.speech.main import build_app as build_speech
from tests.bridge.conftest import connected, wait_until
from tests.bridge.conftest import serving as child
from tests.bridge.databases import with_own_database
from tests.ports import free_ports
from tests.serving import serving
from tests.ui.threads import build_threads_api
from tools.schema import JsonObject
from tools.sections import Access, Oidc
from tools.settings import Settings
from ui.main import build_app

KEY = "platform-canary-7c21"
PASSWORD = "correct horse battery"
PEOPLE = {"ana": "user", "berto": "user", "carla": "admin"}


class Place:
    """What runs, and the platform's own client of the bridge."""

    def __init__(self, settings: Settings, bridge: httpx.Client, asked: list[str]) -> None:
        self.settings, self.bridge, self.asked = settings, bridge, asked
        self.url = settings.ui_url

    def browser(self, **options: Any) -> httpx.AsyncClient:
        """A client with a cookie jar of its own."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30.0, **options)

    @asynccontextmanager
    async def signed_in(self, user: str, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
        """The same, after `user` has signed in."""
        async with self.browser(**options) as client:
            answer = await client.post("/login", json={"user": user, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            yield client

    def add(self, name: str, role: str = "user") -> None:
        """A user, unless there is one of this name."""
        body = {"name": name, "role": role, "password": PASSWORD}
        answer = self.bridge.post("/api/v1/users", json=body)
        assert answer.status_code in (200, 201, 409), answer.text

    def change(self, name: str, **changes: Any) -> None:
        """Change a user as an admin does."""
        answer = self.bridge.patch(f"/api/v1/users/{name}", json=changes)
        assert answer.status_code == 200, answer.text


@contextmanager
def place(stores: Settings, oidc: Oidc | None = None) -> Iterator[Place]:
    """Everything started on free ports, with a key set and three people."""
    names = ("ui", "bridge", "api", "speech")
    ports = stores.ports.model_copy(update=dict(zip(names, free_ports(len(names)), strict=True)))
    settings = Settings.model_validate(
        with_own_database(stores).model_dump()
        | {"ports": ports, "api_key": SecretStr(KEY), "access": Access(cache_s=1.0)}
        | {"oidc": oidc or Oidc()}
    )
    asked: list[str] = []

    async def page() -> FastAPI:
        return build_app(settings)

    with ExitStack() as stack:
        stack.enter_context(child(settings, "bridge"))
        headers = {"x-api-key": KEY}
        client = httpx.Client(base_url=settings.bridge_url, headers=headers, timeout=60.0, trust_env=False)
        bridge = stack.enter_context(client)
        wait_until(lambda: connected(bridge, "postgres"))
        stack.enter_context(serving(build_api(settings, asked), settings.ports.api))
        stack.enter_context(serving(build_speech(settings), settings.ports.speech))
        # Built outside a running loop, Gradio would make one of its own and never close it.
        stack.enter_context(serving(asyncio.run(page()), settings.ports.ui))
        yield Place(settings, bridge, asked)


def build_api(settings: Settings, asked: list[str]) -> FastAPI:
    """It answers everybody with their own name, and notes who asked."""

    async def script(run: ActiveRun) -> AsyncIterator[JsonObject]:
        principal = principal_of(run.row)
        asked.append(f"{principal.tenant}/{principal.user}/{principal.role}")
        text = f"Para {asked[-1]}: {run.row.request.get('messages', [{}])[-1]['content']}"
        done = {"answer": text, "model": "m", "agent": "capibara6", "timings_ms": {"total": 1.0}}
        yield {"event": "token", "text": text}
        yield {"event": "done", "answer": done}

    return build_threads_api(settings, script)
