"""Sessions of people who signed in: opened, found by their token's digest, listed, ended.

SHA-256 once is enough, as for keys: a token is 256 random bits.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from sqlalchemy import Column, DateTime, Index, delete, func, select
from sqlmodel import Field, SQLModel, col

from servers.bridge.access.keys import digest_of
from servers.bridge.access.users import UserRow
from servers.bridge.clients.postgres.client import Postgres
from tools.errors import NotFound

PREFIX = "c6s-"
AGENT_CHARS = 300
SEEN_S = 60.0
"""How old `last_seen` may be: it is not written with every look."""


def _moment() -> Column[datetime]:
    return Column(DateTime(timezone=True), server_default=func.now(), nullable=False)


class SessionRow(SQLModel, table=True):
    """One session; `agent` is what the browser calls itself."""

    __tablename__: ClassVar[str] = "capibara6_sessions"  # type: ignore[misc]  # SQLModel says declared_attr
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("capibara6_sessions_digest", "digest", unique=True),
        Index("capibara6_sessions_user", "tenant", "user_name"),
    )

    id: str = Field(primary_key=True, max_length=32)
    digest: str = Field(max_length=64)
    tenant: str = Field(max_length=64)
    user_name: str = Field(max_length=64)
    agent: str = ""
    created_at: datetime | None = Field(default=None, sa_column=_moment())
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    last_seen: datetime | None = Field(default=None, sa_column=_moment())


class Sessions:
    """Raises StoreUnavailable. `hours` is how long a session lasts."""

    def __init__(self, postgres: Postgres, *, hours: float) -> None:
        self.postgres, self.hours = postgres, hours

    async def open(self, user: UserRow, agent: str) -> tuple[str, SessionRow]:
        """The token, shown this once, and its row; the user's sessions that have expired are forgotten."""
        token = f"{PREFIX}{secrets.token_urlsafe(32)}"
        row = SessionRow(
            id=secrets.token_hex(8),
            digest=digest_of(token),
            tenant=user.tenant,
            user_name=user.name,
            agent=agent[:AGENT_CHARS],
            expires_at=datetime.now(UTC) + timedelta(hours=self.hours),
        )
        mine = (col(SessionRow.tenant) == user.tenant, col(SessionRow.user_name) == user.name)
        async with self.postgres.session() as session:
            await session.execute(
                delete(SessionRow).where(*mine, col(SessionRow.expires_at) <= datetime.now(UTC))
            )
            session.add(row)
            await session.flush()
            await session.refresh(row)
        return token, row

    async def find(self, digest: str) -> tuple[SessionRow, UserRow] | None:
        """The session and its user; None for one that is unknown, has expired or whose user is disabled."""
        same = (col(UserRow.tenant) == SessionRow.tenant) & (col(UserRow.name) == SessionRow.user_name)
        query = select(SessionRow, UserRow).join(UserRow, same).where(col(SessionRow.digest) == digest)
        now = datetime.now(UTC)
        async with self.postgres.session() as session:
            found = (await session.execute(query)).one_or_none()
            if found is None or found[0].expires_at <= now or found[1].disabled:
                return None
            row, user = found
            if row.last_seen is None or (now - row.last_seen).total_seconds() > SEEN_S:
                row.last_seen = now
            return row, user

    async def list(self, tenant: str, user: str) -> list[SessionRow]:
        """A user's sessions that have not expired, newest first."""
        query = (
            select(SessionRow)
            .where(col(SessionRow.tenant) == tenant, col(SessionRow.user_name) == user)
            .where(col(SessionRow.expires_at) > datetime.now(UTC))
            .order_by(col(SessionRow.created_at).desc(), col(SessionRow.id))
        )
        async with self.postgres.session() as session:
            return list(await session.scalars(query))

    async def end(self, session_id: str, tenant: str | None, user: str | None) -> None:
        """Raises NotFound, also for another tenant's or, with a `user`, for another user's."""
        statement = delete(SessionRow).where(col(SessionRow.id) == session_id)
        if tenant is not None:
            statement = statement.where(col(SessionRow.tenant) == tenant)
        if user is not None:
            statement = statement.where(col(SessionRow.user_name) == user)
        async with self.postgres.session() as session:
            found = await session.scalar(statement.returning(col(SessionRow.id)))
        if found is None:
            raise NotFound("there is no such session", param="id", source="bridge", code="session_not_found")

    async def end_all(self, tenant: str, user: str) -> None:
        """End every session of a user."""
        async with self.postgres.session() as session:
            await session.execute(
                delete(SessionRow).where(col(SessionRow.tenant) == tenant, col(SessionRow.user_name) == user)
            )
