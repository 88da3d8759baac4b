"""A running engine from the pool's side: where it answers, is it healthy, is it ours; sleep and wake."""

import asyncio
import secrets
import socket
from dataclasses import dataclass

import aiohttp
import orjson

from servers.pool.engines.process import Process
from servers.pool.upstream.backend import Endpoint
from tools.errors import ModelUnavailable
from tools.schema import JsonObject

PROBE = aiohttp.ClientTimeout(total=5.0)
SLEEP = aiohttp.ClientTimeout(total=60.0)
POLL_S = (0.05, 0.5)
"""First and longest pause between two looks at an engine that starts."""


@dataclass(slots=True, eq=False)
class EngineHandle:
    """A process that starts, serves or ends. `serving`: it was ready once and was not told to stop."""

    name: str
    """The instance that it is."""
    endpoint: Endpoint
    process: Process
    generation: int
    serving: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What it asks of whoever uses its /v1 paths."""
        return {"authorization": f"Bearer {self.endpoint.key}"}

    async def wait_ready(self, session: aiohttp.ClientSession) -> None:
        """Return once it is healthy and proves to be ours. Raises ModelUnavailable when its process ends."""
        pause, longest = POLL_S
        while self.process.alive:
            if await self._is_ours(session):
                return
            await asyncio.wait({self.process.exit}, timeout=pause)
            pause = min(longest, pause * 1.5)
        code, tail = self.process.exit.result(), self.process.log_tail()
        raise ModelUnavailable(
            f"{self.name} ended with code {code} while loading: {tail}", param="model", source="engine"
        )

    async def healthy(self, session: aiohttp.ClientSession) -> bool:
        """Whether it answers 200 to `/health` within 5 s."""
        return await self._get(session, "/health") is not None

    async def replaced(self, session: aiohttp.ClientSession) -> bool:
        """True when something answers at our address although our process is gone."""
        return not self.process.alive and await self._get(session, "/health") is not None

    async def fall_asleep(self, session: aiohttp.ClientSession, level: int) -> bool:
        """Put the engine to sleep and see that it sleeps."""
        return await self._post(session, f"/sleep?level={level}") and await self._sleeping(session) is True

    async def wake(self, session: aiohttp.ClientSession) -> bool:
        """Wake the engine and see that it answers: its health alone says nothing."""
        if not await self._post(session, "/wake_up") or await self._sleeping(session) is not False:
            return False
        return await self._post(
            session, "/v1/completions", {"model": self.name, "prompt": "a", "max_tokens": 1}
        )

    async def _is_ours(self, session: aiohttp.ClientSession) -> bool:
        if await self._get(session, "/health") is None:
            return False
        listed = await self._get(session, "/v1/models")
        try:
            names = {model["id"] for model in orjson.loads(listed or b"")["data"]}
        except (ValueError, KeyError, TypeError):
            return False
        return {self.name, self.process.nonce} <= names

    async def _sleeping(self, session: aiohttp.ClientSession) -> bool | None:
        try:
            return bool(orjson.loads(await self._get(session, "/is_sleeping") or b"")["is_sleeping"])
        except (ValueError, KeyError, TypeError):
            return None

    async def _get(self, session: aiohttp.ClientSession, path: str) -> bytes | None:
        try:
            async with session.get(self.endpoint.url + path, headers=self.headers, timeout=PROBE) as response:
                return await response.content.read(2**20) if response.status == 200 else None
        except (aiohttp.ClientError, OSError):
            return None

    async def _post(self, session: aiohttp.ClientSession, path: str, body: JsonObject | None = None) -> bool:
        headers = {**self.headers, "content-type": "application/json"}
        data = orjson.dumps(body) if body is not None else b""
        try:
            async with session.post(
                self.endpoint.url + path, data=data, headers=headers, timeout=SLEEP
            ) as response:
                await response.read()
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False


def new_key() -> str:
    """A fresh bearer token for one engine."""
    return secrets.token_urlsafe(24)


def free_port() -> int:
    """A loopback port that nobody holds now; the nonce settles what happens if somebody takes it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
