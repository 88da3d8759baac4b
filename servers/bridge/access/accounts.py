"""Accounts: keys, users, sessions and use together, and who is behind a digest or a name.

Whom a request is from is `auth`'s; what one may read and write is `manifest.sharing`'s.
"""

from dataclasses import dataclass
from datetime import datetime

from servers.bridge.access.keys import ApiKeys, CachedKey, KeyLimits
from servers.bridge.access.sessions import Sessions
from servers.bridge.access.usage import Usage, Used, merged
from servers.bridge.access.users import External, UserRow, Users, role_of
from servers.bridge.clients.postgres.client import Postgres
from tools.access.identity import SCOPES, Principal
from tools.errors import Conflict, NotFound, Unauthorized
from tools.schema import JsonObject
from tools.sections import Access, Quota


@dataclass(frozen=True)
class Identity:
    """Who somebody is, until when, and how much they may ask for; `own` are the fields of the quota that the
    key has for itself, the others count all that its user does."""

    principal: Principal
    limits: KeyLimits
    quota: Quota
    own: frozenset[str] = frozenset()
    expires_at: datetime | None = None


class Accounts:
    """Raises StoreUnavailable, NotFound for who is unknown, expired, revoked or disabled."""

    def __init__(self, postgres: Postgres, access: Access) -> None:
        self.access = access
        self.keys = ApiKeys(postgres, access)
        self.users = Users(postgres)
        self.sessions = Sessions(postgres, hours=access.session_hours)
        self.usage = Usage(postgres)

    async def of_key(self, digest: str) -> Identity:
        """Of the key whose token has this SHA-256."""
        key = await self.keys.by_digest(digest)
        if key is None:
            raise _nobody()
        return _of_cached(key)

    async def of_session(self, digest: str) -> Identity:
        """Of the session whose token has this SHA-256."""
        found = await self.sessions.find(digest)
        if found is None:
            raise _nobody()
        session, user = found
        return self._of_user(user, "session", session.expires_at)

    async def of_user(self, tenant: str, name: str) -> Identity:
        """Of a user by name."""
        user = await self.users.find(tenant, name)
        if user is None or user.disabled:
            raise _nobody()
        return self._of_user(user, "oidc" if user.issuer else "session", None)

    async def of_external(self, person: External) -> Identity:
        """Of a person for whom a provider vouches, a user from the first time on; not with another's name."""
        try:
            user = await self.users.admit_external(person)
        except (Unauthorized, Conflict) as exc:
            raise _nobody() from exc
        return self._of_user(user, "oidc", None)

    async def used(self, identity: Identity) -> Used:
        """What was used today: by the key of what its own quota bounds, by its user of the rest."""
        principal = identity.principal
        of_user = await self.usage.today(principal.tenant, principal.user)
        if not identity.own & {"requests", "tokens", "audio_s"}:
            return of_user
        of_key = await self.usage.today(principal.tenant, principal.user, principal.key_id)
        fields = ("requests", "tokens", "audio_s")
        return Used(**{name: getattr(of_key if name in identity.own else of_user, name) for name in fields})

    async def quota_of(self, principal: Principal) -> Quota:
        """The quota that holds for a principal, whichever door let it in."""
        if principal.platform:
            return Quota()
        key = await self.keys.by_id(principal.key_id)
        if key is not None:
            return key.quota
        user = await self.users.find(principal.tenant, principal.user)
        return merged(user.quota if user else {}, settings=self.access.quota)

    async def change_user(
        self, tenant: str, name: str, changes: JsonObject, *, password: str | None = None
    ) -> UserRow:
        """As `Users.change`; who is disabled, or has a new password, has no session any more."""
        row = await self.users.change(tenant, name, changes, password=password)
        if row.disabled or password is not None:
            await self.sessions.end_all(tenant, name)
        self.keys.forget()
        return row

    def _of_user(self, user: UserRow, key_id: str, expires_at: datetime | None) -> Identity:
        role = role_of(user)
        principal = Principal(user.tenant, user.name, role, SCOPES[role], key_id)
        quota = merged(user.quota, settings=self.access.quota)
        return Identity(principal, self._limits(), quota, expires_at=expires_at)

    def _limits(self) -> KeyLimits:
        return KeyLimits(self.access.requests_per_minute, self.access.concurrency, self.access.body_bytes)


def _of_cached(key: CachedKey) -> Identity:
    return Identity(key.principal, key.limits, key.quota, key.own, key.expires_at)


def _nobody() -> NotFound:
    return NotFound("nobody is known by that", source="bridge", code="identity_not_found")
