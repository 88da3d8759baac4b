"""HTTP routes for API keys: created with their scopes and rate limits, listed, revoked.

A key with the admin scope manages the keys of its own tenant; the platform everybody's.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from servers.bridge.access.keys import KeyRow, Principal
from servers.bridge.clients.tenants import MAX_TENANT_CHARS, TENANT_PATTERN
from servers.bridge.http.dependencies import AdminPrincipal, ApiKeysDep
from servers.bridge.http.requests import Text
from tools.errors import Forbidden
from tools.schema import Wire

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])
TenantName = Annotated[str, Field(pattern=TENANT_PATTERN, max_length=MAX_TENANT_CHARS)]


class KeyRequest(Wire):
    """Limits that are left out are those of the settings."""

    tenant: TenantName | None = None
    name: Text = Field("", max_length=200)
    scopes: list[Literal["read", "write", "admin"]] = Field(min_length=1, max_length=3)
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    concurrency: int | None = Field(None, ge=1, le=10_000)
    body_bytes: int | None = Field(None, ge=1_024, le=2**30)
    expires_in_days: int | None = Field(None, ge=1, le=3_650)


class KeyView(BaseModel):
    """A key without its secret; limits that are null are those of the settings."""

    id: str
    tenant: str
    name: str
    scopes: list[str]
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
async def create_key(body: KeyRequest, principal: AdminPrincipal, keys: ApiKeysDep) -> NewKey:
    """Make a key with its scopes and rate limits; its secret is shown this once."""
    tenant = body.tenant or principal.tenant
    limited = any((body.requests_per_minute, body.concurrency, body.body_bytes))
    if not _is_platform(principal) and (tenant != principal.tenant or limited):
        raise Forbidden("a tenant's key gives neither limits nor keys of other tenants", source="bridge")
    lifetime = timedelta(days=body.expires_in_days) if body.expires_in_days is not None else None
    token, row = await keys.create(
        tenant,
        sorted(set(body.scopes)),
        name=body.name,
        requests_per_minute=body.requests_per_minute,
        concurrency=body.concurrency,
        body_bytes=body.body_bytes,
        expires_at=datetime.now(UTC) + lifetime if lifetime else None,
    )
    return NewKey(**_view(row).model_dump(), key=token)


@router.get("")
async def list_keys(
    principal: AdminPrincipal, keys: ApiKeysDep, tenant: Annotated[TenantName | None, Query()] = None
) -> KeyList:
    """Keys without their secrets, newest first."""
    rows = await keys.list(tenant if _is_platform(principal) else principal.tenant)
    return KeyList(keys=[_view(row) for row in rows])


@router.delete("/{key_id}")
async def revoke_key(key_id: str, principal: AdminPrincipal, keys: ApiKeysDep) -> RevokedKey:
    """Delete a key: at once here, within seconds in other replicas."""
    await keys.revoke(key_id, None if _is_platform(principal) else principal.tenant)
    return RevokedKey(id=key_id)


def _is_platform(principal: Principal) -> bool:
    return principal.limits is None


def _view(row: KeyRow) -> KeyView:
    return KeyView(**row.model_dump(exclude={"digest"}))
