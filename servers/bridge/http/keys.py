"""HTTP routes for API keys: created with their scopes and rate limits, listed, revoked.

A key with the admin scope manages the keys of its own tenant; the platform everybody's.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from servers.bridge.access.keys import KeyRow
from servers.bridge.access.users import UserName, role_of
from servers.bridge.clients.tenants import MAX_TENANT_CHARS, TENANT_PATTERN
from servers.bridge.http.dependencies import AccountsDep, AdminPrincipal
from servers.bridge.http.requests import Text
from tools.access.identity import SCOPES, Principal, Scope
from tools.errors import Forbidden
from tools.schema import Wire
from tools.sections import Quota

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])
TenantName = Annotated[str, Field(pattern=TENANT_PATTERN, max_length=MAX_TENANT_CHARS)]


class KeyRequest(Wire):
    """Limits that are left out are those of the settings, what `quota` leaves out is the user's.

    Without a `user` it is the caller's own, or, made by the platform or by a program, a program's own."""

    tenant: TenantName | None = None
    name: Text = Field("", max_length=200)
    user: UserName | None = None
    scopes: list[Scope] = Field(min_length=1, max_length=4)
    quota: Quota = Quota()
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    concurrency: int | None = Field(None, ge=1, le=10_000)
    body_bytes: int | None = Field(None, ge=1_024, le=2**30)
    expires_in_days: int | None = Field(None, ge=1, le=3_650)


class KeyView(BaseModel):
    """A key without its secret; limits that are null are those of the settings."""

    id: str
    tenant: str
    name: str
    user: str | None
    scopes: list[str]
    quota: Quota
    requests_per_minute: int | None
    concurrency: int | None
    body_bytes: int | None
    created_at: datetime | None
    expires_at: datetime | None


class NewKey(KeyView):
    """`key` is shown this once; only a digest of it is kept."""

    key: str


class KeyList(BaseModel):
    """Keys, newest first."""

    keys: list[KeyView]


class RevokedKey(BaseModel):
    """The key that is gone."""

    id: str
    revoked: Literal[True] = True


@router.post("", status_code=201)
async def create_key(body: KeyRequest, principal: AdminPrincipal, accounts: AccountsDep) -> NewKey:
    """Make a key with no more scopes than the caller and its user have; its secret is shown this once."""
    tenant = body.tenant or principal.tenant
    user = body.user or await _person(principal, accounts)
    _check(body, principal, tenant)
    if user is not None:
        _check_role(body, SCOPES[role_of(await accounts.users.get(tenant, user))])
    lifetime = timedelta(days=body.expires_in_days) if body.expires_in_days is not None else None
    token, row = await accounts.keys.create(
        tenant,
        sorted(set(body.scopes)),
        name=body.name,
        user=user,
        quota=body.quota.model_dump(exclude_none=True),
        requests_per_minute=body.requests_per_minute,
        concurrency=body.concurrency,
        body_bytes=body.body_bytes,
        expires_at=datetime.now(UTC) + lifetime if lifetime else None,
    )
    return NewKey(**_view(row).model_dump(), key=token)


@router.get("")
async def list_keys(
    principal: AdminPrincipal,
    accounts: AccountsDep,
    tenant: Annotated[TenantName | None, Query()] = None,
    user: Annotated[UserName | None, Query()] = None,
) -> KeyList:
    """Keys without their secrets, newest first."""
    rows = await accounts.keys.list(tenant if principal.platform else principal.tenant, user)
    return KeyList(keys=[_view(row) for row in rows])


@router.delete("/{key_id}")
async def revoke_key(key_id: str, principal: AdminPrincipal, accounts: AccountsDep) -> RevokedKey:
    """Delete a key: at once here, within seconds in other replicas."""
    await accounts.keys.revoke(key_id, None if principal.platform else principal.tenant)
    return RevokedKey(id=key_id)


async def _person(principal: Principal, accounts: AccountsDep) -> str | None:
    """The caller, if it is a person whom we know: what they make must end with them."""
    if principal.platform:
        return None
    user = await accounts.users.find(principal.tenant, principal.user)
    return user.name if user else None


def _check(body: KeyRequest, principal: Principal, tenant: str) -> None:
    """Raises Forbidden for what only the platform gives, and for scopes that the caller has not."""
    if principal.platform:
        return
    limited = any((body.requests_per_minute, body.concurrency, body.body_bytes))
    limited = limited or bool(body.quota.model_dump(exclude_none=True))
    if tenant != principal.tenant or limited:
        raise Forbidden("a tenant's key gives neither limits nor keys of other tenants", source="bridge")
    _check_role(body, principal.scopes)


def _check_role(body: KeyRequest, scopes: frozenset[str]) -> None:
    more = set(body.scopes) - scopes
    if more:
        raise Forbidden(
            f"a key has no more scopes than its maker and its user: {', '.join(sorted(more))}",
            param="scopes",
            source="bridge",
        )


def _view(row: KeyRow) -> KeyView:
    fields = row.model_dump(exclude={"digest", "user_name", "quota"})
    return KeyView(**fields, user=row.user_name, quota=Quota(**row.quota))
