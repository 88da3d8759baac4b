"""The one settings tree: frozen, read once, passed down as an argument.

Sources, strongest first: arguments, environment (`CAPIBARA6_*`, and the names of the first deployment:
VLLM_URL VLLM_MODELS OLLAMA_URL BRIDGE_API_URL RAG_API_URL), `.env`, a TOML file (`CAPIBARA6_CONFIG`,
default `capibara6.toml`), defaults. Nothing else in the platform reads the environment.
Nested fields are reached with two underscores: `CAPIBARA6_PORTS__API=5050`.
"""

import ipaddress
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

Language = Literal["es", "en"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hosts(Section):
    """Where the three machines are; all on this one by default."""

    services: str = "127.0.0.1"
    models: str = "127.0.0.1"
    rag: str = "127.0.0.1"


class Ports(Section):
    api: int = 5000
    speech: int = 5001
    mcp: int = 5003
    ui: int = 7860
    bridge: int = 8000
    pool: int = 8082
    nebula: int = 9669
    milvus: int = 19530
    postgres: int = 5432
    redis: int = 6379
    prefect: int = 4200


class Stores(Section):
    """Addresses of stores that we do not start ourselves; None means the embedded server."""

    postgres_dsn: SecretStr | None = None
    redis_url: SecretStr | None = None
    milvus_uri: str | None = None
    milvus_token: SecretStr | None = None
    nebula_address: str | None = None
    nebula_user: str = "root"
    nebula_password: SecretStr = SecretStr("nebula")
    prefect_api_url: str | None = None
    deadline_s: float = Field(default=2.0, gt=0)


class Graph(Section):
    """The embedded graph server: bounds of one query and of its sessions. Sizes in bytes, waits in seconds."""

    deadline_s: float = Field(default=30.0, gt=0)
    max_rows: int = Field(default=1_000_000, ge=1)
    max_query_bytes: int = Field(default=256 * 2**20, ge=2**20)
    max_steps: int = Field(default=100, ge=1)
    max_statement_bytes: int = Field(default=16 * 2**20, ge=1024)
    max_sessions: int = Field(default=1_000, ge=1)
    max_connections: int = Field(default=512, ge=1)
    session_idle_s: float = Field(default=28_800.0, gt=0)


class Embedder(Section):
    """`minilm` runs in the bridge without torch; `openai` asks `url` (the pool, by default) for vectors."""

    backend: Literal["minilm", "openai"] = "minilm"
    model: str = "all-MiniLM-L6-v2"
    dimensions: int = Field(default=384, ge=2, le=8192)
    url: str | None = None
    languages: tuple[str, ...] = ("en",)


class Limits(Section):
    """Bounds at every door. Sizes in bytes, waits in seconds."""

    body_bytes: int = Field(default=8 * 2**20, ge=1024)
    header_bytes: int = Field(default=32 * 2**10, ge=1024)
    header_s: float = Field(default=10.0, gt=0)
    body_s: float = Field(default=12.0, gt=0)
    drain_s: float = Field(default=30.0, ge=0)
    question_chars: int = Field(default=32_000, ge=1)
    connections: int = Field(default=2_000, ge=1)


class Pool(Section):
    """The model pool. Waits in seconds; defaults are those of the fault table."""

    catalog: Path | None = None
    vllm_python: Path = Path(".venv-vllm/bin/python")
    weights: Path = Path("weights")
    max_loaded: int = Field(default=3, ge=1)
    idle_s: float = Field(default=300.0, gt=0)
    queue_per_model: int = Field(default=64, ge=1)
    queue_total: int = Field(default=256, ge=1)
    queue_wait_s: float = Field(default=30.0, gt=0)
    load_s: float = Field(default=600.0, gt=0)
    first_token_s: float = Field(default=60.0, gt=0)
    between_tokens_s: float = Field(default=30.0, gt=0)
    unload_grace_s: float = Field(default=10.0, ge=0)
    keepalive_s: float = Field(default=5.0, gt=0)


class Chat(Section):
    """The default agent."""

    collection: str = "capibara6"
    model: str = "auto"
    top_k: int = Field(default=6, ge=1, le=50)
    deadline_s: float = Field(default=120.0, gt=0)


class Agents(Section):
    """Bounds of every agent run, and what a caller may grant it.

    `seal` signs what threads remember (replicas need the same); None keeps a key in the data directory.
    """

    seal: SecretStr | None = None
    tools: tuple[str, ...] = ("search_knowledge", "query_graph", "query_sql", "speak", "recall", "remember")
    steps: int = Field(default=12, ge=1, le=100)
    tokens: int = Field(default=60_000, ge=100)
    context_tokens: int = Field(default=6_000, ge=200)
    active_runs: int = Field(default=64, ge=1)
    waiting_runs: int = Field(default=256, ge=0)


class Alerts(Section):
    """Where operators hear of trouble: a webhook (JSON, signed with `secret`) and mail through `smtp`.

    `smtp` is smtp://user:password@host:587 (STARTTLS when offered) or smtps://…; a service is down after
    `threshold` checks that say so within `within_s`, and well again after as many.
    """

    webhook: str | None = None
    secret: SecretStr | None = None
    smtp: SecretStr | None = None
    sender: str = "capibara6@localhost"
    to: tuple[str, ...] = ()
    threshold: int = Field(default=2, ge=1)
    within_s: float = Field(default=3_600.0, gt=0)


class Settings(BaseSettings):
    """Everything a process may be told. Build it once with `load_settings()`."""

    model_config = SettingsConfigDict(
        env_prefix="CAPIBARA6_",
        env_nested_delimiter="__",
        env_file=".env",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    home: Path = Path(".capibara6")
    host: str = "127.0.0.1"
    api_key: SecretStr | None = None
    language: Language = "es"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    hosts: Hosts = Hosts()
    ports: Ports = Ports()
    stores: Stores = Stores()
    graph: Graph = Graph()
    embedder: Embedder = Embedder()
    limits: Limits = Limits()
    pool: Pool = Pool()
    chat: Chat = Chat()
    agents: Agents = Agents()
    alerts: Alerts = Alerts()
    knowledge: Path = Path("knowledge")

    vllm_url: str | None = Field(default=None, validation_alias=AliasChoices("vllm_url", "VLLM_URL"))
    vllm_models: str | None = Field(default=None, validation_alias=AliasChoices("vllm_models", "VLLM_MODELS"))
    ollama_url: str = Field(
        "http://127.0.0.1:11434", validation_alias=AliasChoices("ollama_url", "OLLAMA_URL")
    )
    rag_url: str | None = Field(
        default=None, validation_alias=AliasChoices("rag_url", "BRIDGE_API_URL", "RAG_API_URL")
    )

    @model_validator(mode="after")
    def _wide_needs_key(self) -> "Settings":
        if self.api_key is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} is reachable from other machines: "
                "set CAPIBARA6_API_KEY before binding wider than 127.0.0.1"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(os.environ.get("CAPIBARA6_CONFIG", "capibara6.toml"))
        return (init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls, file))

    @property
    def pool_url(self) -> str:
        return (
            (self.vllm_url or f"http://{self.hosts.models}:{self.ports.pool}").rstrip("/").removesuffix("/v1")
        )

    @property
    def bridge_url(self) -> str:
        return (self.rag_url or f"http://{self.hosts.rag}:{self.ports.bridge}").rstrip("/")

    @property
    def api_url(self) -> str:
        return f"http://{self.hosts.services}:{self.ports.api}"

    @property
    def speech_url(self) -> str:
        return f"http://{self.hosts.services}:{self.ports.speech}"

    @property
    def mcp_url(self) -> str:
        return f"http://{self.hosts.services}:{self.ports.mcp}/mcp"

    @property
    def ui_url(self) -> str:
        return f"http://{self.hosts.services}:{self.ports.ui}"

    @property
    def prefect_url(self) -> str:
        return self.stores.prefect_api_url or f"http://{self.hosts.services}:{self.ports.prefect}/api"

    @property
    def run_dir(self) -> Path:
        """Sockets, pid and lock files; private to the user."""
        return self.home.absolute() / "run"

    @property
    def log_dir(self) -> Path:
        return self.home.absolute() / "logs"

    @property
    def postgres_dsn(self) -> str:
        """libpq URL; the embedded server listens on a private unix socket in `run_dir`."""
        if self.stores.postgres_dsn is not None:
            return self.stores.postgres_dsn.get_secret_value()
        return f"postgresql://postgres@/capibara6?host={self.postgres_socket_dir}&port={self.ports.postgres}"

    @property
    def postgres_socket_dir(self) -> Path:
        """The embedded server's socket lies here; only its own user may enter."""
        return self.run_dir / "postgres"

    @property
    def redis_url(self) -> str:
        if self.stores.redis_url is not None:
            return self.stores.redis_url.get_secret_value()
        return f"redis://{self.hosts.rag}:{self.ports.redis}/0"

    @property
    def milvus_uri(self) -> str:
        return self.stores.milvus_uri or f"http://{self.hosts.rag}:{self.ports.milvus}"

    @property
    def nebula_address(self) -> tuple[str, int]:
        if self.stores.nebula_address is None:
            return self.hosts.rag, self.ports.nebula
        host, _, port = self.stores.nebula_address.rpartition(":")
        return host, int(port)

    def environment(self) -> dict[str, str]:
        """The variables from which a child process reads these same settings, wherever it is started."""
        values: dict[str, Any] = self.model_dump(mode="python")
        values |= {name: values[name].absolute() for name in ("home", "knowledge")}
        return {
            _ALIASES.get(name, f"CAPIBARA6_{name.upper()}"): json.dumps(value, default=_plain)
            if isinstance(value, dict)
            else str(_plain(value))
            for name, value in values.items()
            if value is not None
        }


def handed_on(names: Collection[str]) -> dict[str, str]:
    """The named part of this process's environment, for the programs that it starts."""
    return {name: os.environ[name] for name in names if name in os.environ}


def load_settings() -> Settings:
    """Read every source once. Raises `pydantic.ValidationError` with the field at fault."""
    return Settings.model_validate({})


def is_loopback(host: str) -> bool:
    """True for addresses that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_ALIASES = {
    "vllm_url": "VLLM_URL",
    "vllm_models": "VLLM_MODELS",
    "ollama_url": "OLLAMA_URL",
    "rag_url": "BRIDGE_API_URL",
}


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value
