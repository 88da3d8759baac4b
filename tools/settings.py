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

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tools.schema import Language
from tools.sections import (
    S3,
    Access,
    Agents,
    Alerts,
    Chat,
    Embedder,
    Fetch,
    Flows,
    Graph,
    Hosts,
    Limits,
    Pool,
    Ports,
    Search,
    Stores,
    Webhooks,
)


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
    embedders: dict[str, Embedder] = {}
    search: Search = Search()
    limits: Limits = Limits()
    access: Access = Access()
    pool: Pool = Pool()
    chat: Chat = Chat()
    agents: Agents = Agents()
    alerts: Alerts = Alerts()
    webhooks: Webhooks = Webhooks()
    fetch: Fetch = Fetch()
    s3: S3 = S3()
    flows: Flows = Flows()
    task_runner: Literal["threads", "dask", "ray"] = "threads"
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
        """Precedence: arguments, environment, `.env`, then the TOML file that CAPIBARA6_CONFIG names."""
        file = Path(os.environ.get("CAPIBARA6_CONFIG", "capibara6.toml"))
        return (init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls, file))

    @property
    def pool_url(self) -> str:
        """The pool's address, without `/v1`; `VLLM_URL` names another one."""
        return (
            (self.vllm_url or f"http://{self.hosts.models}:{self.ports.pool}").rstrip("/").removesuffix("/v1")
        )

    @property
    def bridge_url(self) -> str:
        """The bridge's address; `RAG_API_URL` or `BRIDGE_API_URL` name another one."""
        return (self.rag_url or f"http://{self.hosts.rag}:{self.ports.bridge}").rstrip("/")

    @property
    def api_url(self) -> str:
        """The agent API's address."""
        return f"http://{self.hosts.services}:{self.ports.api}"

    @property
    def speech_url(self) -> str:
        """The speech server's address."""
        return f"http://{self.hosts.services}:{self.ports.speech}"

    @property
    def mcp_url(self) -> str:
        """Where MCP is spoken over streamable HTTP."""
        return f"http://{self.hosts.services}:{self.ports.mcp}/mcp"

    @property
    def ui_url(self) -> str:
        """The chat page."""
        return f"http://{self.hosts.services}:{self.ports.ui}"

    @property
    def prefect_url(self) -> str:
        """Prefect's API, with its `/api`."""
        return self.stores.prefect_api_url or f"http://{self.hosts.services}:{self.ports.prefect}/api"

    @property
    def run_dir(self) -> Path:
        """Sockets, pid and lock files; private to the user."""
        return self.home.absolute() / "run"

    @property
    def log_dir(self) -> Path:
        """A log file a service."""
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
        """`redis://host:port/database`."""
        if self.stores.redis_url is not None:
            return self.stores.redis_url.get_secret_value()
        return f"redis://{self.hosts.rag}:{self.ports.redis}/0"

    @property
    def milvus_uri(self) -> str:
        """Milvus' address over gRPC."""
        return self.stores.milvus_uri or f"http://{self.hosts.rag}:{self.ports.milvus}"

    @property
    def nebula_address(self) -> tuple[str, int]:
        """NebulaGraph's host and port."""
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
