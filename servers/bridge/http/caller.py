"""The caller of a route: who it is, and the services only together with what it wants of which collection.

This is the one place where ownership and shares are asked for. A route has no other way to the stores, so
none can forget: what one may not see is as if it were not there.
"""

from servers.bridge.clients.tenants import DEFAULT
from servers.bridge.manifest.sharing import Sharing, first_shares
from servers.bridge.services import Services
from tools.access.identity import Principal
from tools.errors import CollectionNotFound, Forbidden


class Caller:
    """A principal at the door of the stores. Raises CollectionNotFound for what it may not see, Forbidden for
    what it sees and may not change, StoreUnavailable."""

    def __init__(self, principal: Principal, services: Services) -> None:
        self.principal, self._services = principal, services

    @property
    def tenant(self) -> str:
        """Whose rows."""
        return self.principal.tenant

    @property
    def owner(self) -> str | None:
        """Whose things in lists: one's own; None for all of the tenant's, which the platform sees."""
        return None if self.principal.platform else self.principal.user

    def own(self) -> Services:
        """The services for what is of no collection: what is the caller's alone, or nobody's."""
        return self._services

    async def reading(self, collection: str) -> Services:
        """The services, for reading this collection. That there is none is for who reads it to say."""
        if not self.principal.platform:
            sharing = await self._sharing(collection)
            if sharing is not None and not sharing.may_read(self.principal):
                raise _missing(collection)
        return self._services

    async def writing(self, collection: str, *, make: bool = False) -> Services:
        """The services, for changing this collection; one that is missing is made with `make`."""
        if not self.principal.platform:
            sharing = await self._sharing(collection)
            if sharing is None and make:
                await self._make(collection)
                sharing = await self._sharing(collection)
            if sharing is None:
                self._check_foreign(collection)
            elif not sharing.may_read(self.principal):
                raise _missing(collection)
            elif not sharing.may_write(self.principal):
                raise Forbidden(
                    f"the collection {collection} is not the caller's to change",
                    param="collection",
                    source="bridge",
                    code="write_not_allowed",
                )
        return self._services

    async def making(self, collection: str) -> Services:
        """The services, for making this collection, which may be there already."""
        services = await self.reading(collection)
        if await self._sharing(collection) is None:
            self._check_name(collection)
        return services

    async def may_write(self, collection: str) -> bool:
        """Whether `writing` would let it."""
        try:
            await self.writing(collection)
        except (Forbidden, CollectionNotFound):
            return False
        return True

    async def sharing(self, collection: str) -> tuple[Services, Sharing]:
        """The services and how a collection is shared, for who may share it."""
        sharing = await self._services.repository.sharings.collection(self.tenant, collection)
        if sharing is None or not sharing.may_read(self.principal):
            raise _missing(collection)
        if not sharing.may_share(self.principal):
            raise Forbidden("only its owner shares a collection", param="name", source="bridge")
        return self._services, sharing

    async def visible(self) -> tuple[Services, frozenset[str]]:
        """The services, and the names of the tenant's collections that the caller may read."""
        found = await self._services.repository.sharings.all(self.tenant)
        names = (name for name, sharing in found.items() if sharing.may_read(self.principal))
        return self._services, frozenset(names)

    async def hidden(self) -> tuple[Services, frozenset[str]]:
        """The services, and the names of those that the caller may not read."""
        if self.principal.platform:
            return self._services, frozenset()
        found = await self._services.repository.sharings.all(self.tenant)
        names = (name for name, sharing in found.items() if not sharing.may_read(self.principal))
        return self._services, frozenset(names)

    async def _sharing(self, collection: str) -> Sharing | None:
        return await self._services.sharing_cache.collection(self.tenant, collection)

    async def _make(self, collection: str) -> None:
        self._check_name(collection)
        repository = self._services.repository
        await repository.ensure(
            repository.location(self.tenant, collection),
            owner=self.principal.user,
            shares=first_shares(self.principal),
        )

    def _check_name(self, collection: str) -> None:
        """The collection that everybody asks by default is no single user's. Raises Forbidden."""
        is_default = self.tenant == DEFAULT and collection == self._services.search.default_collection
        if is_default and self.principal.role == "user":
            raise Forbidden(
                f"the collection {collection} is everybody's: an operator makes it",
                param="collection",
                source="bridge",
                code="write_not_allowed",
            )

    def _check_foreign(self, collection: str) -> None:
        """What others made in the stores under the default tenant's names is read by all of it, and changed
        by operators."""
        if self.tenant == DEFAULT and "operate" not in self.principal.scopes:
            raise _missing(collection)


def _missing(collection: str) -> CollectionNotFound:
    return CollectionNotFound(f"there is no collection {collection}", param="collection", source="bridge")
