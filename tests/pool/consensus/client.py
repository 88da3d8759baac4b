"""A pool whose models are one scripted engine, and a client that asks it for consensus."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.pool.consensus.scripted_engine import Script, ScriptedEngine, serve_script
from tests.pool.harness import make_settings, serving, until, write_catalog

QUESTION = [{"role": "user", "content": "¿Cuánto es la raíz de 1764?"}]
LEVELS = {
    "small": (1, 1.0, "general"),
    "middle": (2, 2.0, "technical"),
    "coder": (2, 2.0, "coding"),
    "big": (3, 6.0, "expert"),
}


class ConsensusClient:
    """A client of one pool whose models are one scripted engine."""

    def __init__(self, http: aiohttp.ClientSession, base: str, engine: ScriptedEngine, app: Any) -> None:
        self.http, self.base, self.engine, self.app = http, base, engine, app

    async def complete(self, strategy: str | None = None, **options: Any) -> tuple[int, dict[str, Any], Any]:
        body = {"model": "consensus", "messages": QUESTION, "consensus": _options(strategy, options)}
        async with self.http.post(f"{self.base}/v1/chat/completions", json=body) as response:
            return response.status, await response.json(), response.headers

    async def stream(self, strategy: str | None = None, **options: Any) -> list[dict[str, Any]]:
        body = {
            "model": "consensus",
            "messages": QUESTION,
            "stream": True,
            "consensus": _options(strategy, options),
        }
        found: list[dict[str, Any]] = []
        async with self.http.post(f"{self.base}/v1/chat/completions", json=body) as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b"data: {"):
                    found.append(json.loads(line[6:]))
        return found


def _options(strategy: str | None, options: dict[str, Any]) -> dict[str, Any]:
    return options if strategy is None else {"strategy": strategy, **options}


def answer_text(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["message"]["content"]


def streamed_text(events: list[dict[str, Any]]) -> str:
    return "".join(event["choices"][0]["delta"].get("content", "") for event in events)


@asynccontextmanager
async def open_consensus(home: Path, script: Script, **table: Any) -> AsyncIterator[ConsensusClient]:
    """A pool whose models are one scripted engine; `table` is the catalogue's consensus table."""
    async with serve_script(script) as (engine, url):
        models = {
            name: {
                "backend": "openai",
                "urls": [url],
                "attempts": 1,
                "level": level,
                "cost": cost,
                "domain": domain,
            }
            for name, (level, cost, domain) in LEVELS.items()
            if name in script
        }
        catalog = write_catalog(home / "models.toml", models, consensus=table)
        async with (
            serving(make_settings(home / "home", catalog)) as (base, app),
            aiohttp.ClientSession() as http,
        ):
            yield ConsensusClient(http, base, engine, app)
            await until(lambda: engine.running == 0)
            instances = app.routes.pool.scheduler.instances.values()
            await until(lambda: not any(instance.in_flight for instance in instances))
