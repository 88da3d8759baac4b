"""HTTP routes for users: made, listed and changed by admins of their tenant, a password also by its owner;
and for what is held of a person, be it a user or a visitor: told, erased."""

from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from servers.bridge.access.passwords import MAX_CHARS, MIN_CHARS
from servers.bridge.access.users import UserName, UserRow, role_of
from servers.bridge.http.dependencies import AccountsDep, AdminCaller, AdminPrincipal, ReadPrincipal
from servers.bridge.http.requests import Text
from servers.bridge.ingest.people import People
from tools.access.identity import LOCAL, SCOPES, Principal, Role
from tools.errors import Conflict, Forbidden, NotFound
from tools.schema import JsonObject, Wire
from tools.sections import Quota

router = APIRouter(prefix="/api/v1/users", tags=["users"])
Password = Annotated[Text, Field(min_length=MIN_CHARS, max_length=MAX_CHARS)]


def _person(text: str) -> str:
    if text.strip().lower() == LOCAL.user:
        raise ValueError(f"{LOCAL.user} is the deployment itself")
    return text.strip().lower()


Person = Annotated[Text, Field(min_length=1, max_length=320, pattern=r"^[^\s/]+$"), AfterValidator(_person)]
"""A mail address, or a user's name; in small letters."""
Held = TypeVar("Held")


class Records(BaseModel):
    """What is held of a person: rows by table."""

    person: str
    records: dict[str, list[JsonObject]]


class Erased(BaseModel):
    """How many rows went, by table; `reassigned` are those that stay as the deployment's."""

    person: str
    erased: dict[str, int]


class UserRequest(Wire):
    """Without a `password` the user signs in with the provider alone. What `quota` leaves out is the
    settings'."""

    name: UserName
    role: Role = "user"
    password: Password | None = None
    quota: Quota = Quota()


class UserChange(Wire):
    """What is left out stays; who changes their own password gives the `old_password`."""

    role: Role | None = None
    disabled: bool | None = None
    password: Password | None = None
    old_password: Text | None = Field(None, max_length=MAX_CHARS)
    quota: Quota | None = None


class UserView(BaseModel):
    """A user; `external` for whom a provider vouches, `quota` where it is not the settings'."""

    tenant: str
    name: str
    role: Role
    disabled: bool
    external: bool
    quota: Quota
    created_at: datetime | None


class UserList(BaseModel):
    """The users of a tenant, by name."""

    users: list[UserView]


@router.get("")
async def list_users(principal: AdminPrincipal, accounts: AccountsDep) -> UserList:
    """Everybody of the tenant, by name."""
    return UserList(users=[_view(row) for row in await accounts.users.list(principal.tenant)])


@router.post("", status_code=201)
async def add_user(body: UserRequest, principal: AdminPrincipal, accounts: AccountsDep) -> UserView:
    """Make a user of the caller's tenant, with no more than the caller may do."""
    _check_grant(principal, body.role)
    quota = _fields(body.quota)
    return _view(await accounts.users.add(principal.tenant, body.name, body.role, body.password, quota))


@router.patch("/{name}")
async def change_user(
    name: UserName, body: UserChange, principal: ReadPrincipal, accounts: AccountsDep
) -> UserView:
    """Change a user of the tenant. A disabled user's sessions and keys are dead at once."""
    if "admin" not in principal.scopes:
        return _view(await _change_own(name, body, principal, accounts))
    row = await accounts.users.get(principal.tenant, name)
    _check_grant(principal, role_of(row))
    if body.role is not None:
        _check_grant(principal, body.role)
    if name == principal.user and (body.disabled or (body.role and body.role != role_of(row))):
        raise Conflict("nobody takes away their own rights", param="name", source="bridge")
    changes: JsonObject = {}
    if body.role is not None:
        changes["role"] = body.role
    if body.disabled is not None:
        changes["disabled"] = body.disabled
    if body.quota is not None:
        changes["quota"] = _fields(body.quota)
    return _view(await accounts.change_user(principal.tenant, name, changes, password=body.password))


@router.get("/{person}/records")
async def export_records(person: Person, caller: AdminCaller) -> Records:
    """All that the stores hold of a person, by table, without secrets. 404 where that is nothing."""
    services = caller.own()
    found = await People(services.ingest, services.jobs).export(caller.tenant, person)
    return Records(person=person, records=_something(found))


@router.delete("/{person}/records")
async def erase_records(person: Person, caller: AdminCaller, accounts: AccountsDep) -> Erased:
    """Erase it from every store. What others read too stays as the deployment's (`reassigned`)."""
    if person == caller.principal.user:
        raise Conflict("nobody takes away their own rights", param="person", source="bridge")
    services = caller.own()
    erased = await People(services.ingest, services.jobs).erase(caller.tenant, person)
    accounts.keys.forget()
    return Erased(person=person, erased=_something(erased))


async def _change_own(name: str, body: UserChange, principal: Principal, accounts: AccountsDep) -> UserRow:
    """Of what is one's own, the password alone. Raises Forbidden, Unauthorized for a wrong old one."""
    if (
        name != principal.user
        or body.password is None
        or body.model_fields_set - {"password", "old_password"}
    ):
        raise Forbidden("this needs a key with the scope admin", source="bridge")
    await accounts.users.sign_in(principal.tenant, name, body.old_password or "")
    return await accounts.change_user(principal.tenant, name, {}, password=body.password)


def _check_grant(principal: Principal, role: Role) -> None:
    """Raises Forbidden for a role that may do what the caller may not."""
    more = SCOPES[role] - principal.scopes
    if more and not principal.platform:
        raise Forbidden(
            f"the role {role} has scopes that the caller has not: {', '.join(sorted(more))}",
            param="role",
            source="bridge",
        )


def _something(found: dict[str, Held]) -> dict[str, Held]:
    """Raises NotFound for nothing."""
    if not found:
        raise NotFound("nothing is held of this person", param="person", source="bridge")
    return found


def _fields(quota: Quota) -> dict[str, Any]:
    return quota.model_dump(exclude_none=True)


def _view(row: UserRow) -> UserView:
    return UserView(
        tenant=row.tenant,
        name=row.name,
        role=role_of(row),
        disabled=row.disabled,
        external=row.issuer is not None,
        quota=Quota(**row.quota),
        created_at=row.created_at,
    )
