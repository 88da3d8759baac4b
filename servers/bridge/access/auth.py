"""Who may enter: the key in a request's headers, the tenant it acts for, what it may still ask for.

The platform's own key (`settings.api_key`) is every scope, and may act for any tenant by naming it in
`x-capibara6-tenant`; so is everybody on loopback while there is none. What a route needs, the route says.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from servers.bridge.access.audit import Audit, Entry
from servers.bridge.access.keys import PREFIX, Caller, Keys
from servers.bridge.access.rate_limit import RateLimiter
from servers.bridge.clients.tenants import DEFAULT, is_tenant
from servers.web.api_key import OPEN_PATHS, Headers, is_key, keys_in
from tools.errors import BadRequest, Draining, Forbidden, Unauthorized

SCOPES = frozenset({"read", "write", "admin"})
PLATFORM = Caller(DEFAULT, SCOPES, "platform")
TENANT_HEADER = b"x-capibara6-tenant"


class Gate:
    """Decides for every request, by nothing but its headers and its exact path."""

    def __init__(self, secret: str | None, keys: Callable[[], Keys | None], audit: Audit) -> None:
        self.secret = secret.encode() if secret else None
        self.keys = keys
        self.audit = audit
        self.quota = RateLimiter()

    @asynccontextmanager
    async def admit(self, scope: Any, headers: Headers) -> AsyncIterator[None]:
        """Let a request in for as long as the block lasts; `scope["state"]` then holds `caller` and `entry`.

        Raises Unauthorized, Forbidden, RateLimited, BadRequest, StoreUnavailable."""
        state = scope.setdefault("state", {})
        state["entry"] = Entry()
        if scope["path"] in OPEN_PATHS:
            yield
            return
        caller = _acting(await self._caller(scope["headers"]), headers)
        state["caller"] = caller
        if caller.limit is None:
            yield
            return
        scope["capibara6.body_bytes"] = caller.limit.body_bytes
        with ExitStack() as stack:
            try:
                stack.enter_context(self.quota.taken(caller.key_id, caller.limit))
            finally:  # who is refused is also told when to come back
                scope["capibara6.headers"] = self.quota.headers(caller.key_id, caller.limit)
            yield

    def done(self, scope: Any, status: int, seconds: float) -> None:
        """Write the request down; health checks are left out."""
        if scope["path"] not in OPEN_PATHS:
            self.audit.write(scope, status, seconds)

    async def _caller(self, headers: list[tuple[bytes, bytes]]) -> Caller:
        given = keys_in(headers)
        if len(given) > 1:
            raise Unauthorized("the request carries two different keys", source="bridge")
        token = next(iter(given), b"")
        if is_key(token, self.secret):
            return PLATFORM
        if token.startswith(PREFIX.encode()):
            keys = self.keys()
            if keys is None:
                raise Draining("the bridge is starting", source="bridge", retry_after=1)
            caller = await keys.find(token.decode("latin-1"))
            if caller is not None:
                return caller
        elif self.secret is None:
            # On loopback without a key of the platform: what is no key of ours is not asked for.
            return PLATFORM
        raise Unauthorized("a valid API key is needed", source="bridge")


def _acting(caller: Caller, headers: Headers) -> Caller:
    """The caller, in the tenant that the platform names."""
    wanted = headers.get(TENANT_HEADER)
    if wanted is None:
        return caller
    name = wanted.decode("latin-1")
    if not is_tenant(name):
        raise BadRequest("the tenant's name is not valid", param="x-capibara6-tenant", source="bridge")
    if name == caller.tenant:
        return caller
    if caller.limit is not None:
        raise Forbidden("this key belongs to another tenant", param="x-capibara6-tenant", source="bridge")
    return replace(caller, tenant=name)
