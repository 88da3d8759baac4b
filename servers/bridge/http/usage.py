"""HTTP routes for use: added up by our services, reported to whom it concerns."""

from datetime import date, timedelta
from typing import Annotated

from annotated_types import Ge, Le
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from servers.bridge.access.usage import Group, UsageRow, today
from servers.bridge.http.dependencies import AccountsDep, ReadPrincipal, ServicePrincipal
from servers.bridge.http.keys import TenantName
from servers.bridge.http.requests import Text
from tools.schema import Wire

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])
DAYS = 30
Day = Annotated[Annotated[date, Ge(date(2000, 1, 1)), Le(date(2999, 12, 31))] | None, Query()]
Count = Annotated[int, Field(ge=0, le=10**15)]


class UsageEntry(Wire):
    """What one key of one user used of one model since the last entry."""

    tenant: TenantName
    user: Text = Field(min_length=1, max_length=80)
    key_id: Text = Field(max_length=64)
    model: Text | None = Field(None, max_length=256)
    requests: Count = 0
    tokens_in: Count = 0
    tokens_out: Count = 0
    audio_s: float = Field(0.0, ge=0, le=10**9)


class UsageRequest(Wire):
    """Entries to be added to today's (UTC)."""

    entries: list[UsageEntry] = Field(max_length=10_000)


class AddedUsage(BaseModel):
    """How many entries were added."""

    added: int


class UsageView(BaseModel):
    """The sums of one user, key, model (empty for requests without one) or day, as `name`."""

    tenant: str
    name: str
    requests: int
    tokens_in: int
    tokens_out: int
    audio_s: float


class UsageReport(BaseModel):
    """Sums within [since, until], days in UTC."""

    since: date
    until: date
    group: Group
    usage: list[UsageView]


@router.post("")
async def add(body: UsageRequest, accounts: AccountsDep, _: ServicePrincipal) -> AddedUsage:
    """Add what was used; for the platform's services."""
    rows = [
        UsageRow(
            tenant=entry.tenant,
            user_name=entry.user,
            key_id=entry.key_id,
            model=entry.model or "",
            day=today(),
            requests=entry.requests,
            tokens_in=entry.tokens_in,
            tokens_out=entry.tokens_out,
            audio_s=entry.audio_s,
        )
        for entry in body.entries
    ]
    await accounts.usage.add(rows)
    return AddedUsage(added=len(rows))


@router.get("")
async def report(
    principal: ReadPrincipal,
    accounts: AccountsDep,
    since: Day = None,
    until: Day = None,
    group: Annotated[Group, Query()] = "day",
) -> UsageReport:
    """One's own use, the tenant's for an admin, everybody's for the platform; of the last 30 days."""
    last = until or today()
    first = since or last - timedelta(days=DAYS - 1)
    totals = await accounts.usage.report(
        group,
        since=first,
        until=last,
        tenant=None if principal.platform else principal.tenant,
        user=None if "admin" in principal.scopes else principal.user,
    )
    views = [UsageView(**total._asdict()) for total in totals]
    return UsageReport(since=first, until=last, group=group, usage=views)
