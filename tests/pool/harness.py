"""A pool on a free port of this process, small real engines behind it, and a client that looks into both."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from servers.pool.engines import process
from servers.pool.main import build_app
from servers.web.serve import bounded_protocol
from tests.ports import free_port
from tools.settings import Limits, Ports, Settings
from tools.settings import Pool as PoolSettings

FAKE_ENGINE = Path(__file__).with_name("fake_engine.py")
HI = [{"role": "user", "content": "hola"}]


def model(journal: Path | None = None, **fields: Any) -> dict[str, Any]:
    """A catalogue entry whose engine is the fake one; `knobs` are its knobs."""
    knobs = {**fields.pop("knobs", {}), **({"journal": str(journal)} if journal else {})}
    line = [
        sys.executable,
        "-I",
        "-S",
        str(FAKE_ENGINE),
        "--port",
        "{port}",
        "--name",
        "{name}",
        "--nonce",
        "{nonce}",
    ]
    # Braces of JSON would be read as fields: arguments after the command line are escaped.
    shown = json.dumps(knobs).replace("{", "{{").replace("}", "}}")
    return {"backend": "vllm", "command": [*line, "--knobs", shown], **fields}


def write_catalog(
    path: Path,
    models: dict[str, dict[str, Any]],
    auto: dict[str, Any] | None = None,
    **tables: dict[str, Any],
) -> Path:
    """A models.toml without the built-in ones, with `auto` and further tables (an empty one counts); values
    are JSON, which TOML reads alike for texts, numbers, lists and booleans."""
    lines = ["built_in = false"]
    for name, fields in {"auto": auto, **tables}.items():
        if fields is not None:
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())]
    for name, fields in models.items():
        lines.append(f'[models."{name}"]')
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_settings(home: Path, catalog: Path, limits: dict[str, Any] | None = None, **pool: Any) -> Settings:
    waits = {"queue_wait_s": 60.0, "load_s": 60.0, "first_token_s": 60.0, "unload_grace_s": 1.0}
    bounds = {"vllm_python": Path(sys.executable), **waits, **pool}
    return Settings(
        home=home,
        log_level="WARNING",
        ports=Ports(pool=free_port(), bridge=free_port()),
        limits=Limits(**(limits or {})),
        ollama_url=f"http://127.0.0.1:{free_port()}",
        pool=PoolSettings(catalog=catalog, **bounds),
    )


async def until(happened: Callable[[], Any], *, within: float = 60.0) -> Any:
    """Wait for something to become true."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if result := happened():
            return result
        await asyncio.sleep(0.02)
    raise AssertionError(f"did not happen within {within} s: {happened}")


class Client:
    """Talks to one pool and looks into it."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, app: Any, settings: Settings, journal: Path
    ) -> None:
        self.http, self.base, self.app, self.settings, self.journal = session, base, app, settings, journal

    @property
    def pool(self) -> Any:
        return self.app.routes.pool

    async def chat(self, name: str, knobs: dict[str, Any] | None = None, **more: Any) -> tuple[int, Any]:
        said = [{"role": "user", "content": json.dumps(knobs) if knobs else "hola"}]
        async with self.http.post(
            f"{self.base}/v1/chat/completions", json={"model": name, "messages": said, **more}
        ) as response:
            return response.status, await response.json()

    async def stream(self, name: str, knobs: dict[str, Any] | None = None, **more: Any) -> tuple[int, bytes]:
        said = [{"role": "user", "content": json.dumps(knobs) if knobs else "hola"}]
        body = {"model": name, "messages": said, "stream": True, **more}
        async with self.http.post(f"{self.base}/v1/chat/completions", json=body) as response:
            return response.status, await response.read()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.base + path) as response:
            return response.status, await response.json()

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.http.post(self.base + path, json=body) as response:
            return response.status, await response.json()

    async def state(self, name: str) -> str:
        return (await self.get("/stats"))[1]["models"][name]["state"]

    async def until(self, happened: Callable[[], Any], *, within: float = 60.0) -> Any:
        """Wait for something to become true."""
        return await until(happened, within=within)

    def instance(self, name: str) -> Any:
        return self.pool.scheduler.instances[name]

    def written(self, event: str, name: str = "") -> list[str]:
        """Lines of the engines' journal."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line for line in lines if line.startswith(event) and (not name or line.split()[1] == name)]

    def orphans(self) -> list[int]:
        return process.find(f"{self.settings.run_dir}:{self.settings.ports.pool}:")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[str, Any]]:
    """The pool's app on a real socket, in this loop."""
    app = build_app(settings)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=settings.ports.pool, http=bounded_protocol(settings.limits),
        lifespan="on", log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server._serve())
    await until(lambda: server.started or task.done())
    assert server.started, "the pool did not start"
    try:
        yield f"http://127.0.0.1:{settings.ports.pool}", app
    finally:
        server.should_exit = True
        await task


RUN = "from servers.pool.main import run; from tools.settings import load_settings; run(load_settings())"


class Server:
    """A pool in a process of its own."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.base = f"http://127.0.0.1:{settings.ports.pool}"
        self.popen = self.spawn()

    def spawn(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.settings.environment()}
        return subprocess.Popen([sys.executable, "-c", RUN], env=environment)

    async def up(self, session: aiohttp.ClientSession) -> None:
        for _ in range(1200):
            try:
                async with session.get(f"{self.base}/health/ready") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
        raise AssertionError("the pool did not come up")

    async def exited(self, within: float = 60.0) -> int:
        await until(lambda: self.popen.poll() is not None, within=within)
        return self.popen.returncode

    def engines(self) -> list[int]:
        return process.find(f"{self.settings.run_dir}:")
