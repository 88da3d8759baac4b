"""The bridge's HTTP surface for keys: made, listed, revoked.

A key with the admin scope sees to the keys of its own tenant; the platform to everybody's.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from servers.bridge.access.keys import Caller, KeyRow
from servers.bridge.clients.tenants import LONGEST, TENANT
from servers.bridge.http.dependencies import Admin, Keyring
from servers.bridge.http.fields import Text
from tools.errors import Forbidden
from tools.schema import Wire

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])
TenantName = Annotated[str, Field(pattern=TENANT, max_length=LONGEST)]
LIMITS = ("requests_per_minute", "concurrency", "body_bytes")


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


@router.post("", status_code=201)
async def create_key(body: KeyRequest, caller: Admin, keys: Keyring) -> NewKey:
    wanted = body.model_dump(exclude={"expires_in_days"})
    if body.expires_in_days is not None:
        wanted["expires_at"] = datetime.now(UTC) + timedelta(days=body.expires_in_days)
    wanted["tenant"] = body.tenant or caller.tenant
    wanted["scopes"] = sorted(set(body.scopes))
    if not _platform(caller) and (wanted["tenant"] != caller.tenant or any(wanted[name] for name in LIMITS)):
        raise Forbidden("a tenant's key gives neither limits nor keys of other tenants", source="bridge")
    token, row = await keys.create(wanted)
    return NewKey(**_view(row), key=token)


@router.get("")
async def list_keys(
    caller: Admin, keys: Keyring, tenant: Annotated[TenantName | None, Query()] = None
) -> dict[str, list[KeyView]]:
    rows = await keys.list(tenant if _platform(caller) else caller.tenant)
    return {"keys": [KeyView(**_view(row)) for row in rows]}


@router.delete("/{key_id}")
async def revoke_key(key_id: str, caller: Admin, keys: Keyring) -> dict[str, Any]:
    await keys.revoke(key_id, None if _platform(caller) else caller.tenant)
    return {"id": key_id, "revoked": True}


def _platform(caller: Caller) -> bool:
    return caller.limit is None


def _view(row: KeyRow) -> dict[str, Any]:
    return row.model_dump(exclude={"digest"})
