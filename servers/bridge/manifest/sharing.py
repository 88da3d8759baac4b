"""Sharing: whose a collection is, who else may read or write it, and what follows for a principal.

It says what is so; the doors ask (`http/caller.py`), and SQL by itself (`clients/postgres/roles.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.manifest.tables import CollectionRow, ShareRow
from tools.access.identity import ROLES, Principal

Kind = Literal["user", "role", "everybody"]
Access = Literal["read", "write"]


class Share(NamedTuple):
    """Who may read, or read and write: a user by name, a role with those above it, everybody (no name)."""

    kind: str
    name: str
    access: str

    def holds(self, principal: Principal) -> bool:
        """Whether it is for this principal. Pure."""
        match self.kind:
            case "user":
                return self.name == principal.user
            case "role":
                return self.name in roles_of(principal)
            case _:
                return self.kind == "everybody"


EVERYBODY_READS: Final = Share("everybody", "", "read")


@dataclass(frozen=True)
class Sharing:
    """A collection's owner and its shares. Pure."""

    owner: str
    shares: tuple[Share, ...]

    def may_read(self, principal: Principal) -> bool:
        """The platform, the owner, and whom a share is for."""
        return self._is_own(principal) or any(share.holds(principal) for share in self.shares)

    def may_write(self, principal: Principal) -> bool:
        """The platform, the owner, whom a share lets write; where everybody may read, operators too."""
        if self._is_own(principal):
            return True
        operates = "operate" in principal.scopes
        return any(
            share.holds(principal) and (share.access == "write" or (operates and share.kind == "everybody"))
            for share in self.shares
        )

    def may_share(self, principal: Principal) -> bool:
        """The platform, the owner, and admins who may write."""
        return self._is_own(principal) or ("admin" in principal.scopes and self.may_write(principal))

    def _is_own(self, principal: Principal) -> bool:
        return principal.platform or principal.user == self.owner


def roles_of(principal: Principal) -> tuple[str, ...]:
    """The principal's role and those below it."""
    return ROLES[: ROLES.index(principal.role) + 1]


def first_shares(principal: Principal) -> tuple[Share, ...]:
    """What a collection is shared with when this principal makes it: a user's own is private."""
    return () if principal.role == "user" else (EVERYBODY_READS,)


class Sharings:
    """Raises StoreUnavailable."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    async def collection(self, tenant: str, name: str) -> Sharing | None:
        """Of one collection; None when there is none."""
        return (await self._found(tenant, name)).get(name)

    async def all(self, tenant: str) -> dict[str, Sharing]:
        """Of every collection of a tenant, by name."""
        return await self._found(tenant, None)

    async def put(self, tenant: str, name: str, shares: Sequence[Share]) -> None:
        """Replace a collection's shares."""
        mine = (col(ShareRow.tenant) == tenant, col(ShareRow.collection) == name)
        async with self.postgres.session() as session:
            await session.execute(delete(ShareRow).where(*mine))
            add_shares(session, tenant, name, shares)

    async def _found(self, tenant: str, name: str | None) -> dict[str, Sharing]:
        same = (col(ShareRow.tenant) == CollectionRow.tenant) & (
            col(ShareRow.collection) == CollectionRow.name
        )
        query = (
            select(
                col(CollectionRow.name),
                col(CollectionRow.owner),
                col(ShareRow.kind),
                col(ShareRow.name),
                col(ShareRow.access),
            )
            .outerjoin(ShareRow, same)
            .where(col(CollectionRow.tenant) == tenant)
        )
        if name is not None:
            query = query.where(col(CollectionRow.name) == name)
        async with self.postgres.autocommit() as connection:
            rows = (await connection.execute(query)).all()
        found: dict[str, Sharing] = {}
        for collection, owner, kind, whom, access in rows:
            held = found.get(collection) or Sharing(owner, ())
            more = (Share(kind, whom, access),) if kind is not None else ()
            found[collection] = Sharing(owner, (*held.shares, *more))
        return found


def add_shares(session: AsyncSession, tenant: str, name: str, shares: Sequence[Share]) -> None:
    """Add rows to the session; the collection has none of these yet."""
    session.add_all(
        ShareRow(tenant=tenant, collection=name, kind=share.kind, name=share.name, access=share.access)
        for share in dict.fromkeys(shares)
    )
