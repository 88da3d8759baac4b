"""Keys that callers are given: made, found, revoked. Only a digest of each is kept.

SHA-256 once is enough: a key is 256 random bits, so there is no guessing for a slow hash to slow down.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import Column, DateTime, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from servers.bridge.clients.postgres.client import Postgres
from tools.errors import Conflict, NotFound
from tools.sections import Access

PREFIX = "c6-"
TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{16}})-[A-Za-z0-9_-]{{43}}")
MOST = 10_000
AGAIN_S = 1.0


def _now() -> Any:
    return Column(DateTime(timezone=True), server_default=func.now(), nullable=False)


class KeyRow(SQLModel, table=True):
    """One key; limits that are null are those of the settings."""

    __tablename__: ClassVar[str] = "api_keys"  # type: ignore[misc]

    id: str = Field(primary_key=True, max_length=32)
    digest: str = Field(max_length=64)
    tenant: str = Field(max_length=64, index=True)
    name: str = ""
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    requests_per_minute: int | None = None
    concurrency: int | None = None
    body_bytes: int | None = None
    created_at: datetime | None = Field(default=None, sa_column=_now())
    expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


@dataclass(frozen=True)
class Limit:
    """What one key may ask for: requests a minute, requests at once, bytes of a body (None: the door's)."""

    requests_per_minute: int
    concurrency: int
    body_bytes: int | None


@dataclass(frozen=True)
class Caller:
    """Who asks: a tenant, what it may do, and by which key. Without a `limit`, the platform itself."""

    tenant: str
    scopes: frozenset[str]
    key_id: str
    limit: Limit | None = None


class Keys:
    """All keys, held for `access.cache_s`: a request asks no database, a revoked key is dead after that time.

    Raises StoreUnavailable when what is held is too old and PostgreSQL is down: an unsure door stays shut.
    """

    def __init__(self, postgres: Postgres, access: Access) -> None:
        self.postgres, self.access = postgres, access
        self.held: dict[str, tuple[bytes, Caller, datetime | None]] = {}
        self.read_at = -float("inf")
        self.reading = asyncio.Lock()

    async def find(self, token: str) -> Caller | None:
        """Whose token it is; None for nobody's and for what has expired. Constant time in the secret part."""
        shape = TOKEN.fullmatch(token)
        if shape is None:
            return None
        await self._fresh(self.access.cache_s)
        if shape[1] not in self.held:
            # Another replica may just have made it.
            await self._fresh(min(AGAIN_S, self.access.cache_s))
        digest, caller, ends = self.held.get(shape[1], (b"", None, None))
        if not hmac.compare_digest(digest, digest_of(token).encode()):
            return None
        return caller if ends is None or datetime.now(UTC) < ends else None

    async def create(self, row: dict[str, Any]) -> tuple[str, KeyRow]:
        """The token, shown this once, and its row. Raises Conflict when there are too many."""
        key_id = secrets.token_hex(8)
        token = f"{PREFIX}{key_id}-{secrets.token_urlsafe(32)}"
        made = KeyRow(id=key_id, digest=digest_of(token), **row)
        async with self.postgres.session() as session:
            if (await session.scalar(select(func.count()).select_from(KeyRow)) or 0) >= MOST:
                raise Conflict(f"there are {MOST} keys: revoke some", source="bridge", code="too_many_keys")
            session.add(made)
            await session.flush()
            await session.refresh(made)
        self.read_at = -float("inf")
        return token, made

    async def list(self, tenant: str | None) -> list[KeyRow]:
        """Newest first; None for every tenant's."""
        columns: Any = KeyRow
        query = select(KeyRow).order_by(columns.created_at.desc(), columns.id)
        async with self.postgres.session() as session:
            return list(
                await session.scalars(query if tenant is None else query.where(columns.tenant == tenant))
            )

    async def revoke(self, key_id: str, tenant: str | None) -> None:
        """At once here, within `cache_s` in other replicas. Raises NotFound, also for another tenant's."""
        columns: Any = KeyRow
        gone = delete(KeyRow).where(columns.id == key_id).returning(columns.id)
        async with self.postgres.session() as session:
            found = await session.scalar(gone if tenant is None else gone.where(columns.tenant == tenant))
        if found is None:
            raise NotFound("there is no such key", param="id", source="bridge", code="key_not_found")
        self.held.pop(key_id, None)

    async def _fresh(self, most_s: float) -> None:
        if time.monotonic() - self.read_at < most_s:
            return
        async with self.reading:
            if time.monotonic() - self.read_at < most_s:
                return
            started = time.monotonic()
            rows = await self.postgres.call(self.list(None))
            self.held = {row.id: (row.digest.encode(), self._caller(row), row.expires_at) for row in rows}
            self.read_at = started

    def _caller(self, row: KeyRow) -> Caller:
        limit = Limit(
            row.requests_per_minute or self.access.requests_per_minute,
            row.concurrency or self.access.concurrency,
            row.body_bytes or self.access.body_bytes,
        )
        return Caller(row.tenant, frozenset(row.scopes), row.id, limit)


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
