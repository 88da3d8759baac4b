"""The bridge's verbs for people: who somebody is, sessions, users, keys, what was used."""

from collections.abc import Sequence
from typing import Any, NotRequired
from urllib.parse import quote

from typing_extensions import TypedDict

from tools.access.identity import Role
from tools.clients.http import Http
from tools.errors import NotFound
from tools.schema import JsonObject

TENANT_HEADER = "x-capibara6-tenant"


class Limits(TypedDict):
    """Requests a minute, requests at once, bytes of a body (None: the door's own bound)."""

    requests_per_minute: int
    concurrency: int
    body_bytes: int | None


class QuotaFields(TypedDict):
    """How much may be used in a day (UTC), `passages` in all; None is without bound, and never what was
    used."""

    requests: int | None
    tokens: int | None
    audio_s: float | None
    passages: int | None


class Me(TypedDict):
    """Who somebody is; `key_id` says by what: a key's id, `session`, `oidc`, `platform`, `service`."""

    tenant: str
    user: str
    role: Role
    scopes: list[str]
    key_id: str
    platform: bool


class Identity(Me):
    """With what they may ask for and have used today; `expires_at` is ISO 8601."""

    expires_at: str | None
    limits: Limits
    quota: QuotaFields
    used: QuotaFields


class NewSession(TypedDict):
    """A session that was opened; its `token` comes this once."""

    id: str
    token: str
    expires_at: str
    tenant: str
    user: str
    role: Role


class Session(TypedDict):
    """A session without its token; times are ISO 8601, `agent` is what the browser calls itself."""

    id: str
    user: str
    agent: str
    created_at: str
    expires_at: str
    last_seen: str


class User(TypedDict):
    """A user; `external` for whom a provider vouches."""

    tenant: str
    name: str
    role: Role
    disabled: bool
    external: bool
    quota: QuotaFields
    created_at: str | None


class ApiKey(TypedDict):
    """A key of a tenant, of a `user` or a program's own (None); a limit that is None is the settings'. `key`
    itself comes once, when it is made."""

    id: str
    tenant: str
    name: str
    user: str | None
    scopes: list[str]
    quota: QuotaFields
    requests_per_minute: int | None
    concurrency: int | None
    body_bytes: int | None
    created_at: str | None
    expires_at: str | None
    key: NotRequired[str]


class UsageEntry(TypedDict):
    """What one key of one user used of one model (None: of none) since the last entry."""

    tenant: str
    user: str
    key_id: str
    model: str | None
    requests: int
    tokens_in: int
    tokens_out: int
    audio_s: float


class UsageTotal(TypedDict):
    """The sums of one user, key, model or day, as `name`."""

    tenant: str
    name: str
    requests: int
    tokens_in: int
    tokens_out: int
    audio_s: float


