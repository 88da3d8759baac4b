"""API keys: created, found by their token, listed, revoked; a table with only a digest of each.

SHA-256 once is enough: a key is 256 random bits, so there is no guessing for a slow hash to slow down.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple

from sqlalchemy import Column, DateTime, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, col

from servers.bridge.access.usage import merged
from servers.bridge.access.users import UserRow, role_of
from servers.bridge.clients.postgres.client import Postgres
from servers.web.rate_limit import KeyLimits
from tools.access.identity import SCOPES, Principal, Role
from tools.errors import Conflict, NotFound
from tools.schema import JsonObject
from tools.sections import Access, Quota

PREFIX = "c6-"
TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{16}})-[A-Za-z0-9_-]{{43}}")
MAX_KEYS = 10_000
UNKNOWN_CACHE_S = 1.0
"""How old the cache may be when a key is not in it: another replica may just have made it."""


def _now() -> Column[datetime]:
    return Column(DateTime(timezone=True), server_default=func.now(), nullable=False)


class KeyRow(SQLModel, table=True):
    """One key; limits that are null are those of the settings, what `quota` does not hold is the user's.
    Without a `user_name` it is a program's own."""

    __tablename__: ClassVar[str] = "api_keys"  # type: ignore[misc]  # SQLModel says declared_attr

    id: str = Field(primary_key=True, max_length=32)
    digest: str = Field(max_length=64)
    tenant: str = Field(max_length=64, index=True)
    name: str = ""
    user_name: str | None = Field(default=None, max_length=64)
    scopes: list[str] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    requests_per_minute: int | None = None
    concurrency: int | None = None
    body_bytes: int | None = None
    quota: JsonObject = Field(
        default_factory=dict, sa_column=Column(JSONB, server_default="{}", nullable=False)
    )
    created_at: datetime | None = Field(default=None, sa_column=_now())
    expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class CachedKey(NamedTuple):
    """What a request is checked against: the hexadecimal digest, whose key it is, its limits and quota (with
    the fields of it that are the key's own), and until when."""

    digest: bytes
    principal: Principal
    limits: KeyLimits
    quota: Quota
    own: frozenset[str]
    expires_at: datetime | None

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and datetime.now(UTC) >= self.expires_at


class ApiKeys:
    """All keys, cached for `access.cache_s` seconds: a request asks no database, a revoked key is dead after
    that time. Raises StoreUnavailable when the cache is too old and PostgreSQL is down: it fails closed.
    """

    def __init__(self, postgres: Postgres, access: Access) -> None:
        self.postgres, self.access = postgres, access
        self.cache: dict[str, CachedKey] = {}
        self.ids: dict[bytes, str] = {}
        self.read_at = -float("inf")
        self.refreshing = asyncio.Lock()

    async def find(self, token: str) -> CachedKey | None:
        """The key of a token; None for an unknown or expired one. Constant time in the secret part."""
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
        return None if key.expired else key

    async def by_digest(self, digest: str) -> CachedKey | None:
        """The key that has this digest (hexadecimal), as `find`; a digest is no secret of which a part
        helps."""
        await self._refresh(self.access.cache_s)
        if digest.encode() not in self.ids:
            await self._refresh(min(UNKNOWN_CACHE_S, self.access.cache_s))
        key = self.cache.get(self.ids.get(digest.encode(), ""))
        return None if key is None or key.expired else key

    async def by_id(self, key_id: str) -> CachedKey | None:
        """The key of this id, expired or not."""
        await self._refresh(self.access.cache_s)
        return self.cache.get(key_id)

    def forget(self) -> None:
        """What is cached is old: a user has changed."""
        self.read_at = -float("inf")

    async def create(
        self,
        tenant: str,
        scopes: list[str],
        *,
        name: str = "",
        user: str | None = None,
        quota: JsonObject | None = None,
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
            user_name=user,
            quota=quota or {},
            scopes=scopes,
            requests_per_minute=requests_per_minute,
            concurrency=concurrency,
            body_bytes=body_bytes,
            expires_at=expires_at,
        )
        await self._insert(made)
        self.forget()
        return token, made

    async def _insert(self, made: KeyRow) -> None:
        async with self.postgres.session() as session:
            if (await session.scalar(select(func.count()).select_from(KeyRow)) or 0) >= MAX_KEYS:
                raise Conflict(
                    f"there are {MAX_KEYS} keys: revoke some", source="bridge", code="too_many_keys"
                )
            session.add(made)
            await session.flush()
            await session.refresh(made)

    async def list(self, tenant: str | None, user: str | None = None) -> list[KeyRow]:
        """A tenant's keys, newest first, of one user or all; None for every tenant's."""
        query = select(KeyRow).order_by(col(KeyRow.created_at).desc(), col(KeyRow.id))
        if tenant is not None:
            query = query.where(col(KeyRow.tenant) == tenant)
        if user is not None:
            query = query.where(col(KeyRow.user_name) == user)
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
            rows = await self.postgres.call(self._rows())
            found = {row.id: cached for row, user in rows if (cached := self._cached(row, user)) is not None}
            self.cache, self.ids = found, {key.digest: key_id for key_id, key in found.items()}
            self.read_at = started

    async def _rows(self) -> Sequence[tuple[KeyRow, UserRow | None]]:
        """Every key with its user, if it has one."""
        same = (col(UserRow.tenant) == KeyRow.tenant) & (col(UserRow.name) == KeyRow.user_name)
        async with self.postgres.session() as session:
            found = await session.execute(select(KeyRow, UserRow).outerjoin(UserRow, same))
            return [(row, user) for row, user in found]

    def _cached(self, row: KeyRow, user: UserRow | None) -> CachedKey | None:
        """A key as it is checked; None for the key of a user who is disabled or gone."""
        if row.user_name is not None and (user is None or user.disabled):
            return None
        limits = KeyLimits(
            row.requests_per_minute or self.access.requests_per_minute,
            row.concurrency or self.access.concurrency,
            row.body_bytes or self.access.body_bytes,
        )
        quota = merged(row.quota, user.quota if user else {}, settings=self.access.quota)
        own = frozenset(name for name, value in row.quota.items() if value is not None)
        return CachedKey(row.digest.encode(), principal_of(row, user), limits, quota, own, row.expires_at)


def principal_of(row: KeyRow, user: UserRow | None) -> Principal:
    """Whom a key stands for: its user, with no more than the user's role allows, or itself."""
    scopes = frozenset(row.scopes)
    if user is None:
        role: Role = "admin" if "admin" in scopes else "operator" if "operate" in scopes else "user"
        return Principal(row.tenant, f"key:{row.id}", role, scopes, row.id)
    role = role_of(user)
    return Principal(row.tenant, user.name, role, scopes & SCOPES[role], row.id)


def digest_of(token: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
