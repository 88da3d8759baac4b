"""The one settings tree: frozen, read once, passed down as an argument.

Sources, strongest first: arguments, environment (`CAPIBARA6_*`, and the names of the first deployment:
VLLM_URL VLLM_MODELS OLLAMA_URL BRIDGE_API_URL RAG_API_URL), `.env`, a TOML file (`CAPIBARA6_CONFIG`,
default `capibara6.toml`), defaults. Nothing else reads the environment. `CAPIBARA6_PORTS__API=5050`: nested.
"""

import json
import os
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tools.access.addresses import LOOPBACK, HostNames, Origins, fits_a_socket, is_loopback
from tools.access.identity import Signer
from tools.access.secrets import Secrets, read_secrets, shared_secret
from tools.mcp.options import Mcp
from tools.schema import Language, SpeechSettings
from tools.sections import (
    S3,
    STOCK_NEBULA_PASSWORD,
    Access,
    Agents,
    Alerts,
    Chat,
    Embedder,
    Fetch,
    Flows,
    Graph,
    Hosts,
    Ingest,
    Limits,
    Oidc,
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
    names: HostNames = ()
    """Public names under which the doors are reached, through nginx for one; others get 421."""
    origins: Origins = ()
    """Web pages of other origins (`https://chat.example.org`) that may call the doors."""
    api_key: SecretStr | None = None
    act_as: str | None = None
    """For whom a program acts that serves nobody: `platform` (commands, schedules) or `tenant/user/role`."""
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")] | None = None
    """The request for which a program runs that serves none: a flow sends on the id that asked for it."""
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
    oidc: Oidc = Oidc()
    pool: Pool = Pool()
    speech: SpeechSettings = SpeechSettings()
    chat: Chat = Chat()
    agents: Agents = Agents()
    mcp: Mcp = Mcp()
    alerts: Alerts = Alerts()
    webhooks: Webhooks = Webhooks()
    ingest: Ingest = Ingest()
    fetch: Fetch = Fetch()
    s3: S3 = S3()
    flows: Flows = Flows()
    task_runner: Literal["threads", "dask", "ray"] = "threads"
    knowledge: Path = Path(__file__).parents[1] / "knowledge"

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
            why = f"host {self.host} is reachable from other machines"
            raise ValueError(f"{why}: set CAPIBARA6_API_KEY before binding wider than {LOOPBACK}")
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

    @cached_property
    def secrets(self) -> Secrets:
        """The installation's own secrets, made at the first start. Raises StorageFull."""
        return read_secrets(self.home)

    @cached_property
    def signer(self) -> Signer:
        """Signs who is asking, from service to service.

        With `access.secret`; else, on one machine, with the home's own; else, where no home is shared, with
        one derived from the key that the machines share. All of them are believed."""
        own, shared = self.secrets.identity.encode(), shared_secret(self.access.secret, self.api_key)
        apart = self.vllm_url or self.rag_url or not all(map(is_loopback, self.hosts.model_dump().values()))
        if shared and (apart or self.access.secret):
            return Signer(shared, own)
        return Signer(own, *filter(None, [shared]))

    @property
    def host_names(self) -> frozenset[str]:
        """Names by which a request may call a door: loopback, the machines of `hosts`, `host`, `names`."""
        ours = {"localhost", "127.0.0.1", "::1", self.host, *self.hosts.model_dump().values(), *self.names}
        return frozenset(name.lower() for name in ours)

    @property
    def pool_url(self) -> str:
        """The pool's address, without `/v1`; `VLLM_URL` names another one."""
        url = self.vllm_url or f"http://{self.hosts.models}:{self.ports.pool}"
        return url.rstrip("/").removesuffix("/v1")

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
        folder = quote(str(self.postgres_socket_dir))
        return f"postgresql://postgres@/capibara6?host={folder}&port={self.ports.postgres}"

    @property
    def postgres_socket_dir(self) -> Path:
        """The embedded server's socket lies here; only its own user may enter."""
        return self.run_dir / "postgres"

    def store_socket(self, name: str) -> Path | None:
        """The private socket of our Valkey ("redis") or Milvus; None, and loopback, where it is too long."""
        path = self.run_dir / "stores" / f"{name}.sock"
        return path if fits_a_socket(path) else None

    @property
    def redis_url(self) -> str:
        """`redis://…` or `unix://…`, as redis-py reads them; it may hold a password."""
        if self.stores.redis_url is not None:
            return self.stores.redis_url.get_secret_value()
        if socket := self.store_socket("redis"):
            return f"unix://{quote(str(socket))}?db=0"
        return f"redis://:{self.secrets.redis}@{LOOPBACK}:{self.ports.redis}/0"

    @property
    def milvus_uri(self) -> str:
        """Milvus' address over gRPC."""
        if self.stores.milvus_uri is not None:
            return self.stores.milvus_uri
        socket = self.store_socket("milvus")
        return f"unix:{quote(str(socket))}" if socket else f"http://{LOOPBACK}:{self.ports.milvus}"

    @property
    def nebula_address(self) -> tuple[str, int]:
        """NebulaGraph's host and port; the embedded server is on loopback, whatever `host` says."""
        if self.stores.nebula_address is None:
            return LOOPBACK, self.ports.nebula
        host, _, port = self.stores.nebula_address.rpartition(":")
        return host, int(port)

    @property
    def nebula_password(self) -> str:
        """The password of `stores.nebula_user`: on our own server nobody keeps the stock one."""
        given = self.stores.nebula_password.get_secret_value()
        ours = self.stores.nebula_address is None and self.stores.nebula_user == "root"
        return self.secrets.nebula if ours and given == STOCK_NEBULA_PASSWORD else given

    @property
    def prefect_auth(self) -> str | None:
        """Prefect's auth string, `user:password`; None for a server of others that asks for none."""
        if self.stores.prefect_auth is not None:
            return self.stores.prefect_auth.get_secret_value()
        if self.stores.prefect_api_url is None:
            return f"capibara6:{self.secrets.prefect}"
        return f"capibara6:{self.api_key.get_secret_value()}" if self.api_key else None

    def environment(self) -> dict[str, str]:
        """The variables from which a child process reads these same settings, wherever it is started."""
        values = self.model_dump() | {name: getattr(self, name).absolute() for name in ("home", "knowledge")}
        return {
            _ALIASES.get(name, f"CAPIBARA6_{name.upper()}"): json.dumps(value, default=_plain)
            if isinstance(value, dict | tuple)
            else str(_plain(value))
            for name, value in values.items()
            if value is not None and name not in _OWN
        }


def handed_on(names: Collection[str]) -> dict[str, str]:
    """The named part of this process's environment, for the programs that it starts."""
    return {name: os.environ[name] for name in names if name in os.environ}


def load_settings() -> Settings:
    """Read every source once. Raises `pydantic.ValidationError` with the field at fault."""
    return Settings.model_validate({})


def load_command_settings() -> Settings:
    """The settings of a command that a person types: with the key in them, whosever it is, unless they say
    for whom it acts. Raises what `load_settings` raises."""
    settings = load_settings()
    return settings if settings.act_as else settings.model_copy(update={"act_as": "platform"})


_OWN = frozenset({"act_as", "request_id"})
"""What is this process's alone, and no child's."""
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
