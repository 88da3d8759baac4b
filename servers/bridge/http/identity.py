"""HTTP routes that say who somebody is: to our services by digest or name, to callers about themselves."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from servers.bridge.access.accounts import Accounts, Identity
from servers.bridge.access.users import External
from servers.bridge.http.dependencies import AccountsDep, AnyPrincipal, ServiceCaller
from servers.bridge.http.keys import TenantName
from servers.bridge.http.sessions import ExternalPerson
from servers.bridge.ingest.author import passages_of
from tools.access.identity import Principal, Role, Scope
from tools.schema import Wire
from tools.sections import Quota

router = APIRouter(prefix="/api/v1", tags=["identity"])
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class IdentityRequest(Wire):
    """The SHA-256 (hexadecimal) of a key or of a session's token, or a user's name in a tenant, or a person
    for whom a provider vouches: a user from the first time on."""

    key: Digest | None = None
    session: Digest | None = None
    tenant: TenantName | None = None
    user: str | None = Field(None, min_length=1, max_length=80)
    external: ExternalPerson | None = None

    @model_validator(mode="after")
    def _one(self) -> "IdentityRequest":
        named = self.tenant is not None and self.user is not None
        half = (self.tenant is None) != (self.user is None)
        given = [self.key is not None, self.session is not None, self.external is not None, named]
        if half or given.count(True) != 1:
            raise ValueError("give a key, or a session, or a tenant and a user, or an external person")
        return self


class Limits(BaseModel):
    """Requests a minute, requests at once, bytes of a body (null: the door's own bound)."""

    requests_per_minute: int
    concurrency: int
    body_bytes: int | None


class UsedView(BaseModel):
    """What was used today (UTC), `tokens` in and out; `passages` are stored now."""

    requests: int
    tokens: int
    audio_s: float
    passages: int


class PrincipalView(BaseModel):
    """Who somebody is; `key_id` says by what: a key's id, `session`, `oidc`, `platform`, `service`."""

    tenant: str
    user: str
    role: Role
    scopes: list[Scope]
    key_id: str
    platform: bool = False


class IdentityView(PrincipalView):
    """With what they may ask for and have used: of the key, where that has a quota of its own, else of the
    user."""

    expires_at: datetime | None
    limits: Limits
    quota: Quota
    used: UsedView


@router.post("/identity")
async def identity(body: IdentityRequest, accounts: AccountsDep, caller: ServiceCaller) -> IdentityView:
    """Who it is; 404 for who is unknown, expired, revoked or disabled. For the platform's services."""
    found = await _identity(accounts, body)
    principal = found.principal
    used = await accounts.used(found)
    passages = await passages_of(caller.own().postgres, principal.tenant, principal.user)
    return IdentityView(
        **_view(principal).model_dump(),
        expires_at=found.expires_at,
        limits=Limits(
            requests_per_minute=found.limits.requests_per_minute,
            concurrency=found.limits.concurrency,
            body_bytes=found.limits.body_bytes,
        ),
        quota=found.quota,
        used=UsedView(requests=used.requests, tokens=used.tokens, audio_s=used.audio_s, passages=passages),
    )


@router.get("/me")
async def me(principal: AnyPrincipal) -> PrincipalView:
    """Whom the bridge takes the caller for."""
    return _view(principal)


async def _identity(accounts: Accounts, body: IdentityRequest) -> Identity:
    if body.key is not None:
        return await accounts.of_key(body.key)
    if body.session is not None:
        return await accounts.of_session(body.session)
    if body.external is not None:
        return await accounts.of_external(External(**body.external.model_dump()))
    assert body.tenant is not None and body.user is not None, "the model asks for one of the four"
    return await accounts.of_user(body.tenant, body.user)


def _view(principal: Principal) -> PrincipalView:
    return PrincipalView(
        tenant=principal.tenant,
        user=principal.user,
        role=principal.role,
        scopes=sorted(principal.scopes),  # type: ignore[arg-type]  # they are of SCOPES
        key_id=principal.key_id,
        platform=principal.platform,
    )
