"""The catalogue of models: `models.toml` read into frozen specs.

It says what may be served, never what is loaded.
"""

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, ValidationError, model_validator

from servers.pool.catalog.backend_options import BACKENDS, BackendName
from servers.pool.catalog.consensus_options import ConsensusConfig
from servers.pool.catalog.options import Strict
from servers.pool.catalog.routing_options import RoutingConfig
from tools.errors import ModelNotFound

BUILT_IN = Path(__file__).with_name("models.toml")
Ability: TypeAlias = Literal["images", "audio", "video", "tools", "schema"]
AUTO, CONSENSUS = VIRTUAL = ("auto", "consensus")
"""Names that are served by other models; the tables of the same name open them."""


class ModelSpec(Strict):
    """One model. `weights` is a folder (relative to the weights folder of the settings).

    `command` replaces vLLM by another program that speaks OpenAI's wire; `{python} {port} {model} {name}
    {nonce}` are filled in. `urls` are the replicas of an `openai` backend, `key_file` holds their key.
    `context_tokens` is what Ollama is asked to hold, by default what the model can, up to 16,384.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")
    backend: BackendName
    description: str = ""
    domain: str = "general"
    level: int = Field(default=1, ge=0, le=3)
    cost: float = Field(default=1.0, ge=0)
    kind: Literal["chat", "embedding"] = "chat"
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


def load_catalog(path: Path | None = None) -> Catalog:
    """Read a catalogue, without `path` the built-in one.

    Raises ValueError that names the file and the field at fault.
    """
    file = path or BUILT_IN
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    models = {name: {"id": name, **fields} for name, fields in raw.pop("models", {}).items()}
    try:
        return Catalog.model_validate({"models": models, **raw})
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{file}: {where}: {first['msg']}") from exc