class Accounts:
    """Raises `tools.errors`. What is marked *service* needs the platform's own key, or a service's token."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def me(self) -> Me:
        """Whom the bridge takes the caller for."""
        return await self.http.json("GET", "/api/v1/me")

    async def identity(
        self,
        *,
        key: str | None = None,
        session: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
    ) -> Identity:
        """*service* Who it is, by the SHA-256 (hexadecimal) of a `key` or a `session`'s token, or by `tenant`
        and `user`. Raises NotFound for who is unknown, expired, revoked or disabled."""
        given = {"key": key, "session": session, "tenant": tenant, "user": user}
        body = {name: value for name, value in given.items() if value is not None}
        return await self.http.json("POST", "/api/v1/identity", json=body)

    async def sign_in(
        self, user: str, password: str, *, agent: str = "", tenant: str = "default"
    ) -> NewSession:
        """*service* A session for the right password. Raises Unauthorized, RateLimited after ten failures."""
        body = {"tenant": tenant, "user": user, "password": password, "agent": agent}
        return await self.http.json("POST", "/api/v1/sessions", json=body)

    async def sign_in_external(
        self, *, issuer: str, subject: str, user: str, role: Role, tenant: str, agent: str = ""
    ) -> NewSession:
        """*service* A session for whom an OpenID Connect provider vouches, who becomes a user at the first
        time. Raises Unauthorized for who is disabled, Conflict when the name is another person's."""
        external = {"issuer": issuer, "subject": subject, "user": user, "role": role, "tenant": tenant}
        body = {"external": external, "agent": agent}
        return await self.http.json("POST", "/api/v1/sessions", json=body)

    async def sessions(self, *, user: str | None = None, tenant: str | None = None) -> list[Session]:
        """One's own sessions, or, for an admin, a user's; newest first."""
        params = {"user": user} if user else None
        body = await self.http.json("GET", "/api/v1/sessions", params=params, headers=_in(tenant))
        return body["sessions"]

    async def end_session(self, session_id: str) -> None:
        """End a session. Raises NotFound, also for one that is not the caller's to end."""
        await self.http.json("DELETE", f"/api/v1/sessions/{quote(session_id, safe='')}")

    async def users(self, *, tenant: str | None = None) -> list[User]:
        """The users of the caller's tenant; the platform may name another."""
        return (await self.http.json("GET", "/api/v1/users", headers=_in(tenant)))["users"]

    async def add_user(
        self,
        name: str,
        *,
        role: Role = "user",
        password: str | None = None,
        quota: JsonObject | None = None,
        tenant: str | None = None,
    ) -> User:
        """A new user. Raises Conflict when there is one of this name, Forbidden for more than the caller may
        do."""
        body = {"name": name, "role": role, "password": password, "quota": quota or {}}
        return await self.http.json("POST", "/api/v1/users", json=body, headers=_in(tenant))

    async def change_user(self, name: str, *, tenant: str | None = None, **changes: Any) -> User:
        """Change `role`, `disabled`, `password` (one's own with `old_password`), `quota`. Raises NotFound."""
        path = f"/api/v1/users/{quote(name, safe='')}"
        return await self.http.json("PATCH", path, json=changes, headers=_in(tenant))

    async def records(self, person: str) -> dict[str, list[JsonObject]]:
        """What the stores hold of a person, by mail address or user name: rows by table, perhaps none."""
        try:
            return (await self.http.json("GET", _records(person)))["records"]
        except NotFound:
            return {}

    async def erase(self, person: str) -> dict[str, int]:
        """Erase it; how many rows by table. Raises Conflict for the caller's own."""
        try:
            return (await self.http.json("DELETE", _records(person)))["erased"]
        except NotFound:
            return {}

    async def create_key(self, **wanted: Any) -> ApiKey:
        """A new key; `key` is shown this once.

        Args: `tenant`, `scopes`, and perhaps `user`, `quota`, `name`, `requests_per_minute`, `concurrency`,
        `body_bytes`, `expires_in_days`."""
        return await self.http.json("POST", "/api/v1/keys", json=wanted)

    async def keys(self, *, tenant: str | None = None, user: str | None = None) -> list[ApiKey]:
        """Keys of a tenant, or all that the caller may see; of one user or all."""
        params = {name: value for name, value in (("tenant", tenant), ("user", user)) if value}
        return (await self.http.json("GET", "/api/v1/keys", params=params))["keys"]

    async def revoke_key(self, key_id: str) -> None:
        """End a key; the bridge's replicas forget it within `access.cache_s`. Raises NotFound."""
        await self.http.json("DELETE", f"/api/v1/keys/{quote(key_id, safe='')}")

    async def add_usage(self, entries: Sequence[UsageEntry]) -> None:
        """*service* Add what was used to today's."""
        await self.http.json("POST", "/api/v1/usage", json={"entries": list(entries)})

    async def usage(
        self, *, since: str | None = None, until: str | None = None, group: str = "day"
    ) -> list[UsageTotal]:
        """Sums by `user`, `key`, `model` or `day` within [since, until] (`YYYY-MM-DD`), by default of the
        last 30 days: one's own, the tenant's for an admin, everybody's for the platform."""
        given = {"since": since, "until": until, "group": group}
        params = {name: value for name, value in given.items() if value is not None}
        return (await self.http.json("GET", "/api/v1/usage", params=params))["usage"]


def _records(person: str) -> str:
    return f"/api/v1/users/{quote(person, safe='')}/records"


def _in(tenant: str | None) -> dict[str, str]:
    return {TENANT_HEADER: tenant} if tenant else {}
