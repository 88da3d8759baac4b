"""What every backend implements: may it serve a model, what is missing, where it answers, how it is asked.

A backend is a kind of engine (vLLM, OpenAI's wire, Ollama, extractive). To add one, write a class, list it in
`engines/backends.py` and say in `catalog/backend_options.py` what models.toml must tell it. When to ask, and
what to do about failures, is `dispatch.py`'s.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import orjson

from servers.pool.catalog.catalog import ModelSpec
from tools.schema import JsonObject


class Endpoint(NamedTuple):
    """Where an engine answers; `key` is the bearer token of an engine that the pool has started."""

    url: str
    key: str | None = None


Health: TypeAlias = Literal["well", "died", "unknown"]
"""How an engine is that has just failed a request; `unknown` when it did not say in time."""

IN_PROCESS = Endpoint("")
"""The endpoint of a backend without an address."""


class UpstreamRequest(NamedTuple):
    """One of OpenAI's requests: its path, its parsed fields, and the bytes that the client sent."""

    path: str
    fields: JsonObject
    body: bytes

    @property
    def stream(self) -> bool:
        """Whether a stream is asked for."""
        return bool(self.fields.get("stream"))

    @property
    def chat(self) -> bool:
        """Whether it is a chat completion."""
        return self.path == "/v1/chat/completions"

    @property
    def usage(self) -> bool:
        """Whether the stream shall end with the tokens used."""
        return bool((self.fields.get("stream_options") or {}).get("include_usage"))

    def body_for(self, name: str) -> bytes:
        """The body as the client sent it, or with the name that the engine knows the model by."""
        return self.body if self.fields["model"] == name else orjson.dumps({**self.fields, "model": name})


def _nothing() -> None: ...


@dataclass(slots=True)
class Reply:
    """Either `body` (a whole JSON answer with `status`) or `events` (SSE bytes in arbitrary pieces).

    `close` stops the engine's work; it is safe to call at any time and more than once.
    """

    status: int = 200
    body: bytes | None = None
    events: AsyncIterator[bytes] | None = None
    retry_after: int | None = None
    """Seconds, from the engine's `Retry-After`."""
    endpoint: Endpoint = IN_PROCESS
    """Who answers, where it runs elsewhere."""
    ignored: tuple[str, ...] = ()
    """Fields of the request that have no meaning for this engine."""
    close: Callable[[], None] = _nothing


class Backend(Protocol):
    """One kind of engine. What is written here is the usual case; a class changes what differs."""

    name: str
    """As `backend` in models.toml, in `/v1/models` and in `/stats`."""
    managed: bool = False
    """The pool starts its processes, one a model; else they run elsewhere, or here in this process."""
    in_process: bool = False
    """It runs in this process: always loaded, without an address, and its words are its tokens."""

    def serves(self, spec: ModelSpec) -> bool:
        """Whether the catalogue lets this backend serve the model."""
        return spec.backend == self.name

    def missing(self, spec: ModelSpec) -> str | None:
        """Why it can not serve the model now and how to mend that; None when it can. Looks, never asks."""
        return None

    async def refresh(self) -> None:
        """Look again at what other programs offer. Called now and then while any model may use it."""

    def urls(self, spec: ModelSpec) -> Sequence[str]:
        """The replicas that serve the model; none for what is managed or in process."""
        return ()

    async def ask(self, spec: ModelSpec, endpoint: Endpoint, request: UpstreamRequest) -> Reply:
        """The engine's reply, whatever its status.

        Raises Unavailable when it can not be reached, UpstreamFailed when it breaks off, and BadRequest or
        NotSupported for what it does not do.
        """
        ...

    async def health(self, endpoint: Endpoint) -> Health:
        """How the engine is after it failed a request. An engine that can not be asked is taken for well."""
        return "well"


class Launch(NamedTuple):
    """What a process is told at its start: port, key, a nonce to be known by, memory in bytes.

    `gpu_bytes` is what a device has in all, None on a CPU; `gpus` are its devices as `CUDA_VISIBLE_DEVICES`
    takes them. `memory_bytes` is of each device.
    """

    port: int
    key: str
    nonce: str
    memory_bytes: int
    gpu_bytes: int | None
    gpus: tuple[str, ...] = ()


@runtime_checkable
class ManagedBackend(Backend, Protocol):
    """A backend whose engines the pool starts: each speaks OpenAI's wire and `/health` on loopback."""

    managed: bool = True

    def predicted_bytes(self, spec: ModelSpec) -> int:
        """The memory that the model will take of each device, before anybody has loaded it."""
        ...

    def device_count(self, spec: ModelSpec) -> int:
        """How many GPUs the model is spread over, where there are any."""
        ...

    def command(self, spec: ModelSpec, launch: Launch) -> list[str]:
        """The program and its arguments."""
        ...

    def environment(self, spec: ModelSpec, launch: Launch) -> dict[str, str]:
        """What the process sees of the environment; the key is handed over here."""
        ...
