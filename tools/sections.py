"""The sections of the settings: frozen groups of fields with their bounds and defaults.

Where they are read from is `tools/settings.py`.
"""

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from tools.access.addresses import is_loopback
from tools.access.identity import Role
from tools.mcp.options import McpServer, ServerName
from tools.schema import Grounding

STOCK_NEBULA_PASSWORD = "nebula"


class Section(BaseModel):
    """A group of settings: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hosts(Section):
    """Where the three machines are; all on this one by default."""

    services: str = "127.0.0.1"
    models: str = "127.0.0.1"
    rag: str = "127.0.0.1"


class Ports(Section):
    """Where each service listens."""

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
    """Addresses of stores that we do not start ourselves; None means the embedded server.

    The stock `nebula_password` stands for the installation's own secret on the embedded graph server.
    `prefect_auth` is Prefect's auth string (`user:password`), where several machines or a server of others
    must know it; None is one of our own."""

    postgres_dsn: SecretStr | None = None
    redis_url: SecretStr | None = None
    milvus_uri: str | None = None
    milvus_token: SecretStr | None = None
    nebula_address: str | None = None
    nebula_user: str = "root"
    nebula_password: SecretStr = SecretStr(STOCK_NEBULA_PASSWORD)
    prefect_api_url: str | None = None
    prefect_auth: SecretStr | None = None
    prefect_database_url: SecretStr | None = None
    deadline_s: float = Field(default=2.0, gt=0)


class Graph(Section):
    """The embedded graph server: bounds of one query and of its sessions. Bytes and seconds."""

    deadline_s: float = Field(default=30.0, gt=0)
    max_rows: int = Field(default=1_000_000, ge=1)
    max_query_bytes: int = Field(default=256 * 2**20, ge=2**20)
    max_steps: int = Field(default=100, ge=1)
    max_statement_bytes: int = Field(default=16 * 2**20, ge=1024)
    max_sessions: int = Field(default=1_000, ge=1)
    max_connections: int = Field(default=512, ge=1)
    session_idle_s: float = Field(default=28_800.0, gt=0)


class Embedder(Section):
    """`e5` (multilingual), `minilm` (small, English) and `ensemble` (both) run in the bridge without torch;
    `openai` asks `url` (the pool, by default) for vectors; `sentence-transformers` runs any of its models in
    the bridge once that package is installed. `model`, `dimensions`, `languages`: what these two serve."""

    backend: Literal["ensemble", "e5", "minilm", "openai", "sentence-transformers"] = "ensemble"
    model: str = "all-MiniLM-L6-v2"
    dimensions: int = Field(default=384, ge=2, le=8192)
    url: str | None = None
    languages: tuple[str, ...] = ("en",)


class Search(Section):
    """Hybrid search. `similar`: how near (cosine) a question must be to take another's answer; 1 is never.

    `reranker` is a model of the pool that scores passages, or the one behind `rerank_url` (`/v1/rerank`).
    """

    similar: float = Field(default=0.97, ge=0.9, le=1)
    reranker: str | None = None
    rerank_url: str | None = None
    rerank_s: float = Field(default=8.0, gt=0)
    rerank_passages: int = Field(default=20, ge=2, le=100)


class Limits(Section):
    """Bounds at every door. Sizes in bytes, waits in seconds; `up` has `start_s` until all is healthy."""

    body_bytes: int = Field(default=8 * 2**20, ge=1024)
    header_bytes: int = Field(default=32 * 2**10, ge=1024)
    header_s: float = Field(default=10.0, gt=0)
    body_s: float = Field(default=12.0, gt=0)
    drain_s: float = Field(default=30.0, ge=0)
    start_s: float = Field(default=900.0, gt=0)
    question_chars: int = Field(default=32_000, ge=1)
    connections: int = Field(default=2_000, ge=1)


class Quota(Section):
    """How much a key or a user may use in a day (UTC); None is without bound. `passages` is how many may be
    stored in all. The same fields, set for one key or one user, are stronger."""

    requests: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    audio_s: float | None = Field(default=None, ge=0)
    passages: int | None = Field(default=None, ge=0)


class Access(Section):
    """What each key or person may ask for, in each replica of a service; a key may have limits of its own.

    `cache_s` is how long a revoked key may still be good, `session_hours` how long a sign-in lasts. The
    platform's own key has no limits. `secret` signs what services tell each other of a caller, where the
    machines share neither a home nor a key."""

    requests_per_minute: int = Field(default=6_000, ge=1)
    concurrency: int = Field(default=64, ge=1)
    body_bytes: int | None = Field(default=None, ge=1024)
    cache_s: float = Field(default=10.0, ge=0, le=300)
    session_hours: float = Field(default=168.0, gt=0)
    quota: Quota = Quota()
    secret: SecretStr | None = None


class Oidc(Section):
    """Sign-in with an OpenID Connect provider, where `issuer` is set: the chat page by authorization code
    with PKCE, every door by the provider's bearer tokens (for `audience`, the client by default).

    `roles` maps a group of `groups_claim` to a role; who is in none of them has `default_role`, or, with
    None, does not enter. Persons of the provider belong to `tenant`.
    """

    issuer: str | None = None
    client_id: str = "capibara6"
    client_secret: SecretStr | None = None
    audience: str | None = None
    scope: str = "openid profile email"
    user_claim: str = "preferred_username"
    groups_claim: str = "groups"
    roles: dict[str, Role] = {}
    default_role: Role | None = "user"
    tenant: str = "default"

    @field_validator("default_role", mode="before")
    @classmethod
    def _nobody(cls, value: object) -> object:
        """The environment has no word for None."""
        return None if value in ("", "none") else value

    @field_validator("issuer")
    @classmethod
    def _private(cls, value: str | None) -> str | None:
        """Its keys decide who enters: they come over TLS, or from this machine."""
        parts = urlsplit(value or "https://-")
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            return value
        raise ValueError(f"{value!r} is no issuer: give an https address, or a loopback one")


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
    """The default agent. `while_loading`: whether a loaded model answers in place of one that is not; who
    waits has the time of a load on top of `deadline_s`."""

    collection: str = "capibara6"
    model: str = "auto"
    top_k: int = Field(default=6, ge=1, le=50)
    deadline_s: float = Field(default=120.0, gt=0)
    while_loading: Literal["fallback", "wait"] = "fallback"


class Agents(Section):
    """Bounds of every agent run, and what a caller may grant it.

    `seal` signs what threads remember (replicas need the same); None keeps a key in the data directory.
    `mcp` are servers as in `mcpServers`; their tools are `name__tool`, and granted by `tools` (`name__*`).
    `grounding`: what becomes of sentences that no passage supports; models judge what is left open
    (`entailment`) and make follow-ups stand alone (`rewriter`)."""

    seal: SecretStr | None = None
    tools: tuple[str, ...] = ("search_knowledge", "query_graph", "query_sql", "speak", "recall", "remember")
    steps: int = Field(default=12, ge=1, le=100)
    tokens: int = Field(default=60_000, ge=100)
    context_tokens: int = Field(default=6_000, ge=200)
    answer_tokens: int = Field(default=2_048, ge=16, le=131_072)
    grounding: Grounding = "strict"
    entailment: str | None = None
    rewriter: str | None = None
    reasoning: Literal["hidden", "shown"] = "hidden"
    active_runs: int = Field(default=64, ge=1)
    waiting_runs: int = Field(default=256, ge=0)
    keep_runs_days: int = Field(default=30, ge=1)
    mcp: dict[ServerName, McpServer] = {}


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


class Webhooks(Section):
    """Which deployments `POST /webhook/{deployment}` may start; with a secret, bodies must be signed."""

    secret: SecretStr | None = None
    deployments: tuple[str, ...] = (
        "ingest",
        "health",
        "lead_processing",
        "conversation_logger",
        "model_consensus",
        "system_health_monitor",
    )


class Ingest(Section):
    """Which files and folders of this machine may be ingested by a request over HTTP: those below `roots`.

    The command line on the same machine is not concerned. Symbolic links never lead out of what was named."""

    roots: tuple[Path, ...] = ()


class Fetch(Section):
    """Bounds of fetching web pages; `allow` opens networks inside (10.1.0.0/16). Bytes and seconds."""

    allow: tuple[str, ...] = ()
    max_bytes: int = Field(default=32 * 2**20, ge=1_024)
    seconds: float = Field(default=60.0, gt=0)

    @field_validator("allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(text)) for text in value)


class S3(Section):
    """An S3-compatible store that `ingest` may read with `s3://bucket/prefix`; None means there is none."""

    endpoint: str | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None
    region: str | None = None


class Flows(Section):
    """Heavy maps of flows: how many at once, and the cluster they run on (Dask's or Ray's address)."""

    workers: int = Field(default=2, ge=1, le=1_000)
    cluster: str | None = None
