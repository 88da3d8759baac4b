"""API keys: created, found by their token, listed, revoked; a table with only a digest of each.

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
from typing import ClassVar, NamedTuple

from sqlalchemy import Column, DateTime, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, col

from servers.bridge.clients.postgres.client import Postgres
from tools.errors import Conflict, NotFound
from tools.sections import Access

PREFIX = "c6-"
TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{16}})-[A-Za-z0-9_-]{{43}}")
MAX_KEYS = 10_000
UNKNOWN_CACHE_S = 1.0
"""How old the cache may be when a key is not in it: another replica may just have made it."""


def _now() -> Column[datetime]:
    return Column(DateTime(timezone=True), server_default=func.now(), nullable=False)


class KeyRow(SQLModel, table=True):
    """One key; limits that are null are those of the settings."""

    __tablename__: ClassVar[str] = "api_keys"  # type: ignore[misc]  # SQLModel says declared_attr

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
class KeyLimits:
    """The limits of one key: requests a minute, requests at once, bytes of a body (None: the server's)."""

    requests_per_minute: int
    concurrency: int
    body_bytes: int | None


@dataclass(frozen=True)
class Principal:
    """Who a request is from: a tenant, its scopes (`read`, `write`, `admin`), its key. The platform itself
    has no `limits`."""

    tenant: str
    scopes: frozenset[str]
    key_id: str
    limits: KeyLimits | None = None


class CachedKey(NamedTuple):
    """What a request is checked against: the hexadecimal digest, whose key it is, and until when."""

    digest: bytes
    principal: Principal
    expires_at: datetime | None


class ApiKeys:
    """All keys, cached for `access.cache_s` seconds: a request asks no database, a revoked key is dead after
    that time. Raises StoreUnavailable when the cache is too old and PostgreSQL is down: it fails closed.
    """

    def __init__(self, postgres: Postgres, access: Access) -> None:
        self.postgres, self.access = postgres, access
        self.cache: dict[str, CachedKey] = {}
        self.read_at = -float("inf")
        self.refreshing = asyncio.Lock()

    async def find(self, token: str) -> Principal | None:
        """Whose token it is; None for an unknown or expired one. Constant time in the secret part."""
        shape = TOKEN.fullmatch(token)
        if shape is None:
            return None
        await self._refresh(self.access.cache_s)
        if shape[1] not in self.cache:
            await self._refresh(min(UNKNOWN_CACHE_S, self.access.cache_s))
        key = self.cache.get(shape[1])
        digest = key.digest if key else b""
        if not hmac.compare_digest(digest, digest_of(token).encode()) or key is None:
            return None
        return key.principal if key.expires_at is None or datetime.now(UTC) < key.expires_at else None

    async def create(
        self,
        tenant: str,
        scopes: list[str],
        *,
        name: str = "",
        requests_per_minute: int | None = None,
        concurrency: int | None = None,
        body_bytes: int | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, KeyRow]:
        """The token, shown this once, and its row; limits that are None are the settings'.

        Raises Conflict when there are `MAX_KEYS`."""
        key_id = secrets.token_hex(8)
        token = f"{PREFIX}{key_id}-{secrets.token_urlsafe(32)}"
        made = KeyRow(
            id=key_id,
            digest=digest_of(token),
            tenant=tenant,
            name=name,
            scopes=scopes,
            requests_per_minute=requests_per_minute,
            concurrency=concurrency,
            body_bytes=body_bytes,
            expires_at=expires_at,
        )
        async with self.postgres.session() as session:
            if (await session.scalar(select(func.count()).select_from(KeyRow)) or 0) >= MAX_KEYS:
                raise Conflict(
                    f"there are {MAX_KEYS} keys: revoke some", source="bridge", code="too_many_keys"
                )
            session.add(made)
            await session.flush()
            await session.refresh(made)
        self.read_at = -float("inf")
        return token, made

    async def list(self, tenant: str | None) -> list[KeyRow]:
        """A tenant's keys, newest first; None for every tenant's."""
        query = select(KeyRow).order_by(col(KeyRow.created_at).desc(), col(KeyRow.id))
        if tenant is not None:
            query = query.where(col(KeyRow.tenant) == tenant)
        async with self.postgres.session() as session:
            return list(await session.scalars(query))

    async def revoke(self, key_id: str, tenant: str | None) -> None:
        """Delete a key: at once here, within `cache_s` in other replicas.

        Raises NotFound, also for another tenant's."""
        statement = delete(KeyRow).where(col(KeyRow.id) == key_id)
        if tenant is not None:
            statement = statement.where(col(KeyRow.tenant) == tenant)
        async with self.postgres.session() as session:
            found = await session.scalar(statement.returning(col(KeyRow.id)))
        if found is None:
            raise NotFound("there is no such key", param="id", source="bridge", code="key_not_found")
        self.cache.pop(key_id, None)

    async def _refresh(self, max_age_s: float) -> None:
        if time.monotonic() - self.read_at < max_age_s:
            return
        async with self.refreshing:
            if time.monotonic() - self.read_at < max_age_s:
                return
            started = time.monotonic()
            rows = await self.postgres.call(self.list(None))
            self.cache = {
                row.id: CachedKey(row.digest.encode(), self._principal(row), row.expires_at) for row in rows
            }
            self.read_at = started

    def _principal(self, row: KeyRow) -> Principal:
        limits = KeyLimits(
            row.requests_per_minute or self.access.requests_per_minute,
            row.concurrency or self.access.concurrency,
            row.body_bytes or self.access.body_bytes,
        )
        return Principal(row.tenant, frozenset(row.scopes), row.id, limits)


def digest_of(token: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
