"""Users: the people of a tenant, each with a role; a table with only a hash of a password.

Their keys are `keys`', their sessions `sessions`'.
"""

from datetime import datetime
from typing import Annotated, ClassVar, NamedTuple

from pydantic import AfterValidator, StringConstraints
from sqlalchemy import Column, DateTime, Index, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import Field, SQLModel, col

from servers.bridge.access.passwords import FailureCount, Passwords
from servers.bridge.clients.postgres.client import Postgres
from tools.access.identity import LOCAL, ROLES, Role
from tools.errors import Conflict, NotFound, Unauthorized
from tools.schema import JsonObject

USER_PATTERN = r"^[a-z0-9][a-z0-9._@-]{0,63}$"


def _not_the_deployment(name: str) -> str:
    if name == LOCAL.user:
        raise ValueError(f"{LOCAL.user} is the deployment itself")
    return name


UserName = Annotated[str, StringConstraints(pattern=USER_PATTERN), AfterValidator(_not_the_deployment)]
"""The deployment's own things are owned by `local`, so nobody is called so."""


class UserRow(SQLModel, table=True):
    """One person. `password` is an Argon2 hash, null for whom an OpenID Connect `issuer` vouches for as its
    `subject`; what `quota` does not hold is the settings'."""

    __tablename__: ClassVar[str] = "capibara6_users"  # type: ignore[misc]  # SQLModel says declared_attr
    __table_args__: ClassVar[tuple[Index, ...]] = (
        Index("capibara6_users_external", "issuer", "subject", unique=True),
    )

    tenant: str = Field(primary_key=True, max_length=64)
    name: str = Field(primary_key=True, max_length=64)
    role: str = Field(max_length=16)
    password: str | None = None
    issuer: str | None = None
    subject: str | None = None
    disabled: bool = False
    quota: JsonObject = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    created_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), server_default=func.now(), nullable=False)
    )


class External(NamedTuple):
    """A person as an OpenID Connect provider knows them."""

    issuer: str
    subject: str
    user: str
    role: Role
    tenant: str


class Users:
    """Raises StoreUnavailable, and RateLimited where passwords are hashed."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.passwords, self.failures = Passwords(), FailureCount()

    async def find(self, tenant: str, name: str) -> UserRow | None:
        """The user of this name, disabled or not; None when there is none."""
        async with self.postgres.session() as session:
            return await session.get(UserRow, (tenant, name))

    async def get(self, tenant: str, name: str) -> UserRow:
        """As `find`. Raises NotFound."""
        row = await self.find(tenant, name)
        if row is None:
            raise NotFound("there is no such user", param="name", source="bridge", code="user_not_found")
        return row

    async def list(self, tenant: str | None) -> list[UserRow]:
        """A tenant's users, or with None everybody's, by name."""
        query = select(UserRow).order_by(col(UserRow.tenant), col(UserRow.name))
        if tenant is not None:
            query = query.where(col(UserRow.tenant) == tenant)
        async with self.postgres.session() as session:
            return list(await session.scalars(query))

    async def add(
        self, tenant: str, name: str, role: Role, password: str | None, quota: JsonObject
    ) -> UserRow:
        """A new user. Raises Conflict when there is one of this name."""
        kept = await self.passwords.hash(password) if password is not None else None
        values = {"tenant": tenant, "name": name, "role": role, "password": kept, "quota": quota}
        async with self.postgres.session() as session:
            new = insert(UserRow).values(**values, disabled=False).on_conflict_do_nothing()
            made = await session.scalar(new.returning(UserRow))
        if made is None:
            raise Conflict("there is a user of this name", param="name", source="bridge", code="user_exists")
        return made

    async def change(
        self, tenant: str, name: str, changes: JsonObject, *, password: str | None = None
    ) -> UserRow:
        """Set the columns that `changes` names, and the password. Raises NotFound."""
        if password is not None:
            changes = changes | {"password": await self.passwords.hash(password)}
        async with self.postgres.session() as session:
            row = await session.get(UserRow, (tenant, name), with_for_update=True)
            if row is None:
                raise NotFound("there is no such user", param="name", source="bridge", code="user_not_found")
            for column, value in changes.items():
                setattr(row, column, value)
            return row

    async def sign_in(self, tenant: str, name: str, password: str) -> UserRow:
        """The user whose password it is. Raises Unauthorized, in the same words and after the same time for
        whom nobody knows; RateLimited after too many failures."""
        self.failures.check((tenant, name))
        row = await self.find(tenant, name)
        # Counted before it is tried: those who ask at once are counted as well.
        self.failures.add((tenant, name))
        right = await self.passwords.verify(row.password if row else None, password)
        if not right or row is None or row.disabled:
            raise Unauthorized("the name or the password is wrong", source="bridge", code="wrong_password")
        self.failures.forget((tenant, name))
        return row

    async def admit_external(self, person: External) -> UserRow:
        """The user that an issuer vouches for, made at the first time; the role is the provider's.

        Raises Unauthorized for who is disabled, Conflict when the name is another person's."""
        if person.user == LOCAL.user:
            raise Conflict("nobody is called as the deployment is", source="bridge", code="user_exists")
        same = (col(UserRow.issuer) == person.issuer, col(UserRow.subject) == person.subject)
        async with self.postgres.session() as session:
            new = insert(UserRow).values(
                tenant=person.tenant,
                name=person.user,
                role=person.role,
                issuer=person.issuer,
                subject=person.subject,
                disabled=False,
                quota={},
            )
            await session.execute(new.on_conflict_do_nothing())
            row = await session.scalar(select(UserRow).where(*same).with_for_update())
            if row is None:
                raise Conflict(
                    "another person has this name", param="user", source="bridge", code="user_exists"
                )
            if row.disabled:
                raise Unauthorized(
                    "the name or the password is wrong", source="bridge", code="wrong_password"
                )
            row.role = person.role
            return row

    async def any(self) -> bool:
        """Whether there is a user at all."""
        async with self.postgres.session() as session:
            return await session.scalar(select(col(UserRow.name)).limit(1)) is not None


def role_of(user: UserRow) -> Role:
    """The user's role; the least of them for a word that is none."""
    found: list[Role] = [role for role in ROLES if role == user.role]
    return found[0] if found else ROLES[0]
