"""What keys and users used, by model and day (UTC): added up in a table, reported, held against quotas.

Who counts what is the doors' business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Literal, NamedTuple

from sqlalchemy import BigInteger, Column, Date, Index, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, SQLModel, col

from servers.bridge.clients.postgres.client import Postgres
from tools.errors import QuotaExceeded
from tools.schema import JsonObject
from tools.sections import Quota

Group = Literal["user", "key", "model", "day"]
SUMS = ("requests", "tokens_in", "tokens_out", "audio_s")


def _count() -> Column[int]:
    return Column(BigInteger, nullable=False)


class UsageRow(SQLModel, table=True):
    """A day's use of one model (empty for none) by one key of one user."""

    __tablename__: ClassVar[str] = "capibara6_usage"  # type: ignore[misc]  # SQLModel says declared_attr
    __table_args__: ClassVar[tuple[Index, ...]] = (Index("capibara6_usage_day", "day"),)

    tenant: str = Field(primary_key=True, max_length=64)
    user_name: str = Field(primary_key=True, max_length=80)
    key_id: str = Field(primary_key=True, max_length=64)
    model: str = Field(primary_key=True, max_length=256)
    day: date = Field(sa_column=Column(Date, primary_key=True))
    requests: int = Field(default=0, sa_column=_count())
    tokens_in: int = Field(default=0, sa_column=_count())
    tokens_out: int = Field(default=0, sa_column=_count())
    audio_s: float = 0.0


@dataclass(frozen=True)
class Used:
    """What was used today; `tokens` are those in and out."""

    requests: int = 0
    tokens: int = 0
    audio_s: float = 0.0


class Total(NamedTuple):
    """The sums of one group of a tenant, `name` by what it was grouped."""

    tenant: str
    name: str
    requests: int
    tokens_in: int
    tokens_out: int
    audio_s: float


class Usage:
    """Raises StoreUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    async def add(self, rows: Sequence[UsageRow]) -> None:
        """Add these to what is there."""
        merged: dict[tuple[object, ...], JsonObject] = {}
        for row in sorted(rows, key=_key):  # one order for all, so that no two wait for each other
            values = merged.setdefault(_key(row), row.model_dump(exclude=set(SUMS)) | dict.fromkeys(SUMS, 0))
            for name in SUMS:
                values[name] += getattr(row, name)
        if not merged:
            return
        table = UsageRow.metadata.tables["capibara6_usage"]
        new = insert(table).values(list(merged.values()))
        keys = ["tenant", "user_name", "key_id", "model", "day"]
        added: dict[str, Any] = {name: table.c[name] + new.excluded[name] for name in SUMS}
        async with self.postgres.session() as session:
            await session.execute(new.on_conflict_do_update(index_elements=keys, set_=added))

    async def today(self, tenant: str, user: str, key_id: str | None = None) -> Used:
        """What a user has used today, by all keys or by one."""
        tokens = col(UsageRow.tokens_in) + col(UsageRow.tokens_out)
        query = select(
            *(
                func.coalesce(func.sum(column), 0)
                for column in (col(UsageRow.requests), tokens, col(UsageRow.audio_s))
            )
        ).where(col(UsageRow.tenant) == tenant, col(UsageRow.user_name) == user, col(UsageRow.day) == today())
        if key_id is not None:
            query = query.where(col(UsageRow.key_id) == key_id)
        async with self.postgres.session() as session:
            requests, used_tokens, audio_s = (await session.execute(query)).one()
        return Used(int(requests), int(used_tokens), float(audio_s))

    async def requests_today(self) -> dict[tuple[str, str, str], int]:
        """The requests of today by tenant, user and key."""
        query = (
            select(
                col(UsageRow.tenant),
                col(UsageRow.user_name),
                col(UsageRow.key_id),
                func.sum(UsageRow.requests),
            )
            .where(col(UsageRow.day) == today())
            .group_by(col(UsageRow.tenant), col(UsageRow.user_name), col(UsageRow.key_id))
        )
        async with self.postgres.session() as session:
            return {(tenant, user, key): int(n) for tenant, user, key, n in await session.execute(query)}

    async def report(
        self, group: Group, *, since: date, until: date, tenant: str | None, user: str | None
    ) -> list[Total]:
        """Sums by `group` within [since, until], of a tenant and a user or of all; most requests first."""
        column: Any = {
            "user": UsageRow.user_name,
            "key": UsageRow.key_id,
            "model": UsageRow.model,
            "day": UsageRow.day,
        }[group]
        sums = [func.sum(getattr(UsageRow, name)) for name in SUMS]
        query = select(col(UsageRow.tenant), column, *sums).where(col(UsageRow.day).between(since, until))
        if tenant is not None:
            query = query.where(col(UsageRow.tenant) == tenant)
        if user is not None:
            query = query.where(col(UsageRow.user_name) == user)
        order = column if group == "day" else func.sum(UsageRow.requests).desc()
        query = query.group_by(col(UsageRow.tenant), column).order_by(order, col(UsageRow.tenant), column)
        async with self.postgres.session() as session:
            return [
                Total(owner, str(name), int(requests), int(read), int(written), float(audio))
                for owner, name, requests, read, written, audio in await session.execute(query)
            ]


def today() -> date:
    """In UTC."""
    return datetime.now(UTC).date()


def until_tomorrow_s() -> int:
    """Seconds to the next day (UTC), at least 1."""
    tomorrow = datetime.combine(today() + timedelta(days=1), time(), UTC)
    return max(1, int((tomorrow - datetime.now(UTC)).total_seconds()))


def exceeded(what: str, most: float) -> QuotaExceeded:
    """The error of who has used `most` of `what`."""
    return QuotaExceeded(
        f"the quota of {most:g} {what} is used up", source="bridge", retry_after=until_tomorrow_s()
    )


def merged(*quotas: JsonObject, settings: Quota) -> Quota:
    """Each field of the first of `quotas` that holds it, else of the settings. Pure."""
    values = settings.model_dump()
    for quota in reversed(quotas):
        values |= {name: value for name, value in quota.items() if value is not None}
    return Quota(**values)


def _key(row: UsageRow) -> tuple[str, str, str, str, date]:
    return row.tenant, row.user_name, row.key_id, row.model, row.day
