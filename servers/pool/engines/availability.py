"""What is here to serve with: vLLM's environment, weights on disk, a running Ollama. Starts nothing."""

import os
import time
from pathlib import Path
from typing import Literal, NamedTuple

import aiohttp

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.upstream import ollama
from tools.settings import Settings

FRESH_S = 1.0

Kind = Literal["vllm", "openai", "ollama", "extractive"]


class Engine(NamedTuple):
    """What serves a model now; `reason` says why nothing does and how to get it."""

    kind: Kind | None
    reason: str = ""


class Availability:
    """Answers `engine(spec)` from the disk and the last look at Ollama; at most FRESH_S old."""

    def __init__(self, settings: Settings, catalog: Catalog, session: aiohttp.ClientSession) -> None:
        self.python = settings.pool.vllm_python.absolute()
        self.weights = settings.pool.weights.absolute()
        self.ollama_url = settings.ollama_url.rstrip("/")
        self.catalog = catalog
        self.session = session
        self.tags: frozenset[str] = frozenset()
        self._known: dict[str, tuple[float, Engine]] = {}

    def engine(self, spec: ModelSpec) -> Engine:
        """The first engine of `spec` that is here."""
        if spec.backend in ("openai", "extractive"):
            return Engine(spec.backend)
        now = time.monotonic()
        known = self._known.get(spec.id)
        if known is None or now - known[0] >= FRESH_S:
            known = self._known[spec.id] = (now, self._find(spec))
        return known[1]

    def in_ollama(self, spec: ModelSpec) -> bool:
        return spec.ollama is not None and not self.tags.isdisjoint({spec.ollama, tag(spec.ollama)})

    def folder(self, spec: ModelSpec) -> Path:
        """Where the weights of `spec` are or would be."""
        return self.weights / (spec.weights or spec.id)

    async def look(self) -> None:
        """Ask for Ollama's models, if any model of the catalogue could use them."""
        if any(spec.ollama for spec in self.catalog.models.values()):
            self.tags = await ollama.tags(self.session, self.ollama_url)
            self._known.clear()

    def _find(self, spec: ModelSpec) -> Engine:
        missing = self._missing(spec) if spec.backend == "vllm" else None
        if spec.backend == "vllm" and missing is None:
            return Engine("vllm")
        if spec.ollama is None:
            return Engine(None, missing or "")
        if self.in_ollama(spec):
            return Engine("ollama")
        return Engine(None, "; and ".join(filter(None, [missing, self._no_ollama(spec.ollama)])))

    def _missing(self, spec: ModelSpec) -> str | None:
        if spec.command:
            return None
        if not os.access(self.python, os.X_OK):
            return f"vLLM's environment is missing: no {self.python} (build it with `make vllm`)"
        folder = self.folder(spec)
        if not (folder / "config.json").is_file():
            how = f"get them with `capibara6 models pull {spec.id}`"
            return f"the weights are missing: no {folder}/config.json ({how})"
        return None

    def _no_ollama(self, name: str) -> str:
        if not self.tags:
            return f"no Ollama with models answers at {self.ollama_url}"
        return f"Ollama at {self.ollama_url} has no {name} (get it with `ollama pull {name}`)"


def tag(name: str) -> str:
    """Ollama's full name for a tag that may lack `:latest`."""
    return name if ":" in name else f"{name}:latest"
