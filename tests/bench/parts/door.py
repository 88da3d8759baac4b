"""An empty route behind parts of a service's entrance, as a server of its own. Not a benchmark by itself.

`python door.py WAY PORT`: `bare` has no door, `door` has it, `key` also asks for one key as before people had
keys of their own, `identity` is all that a service does.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Scope

from servers.web import app as entrance
from servers.web.api_key import OPEN_PATHS, bearer_token, is_key
from servers.web.door import Admission, Door, Headers
from servers.web.serve import listen
from tools.errors import Unauthorized
from tools.schema import JsonObject
from tools.settings import Settings, load_settings

KEY = "the-key-of-the-benchmark"
WAYS = ("bare", "door", "key", "identity")


class NoDoor(Door):
    """Lets everything in."""

    def admit(self, scope: Scope, headers: Headers) -> Admission:
        return self._open


class Anybody:
    """Asks nobody who it is."""

    async def admit(self, scope: Scope, headers: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def done(self, scope: Scope, status: int, seconds: float) -> None:
        """Nothing."""


class OneKey(Anybody):
    """The check of the platform's one key, which identity is compared with, in the form that it had."""

    async def admit(self, scope: Scope, headers: Any) -> AbstractContextManager[None]:
        async with self.admitted(scope["path"], headers):
            return nullcontext()

    @asynccontextmanager
    async def admitted(self, path: str, headers: Any) -> AsyncIterator[None]:
        """Open while the request runs. Raises Unauthorized."""
        if path not in OPEN_PATHS:
            given = bearer_token(headers.get(b"authorization", b""))
            if not is_key(given, KEY.encode()) and not is_key(headers.get(b"x-api-key", b""), KEY.encode()):
                raise Unauthorized("a valid API key is needed")
        yield


def build_app(way: str, settings: Settings) -> FastAPI:
    """The app that every service has, with one route that does nothing."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    async def checks() -> JsonObject:
        return {"status": "ok"}

    if way == "bare":
        entrance.Door = NoDoor
    access = {"bare": Anybody, "door": Anybody, "key": OneKey}.get(way)
    with_key = settings.model_copy(update={"api_key": SecretStr(KEY)})
    app = entrance.create_app(
        "bench", with_key, lifespan=lifespan, checks=checks, access=access() if access else None
    )

    @app.get("/empty")
    @app.post("/empty")
    async def empty() -> None:
        return None

    return app


if __name__ == "__main__":
    settings = load_settings()
    listen(build_app(sys.argv[1], settings), settings=settings, port=int(sys.argv[2]))
