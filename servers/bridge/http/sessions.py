"""HTTP routes for sessions: opened by our services for who signs in, listed and ended by their owners."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator

from servers.bridge.access.sessions import SessionRow
from servers.bridge.access.users import External, UserName, role_of
from servers.bridge.clients.tenants import DEFAULT
from servers.bridge.http.dependencies import AccountsDep, ReadPrincipal, ServicePrincipal
from servers.bridge.http.keys import TenantName
from servers.bridge.http.requests import Text
from tools.access.identity import Principal, Role
from tools.errors import Forbidden
from tools.schema import Wire

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])


class ExternalPerson(Wire):
    """A person for whom an OpenID Connect provider vouches; the service that asks has checked that."""

    issuer: Text = Field(min_length=1, max_length=1_000)
    subject: Text = Field(min_length=1, max_length=1_000)
    user: UserName
    role: Role
    tenant: TenantName = DEFAULT


class SessionRequest(Wire):
    """`user` with `password`, or `external`; `agent` is what the browser calls itself."""

    tenant: TenantName = DEFAULT
    user: Text | None = Field(None, min_length=1, max_length=64)
    password: Text | None = Field(None, min_length=1, max_length=256)
    external: ExternalPerson | None = None
    agent: Text = Field("", max_length=1_000)

    @model_validator(mode="after")
    def _one(self) -> "SessionRequest":
        if (self.user is None) != (self.password is None) or (self.user is None) == (self.external is None):
            raise ValueError("give user and password, or external")
        return self


class SessionView(BaseModel):
    """A session without its token."""

    id: str
    user: str
    agent: str
    created_at: datetime | None
    expires_at: datetime
    last_seen: datetime | None


class NewSession(BaseModel):
    """`token` is shown this once; only a digest of it is kept."""

    id: str
    token: str
    expires_at: datetime
    tenant: str
    user: str
    role: Role


class SessionList(BaseModel):
    """A user's sessions, newest first."""

    sessions: list[SessionView]


class EndedSession(BaseModel):
    """The session that is over."""

    id: str
    ended: Literal[True] = True


@router.post("", status_code=201)
async def sign_in(body: SessionRequest, accounts: AccountsDep, _: ServicePrincipal) -> NewSession:
    """Open a session for who gives the right password, or comes from the provider."""
    if body.external is not None:
        user = await accounts.users.admit_external(External(**body.external.model_dump()))
        accounts.keys.forget()
    else:
        assert body.user is not None and body.password is not None, "the model asks for both"
        user = await accounts.users.sign_in(body.tenant, body.user, body.password)
    token, row = await accounts.sessions.open(user, body.agent)
    return NewSession(
        id=row.id,
        token=token,
        expires_at=row.expires_at,
        tenant=user.tenant,
        user=user.name,
        role=role_of(user),
    )


@router.get("")
async def list_sessions(
    principal: ReadPrincipal, accounts: AccountsDep, user: Annotated[UserName | None, Query()] = None
) -> SessionList:
    """One's own sessions, newest first; an admin lists those of any user of the tenant."""
    if user is not None and user != principal.user and "admin" not in principal.scopes:
        raise Forbidden("only an admin lists the sessions of others", param="user", source="bridge")
    rows = await accounts.sessions.list(principal.tenant, user or principal.user)
    return SessionList(sessions=[_view(row) for row in rows])


@router.delete("/{session_id}")
async def end_session(session_id: str, principal: ReadPrincipal, accounts: AccountsDep) -> EndedSession:
    """End one of one's own sessions, an admin any of the tenant: at once here, elsewhere within seconds."""
    tenant, user = _reach(principal)
    await accounts.sessions.end(session_id, tenant, user)
    return EndedSession(id=session_id)


def _reach(principal: Principal) -> tuple[str | None, str | None]:
    """The tenant and the user whose sessions may be ended; None for any."""
    if principal.platform:
        return None, None
    return principal.tenant, None if "admin" in principal.scopes else principal.user


def _view(row: SessionRow) -> SessionView:
    return SessionView(
        id=row.id,
        user=row.user_name,
        agent=row.agent,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_seen=row.last_seen,
    )
