"""The registry of backends: one line each, in the order of preference. What one is: `upstream/backend.py`."""

from collections.abc import Sequence

import aiohttp

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.engines.vllm import Vllm
from servers.pool.upstream.backend import Backend
from servers.pool.upstream.extractive import Extractive
from servers.pool.upstream.ollama import Ollama
from servers.pool.upstream.openai import OpenAI
from tools.clients.raw.connection import ConnectionPool
from tools.settings import Settings


def build_backends(
    settings: Settings, session: aiohttp.ClientSession, connections: ConnectionPool
) -> "Backends":
    """All backends. A model is served by the first of its backends that is there."""
    return Backends(
        [
            Vllm(settings, connections),
            OpenAI(connections),
            Ollama(settings.ollama_url, session),
            Extractive(),
        ]
    )


class Backends:
    """Finds the backends of a model; knows none by its name."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self.all = tuple(backends)
        self.by_name = {backend.name: backend for backend in backends}

    def of(self, spec: ModelSpec) -> list[Backend]:
        """Those that may serve the model, best first, whether or not they are there."""
        return [backend for backend in self.all if backend.serves(spec)]

    def declared(self, spec: ModelSpec) -> Backend:
        """The one that the catalogue names."""
        return self.by_name[spec.backend]


def instance_name(spec: ModelSpec, backend: Backend) -> str:
    """The instance of a model on a backend: its own (an adapter's is its base's), or one beside it as in
    `phi4_fast@ollama`."""
    return spec.engine if backend.name == spec.backend else f"{spec.engine}@{backend.name}"
