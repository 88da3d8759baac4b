"""What is here to serve with: vLLM's environment, weights on disk, a running Ollama. Starts nothing."""

import asyncio
import os
from pathlib import Path
from typing import Literal, NamedTuple

import aiohttp

from servers.pool.catalog import Catalog, Spec
from servers.pool.ollama import engine as ollama
from tools.settings import Settings

LOOK_S = 10.0
"""How often a running Ollama is looked for."""

Kind = Literal["vllm", "openai", "ollama", "extractive"]


class Engine(NamedTuple):
    """What serves a model now; `reason` says why nothing does and how to get it."""

    kind: Kind | None
    reason: str = ""


class Presence:
    """Answers `engine(spec)`; looks for Ollama in the background, at files when asked."""

    def __init__(self, settings: Settings, catalog: Catalog, session: aiohttp.ClientSession) -> None:
        self.python = settings.pool.vllm_python.absolute()
        self.weights = settings.pool.weights.absolute()
        self.ollama_url = settings.ollama_url.rstrip("/")
        self.catalog = catalog
        self.session = session
        self.tags: frozenset[str] = frozenset()

    def engine(self, spec: Spec) -> Engine:
        """The first engine of `spec` that is here."""
        if spec.backend in ("openai", "extractive"):
            return Engine(spec.backend)
        missing = self._missing(spec) if spec.backend == "vllm" else "it is served by Ollama alone"
        if missing is None:
            return Engine("vllm")
        if spec.ollama is None:
            return Engine(None, missing)
        if self._tagged(spec.ollama):
            return Engine("ollama")
        return Engine(None, f"{missing}; and {self._no_ollama(spec.ollama)}")

    def folder(self, spec: Spec) -> Path:
        """Where the weights of `spec` are or would be."""
        return self.weights / (spec.weights or spec.id)

    def tag(self, name: str) -> str:
        """Ollama's full name for a tag that may lack `:latest`."""
        return name if ":" in name else f"{name}:latest"

    async def look(self) -> None:
        """Ask once for Ollama's models, if any model of the catalogue could use them."""
        if any(spec.ollama for spec in self.catalog.models.values()):
            self.tags = await ollama.tags(self.session, self.ollama_url)

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    def _missing(self, spec: Spec) -> str | None:
        if spec.command:
            return None
        if not os.access(self.python, os.X_OK):
            return f"vLLM's environment is missing: no {self.python} (build it with `make vllm`)"
        folder = self.folder(spec)
        if not (folder / "config.json").is_file():
            how = f"get them with `capibara6 models pull {spec.id}`"
            return f"the weights are missing: no {folder}/config.json ({how})"
        return None

    def _tagged(self, name: str) -> bool:
        return self.tag(name) in self.tags

    def _no_ollama(self, name: str) -> str:
        if not self.tags:
            return f"no Ollama with models answers at {self.ollama_url}"
        return f"Ollama at {self.ollama_url} has no {name} (get it with `ollama pull {name}`)"
