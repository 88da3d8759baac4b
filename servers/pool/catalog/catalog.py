"""The catalogue of models: the built-in `models.toml` and a house's own over it, read into frozen specs.

It says what may be served, never what is loaded.
"""

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from servers.pool.catalog.backend_options import BACKENDS, BackendName
from servers.pool.catalog.consensus_options import ConsensusConfig
from servers.pool.catalog.kinds import Ability, Kind
from servers.pool.catalog.merge import expand_adapters, merge, misshapen
from servers.pool.catalog.options import Strict
from servers.pool.catalog.routing_options import RoutingConfig
from tools.errors import ModelNotFound
from tools.schema import JsonObject
from tools.settings import Settings

BUILT_IN = Path(__file__).with_name("models.toml")
AUTO, CONSENSUS = VIRTUAL = ("auto", "consensus")
"""Names that are served by other models; the tables of the same name open them."""


class Adapter(Strict):
    """A LoRA adapter: a model of its own name, served by its base's engine. `weights` as in ModelSpec."""

    weights: str
    description: str | None = None
    domain: str | None = None
    level: int | None = Field(default=None, ge=0, le=3)


class ModelSpec(Strict):
    """One model. `weights` is a folder (relative to the weights folder of the settings).

    `command` replaces vLLM by another program that speaks OpenAI's wire; `{python} {port} {model} {name}
    {nonce}` are filled in. `urls` are the replicas of an `openai` backend, `key_file` holds their key.
    `context_tokens` is what Ollama is asked to hold, by default what the model can, up to 16,384.
    `devices` are GPUs by number or UUID, several for one model that is spread over them; `threads` are those
    of an engine on a CPU. `adapter_of` and `adapter` (its folder) are the catalogue's to set, from the
    base's `adapters`.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")
    backend: BackendName
    description: str = ""
    domain: str = "general"
    level: int = Field(default=1, ge=0, le=3)
    cost: float = Field(default=1.0, ge=0)
    kind: Kind = "chat"
    abilities: frozenset[Ability] | None = None
    examples: dict[Literal["es", "en"], tuple[str, ...]] = Field(default={})
    fallbacks: tuple[str, ...] = ()
    pinned: bool = False
    concurrency: int = Field(default=32, ge=1)
    attempts: int = Field(default=2, ge=1, le=4)
    idle_s: float | None = Field(default=None, gt=0)
    weights: str | None = None
    hub: str | None = None
    revision: str = "main"
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: dict[str, str] = Field(default={})
    memory_bytes: int | None = Field(default=None, ge=0)
    kv_bytes: int = Field(default=2**30, ge=0)
    sleep_level: Literal[0, 1, 2] = 0
    devices: tuple[str, ...] = ()
    threads: int | None = Field(default=None, ge=1)
    adapters: dict[str, Adapter] = Field(default={})
    adapter_of: str | None = None
    adapter: str | None = None
    ollama: str | None = None
    context_tokens: int | None = Field(default=None, ge=256)
    urls: tuple[str, ...] = ()
    upstream: str | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _backend_has_what_it_needs(self) -> "ModelSpec":
        needs = BACKENDS[self.backend].needs
        if needs and not any(getattr(self, field) for field in needs):
            raise ValueError(f"model {self.id}: backend {self.backend} needs {needs[0]}")
        return self

    @property
    def engine(self) -> str:
        """The id of the model whose engine serves it: its own, or its base's."""
        return self.adapter_of or self.id

    @property
    def local(self) -> bool:
        """True when the pool itself may start a process for it: it takes a slot and memory."""
        return BACKENDS[self.backend].managed


class Catalog(Strict):
    """The models by id, in the order of the file, and its tables `[auto]` and `[consensus]`, if any."""

    models: dict[str, ModelSpec]
    auto: RoutingConfig | None = None
    consensus: ConsensusConfig | None = None

    @model_validator(mode="after")
    def _names_exist(self) -> "Catalog":
        named = [name for spec in self.models.values() for name in spec.fallbacks]
        named += self.auto.model_ids if self.auto else []
        named += self.consensus.model_ids if self.consensus else []
        unknown = sorted({name for name in named if name not in self.models})
        for spec in self.models.values():
            base = self.models.get(spec.adapter_of or "")
            if spec.adapter_of and (base is None or spec.id not in base.adapters):
                raise ValueError(f"models.{spec.id}: adapter_of is set by the base's `adapters` alone")
        if unknown:
            raise ValueError(f"the catalogue names models that it does not hold: {', '.join(unknown)}")
        return self

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids of all models."""
        return tuple(self.models)

    def spec(self, model: str) -> ModelSpec:
        """The spec of `model`. Raises ModelNotFound, which lists the models there are."""
        spec = self.models.get(model)
        if spec is None:
            names = ", ".join([*self.models, *(VIRTUAL if self.auto else ())])
            raise ModelNotFound(
                f"there is no model {model[:100]!r}; models: {names}", param="model", source="pool"
            )
        return spec


def user_catalog(settings: Settings) -> Path:
    """The file of a house's own models: `pool.catalog`, or `models.toml` in the home."""
    return settings.pool.catalog or settings.home.absolute() / "models.toml"


def load_user_catalog(settings: Settings) -> Catalog:
    """The catalogue of these settings. Raises ValueError as `load_catalog`, OSError where a named file is
    not there."""
    file = user_catalog(settings)
    return load_catalog(file if settings.pool.catalog or file.is_file() else None)


def load_catalog(path: Path | None = None) -> Catalog:
    """Read a catalogue over the built-in one (`merge` says how), without `path` the built-in one alone.

    Raises ValueError that names the file and the field at fault.
    """
    raw = read_toml(BUILT_IN)
    if path is not None:
        raw = merge(raw, read_toml(path))
    try:
        return Catalog.model_validate({**raw, "models": expand_adapters(raw.get("models", {}))})
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path or BUILT_IN}: {where}: {first['msg']}") from exc
    except ValueError as exc:
        raise ValueError(f"{path or BUILT_IN}: {exc}") from exc


def read_toml(path: Path) -> JsonObject:
    """The tables of a file. Raises ValueError that names it, OSError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    if where := misshapen(raw):
        raise ValueError(f"{path}: {where}: must be a table")
    return raw
